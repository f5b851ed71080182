"""Another library from nothing to scores, in a process of its own: imports, reading, fitting, forecasting.

python -m benchmarks.peers.accuracy benchmarks.peers.neuralforecast electricity datasets/electricity-demand.csv
"""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.speed import machine, program
from benchmarks.speed.accuracy import HORIZON, METRICS, MONTHS, ORIGINS, mase, smape
from benchmarks.speed.works import ID, TARGET, TIME


def electricity(peer: Any, path: Path, share: float) -> float:
    """MASE of the last 14 days."""
    read = pd.read_csv(path, parse_dates=["time"])
    frame = pd.DataFrame({ID: "demand", TIME: read["time"], TARGET: read["demand"].astype("float64")})
    return mase(frame[TARGET].to_numpy(), peer.electricity(frame, HORIZON, ORIGINS, share))


def m3(peer: Any, path: Path, share: float) -> float:
    """sMAPE of the last 18 months of every series."""
    read = pd.read_csv(path)
    times = pd.date_range("1980-01-01", periods=int(read["step"].max()), freq="MS")
    frame = pd.DataFrame(
        {ID: read["unique_id"], TIME: times[read["step"] - 1], TARGET: read["value"].astype("float64")}
    )
    frame = frame.sort_values([ID, TIME], ignore_index=True)
    behind = frame.groupby(ID).cumcount(ascending=False)
    truth = frame[behind < MONTHS][TARGET].to_numpy().reshape(-1, MONTHS)
    return smape(truth, peer.m3(frame[behind >= MONTHS].reset_index(drop=True), MONTHS, share))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("module")
    parser.add_argument("data", choices=METRICS)
    parser.add_argument("path", type=Path)
    parser.add_argument("--share", type=float, default=1.0, help="of the steps of its training")
    asked = parser.parse_args()
    others = machine.Others()
    peer = importlib.import_module(asked.module)
    program.quiet()
    np.random.seed(1)  # noqa: NPY002 (what other libraries draw from)
    score = {"electricity": electricity, "m3": m3}[asked.data](peer, asked.path.resolve(), asked.share)
    result = {"metric": METRICS[asked.data], "score": score, "others": others.cores()}
    print(json.dumps(result | {"settings": peer.ACCURACY[asked.data]}), flush=True)


if __name__ == "__main__":
    main()
