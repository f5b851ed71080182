"""GluonTS (torch): DeepAR, a recurrent network, and LagTST, a Transformer's encoder, at the floor's sizes.

DeepAR learns over context and horizon at once, with a normal distribution at every step. Training data is cached, which
its documentation advises. It has no GRU and no RNN.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
from gluonts.dataset.pandas import PandasDataset
from gluonts.torch.distributions import NormalOutput
from gluonts.torch.model.deepar import DeepAREstimator
from gluonts.torch.model.lag_tst import LagTSTEstimator
from numpy.typing import NDArray

from benchmarks.speed.floor import EXPANSION, HEADS, LAYERS
from benchmarks.speed.pace import Missing, Pace, lightning_callback
from benchmarks.speed.reading import FirstBatch, read_frame
from benchmarks.speed.works import ID, TARGET, TIME, WORKS, Work

PERIODS = {"MS": "M"}  # it asks for the names of periods
ENDLESS = 100_000  # batches: the pace ends a training


def bare() -> dict[str, Any]:
    """A trainer that logs and shows nothing; the checkpoint that it always writes goes to a folder of its own."""
    os.chdir(tempfile.mkdtemp())
    return {
        "max_epochs": 1, "accelerator": "cpu", "devices": 1, "logger": False, "enable_progress_bar": False,
        "enable_model_summary": False, "callbacks": [],
    }  # fmt: skip


def dataset(frame: Any, freq: str) -> PandasDataset:
    return PandasDataset.from_long_dataframe(frame, item_id=ID, timestamp=TIME, target=TARGET, freq=freq)


class Program:
    packages = ("gluonts", "torch", "lightning", "numpy", "pandas")
    settings = "DeepAR, one layer, no scaling, one lag, normal distribution, 100 sample paths; LagTST; data cached"

    def __init__(self, work: Work, model: str, _threads: int) -> None:
        if model not in ("lstm", "transformer"):
            raise Missing(f"it has no {model.upper()}")
        self.freq = PERIODS.get(work.freq, work.freq)
        self.trainer = bare()
        common = {
            "freq": self.freq, "prediction_length": work.horizon, "context_length": work.context, "lr": work.lr,
            "lags_seq": [1], "batch_size": work.batch, "num_batches_per_epoch": ENDLESS,
            "distr_output": NormalOutput(), "trainer_kwargs": self.trainer,
        }  # fmt: skip
        if model == "lstm":
            self.estimator = DeepAREstimator(
                num_layers=1, hidden_size=work.width, dropout_rate=0.0, scaling=False, time_features=[], **common
            )
        else:
            self.estimator = LagTSTEstimator(
                d_model=work.width, nhead=HEADS, dim_feedforward=EXPANSION * work.width, dropout=0.1,
                num_encoder_layers=LAYERS, scaling="mean", **common,
            )  # fmt: skip
        self.predictor: Any = None

    def train(self, frame: Any, pace: Pace) -> None:
        self.estimator.trainer_kwargs["callbacks"] = [lightning_callback(pl.Callback, pace)]
        self.predictor = self.estimator.train(dataset(frame, self.freq), cache_data=True)
        self.predictor.batch_size = 1_024

    def predict(self, frame: Any) -> object:
        return list(self.predictor.predict(dataset(frame, self.freq)))


def first_batch(path: Path) -> None:
    """Read a table and begin to train on it."""
    work, trainer = WORKS["w1"], bare() | {"callbacks": [FirstBatch.callback(pl.Callback)]}
    estimator = DeepAREstimator(
        freq="D", prediction_length=work.horizon, context_length=work.context, num_layers=1, hidden_size=work.width,
        batch_size=work.batch, time_features=[], lags_seq=[1], trainer_kwargs=trainer,
    )  # fmt: skip
    estimator.train(dataset(read_frame(path), "D"))


ACCURACY = {
    "electricity": "DeepAR, context 7 × 48, its own defaults, 20 epochs of 50 batches, median of 100 paths",
    "m3": "DeepAR, context 36, its own defaults, 20 epochs of 50 batches, median of 100 paths",
}


def electricity(frame: Any, horizon: int, origins: int, share: float = 1.0) -> NDArray[np.floating]:
    """Forecasts (origins, horizon) of the last days, all from one fit on what lies before them."""
    estimator = DeepAREstimator(
        freq="30min", prediction_length=horizon, context_length=7 * horizon,
        trainer_kwargs=bare() | {"max_epochs": round(20 * share) or 1},
    )  # fmt: skip
    size = len(frame) - origins * horizon
    predictor = estimator.train(dataset(frame[:size], "30min"), cache_data=True)
    pasts = [frame[: size + i * horizon] for i in range(origins)]
    return np.stack([next(iter(predictor.predict(dataset(past, "30min")))).median for past in pasts])


def m3(frame: Any, horizon: int, share: float = 1.0) -> NDArray[np.floating]:
    """Forecasts (series, horizon) behind every series."""
    estimator = DeepAREstimator(
        freq="M",
        prediction_length=horizon,
        context_length=2 * horizon,
        trainer_kwargs=bare() | {"max_epochs": round(20 * share) or 1},
    )
    every = dataset(frame, "M")
    predictor = estimator.train(every, cache_data=True)
    predictor.batch_size = 1_024
    by_series = {forecast.item_id: forecast.median for forecast in predictor.predict(every)}
    return np.stack([by_series[name] for name in sorted(by_series)])
