"""Other libraries beside tsforge and the floor, on the same works, as Markdown and JSON.

    python -m benchmarks.peers                                       # all: make bench-peers; an hour and the installing
    python -m benchmarks.peers --peers neuralforecast,darts --only w1-lstm --quick
    python -m benchmarks.peers --tables FILE.json                    # the tables of an earlier run again

Each library has a virtual environment of its own (--folder), with the same torch, and is used as its documentation
advises; one that cannot be installed is named and left out. In a round every program has a turn, tsforge too, and the
floor makes a step for each of its steps, in a process of its own, so that shares of the floor can be compared.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.peers import tables
from benchmarks.peers.environments import PEERS, NotInstalled, python
from benchmarks.peers.measure import ACCURACY, OWN, ROWS, measure
from benchmarks.speed import machine
from benchmarks.speed.options import Options
from benchmarks.speed.page import paste

OUTPUT = machine.ROOT / "benchmarks" / "out" / "peers.json"
FOLDER = machine.ROOT / ".peers"


def main() -> None:
    asked = _arguments()
    if asked.tables:
        saved = json.loads(asked.tables.read_text(encoding="utf-8"))
    else:
        interpreters, absent = installed(asked.peers, asked.folder)
        saved = {"machine": machine.describe(), "quick": asked.quick, "absent": absent, "rows": {}}
        with tempfile.TemporaryDirectory() as folder:
            options = Options(Path(folder), asked.quick, asked.etth1)
            rounds(saved, asked.only, {OWN: sys.executable, **interpreters}, options, asked.rounds, asked.output)
        print(f"every figure: {asked.output}", file=sys.stderr)
    print("\n".join(tables.report(saved)))
    if asked.page:
        paste(asked.page, "peers", tables.report(saved))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", type=_among("library", PEERS), default=list(PEERS), help="some of the libraries")
    parser.add_argument("--only", type=_among("row", ROWS), default=list(ROWS), help="some rows, with commas between")
    parser.add_argument("--rounds", type=int, default=2, help="in which every program has a turn (default: 2)")
    parser.add_argument("--quick", action="store_true", help="few steps, one round: whether all works")
    parser.add_argument("--etth1", type=Path, metavar="CSV", help="the file of ETTh1")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the environments (default: .peers)")
    parser.add_argument("--output", type=Path, default=OUTPUT, metavar="JSON", help="where to save")
    parser.add_argument("--tables", type=Path, metavar="JSON", help="print the tables of an earlier run")
    parser.add_argument("--page", type=Path, metavar="MD", help="write the tables into a page, as docs/speed.md")
    return parser.parse_args()


def _among(what: str, choices: dict[str, Any]) -> Any:
    def words(text: str) -> list[str]:
        names = text.split(",")
        if unknown := [name for name in names if name not in choices]:
            raise argparse.ArgumentTypeError(f"no such {what}: {', '.join(unknown)}; there are {', '.join(choices)}")
        return names

    return words


def installed(names: list[str], folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The interpreters of the libraries that could be installed, and of the others why not."""
    interpreters, absent = {}, {}
    for name in names:
        try:
            interpreters[name] = str(python(name, folder.resolve()))
        except NotInstalled as reason:
            absent[name] = str(reason)
            print(f"{PEERS[name].title} is left out: {reason}", file=sys.stderr)
    return interpreters, absent


def rounds(
    saved: dict[str, Any], names: list[str], programs: dict[str, str], options: Options, count: int, output: Path
) -> None:
    """Every row of every program, in rounds, but for time to accuracy once; written down after each result."""
    output.parent.mkdir(parents=True, exist_ok=True)
    for turn in range(1 if options.quick else count):
        for name in (name for name in names if not turn or name not in ACCURACY):
            for who, interpreter in programs.items():
                if (result := measure(name, who, interpreter, options)) is None:
                    continue
                print(f"{time.strftime('%H:%M:%S')} round {turn + 1} {name} {who}", file=sys.stderr, flush=True)
                saved["rows"].setdefault(name, {}).setdefault(who, []).append(result)
                output.write_text(json.dumps(saved, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
