"""Scores of pretrained weights on series that nobody trained on, for their card.

    python -m benchmarks.zero tsforge/weights/zero                 # M1, on which choices are made, and shipped tables
    python -m benchmarks.zero models/zero --tasks m3-monthly,m3-quarterly
    python -m benchmarks.zero models/zero --write                  # puts them into the card

The last horizon of each series is held out; what is before it is read once, without a fit. MASE and WQL are those of
the package fev (see holdout.py), each also over that of seasonal naive. M3, Tourism, ETTh1 and electricity demand are
opened once, when everything is chosen.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

import tsforge
from benchmarks.fev import words
from benchmarks.holdout import ID, LEVELS, TARGET, TIME, Forecast, Holdout, catalogued, score, seasonal_naive
from tsforge.data.catalog import find
from tsforge.fitted import manifest


class Task(NamedTuple):
    """Steps of the horizon and of the season; the columns of a table that is not in long form."""

    horizon: int
    season: int
    columns: tuple[str, ...] = ()  # time, target and, if there is one, the id


TASKS = {
    "m1-monthly": Task(18, 12),
    "m1-quarterly": Task(8, 4),
    "m1-yearly": Task(6, 1),
    "m3-monthly": Task(18, 12),
    "m3-quarterly": Task(8, 4),
    "m3-yearly": Task(6, 1),
    "tourism-monthly": Task(24, 12),
    "tourism-quarterly": Task(8, 4),
    "tourism-yearly": Task(4, 1),
    "air-passengers": Task(24, 12, ("month", "passengers")),
    "electricity-demand": Task(48, 336, ("time", "demand")),
}
USUAL = ("m1-monthly", "m1-quarterly", "m1-yearly", "air-passengers")


class Row(NamedTuple):
    """Scores on one table, and over those of seasonal naive; seconds of all its forecasts."""

    mase: float
    wql: float
    relative_mase: float
    relative_wql: float
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", help="of pretrained weights")
    parser.add_argument("--tasks", default=list(USUAL), type=words, help="some of them, with commas between")
    parser.add_argument("--write", action="store_true", help="put the scores into the card")
    asked = parser.parse_args()
    if unknown := [name for name in asked.tasks if name not in TASKS]:
        parser.error(f"no such task: {', '.join(unknown)}; tasks: {', '.join(TASKS)}")
    rows = {name: scores(asked.folder, name) for name in asked.tasks}
    print(markdown(rows))
    if asked.write:
        write(Path(asked.folder), rows)


def scores(folder: str | Path, name: str) -> Row:
    """Those of a folder's weights on one table."""
    holdout = table(name)
    base, forecast = score(holdout, seasonal_naive(holdout)), zero_shot(folder, holdout)
    own = score(holdout, forecast)
    return Row(own.mase, own.wql, own.mase / base.mase, own.wql / base.wql, forecast.inference)


def table(name: str) -> Holdout:
    """A shipped or catalogued table whose last steps are held out."""
    task = TASKS[name]
    if not task.columns:
        return catalogued(name, task.horizon, task.season)
    time_column, target, *ids = task.columns
    frame = pd.read_csv(find(name)).rename(columns={time_column: TIME, target: TARGET})
    frame[ID] = frame[ids[0]] if ids else name
    return Holdout(frame[[ID, TIME, TARGET]], task.horizon, task.season)


def zero_shot(folder: str | Path, holdout: Holdout) -> Forecast:
    """The forecast of a table without a fit."""
    columns = {"data.time": TIME, "data.id": ID, "data.target": TARGET, "data.season": holdout.season}
    past, begin = holdout.past, time.perf_counter()
    settings = columns | holdout.settings
    prediction = tsforge.predict(folder, past, horizon=holdout.horizon, quantiles=LEVELS, settings=settings)
    done = time.perf_counter()
    place = {str(key): i for i, key in enumerate(prediction.panel.ids[0])}
    order = [place[str(key)] for key in holdout.series]
    point, quantiles = (np.asarray(part[order, :, 0], np.float64) for part in (prediction.point, prediction.quantiles))
    return Forecast(point, quantiles, 0.0, done - begin)


def markdown(rows: dict[str, Row]) -> str:
    """A row per table, and geometric means of what is relative."""
    lines = ["| table | MASE | WQL | relative MASE | relative WQL | seconds |", "|---|--:|--:|--:|--:|--:|"]
    for name, row in rows.items():
        figures = f"{row.mase:.4f} | {row.wql:.4f} | {row.relative_mase:.3f} | {row.relative_wql:.3f}"
        lines.append(f"| {name} | {figures} | {row.seconds:.1f} |")
    mase, wql = (
        math.exp(sum(math.log(value) for value in column) / len(rows))
        for column in ([r.relative_mase for r in rows.values()], [r.relative_wql for r in rows.values()])
    )
    return "\n".join([*lines, f"| geometric mean | | | {mase:.3f} | {wql:.3f} | |"])


def write(folder: Path, rows: dict[str, Row]) -> None:
    """Into the card of the weights, beside the scores that are there."""
    card = manifest.read_json(folder / "card.json")
    figures = {name: {k: round(v, 4) for k, v in row._asdict().items() if k != "seconds"} for name, row in rows.items()}
    card["scores"] = card.get("scores", {}) | figures
    (folder / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # of the whole process
    main()
