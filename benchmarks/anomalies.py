"""Detection on labelled public series, scored by ranges as the Numenta Anomaly Benchmark does.

    python -m benchmarks.anomalies FOLDER [--model linear] [--rates 0.001 0.0001] [--of realKnownCause]

FOLDER is a checkout of that benchmark (numenta/NAB), of which data/ and labels/combined_windows.json are read; nothing
of it comes with the project. Each series by itself: the model is fitted on its first 15 %, within which nothing is
labelled, and judges the rest. An alarm is the first value of an event. Columns: labelled ranges in which there is an
alarm, of all; alarms outside them, and per 1,000 values; and the score of the benchmark's standard profile (Lavin &
Ahmad 2015): the first alarm in a range counts up to 1, the more the earlier; one outside costs up to 0.11, one range
without any 1; 0 is a detector that never says anything, 100 one that is right at once. The benchmark itself chooses the
threshold of a detector by the labels; here it is the rate that was asked for.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import tsforge
from tsforge.runtime.tables import aligned

PROBATION, LONGEST = 0.15, 5000  # share of a series before anything is scored, of so many rows at most
FALSE, MISSED = 0.11, 1.0  # costs of the standard profile
HORIZON = 12


def weight(y: float) -> float:
    """What an alarm is worth: y from -1 (the beginning of a range) over 0 (its end) to what lies behind it."""
    return 2 / (1 + math.exp(min(5 * y, 50))) - 1 if y <= 3 else -1.0


def scored(alarms: list[int], ranges: list[tuple[int, int]]) -> tuple[int, int, float]:
    """(ranges with an alarm, alarms outside, the raw score)."""
    outside = [t for t in alarms if not any(a <= t <= b for a, b in ranges)]
    score, found = 0.0, 0
    for a, b in ranges:
        first = next((t for t in alarms if a <= t <= b), None)
        found += first is not None
        score += -MISSED if first is None else weight((first - b) / max(b - a, 1)) / weight(-1.0)
    for t in outside:
        before = [(a, b) for a, b in ranges if b < t]
        y = (t - before[-1][1]) / max(before[-1][1] - before[-1][0], 1) if before else math.inf
        score += FALSE * weight(y)
    return found, len(outside), score


def series(folder: Path, name: str, ranges: list[list[str]]) -> tuple[pd.DataFrame, list[tuple[int, int]]]:
    """A series on its grid, one row for each time, and its labelled ranges as rows."""
    table = pd.read_csv(folder / "data" / name, parse_dates=["timestamp"]).drop_duplicates("timestamp")
    step = table["timestamp"].diff().mode()[0]
    table = table.set_index("timestamp").resample(step).mean().reset_index()
    places = [np.searchsorted(table["timestamp"], np.array(pair, dtype="M8[ns]")) for pair in ranges]
    return table, [(int(a), int(b)) for a, b in places]


def judge(table: pd.DataFrame, model: str, rate: float, fitted: dict[str, Any]) -> tuple[list[int], int]:
    """(the rows of the alarms, how many values were judged). fitted: keeps the model of this table."""
    probation = int(min(PROBATION * len(table), PROBATION * LONGEST))
    if not fitted:
        settings = {"model.kind": model, "data.horizon": HORIZON, "data.target": "value", "data.test": 0}
        fitted["model"] = tsforge.fit(tsforge.build(settings), table[:probation]).model
    result = tsforge.detect(fitted["model"], table, rate=rate)
    return [event.first for event in result.events], result.judged


def main() -> None:
    """Print a table for each rate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="linear")
    parser.add_argument("--rates", nargs="+", type=float, default=[0.001, 0.0001])
    parser.add_argument("--of", nargs="+", default=["realKnownCause"])
    asked = parser.parse_args()
    logging.getLogger("tsforge").setLevel(logging.ERROR)
    labels = json.loads((asked.folder / "labels" / "combined_windows.json").read_text())
    models: dict[str, dict[str, Any]] = {}
    for rate in asked.rates:
        rows, totals, began = [], np.zeros(6), time.process_time()
        for name in sorted(name for name in labels if name.split("/")[0] in asked.of):
            table, ranges = series(asked.folder, name, labels[name])
            alarms, judged = judge(table, asked.model, rate, models.setdefault(name, {}))
            found, outside, score = scored(alarms, ranges)
            parts = np.array([found, len(ranges), outside, judged, score + MISSED * len(ranges), 2 * len(ranges)])
            totals += parts
            rows.append([Path(name).stem, *cells(parts)])
        rows.append(["all", *cells(totals)])
        print(f"\n{asked.model}, rate {rate:g}, {time.process_time() - began:.0f} s of the processor")
        print("\n".join(aligned(["series", "ranges found", "alarms outside", "per 1,000", "score"], rows)))


def cells(parts: np.ndarray[Any, Any]) -> list[str]:
    """One row: parts are found, ranges, outside, judged, score above that of silence, the same of perfection."""
    found, ranges, outside, judged, gained, most = parts.tolist()
    score = f"{100 * gained / most:.1f}" if most else ""
    return [f"{found:.0f} of {ranges:.0f}", f"{outside:.0f}", f"{1000 * outside / judged:.2f}", score]


if __name__ == "__main__":
    main()
