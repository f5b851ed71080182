"""NeuralForecast: LSTM, GRU, RNN and VanillaTransformer at the floor's sizes; NHITS for accuracy.

Its batch is some series a step, of whose windows as many are drawn as the work's batch has. Nothing is logged, kept or
shown, as its documentation advises for speed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from neuralforecast import NeuralForecast, models
from neuralforecast.losses.pytorch import MAE, MSE
from numpy.typing import NDArray

from benchmarks.speed.floor import EXPANSION, HEADS, LAYERS
from benchmarks.speed.pace import Pace, lightning_callback
from benchmarks.speed.reading import FirstBatch, read_frame
from benchmarks.speed.works import TARGET, WORKS, Work

BARE = {
    "logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False,
    "accelerator": "cpu", "devices": 1,
}  # fmt: skip
ENDLESS = 100_000  # steps: the pace ends a training
SERIES = {"w1": 7, "w2": 32}  # a step


class Program:
    packages = ("neuralforecast", "torch", "pytorch-lightning", "numpy", "pandas")
    settings = "MSE, no scaler; 7 (ETTh1) or 32 (M3) series a step, windows_batch_size as the work's batch"

    def __init__(self, work: Work, model: str, _threads: int) -> None:
        recurrent = {
            "encoder_hidden_size": work.width, "encoder_n_layers": 1, "decoder_hidden_size": work.width,
            "decoder_layers": 1,
        }  # fmt: skip
        attention = {
            "hidden_size": work.width, "n_head": HEADS, "encoder_layers": LAYERS, "decoder_layers": 1,
            "conv_hidden_size": EXPANSION * work.width, "dropout": 0.1,
        }  # fmt: skip
        kinds = {"lstm": models.LSTM, "gru": models.GRU, "rnn": models.RNN, "transformer": models.VanillaTransformer}
        self.network = kinds[model](
            h=work.horizon, input_size=work.context, loss=MSE(), max_steps=ENDLESS, learning_rate=work.lr,
            batch_size=SERIES[work.name], windows_batch_size=work.batch, scaler_type="identity", random_seed=0,
            val_check_steps=ENDLESS, **(attention if model == "transformer" else recurrent), **BARE,
        )  # fmt: skip
        self.forecaster = NeuralForecast(models=[self.network], freq=work.freq)

    def train(self, frame: Any, pace: Pace) -> None:
        trained = self.forecaster.models[0]
        trained.trainer_kwargs["callbacks"] = [lightning_callback(pl.Callback, pace)]
        self.forecaster.fit(frame)
        self.forecaster.models[0].trainer_kwargs["callbacks"] = []

    def predict(self, frame: Any) -> object:
        return self.forecaster.predict(df=frame)


def first_batch(path: Path) -> None:
    """Read a table and begin to train on it; with pandas, its documented way in."""
    work = WORKS["w1"]
    network = models.LSTM(
        h=work.horizon, input_size=work.context, loss=MSE(), max_steps=1, batch_size=32, windows_batch_size=work.batch,
        scaler_type="identity", callbacks=[FirstBatch.callback(pl.Callback)], **BARE,
    )  # fmt: skip
    NeuralForecast(models=[network], freq="D").fit(read_frame(path))


ACCURACY = {
    "electricity": "NHITS, input 5 × 48, robust scaler, MAE, 1,000 steps",
    "m3": "NHITS, input 3 × 18, robust scaler, MAE, 1,000 steps",
}


def electricity(frame: Any, horizon: int, origins: int, share: float = 1.0) -> NDArray[np.floating]:
    """Forecasts (origins, horizon) of the last days, all from one fit on what lies before them."""
    network = models.NHITS(
        h=horizon,
        input_size=5 * horizon,
        loss=MAE(),
        max_steps=round(1_000 * share),
        scaler_type="robust",
        random_seed=1,
        **BARE,
    )
    forecaster = NeuralForecast(models=[network], freq="30min")
    table = forecaster.cross_validation(frame, n_windows=origins, step_size=horizon, refit=False)
    return table.sort_values(["cutoff", "ds"])["NHITS"].to_numpy().reshape(origins, horizon)


def m3(frame: Any, horizon: int, share: float = 1.0) -> NDArray[np.floating]:
    """Forecasts (series, horizon) behind every series."""
    network = models.NHITS(
        h=horizon, input_size=3 * horizon, loss=MAE(), max_steps=round(1_000 * share), scaler_type="robust",
        random_seed=1, start_padding_enabled=True, **BARE,
    )  # fmt: skip
    forecaster = NeuralForecast(models=[network], freq="MS")
    forecaster.fit(frame)
    table = forecaster.predict()
    assert TARGET not in table
    return table.sort_values(["unique_id", "ds"])["NHITS"].to_numpy().reshape(-1, horizon)
