"""Rows: whole commands beside the least that they can cost, which is a Python that does next to nothing."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.speed import machine
from benchmarks.speed.options import Options
from benchmarks.speed.tables import Result, markdown, number, paired

TITLE = "Commands: seconds, and beside a process that does the least"
ROWS = {
    "import": "`import tsforge`",
    "help": "`tsforge --help`",
    "predict": "`tsforge predict MODEL data.csv`",
    "fit-linear": "`tsforge fit electricity-demand --model linear`",
}
TSFORGE = [sys.executable, "-m", "tsforge"]
TABLE = machine.ROOT / "datasets" / "electricity-demand.csv"
FIT = ["fit", str(TABLE), "--target", "demand", "--horizon", "48", "--quiet", "--overwrite"]
NOTHING = ("python that does nothing", "pass")
FORWARD = (
    "import torch, and the forward pass of an LSTM",
    "import torch\nwith torch.inference_mode():\n    torch.nn.LSTM(1, 64, batch_first=True)(torch.zeros(1, 336, 1))",
)
TORCH = ("import torch", "import torch")


class Failed(Exception):  # noqa: N818 (it says what a command said)
    """A command that was to be timed ended with an error."""


def measure(name: str, options: Options) -> dict[str, Any]:
    """A command and its base in turns, after each was run once."""
    folder, others = options.folder / name, machine.Others()
    folder.mkdir(exist_ok=True)
    try:
        own, (base, code) = _commands(name, folder)
        result = in_turns(own, [sys.executable, "-c", code], folder, options.turns)
    except Failed as reason:
        return {"failed": str(reason)}
    return result | {"base": base, "others": others.cores()}


def _commands(name: str, folder: Path) -> tuple[list[str], tuple[str, str]]:
    """What is timed, and the name and code of what it stands beside."""
    if name == "import":
        return [sys.executable, "-c", "import tsforge"], NOTHING
    if name == "help":
        return [*TSFORGE, "--help"], NOTHING
    if name == "fit-linear":
        return [*TSFORGE, *FIT, "--model", "linear", "--out", str(folder / "model")], TORCH
    model = folder / "lstm"
    run([*TSFORGE, *FIT, "--model", "lstm", "--max-steps", "3", "--no-track", "--out", str(model)], folder)
    return [*TSFORGE, "predict", str(model), str(TABLE), "--quiet", "--output", str(folder / "forecast.csv")], FORWARD


def in_turns(own: Sequence[str], base: Sequence[str], folder: Path, turns: int) -> dict[str, Any]:
    """Seconds of two commands that take turns, the medians and the ratio of each pair."""
    run(own, folder)
    run(base, folder)
    pairs = [(run(own, folder), run(base, folder)) for _ in range(turns)]
    result = paired([own.wall for own, _ in pairs], [base.wall for _, base in pairs])
    processor = paired([own.processor for own, _ in pairs], [base.processor for _, base in pairs])
    return result | {"processor": processor["seconds"], "base_processor": processor["base_seconds"]}


class Run(NamedTuple):
    """A command that ended well: its seconds by the clock and of the processor, and what it printed."""

    wall: float
    processor: float
    output: str


def run(command: Sequence[str], folder: Path) -> Run:
    """Run a command in a folder. Raises Failed with what it said where it ends with an error.

    Python keeps what it compiled, as it does of what is installed, also where the environment forbids it.
    """
    environment = os.environ | {"PYTHONPATH": str(machine.ROOT), "PYTHONDONTWRITEBYTECODE": ""}
    begin, before = time.perf_counter(), _children()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    wall = time.perf_counter() - begin
    if done.returncode:
        raise Failed(f"{' '.join(command[1:4])}: {(done.stderr or done.stdout).strip()[-400:]}")
    return Run(wall, _children() - before, done.stdout)


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def table(results: Mapping[str, Result]) -> list[str]:
    titles = ["command", "beside", "its seconds", "seconds", "of the processor", "**ratio**", "difference, s"]
    return markdown(titles, [_row(name, row) for name, row in results.items() if "ratio" in row], words=2)


def _row(name: str, row: Result) -> list[str]:
    difference = row["seconds"] - row["base_seconds"]
    cells = [number(row["base_seconds"]), number(row["seconds"]), number(row["processor"])]
    return [ROWS[name], row["base"], *cells, f"**{row['ratio']:.2f}**", number(difference)]
