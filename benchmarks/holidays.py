"""What public holidays in advance are worth: electricity demand of Victoria, by day and half-hourly, with and without.

    python -m benchmarks.holidays [--picture docs/holidays.png]

Each model is fitted to the days before 1 November 2014 (the last 20 of them choose its weights) and forecasts the two
months after it, origin by origin: MASE of all steps, and the mean error on the holidays in it (Christmas Day, Boxing
Day, and Melbourne Cup Day where the first origin lies before it) as a share of the demand there. Networks: means of
three seeds; about a quarter of an hour on one core.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import tsforge
from tsforge.evaluation.scores import scores
from tsforge.plotting import style

HOLIDAYS = ("2014-11-04", "2014-12-25", "2014-12-26")
WAYS: dict[str, dict[str, Any]] = {
    "without": {}, "with": {"data.holidays": "AU-VIC"},
    "with, 1 day around": {"data.holidays": "AU-VIC", "data.holiday_window": 1},
    "with, 3 days around": {"data.holidays": "AU-VIC", "data.holiday_window": 3},
}  # fmt: skip
TABLES: dict[str, dict[str, Any]] = {
    "by day": {"data.resample": "D", "data.horizon": 7, "data.test": 61, "data.validation": 20},
    "half-hourly": {"data.horizon": 48, "data.test": 61 * 48, "data.validation": 20 * 48},
}
COLUMNS = {"data.time": "time", "data.target": "demand"}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--picture")
    asked = parser.parse_args()
    logging.getLogger("tsforge").setLevel(logging.ERROR)
    print(f"{'table':<12} {'model':<5} {'holidays':<20} {'mase':>7} {'error on holidays':>18}")
    for name, table in TABLES.items():
        for kind, seeds in (("zero", (1,)), ("gru", (1, 2, 3))):
            drawn = {}
            for way, settings in list(WAYS.items())[: 4 if name == "by day" else 2]:
                made = [forecast(kind, seed, table | settings) for seed in seeds]
                mase, error = (float(np.mean(column)) for column in zip(*(m[:2] for m in made), strict=True))
                print(f"{name:<12} {kind:<5} {way:<20} {mase:>7.3f} {error:>17.1%}", flush=True)
                drawn[way] = made[0][2]
            if asked.picture and (name, kind) == ("by day", "zero"):
                draw({way: drawn[way] for way in ("without", "with")}, Path(asked.picture))


def forecast(kind: str, seed: int, settings: dict[str, Any]) -> tuple[float, float, pd.DataFrame]:
    """MASE, the error on holidays, and the forecasts beside their truths."""
    asked = COLUMNS | settings | {"model.kind": kind, "seed": seed}
    result = tsforge.backtest(tsforge.build(asked | {"backtest.stride": settings["data.horizon"]}), "elecdemand")
    frame = result.frame
    frame = frame[frame["model"] == kind]
    there = frame[frame["time"].astype(str).str[:10].isin(HOLIDAYS)]
    error = (there["forecast"] - there["truth"]).abs().mean() / there["truth"].mean()
    return scores(result.outcomes[kind])["mase"], float(error), frame


def draw(frames: dict[str, pd.DataFrame], path: Path) -> None:
    """The test part, with both forecasts; holidays stand on a grey ground."""
    figure, (axis,) = style.stacked(1)
    for day in map(pd.Timestamp, HOLIDAYS):
        axis.axvspan(day - pd.Timedelta(hours=12), day + pd.Timedelta(hours=12), color=style.GRID, zorder=0)
    for (way, frame), colour in zip(frames.items(), (style.ORANGE, style.BLUE), strict=True):
        times = pd.to_datetime(frame["time"])
        if way == "without":
            axis.plot(times, frame["truth"], color=style.GREY, label="demand, GW")
        axis.plot(times, frame["forecast"], color=colour, label=f"forecast of zero {way} holidays")
    axis.margins(y=0.15)
    axis.legend(frameon=False, ncols=3, loc="upper left")
    style.save(figure, path)


if __name__ == "__main__":
    main()
