"""What recording a fit in MLflow costs: the electricity demand run with tracking and without.

    python benchmarks/tracking_cost.py [--pairs 5] [--max-steps 1000]

Each fit is a process of its own in a fresh folder (the store is made beforehand, as it is from the second fit on),
with and without in turn, whichever first changing from pair to pair. Printed: seconds of training and of the whole
command, their ratios pair by pair, and what one validation costs the training thread.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tsforge.tracking import journal, store

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--max-steps", type=int, default=1000)
    args = parser.parse_args()
    found: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    for k in range(args.pairs):
        for track in (True, False) if k % 2 else (False, True):
            found[track].append(_fit(args.max_steps, track))
            print(f"  {'on ' if track else 'off'}  {found[track][-1][0]:6.2f} s of training"
                  f"  {found[track][-1][1]:6.2f} s in all", flush=True)  # fmt: skip
    print(f"tracking on against off, {args.pairs} pairs")
    for name, place in (("training", 0), ("whole command", 1)):
        on, off = ([times[place] for times in found[track]] for track in (True, False))
        ratios = [a / b for a, b in zip(on, off, strict=True)]
        print(
            f"  {name}: median of ratios {statistics.median(ratios):.3f}, ratio of the fastest {min(on) / min(off):.3f}"
        )
    print(f"  one validation, on the training thread: {1e3 * _line():.4f} ms")


def _fit(steps: int, track: bool) -> tuple[float, float]:
    """Seconds of training and of the whole command."""
    with tempfile.TemporaryDirectory() as place:
        if track:
            store.connect(f"sqlite:///{place}/mlflow.db")
        command = [
            sys.executable, "-m", "tsforge", "fit", "--config", str(ROOT / "pipelines/electricity-demand.toml"),
            "--max-steps", str(steps), "--json", "--quiet", *([] if track else ["--no-track"]),
        ]  # fmt: skip
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        start = time.perf_counter()
        done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)["seconds"], time.perf_counter() - start


def _line(count: int = 10_000) -> float:
    """Seconds to note the losses of one validation."""
    with tempfile.TemporaryDirectory() as place:
        run = journal.begin(Path(place) / "runs", "run", {})
        start = time.perf_counter()
        for step in range(count):
            run.metrics({"train/loss": 0.123456789, "val/loss": 0.987654321}, step)
        seconds = (time.perf_counter() - start) / count
        run.end("FINISHED")
        return seconds


if __name__ == "__main__":
    main()
