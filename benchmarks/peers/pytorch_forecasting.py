"""PyTorch-Forecasting: RecurrentNetwork (LSTM, GRU) at the floor's sizes, the TFT; NHiTS for accuracy.

Batches come from a DataLoader in the same process, as workers of their own are slower here. It has no plain RNN.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pytorch_forecasting import NHiTS, RecurrentNetwork, TemporalFusionTransformer, TimeSeriesDataSet
from pytorch_forecasting.data import TorchNormalizer
from pytorch_forecasting.metrics import MAE

from benchmarks.speed.floor import HEADS
from benchmarks.speed.pace import Missing, Pace, lightning_callback
from benchmarks.speed.reading import FirstBatch, read_frame
from benchmarks.speed.works import ID, TARGET, WORKS, Work

BARE = {
    "accelerator": "cpu", "devices": 1, "logger": False, "enable_checkpointing": False, "enable_progress_bar": False,
    "enable_model_summary": False,
}  # fmt: skip
FORECASTS = {name: value for name, value in BARE.items() if name not in ("devices", "enable_model_summary")}
STEP = "step"


def numbered(frame: Any) -> Any:
    """A frame whose rows are counted in each series, as it asks for."""
    return frame.assign(**{STEP: frame.groupby(ID, sort=False).cumcount()})


def ahead(frame: Any, context: int, horizon: int) -> Any:
    """A frame with rows for the steps to forecast, as it asks for, without series below a context, which it refuses."""
    size = frame.groupby(ID, sort=False)[TARGET].transform("size")
    frame = numbered(frame[size >= context])
    last = frame.groupby(ID, sort=False).tail(1)
    future = last.loc[last.index.repeat(horizon)]
    future[STEP] += np.tile(np.arange(1, horizon + 1), len(last))
    return pd.concat([frame, future]).sort_values([ID, STEP], ignore_index=True)


def windows(frame: Any, context: int, horizon: int, normalizer: Any = "auto") -> TimeSeriesDataSet:
    return TimeSeriesDataSet(
        numbered(frame), time_idx=STEP, target=TARGET, group_ids=[ID], max_encoder_length=context,
        min_encoder_length=context, max_prediction_length=horizon, min_prediction_length=horizon,
        time_varying_unknown_reals=[TARGET], target_normalizer=normalizer,
    )  # fmt: skip


class Program:
    packages = ("pytorch-forecasting", "torch", "lightning", "numpy", "pandas")
    settings = "MAE, no scaler; the Transformer is the TFT, hidden 64, 4 heads"

    def __init__(self, work: Work, model: str, _threads: int) -> None:
        if model == "rnn":
            raise Missing("it has no plain RNN")
        self.work, self.kind = work, model
        self.network: Any = None
        self.data: Any = None

    def train(self, frame: Any, pace: Pace) -> None:
        work = self.work
        self.data = windows(frame, work.context, work.horizon, TorchNormalizer(method="identity"))
        common = {"learning_rate": work.lr, "loss": MAE(), "optimizer": "adam", "log_interval": -1}
        if self.kind == "transformer":
            self.network = TemporalFusionTransformer.from_dataset(
                self.data, hidden_size=work.width, attention_head_size=HEADS, lstm_layers=1,
                hidden_continuous_size=work.width // 4, dropout=0.1, output_size=1, **common,
            )  # fmt: skip
        else:
            self.network = RecurrentNetwork.from_dataset(
                self.data, cell_type=self.kind.upper(), hidden_size=work.width, rnn_layers=1, dropout=0, **common
            )
        trainer = pl.Trainer(max_epochs=-1, callbacks=[lightning_callback(pl.Callback, pace)], **BARE)
        trainer.fit(self.network, self.data.to_dataloader(train=True, batch_size=work.batch, num_workers=0))

    def predict(self, frame: Any) -> object:
        return forecasts(self.network, self.data, ahead(frame, self.work.context, self.work.horizon))


def forecasts(network: Any, data: TimeSeriesDataSet, frame: Any) -> Any:
    """The steps behind every series of a frame that has rows for them, (series, horizon)."""
    upcoming = TimeSeriesDataSet.from_dataset(data, frame, predict=True, stop_randomization=True)
    loader = upcoming.to_dataloader(train=False, batch_size=1_024, num_workers=0)
    return network.predict(loader, mode="prediction", trainer_kwargs=dict(FORECASTS))


def first_batch(path: Path) -> None:
    """Read a table and begin to train on it."""
    work = WORKS["w1"]
    data = windows(read_frame(path), work.context, work.horizon)
    network = RecurrentNetwork.from_dataset(data, cell_type="LSTM", hidden_size=work.width, rnn_layers=1, loss=MAE())
    trainer = pl.Trainer(max_steps=1, callbacks=[FirstBatch.callback(pl.Callback)], **BARE)
    trainer.fit(network, data.to_dataloader(train=True, batch_size=work.batch, num_workers=0))


ACCURACY = {
    "electricity": "NHiTS, input 5 × 48, MAE, its own scaler, 1,000 steps of 64 windows",
    "m3": "NHiTS, input 36, MAE, its own scaler, 500 steps of 256 windows",
}


def electricity(frame: Any, horizon: int, origins: int, share: float = 1.0) -> NDArray[np.floating]:
    """Forecasts (origins, horizon) of the last days, all from one fit on what lies before them."""
    size = len(frame) - origins * horizon
    data = windows(frame[:size], 5 * horizon, horizon)
    network = nhits(data, steps=round(1_000 * share), batch=64)
    pasts = [frame[: size + i * horizon] for i in range(origins)]
    return np.stack([np.asarray(forecasts(network, data, ahead(past, 5 * horizon, horizon)))[0] for past in pasts])


def m3(frame: Any, horizon: int, share: float = 1.0) -> NDArray[np.floating]:
    """Forecasts (series, horizon) behind every series."""
    data = windows(frame, 2 * horizon, horizon)
    network = nhits(data, steps=round(500 * share), batch=256)
    return np.asarray(forecasts(network, data, ahead(frame, 2 * horizon, horizon)))


def nhits(data: TimeSeriesDataSet, steps: int, batch: int) -> Any:
    """Its NHiTS, trained."""
    pl.seed_everything(1, verbose=False)
    network = NHiTS.from_dataset(data, learning_rate=1e-3, loss=MAE(), optimizer="adam", log_interval=-1)
    trainer = pl.Trainer(max_steps=steps, max_epochs=-1, gradient_clip_val=1.0, **BARE)
    trainer.fit(network, data.to_dataloader(train=True, batch_size=batch, num_workers=0))
    return network
