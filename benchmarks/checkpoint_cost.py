"""What checkpoints cost a fit: python -m benchmarks.checkpoint_cost

Time of a state after a validation that is not written, as nearly all are, and of one that is; with the seconds between
two that are written, and what share of a fit's time that takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

import tsforge
from tsforge.training import checkpointer, fitting, single

TIMES = 20
NETWORKS = (("gru", 32), ("lstm", 64), ("lstm", 512), ("transformer", 512))


def main() -> None:
    """Print a line for each network."""
    steps = np.arange(3000)
    times = pd.date_range("2024-01-01", periods=len(steps), freq="h")
    table = pd.DataFrame({"time": times, "y": np.sin(2 * np.pi * steps / 24)})
    print(
        f"{'network':<18}{'parameters':>12}{'passed, ms':>12}{'written, ms':>12}{'MB':>8}{'every, s':>10}{'share':>8}"
    )
    for kind, width in NETWORKS:
        print(measured(kind, width, table))


def measured(kind: str, width: int, table: pd.DataFrame) -> str:
    """A row of the table."""
    asked = tsforge.build({"model.kind": kind, "model.width": width, "data.horizon": 24, "train.max_steps": 2})
    dataset = fitting.prepare(asked, table)
    with TemporaryDirectory() as place:
        keeper = checkpointer.begin(asked, dataset, Path(place) / "m")
        loop = single.begin(asked.on(dataset.config), dataset, None, keeper.checkpoint)
        loop.run()
        passed = seconds(lambda: keeper.keep(keeper.checkpoint, loop.learner.state()))
        with keeper:
            written = seconds(lambda: keeper._write([(keeper.checkpoint, loop.learner.state())]))
            size = keeper.checkpoint.path.stat().st_size / 1e6
    every = max(checkpointer.EVERY, written / checkpointer.SHARE)
    count = sum(p.numel() for p in loop.network.parameters())
    share = f"{written / every:.2%}"
    return (
        f"{kind + ' of ' + str(width):<18}{count:>12,}{1000 * passed:>12.2f}{1000 * written:>12.1f}{size:>12.1f}"
        f"{every:>12.1f}{share:>12}"
    )


def seconds(work: Callable[[], object]) -> float:
    """The median of several times, by the processor's clock or the wall's, whichever is longer."""
    taken = []
    for _ in range(TIMES):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        taken.append(max(time.process_time() - cpu, time.perf_counter() - wall))
    return float(np.median(taken))


if __name__ == "__main__":
    main()
