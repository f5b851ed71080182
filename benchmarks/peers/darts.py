"""Darts: BlockRNNModel and TransformerModel at the floor's sizes; NHiTSModel for accuracy.

Nothing is logged, kept or shown. The Transformer is an encoder and a decoder that is shown the truth while it learns.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from darts import TimeSeries
from darts.models import BlockRNNModel, NHiTSModel, TransformerModel
from numpy.typing import NDArray

from benchmarks.speed.floor import EXPANSION, HEADS, LAYERS
from benchmarks.speed.pace import Pace, lightning_callback
from benchmarks.speed.reading import FirstBatch, read_frame
from benchmarks.speed.works import ID, TARGET, TIME, WORKS, Work

BARE = {
    "accelerator": "cpu", "devices": 1, "logger": False, "enable_checkpointing": False, "enable_progress_bar": False,
    "enable_model_summary": False,
}  # fmt: skip


def series(frame: Any, freq: str) -> list[TimeSeries]:
    return TimeSeries.from_group_dataframe(
        frame, group_cols=ID, time_col=TIME, value_cols=TARGET, freq=freq, drop_group_cols=ID
    )


def long_enough(every: list[TimeSeries], steps: int) -> list[TimeSeries]:
    """Darts trains on no series that is shorter than a window."""
    return [one for one in every if len(one) >= steps]


class Program:
    packages = ("darts", "torch", "pytorch-lightning", "numpy", "pandas")
    settings = "MSE, no scaler; M3's series below 54 months left out, which Darts refuses"

    def __init__(self, work: Work, model: str, _threads: int) -> None:
        self.work = work
        self._trainer: dict[str, Any] = {**BARE, "callbacks": []}
        common = {
            "input_chunk_length": work.context, "output_chunk_length": work.horizon, "batch_size": work.batch,
            "n_epochs": 1_000, "optimizer_kwargs": {"lr": work.lr}, "random_state": 0, "loss_fn": torch.nn.MSELoss(),
            "pl_trainer_kwargs": self._trainer,
        }  # fmt: skip
        if model == "transformer":
            self.model = TransformerModel(
                d_model=work.width, nhead=HEADS, num_encoder_layers=LAYERS, num_decoder_layers=1,
                dim_feedforward=EXPANSION * work.width, dropout=0.1, **common,
            )  # fmt: skip
        else:
            self.model = BlockRNNModel(model=model.upper(), hidden_dim=work.width, n_rnn_layers=1, **common)

    def train(self, frame: Any, pace: Pace) -> None:
        every = long_enough(series(frame, self.work.freq), self.work.context + self.work.horizon)
        self.model.trainer_params["callbacks"] = [lightning_callback(pl.Callback, pace)]
        self.model.fit(every, verbose=False)
        self.model.trainer_params["callbacks"] = []

    def predict(self, frame: Any) -> object:
        every = long_enough(series(frame, self.work.freq), self.work.context)
        return self.model.predict(n=self.work.horizon, series=every, batch_size=1_024, verbose=False)


def first_batch(path: Path) -> None:
    """Read a table and begin to train on it."""
    work = WORKS["w1"]
    model = BlockRNNModel(
        model="LSTM", hidden_dim=work.width, input_chunk_length=work.context, output_chunk_length=work.horizon,
        batch_size=work.batch, n_epochs=1, pl_trainer_kwargs={**BARE, "callbacks": [FirstBatch.callback(pl.Callback)]},
    )  # fmt: skip
    model.fit(series(read_frame(path), "D"), verbose=False)


ACCURACY = {
    "electricity": "NHiTSModel, input 7 × 48, its own defaults, 20 epochs, values scaled to 0–1",
    "m3": "NHiTSModel, input 36, its own defaults, 10 epochs of at most 40 windows a series, values scaled to 0–1",
}


def electricity(frame: Any, horizon: int, origins: int, share: float = 1.0) -> NDArray[np.floating]:
    """Forecasts (origins, horizon) of the last days, all from one fit on what lies before them."""
    from darts.dataprocessing.transformers import Scaler

    (values,) = series(frame, "30min")
    train = values[: -origins * horizon]
    scaler = Scaler().fit(train)
    model = NHiTSModel(
        7 * horizon, horizon, n_epochs=round(20 * share) or 1, random_state=1, pl_trainer_kwargs=dict(BARE)
    )
    model.fit(scaler.transform(train), verbose=False)
    pasts = [scaler.transform(values[: len(train) + i * horizon]) for i in range(origins)]
    forecasts = model.predict(n=horizon, series=pasts, verbose=False)
    return np.stack([scaler.inverse_transform(one).values()[:, 0] for one in forecasts])


def m3(frame: Any, horizon: int, share: float = 1.0) -> NDArray[np.floating]:
    """Forecasts (series, horizon) behind every series."""
    from darts.dataprocessing.transformers import Scaler

    scaler = Scaler()
    every = scaler.fit_transform(series(frame, "MS"))
    model = NHiTSModel(
        36, horizon, n_epochs=round(10 * share) or 1, random_state=1, pl_trainer_kwargs=dict(BARE), batch_size=256
    )
    model.fit(long_enough(every, 36 + horizon), max_samples_per_ts=40, verbose=False)
    forecasts = scaler.inverse_transform(model.predict(n=horizon, series=every, verbose=False))
    return np.stack([one.values()[:, 0] for one in forecasts])
