"""Rows: the threads that a training computes with, and what of a fit is no step of training."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import logging
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.speed import machine, program
from benchmarks.speed.options import Options
from benchmarks.speed.pace import Enough
from benchmarks.speed.tables import Result, markdown, number
from benchmarks.speed.works import WORKS, Table

TITLE = "Threads, and the share of validation"
ROWS = {
    "threads": "ETTh1, LSTM: threads",
    "threads-neighbour": "ETTh1, LSTM: threads beside a busy neighbour",
    "validation": "ETTh1, LSTM: validation's share of the time of training",
}
NEIGHBOUR = "while True: pass"  # one thread of another process that never rests
LONG = 90  # seconds after which fewer rounds do
LOOKS = 5  # turns after which "auto" has chosen
OWN = ("model.width", "train.batch_size", "train.lr", "train.max_steps", "train.validations")  # of the works alone


def measure(name: str, options: Options) -> dict[str, Any]:
    """In a process of its own; the neighbour is one more."""
    command = [sys.executable, "-m", "benchmarks.speed.threads", name.partition("-")[0], str(options.tables / "w1.npz")]
    if options.quick:
        command.append("--quick")
    neighbour = subprocess.Popen([sys.executable, "-c", NEIGHBOUR]) if name == "threads-neighbour" else None
    try:
        result = program.run(command, threads=machine.cores(), limit=600)
    finally:
        if neighbour is not None:
            neighbour.kill()
            neighbour.wait()
    if neighbour is not None:
        result.pop("others", None)  # the neighbour is meant
    return result


def table(results: Mapping[str, Result]) -> list[str]:
    return markdown(["", "figure"], [line for name, row in results.items() for line in _lines(name, row)])


def _lines(name: str, row: Result) -> list[tuple[str, str]]:
    if "share" in row:
        note = f"**{100 * row['share']:.0f} %** ({row['validations']} validations, {row['steps']} steps)"
        return [(ROWS[name], note)]
    if "threads" not in row:
        return []
    each = ", ".join(f"{count}: {number(ms)} ms" for count, ms in row["threads"].items())
    chosen = row["chosen"]
    if chosen is None:
        return [(f"{ROWS[name]}, a step", each), (f"{ROWS[name]}, chosen by `auto`", "there is no such setting")]
    words = f"**{chosen}**"
    if str(chosen) in row["threads"]:
        words += f", {100 * (row['threads'][str(chosen)] / min(row['threads'].values()) - 1):+.0f} % beside the best"
    return [(f"{ROWS[name]}, a step", each), (f"{ROWS[name]}, chosen by `auto`", words)]


# --- in the process of a row ------------------------------------------------------------------------------------------


def counts(cores: int) -> list[int]:
    """Numbers of threads to try: 1, 2 and 4 where there are at least half as many cores, and all cores."""
    return sorted({count for count in (1, 2, 4) if count <= 2 * cores} | {cores})


def by_threads(frame: Any, rounds: int) -> dict[str, Any]:
    """Milliseconds of a step for each number of threads, which take turns within one training; what "auto" takes.

    Each has two turns of steps, of which the first lets it settle.
    """
    import torch

    from benchmarks.speed import ours

    tried, values = counts(machine.cores()), ours.settings(WORKS["w1"], "lstm")
    turns = [(count, settled) for _ in range(rounds) for count in tried for settled in (False, True)]
    each: dict[int, list[float]] = {count: [] for count in tried}
    done, begin = 0, time.perf_counter()

    def after(milliseconds: float) -> bool:
        nonlocal done
        count, settled = turns[done]
        if settled:
            each[count].append(milliseconds)
        done += 1
        if done < len(turns):
            torch.set_num_threads(turns[done][0])
        return done == len(turns) or (time.perf_counter() - begin > LONG and all(each.values()))

    ours.turns(values | ours.fixed_threads(tried[0]), frame, after)
    medians = {str(count): statistics.median(times) for count, times in each.items()}
    if not ours.fixed_threads("auto"):
        return {"threads": medians, "chosen": None}
    taken: list[int] = []

    def look(_: float) -> bool:
        taken.append(torch.get_num_threads())
        return len(taken) == LOOKS

    ours.turns(values | ours.fixed_threads("auto"), frame, look)
    return {"threads": medians, "chosen": taken[-1]}


def validation(frame: Any, steps: int) -> dict[str, Any]:
    """The share of validation in the first steps of a training with the settings that tsforge has by itself."""
    import tsforge
    from benchmarks.speed import ours
    from tsforge.training.events import Event, Round

    stamps: list[Stamp] = []

    def report(event: Event) -> None:
        stamps.append(Stamp(time.perf_counter(), event.step, isinstance(event, Round)))
        if event.step >= steps:
            raise Enough

    usual = {name: value for name, value in ours.settings(WORKS["w1"], "lstm").items() if name not in OWN}
    with contextlib.suppress(Enough):
        tsforge.fit(tsforge.build(usual), frame, report=report)
    return share(stamps)


class Stamp(NamedTuple):
    """When a report came."""

    seconds: float
    step: int
    validation: bool


def share(stamps: list[Stamp]) -> dict[str, Any]:
    """What validations took, as a share of what the steps took: all that is longer than steps without one take."""
    ticks = [i for i, stamp in enumerate(stamps) if not stamp.validation]
    plain, beyond = [], []
    for a, b in itertools.pairwise(ticks):
        seconds, steps = stamps[b].seconds - stamps[a].seconds, stamps[b].step - stamps[a].step
        (plain if b == a + 1 else beyond).append((seconds, steps))
    pace = statistics.median(seconds / steps for seconds, steps in plain)
    count = sum(steps for _, steps in plain + beyond)
    extra = sum(seconds - steps * pace for seconds, steps in beyond)
    return {"share": extra / (count * pace), "validations": len(beyond), "steps": count, "ms": 1e3 * pace}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("threads", "validation"))
    parser.add_argument("table", type=Path)
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    logging.disable(logging.WARNING)
    frame, others = Table.read(asked.table).frame(WORKS["w1"]), machine.Others()
    if asked.what == "threads":
        result = by_threads(frame, 1 if asked.quick else 5)
    else:
        result = validation(frame, 120 if asked.quick else 260)
    print(json.dumps(result | {"others": others.cores()}), flush=True)


if __name__ == "__main__":
    main()
