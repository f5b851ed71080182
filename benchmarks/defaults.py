"""What `tsforge fit` says without a flag but the horizon, on public tables of unlike kinds, as a Markdown table.

    TSFORGE_DATA=folder python benchmarks/defaults.py [--only brentd temps]
    python benchmarks/defaults.py folder

Nothing is downloaded. Two tables come with the project; the others are looked for in the folder under the names of
TABLES, and those that are not there are left out and named. docs/evaluation.md says where each comes from.
Columns: the verdict of `fit`; MASE of the model over that of the best simple forecaster (seasonal naive or naive);
share of truths of the test part within the 80 % interval; seconds of the whole command.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

SIMPLE = ("seasonal-naive", "naive")


class Case(NamedTuple):
    """A table, its horizon in steps, and what kind it is."""

    horizon: int
    kind: str


TABLES = {
    "air-passengers": Case(12, "monthly, grows with its season"),
    "electricity-demand": Case(48, "half-hours, day and week"),
    "ausbeer.csv": Case(8, "quarterly, one series"),
    "gasoline.csv": Case(13, "weekly, newest first"),
    "brentd.csv": Case(10, "business days, a price"),
    "co2week.csv": Case(13, "weekly with gaps, a trend"),
    "maxtemp.csv": Case(14, "daily, weather"),
    "temps.csv": Case(14, "daily, weather"),
    "fxmonthly.csv": Case(12, "monthly, 34 series of unlike sizes"),
    "gold.csv": Case(12, "monthly, a price that jumps"),
    "gtemp.csv": Case(12, "monthly, two records of one thing"),
    "taxi.csv": Case(48, "half-hours, counts"),
    "ambient.csv": Case(24, "hourly with gaps"),
    "stocks.csv": Case(12, "monthly, five short series"),
    "a10.csv": Case(12, "monthly, grows with its season"),
    "elecequip.csv": Case(12, "monthly, an index"),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", default=os.environ.get("TSFORGE_DATA"))
    parser.add_argument("--only", nargs="*", default=[], help="names from the list, without .csv")
    asked = parser.parse_args()
    print("| table | kind | verdict | MASE over the best simple | 80 % covers | seconds |")
    print("|---|---|---|--:|--:|--:|")
    for name, case in TABLES.items():
        if asked.only and name.removesuffix(".csv") not in asked.only:
            continue
        source = name if not name.endswith(".csv") else str(Path(asked.folder or ".", name))
        if name.endswith(".csv") and not Path(source).is_file():
            print(f"{name} is not in {asked.folder or 'the folder'}: left out", file=sys.stderr)
            continue
        print(line(name, case, source), flush=True)


def line(name: str, case: Case, source: str) -> str:
    """One row of the table."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        words = ["fit", source, "--horizon", str(case.horizon), "--out", f"{folder}/model", "--no-track"]
        run = [sys.executable, "-m", "tsforge", *words, "--json", "--quiet"]
        done = subprocess.run(run, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        return f"| {name} | {case.kind} | error, exit code {done.returncode} | | | |"
    answer = json.loads(done.stdout)
    own = answer["scores"][answer["kind"]]
    ratio = own["mase"] / min(answer["scores"][simple]["mase"] for simple in SIMPLE)
    cells = [name.removesuffix(".csv"), case.kind, verdict(answer), f"{ratio:.2f}", f"{100 * own['coverage_80']:.0f}"]
    return "| " + " | ".join([*cells, f"{time.perf_counter() - start:.0f}"]) + " |"


def verdict(answer: dict[str, Any]) -> str:
    """What `fit` says of the model beside the best of the others, in short."""
    judged = answer.get("judgement")
    if judged is None:
        return "none"
    words = {
        "better": "better than", "worse": "loses to", "no difference to be told": "level with",
        "too few to tell": "too few windows to tell from",
    }  # fmt: skip
    loses = judged["loses"] and judged["verdict"] != "worse"
    return f"{words.get(judged['verdict'], judged['verdict'])} {judged['rival']}" + (", loses" if loses else "")


if __name__ == "__main__":
    main()
