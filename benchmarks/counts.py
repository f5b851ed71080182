"""Heads for counts beside quantiles, Croston and TSB, on tables of counts: what `fit` says of each on the held-out end.

    python -m benchmarks.counts convert carparts.rda carparts.csv     # needs the package rdata
    python -m benchmarks.counts score carparts.csv --seeds 3

carparts.rda and hospital.rda are files in data/ of the R package expsmooth (Hyndman, Koehler, Ord & Snyder 2008,
"Forecasting with Exponential Smoothing"; github.com/robjhyndman/expsmooth): monthly sales of 2,674 car parts, and 767
monthly counts of a hospital's patients.
"""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import tsforge

METRICS = ("rmsse", "mase", "wql", "coverage_80", "coverage_90")
COUNTS, TWEEDIE = (
    {"model.kind": "gru", "model.head": "negative-binomial"},
    {"model.kind": "gru", "model.head": "tweedie"},
)
ON_TSB, MEAN = {"model.base": "tsb"}, {"model.head.point": "mean"}
MODELS: dict[str, dict[str, Any]] = {
    "seasonal-naive": {"model.kind": "seasonal-naive"},
    "croston": {"model.kind": "croston"},
    "tsb": {"model.kind": "tsb"},
    "linear": {"model.kind": "linear"},
    "gru, quantiles": {"model.kind": "gru"},
    "gru, quantiles on tsb": {"model.kind": "gru", **ON_TSB},
    "gru, squared error on tsb": {"model.kind": "gru", "model.head.loss": "mse", **ON_TSB},
    "gru, negative-binomial": COUNTS,
    "gru, negative-binomial, mean": {**COUNTS, **MEAN},
    "gru, negative-binomial on tsb, mean": {**COUNTS, **ON_TSB, **MEAN},
    "gru, tweedie": TWEEDIE,
    "gru, tweedie on tsb": {**TWEEDIE, **ON_TSB},
}  # fmt: skip
WITHOUT = ("seasonal-naive", "croston", "tsb", "linear")  # a seed


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("task", choices=("convert", "score"))
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--seeds", default=3, type=int)
    parser.add_argument("--only", default="", help="models whose names hold this")
    parser.add_argument("--steps", default=1000, type=int, help="of training at most")
    asked = parser.parse_args()
    logging.getLogger("tsforge").setLevel(logging.ERROR)
    if asked.task == "convert":
        convert(*asked.files)
        return
    print("| model | " + " | ".join(METRICS) + " | seconds |\n|---|" + "--:|" * (len(METRICS) + 1))
    for name, settings in MODELS.items():
        if asked.only in name:
            seeds = range(1, 2 if name in WITHOUT else asked.seeds + 1)
            rows = [score(asked.files[0], {**settings, "seed": seed, "train.max_steps": asked.steps}) for seed in seeds]
            print(f"| {name} | " + " | ".join(f"{v:.3f}" for v in np.mean(rows, axis=0)) + " |", flush=True)


def score(path: Path, settings: dict[str, Any]) -> list[float]:
    """Metrics of the last twelve months, six ahead, and the seconds of processor time of the fit."""
    table = {"data.id": "item", "data.time": "month", "data.target": "count", "data.season": 12}
    experiment = tsforge.build({**table, "data.horizon": 6, "data.test": 12, **settings})
    began = time.process_time()
    fitted = tsforge.fit(experiment, path)
    scores = fitted.scores[experiment.model.kind]
    return [*(scores[metric] for metric in METRICS), time.process_time() - began]


def convert(source: Path, target: Path) -> None:
    """A matrix of monthly series of R as a table; missing values stay so."""
    import rdata

    plain = {name: lambda values, _: np.asarray(values) for name in ("mts", "ts", "matrix")}
    file = rdata.parser.parse_file(source)
    (values,) = rdata.conversion.convert(file, {**rdata.conversion.DEFAULT_CLASS_MAP, **plain}).values()
    steps, series = values.shape
    months = pd.date_range("1998-01-01" if series > 1000 else "2000-01-01", periods=steps, freq="MS")
    rows = {"item": np.repeat(np.arange(1, series + 1), steps), "month": np.tile(months, series)}
    pd.DataFrame({**rows, "count": pd.array(values.T.reshape(-1), dtype="Int64")}).to_csv(target, index=False)


if __name__ == "__main__":
    main()
