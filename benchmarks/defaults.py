"""What `tsforge fit` says without a flag but the horizon, on public tables of unlike kinds, as Markdown.

    TSFORGE_DATA=folder python benchmarks/defaults.py [--only brentd temps]
    python benchmarks/defaults.py folder

Nothing is downloaded. Two tables come with the project; the others are looked for in the folder under the names of
TABLES, and those that are not there are left out and named. docs/evaluation.md says where each comes from.
Columns: the verdict of `fit`; MASE of the model over that of the best simple forecaster (seasonal naive or naive);
how many horizons the held-out part is long; share of its truths within the 80 % interval; seconds of the whole command.

All errors within one horizon have one cause: of so many independent parts as a test part has horizons, n, a share has
a standard error of 0.4 / sqrt(n). Tables with fewer than eight therefore stand in a table of their own, in which the
mean over all says more than any row.
"""

from __future__ import annotations

import argparse
import json
import math
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
    "electricity-demand": Case(48, "half-hours, day and week"),
    "gasoline.csv": Case(13, "weekly, newest first"),
    "brentd.csv": Case(10, "business days, a price"),
    "gas.csv": Case(10, "business days, a price that jumps"),
    "wtiw.csv": Case(13, "weekly, a price"),
    "co2week.csv": Case(13, "weekly with gaps, a trend"),
    "maxtemp.csv": Case(14, "daily, weather"),
    "temps.csv": Case(14, "daily, weather"),
    "gold.csv": Case(12, "monthly, a price"),
    "gtemp.csv": Case(12, "monthly, two records of one thing"),
    "sunspots.csv": Case(12, "monthly, a cycle of eleven years"),
    "taxi.csv": Case(48, "half-hours, counts"),
    "ambient.csv": Case(24, "hourly with gaps"),
    "ree.csv": Case(24, "hourly, a country's electricity"),
    "tweets.csv": Case(48, "five minutes, counts in bursts"),
    "requests.csv": Case(48, "five minutes, counts"),
    "cpu.csv": Case(48, "five minutes, the load of a machine"),
    "air-passengers": Case(12, "monthly, grows with its season"),
    "ausbeer.csv": Case(8, "quarterly, one series"),
    "fxmonthly.csv": Case(12, "monthly, 34 series of unlike sizes"),
    "fbirths.csv": Case(7, "daily, one year"),
    "meantemp.csv": Case(12, "monthly, weather"),
    "stocks.csv": Case(12, "monthly, five short series"),
    "a10.csv": Case(12, "monthly, grows with its season"),
    "elecequip.csv": Case(12, "monthly, an index"),
    "champagne.csv": Case(12, "monthly, sales of champagne"),
    "debit.csv": Case(12, "monthly, grows with its season"),
    "milk.csv": Case(12, "monthly with gaps"),
    "wineind.csv": Case(12, "monthly, sales of wine"),
    "gdp.csv": Case(4, "quarterly, growth"),
    "disasters.csv": Case(5, "yearly, eleven series"),
}
ENOUGH = 8  # horizons of a test part whose coverage says something by itself
HEAD = "| table | kind | verdict | MASE over the best simple | horizons held out | 80 % covers | seconds |"
RULE = "|---|---|---|--:|--:|--:|--:|"


class Row(NamedTuple):
    """What is said of one table. covers: share of the truths within the 80 % interval."""

    text: str
    horizons: float
    covers: float


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", default=os.environ.get("TSFORGE_DATA"))
    parser.add_argument("--only", nargs="*", default=[], help="names from the list, without .csv")
    asked = parser.parse_args()
    rows: list[Row] = []
    for name, case in TABLES.items():
        if asked.only and name.removesuffix(".csv") not in asked.only:
            continue
        source = name if not name.endswith(".csv") else str(Path(asked.folder or ".", name))
        if name.endswith(".csv") and not Path(source).is_file():
            print(f"{name} is not in {asked.folder or 'the folder'}: left out", file=sys.stderr)
            continue
        print(f"{name} ...", file=sys.stderr, flush=True)
        rows.append(line(name, case, source))
    show([row for row in rows if row.horizons >= ENOUGH], f"test parts of {ENOUGH} horizons or more")
    show([row for row in rows if not row.horizons >= ENOUGH], "shorter test parts")


def show(rows: list[Row], title: str) -> None:
    """The rows of a group, and what their intervals cover in the mean."""
    if not rows:
        return
    covers = [row.covers for row in rows if math.isfinite(row.covers)]
    print(f"{title}:\n\n{HEAD}\n{RULE}", *(row.text for row in rows), sep="\n")
    if covers:
        print(f"\n80 % covers {min(covers):.0%} to {max(covers):.0%}, {sum(covers) / len(covers):.0%} in the mean\n")


def line(name: str, case: Case, source: str) -> Row:
    """One row of the table."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        words = ["fit", source, "--horizon", str(case.horizon), "--out", f"{folder}/model", "--no-track"]
        run = [sys.executable, "-m", "tsforge", *words, "--json", "--quiet"]
        done = subprocess.run(run, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        return Row(f"| {name} | {case.kind} | error, exit code {done.returncode} | | | | |", 0, math.nan)
    answer = json.loads(done.stdout)
    own = answer["scores"][answer["kind"]]
    ratio = own["mase"] / min(answer["scores"][simple]["mase"] for simple in SIMPLE)
    horizons = answer["test_steps"] / case.horizon
    cells = [name.removesuffix(".csv"), case.kind, verdict(answer), f"{ratio:.2f}", f"{horizons:.1f}"]
    cells += [f"{100 * own['coverage_80']:.0f}", f"{time.perf_counter() - start:.0f}"]
    return Row("| " + " | ".join(cells) + " |", horizons, own["coverage_80"])


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
