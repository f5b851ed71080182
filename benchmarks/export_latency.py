"""How long the forecast of one series takes, on one core: `predict` in Python beside the exported files.

    OMP_NUM_THREADS=1 python -m benchmarks.export_latency [KIND ...]

For each kind a model is fitted on the half-hourly electricity demand (context as the model takes it, horizon 48) and
exported; then the same window is forecast again and again. Processor milliseconds, the median of 5 rounds of 20
forecasts: `predict` with a model in memory and a data frame of one context; what is exported, in PyTorch as it is;
`.pt2`; ONNX Runtime with one thread. And the size of the ONNX file, and what its export took.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import torch

import tsforge
from tsforge.exporting import windows, writing
from tsforge.exporting.portable import Portable
from tsforge.fitted import directory, prediction

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("lstm", "gru", "transformer", "patch-transformer", "nlinear", "linear")
ROUNDS, TIMES = 5, 20


def milliseconds(call: Callable[[], object]) -> float:
    """Processor time of one call."""
    call()
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(TIMES):
            call()
        found.append((time.process_time() - began) / TIMES * 1000)
    return statistics.median(found)


def row(kind: str, folder: Path) -> list[object]:
    """What is measured of one kind."""
    data = pd.read_csv(ROOT / "datasets" / "electricity-demand.csv")
    settings = {"data.horizon": 48, "model.kind": kind} | ({"train.max_steps": 5} if kind != "linear" else {})
    tsforge.fit(tsforge.build(settings), data, out=folder / "model")
    model = directory.load(folder / "model")
    table = data.tail(model.shape.context).reset_index(drop=True)
    panel = prediction.predict(model, table).panel
    inputs = windows.arrays(model, panel)
    tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
    portable = Portable(model, model.levels).eval().requires_grad_(False)
    began = time.process_time()
    onnx = writing.export(model, folder / "m.onnx", data=data)
    seconds = time.process_time() - began
    writing.export(model, folder / "m.pt2", data=data)
    session, program = writing.session(onnx.path), writing.program(folder / "m.pt2")
    timings = [
        milliseconds(lambda: prediction.predict(model, table)), milliseconds(lambda: portable(**tensors)),
        milliseconds(lambda: program(inputs)), milliseconds(lambda: session(inputs)),
    ]  # fmt: skip
    size = onnx.path.stat().st_size / 1e6
    return [kind, model.shape.context, *(f"{t:.1f}" for t in timings), f"{size:.2f}", f"{seconds:.0f}",
            f"{onnx.deviation:.0e}"]  # fmt: skip


def main() -> None:
    """Print the table, row by row."""
    torch.set_num_threads(1)
    names = ("model", "context", "predict", "as it is", ".pt2", "ONNX Runtime", "MB", "export, s", "deviation")
    print("| " + " | ".join(names) + " |\n|---" + "|--:" * (len(names) - 1) + "|", flush=True)
    for kind in sys.argv[1:] or KINDS:
        with tempfile.TemporaryDirectory() as folder:
            print("| " + " | ".join(map(str, row(kind, Path(folder)))) + " |", flush=True)


if __name__ == "__main__":
    main()
