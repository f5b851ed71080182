"""The one LightningModule: any network, trained on the loss that its forecasts know, watched on validation."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from tsforge.batch import Batch


class Round(NamedTuple):
    """What is known after a validation."""

    step: int  # optimiser steps so far
    train: float  # mean training loss since the last round
    validation: float  # mean validation loss, in normalised units
    seconds: float  # since training began
    windows: int  # training windows seen so far
    best: bool  # the lowest validation loss so far


class Tick(NamedTuple):
    """A sign of life between validations."""

    step: int
    seconds: float
    windows: int


Report = Callable[[Round | Tick], None]


class Learner(pl.LightningModule):
    """Adam on the forecast's own loss, with clipped gradients and a schedule over a known number of steps."""

    def __init__(
        self, network: nn.Module, *, lr: float, weight_decay: float, clip: float, rate: Callable[[int], float]
    ) -> None:
        super().__init__()
        self.network = network
        self.lr, self.weight_decay, self.clip, self.rate = lr, weight_decay, clip, rate
        self._train = _Mean()
        self._validation = _Mean()

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        loss: Tensor = self.network(batch.context).loss(batch.truth)
        self._train.add(loss.detach(), 1)
        return loss

    def validation_step(self, batch: Batch, _index: int) -> None:
        loss = self.network(batch.context).loss(batch.truth)
        self._validation.add(loss, batch.truth.observed.sum())

    def take_means(self) -> tuple[float, float]:
        """(training loss, validation loss) since the last call."""
        return self._train.take(), self._validation.take()

    def on_before_optimizer_step(self, _optimizer: torch.optim.Optimizer) -> None:
        # Here and not through the Trainer: its own clipping costs twice as much a step.
        nn.utils.clip_grad_norm_(self.network.parameters(), self.clip)

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.network.parameters(), lr=self.lr, weight_decay=self.weight_decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self.rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def transfer_batch_to_device(self, batch: Batch, _device: torch.device, _index: int) -> Batch:
        """Batches are gathered where they are used."""
        return batch


class _Mean:
    """A running mean that stays on the device until it is asked for."""

    def __init__(self) -> None:
        self.total: Tensor | float = 0.0
        self.count: Tensor | int = 0

    def add(self, value: Tensor, count: Tensor | int) -> None:
        self.total = self.total + value * count
        self.count = self.count + count

    def take(self) -> float:
        mean = float(self.total) / float(self.count) if float(self.count) else math.nan
        self.total, self.count = 0.0, 0
        return mean


class Watch(pl.Callback):
    """After each validation: keep the best weights, report, and stop when it is time to.

    stop: why training ended before its last step: "patience", "time", "interrupt" or "diverged"; else "steps".
    """

    TICK = 20  # steps between signs of life

    def __init__(self, batch_size: int, patience: int, max_time: float | None, report: Report) -> None:
        self.batch_size, self.patience, self.max_time, self.report = batch_size, patience, max_time, report
        self.rounds: list[Round] = []
        self.stop = "steps"
        self.interrupted = False
        self._best = math.inf
        self._kept: dict[str, Tensor] | None = None
        self._since_best = 0
        self._start = time.perf_counter()

    def on_train_start(self, _trainer: pl.Trainer, _module: pl.LightningModule) -> None:
        self._start = time.perf_counter()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if self.interrupted:
            self._end(trainer, "interrupt")
        if trainer.global_step % self.TICK:
            return
        seconds = time.perf_counter() - self._start
        self.report(Tick(trainer.global_step, seconds, trainer.global_step * self.batch_size))
        if self.max_time is not None and seconds > self.max_time:
            self._end(trainer, "time")

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, Learner)
        train, validation = module.take_means()
        best = validation < self._best
        seconds = time.perf_counter() - self._start
        windows = trainer.global_step * self.batch_size
        self.rounds.append(Round(trainer.global_step, train, validation, seconds, windows, best))
        self.report(self.rounds[-1])
        if best:
            self._best, self._since_best = validation, 0
            self._kept = {k: v.detach().clone() for k, v in module.network.state_dict().items()}
        else:
            self._since_best += 1
        if not (math.isfinite(validation) and math.isfinite(train)):
            self._end(trainer, "diverged")
        elif self._since_best >= self.patience:
            self._end(trainer, "patience")

    def restore(self, network: nn.Module) -> bool:
        """Put the best weights back; False where there never were any."""
        if self._kept is None:
            return False
        network.load_state_dict(self._kept)
        return True

    def _end(self, trainer: pl.Trainer, why: str) -> None:
        if self.stop == "steps":
            self.stop = why
        trainer.should_stop = True
