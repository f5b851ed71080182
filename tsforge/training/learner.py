"""The one LightningModule: any network, trained on the loss that its forecasts know, watched on validation."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from tsforge.batch import Batch
from tsforge.training.monitor import State, Watch


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


class _Average:
    """An exponential moving average of the weights, which is what is validated and kept.

    Single steps jump about; their average does not, so that the best validation is less a matter of luck.
    (Polyak & Juditsky 1992.) The decay grows from 0, so that the first steps do not linger.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self._live = [p for p in network.parameters() if p.requires_grad]
        self._mean = [p.detach().clone() for p in self._live]
        self._updates = 0

    def update(self) -> None:
        """After an optimiser step."""
        self._updates += 1
        decay = min(self.decay, self._updates / (self._updates + 10))
        torch._foreach_lerp_(self._mean, [p.detach() for p in self._live], 1 - decay)

    def state(self) -> dict[str, Tensor]:
        return {"updates": torch.tensor(self._updates), **{str(i): mean for i, mean in enumerate(self._mean)}}

    def resume(self, state: dict[str, Tensor]) -> None:
        self._updates = int(state["updates"])
        for i, mean in enumerate(self._mean):
            mean.copy_(state[str(i)])

    def swap(self) -> None:
        """Exchange the network's weights with their average."""
        for live, mean in zip(self._live, self._mean, strict=True):
            live.data, mean.data = mean.data, live.data


class Learner(pl.LightningModule):  # type: ignore[misc]
    """AdamW on the forecast's own loss, with clipped gradients and a rate per step.

    Clipping, the rate and the watch are called from here and not through the Trainer's own clipping, schedulers
    and callbacks, which together cost more a step than a small network does.
    """

    def __init__(
        self,
        network: nn.Module,
        watch: Watch,
        *,
        lr: float,
        rate: Callable[[int], float],
        clip: float,
        weight_decay: float,
        average: float = 0.0,
        half: bool = False,
        keep: Callable[[State], None] | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.watch = watch
        self.lr, self.rate, self.clip, self.weight_decay = lr, rate, clip, weight_decay
        self._average = _Average(network, average) if average else None
        self._half, self._keep = half, keep
        self._begin: State | None = None  # where it was resumed
        self._steps = 0
        self._optimizer: torch.optim.Optimizer | None = None
        self.halt: Callable[[], None] = self._halt  # called where training is to end
        self._train = _Mean()
        self._validation = _Mean()

    def _halt(self) -> None:
        self.trainer.should_stop = True

    @property
    def steps(self) -> int:
        """Optimiser steps so far."""
        return self._steps

    def state(self) -> State:
        """After a validation: all that the next steps depend on, and what the best so far is."""
        watch = self.watch.state()
        tensors = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"kept.{k}": v for k, v in watch.tensors.items()}
        assert self._optimizer is not None
        for i, moments in self._optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{i}.{k}": v for k, v in moments.items()}
        if self._average is not None:
            tensors |= {f"average.{k}": v for k, v in self._average.state().items()}
        tensors["random.cpu"] = torch.get_rng_state()
        if self.device.type == "cuda":
            tensors["random.cuda"] = torch.cuda.get_rng_state(self.device)
        return State(tensors, {"step": self._steps, **watch.facts})

    def resume(self, state: State) -> None:
        """Go on from there: call it with the random numbers seeded, before the Trainer begins."""
        self._begin, self._steps = state, state.facts["step"]
        self.network.load_state_dict(state.part("network."))
        if self._average is not None:
            self._average.resume(state.part("average."))
        self.watch.resume(State(state.part("kept."), state.facts))
        torch.set_rng_state(state.tensors["random.cpu"])
        if "random.cuda" in state.tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(state.tensors["random.cuda"])

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        loss = self._loss(batch)
        self.counted(loss)
        return loss

    def counted(self, loss: Tensor) -> None:
        """A step's loss becomes part of the mean that is reported."""
        self._train.add(loss.detach(), 1)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        nn.utils.clip_grad_norm_(self.network.parameters(), self.clip, foreach=True)
        optimizer.param_groups[0]["lr"] = self.lr * self.rate(self._steps)

    def on_train_start(self) -> None:
        self.watch.begin()

    def on_train_batch_end(self, *_: Any) -> None:
        self._steps += 1
        if self._average is not None:
            self._average.update()
        if self.watch.after_step(self._steps):
            self.halt()

    def on_validation_start(self) -> None:
        if self._average is not None:
            self._average.swap()

    def validation_step(self, batch: Batch, _index: int) -> None:
        loss = self._loss(batch)
        self._validation.add(loss, batch.truth.observed.sum())

    def on_validation_end(self) -> None:
        if self.watch.after_validation(self._steps, self._train.take(), self._validation.take(), self.network):
            self.halt()
        if self._average is not None:
            self._average.swap()
        if self._keep is not None and self.watch.stop != "interrupt":
            self._keep(self.state())

    def _loss(self, batch: Batch) -> Tensor:
        """In brain floats where that was asked for; weights, moments and averages stay in single precision."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._half):
            loss: Tensor = self.network(batch.context).loss(batch.truth)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        found = torch.optim.AdamW(self.network.parameters(), lr=self.lr, weight_decay=self.weight_decay)
        if self._begin is not None:
            moments: dict[int, dict[str, Tensor]] = {}
            for name, value in self._begin.part("optimizer.").items():
                i, _, moment = name.partition(".")
                moments.setdefault(int(i), {})[moment] = value
            found.load_state_dict({"state": moments, "param_groups": found.state_dict()["param_groups"]})
        self._optimizer = found
        return found

    def transfer_batch_to_device(self, batch: Batch, _device: torch.device, _index: int) -> Batch:
        """Batches are gathered where they are used."""
        return batch
