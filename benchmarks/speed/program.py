"""Times one program's training and forecasts beside the floor's, in a process and an environment of its own.

    python -m benchmarks.speed.program benchmarks.speed.ours --work w1 --model lstm --folder FOLDER

A program is a module that imports its packages at the top and has a class `Program`, see `Timed`. The last line printed
is a JSON object; a model that a program lacks is one with `missing`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from benchmarks.speed import machine
from benchmarks.speed.beside import Beside
from benchmarks.speed.pace import Missing, Pace
from benchmarks.speed.works import WORKS, Table, Work

TURNS = 5  # of forecasts


class Timed(Protocol):
    """What a program's class is asked for.

    packages: whose versions are noted.
    settings: what was chosen, in words.
    """

    packages: tuple[str, ...]
    settings: str

    def __init__(self, work: Work, model: str, threads: int) -> None:
        """Raises Missing for a model that there is not."""

    def train(self, frame: Any, pace: Pace) -> None:
        """Train on a frame until the pace says enough, with the pace called after every step."""

    def predict(self, frame: Any) -> object:
        """The forecasts of the steps behind every series of a frame."""


def start(
    module: str, work: str, model: str, folder: Path, *, python: str | Path = sys.executable, threads: int,
    size: int = 20, pairs: int = 9, limit: float = 600, extra: Sequence[str] = (),
) -> dict[str, Any]:  # fmt: skip
    """The result of a program in a process of its own, with `failed` where it ended without one."""
    command = [
        str(python), "-m", "benchmarks.speed.program", module, "--work", work, "--model", model, "--folder",
        str(folder.resolve()), "--threads", str(threads), "--size", str(size), "--pairs", str(pairs), *extra,
    ]  # fmt: skip
    return run(command, threads=threads, limit=limit)


def run(command: Sequence[str], *, threads: int, limit: float) -> dict[str, Any]:
    """The JSON object on the last line of a command, and its seconds, `wall`; `failed` says why there is none."""
    environment = os.environ | {
        "PYTHONPATH": str(machine.ROOT), "OMP_NUM_THREADS": str(threads), "PYTHONWARNINGS": "ignore",
    }  # fmt: skip
    begin = time.perf_counter()
    try:
        done = subprocess.run(
            command, cwd=machine.ROOT, env=environment, capture_output=True, text=True, timeout=limit
        )  # fmt: skip
        result = dict(json.loads(done.stdout.strip().rpartition("\n")[2]))
    except subprocess.TimeoutExpired:
        result = {"failed": f"took more than {limit:.0f} s"}
    except ValueError:
        result = {"failed": (done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}")[-600:]}
    return result | {"wall": time.perf_counter() - begin}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("module")
    parser.add_argument("--work", choices=WORKS, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--folder", type=Path, required=True, help="of the tables that `works.prepare` wrote")
    parser.add_argument("--threads", type=int, default=machine.cores())
    parser.add_argument("--size", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--predict", action="store_true", help="time forecasts too")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    print(json.dumps(measure(asked)), flush=True)


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    begin = time.perf_counter()
    program_class: type[Timed] = importlib.import_module(asked.module).Program
    imports = time.perf_counter() - begin

    import torch

    quiet()
    torch.set_num_threads(asked.threads)
    work, table = WORKS[asked.work], Table.read(asked.folder / f"{asked.work}.npz")
    try:
        program = program_class(work, asked.model, asked.threads)
    except Missing as reason:
        return {"missing": str(reason)}
    others, frame = machine.Others(), table.frame(work)
    with Beside(asked.model.partition("-")[0], asked.work, asked.folder, asked.threads) as floor:
        pace = Pace(floor.steps, asked.size, asked.pairs)
        program.train(frame, pace)
    result = pace.result(work.batch) if pace.own else {"failed": "training ended before a pair was timed"}
    result |= {"others": others.cores(), "imports": imports, "settings": program.settings, "data": table.source}
    result |= {"versions": machine.versions(program.packages), "threads": asked.threads}
    if asked.predict:
        if asked.work == "w1":
            frame = Table.read(asked.folder / "w1-predict.npz").frame(work)
        result["predict"] = forecasts(program, frame)
    return result | {"peak_mib": machine.peak_memory()}


def forecasts(program: Timed, frame: Any) -> float:
    """Seconds to forecast behind every series of a frame in memory: the median of several turns, after a first."""
    seconds = []
    for _ in range(TURNS + 1):
        begin = time.perf_counter()
        program.predict(frame)
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds[1:])


def quiet() -> None:
    """Nothing below an error is logged, by this process or any package in it."""
    import logging

    logging.disable(logging.WARNING)


if __name__ == "__main__":
    main()
