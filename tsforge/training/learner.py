"""The one LightningModule: any network, trained on the loss that its forecasts know, watched on validation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice, repeat
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from tsforge.batch import Batch
from tsforge.experiment import TrainConfig
from tsforge.runtime import timing
from tsforge.runtime.threads import ThreadCount
from tsforge.training.averaging import Average
from tsforge.training.distributed.ranks import Ranks
from tsforge.training.events import Stop
from tsforge.training.monitor import Monitor, State, moments, resumed
from tsforge.training.weights import Weights

TURN = 8  # steps of one turn of Lightning's loop


class _Mean:
    """A running mean that stays on the device until it is asked for."""

    def __init__(self) -> None:
        self.total: Tensor | float = 0.0
        self.count: Tensor | int = 0

    def add(self, value: Tensor, count: Tensor | int) -> None:
        self.total = self.total + value * count
        self.count = self.count + count

    def take(self, ranks: Ranks | None = None) -> float:
        total, count = float(self.total), float(self.count)
        if ranks is not None:
            total, count = ranks.sum(total, count)
        mean = total / count if count else math.nan
        self.total, self.count = 0.0, 0
        return mean


class Turns:
    """Batches, several to a turn of Lightning's loop; with the one before a validation a turn ends.

    batches: of an epoch, iterated again and again. steps: of them in all. every: between validations.
    """

    def __init__(self, batches: Iterable[Batch], steps: int, every: int) -> None:
        self._batches, self._steps, self._every = batches, steps, every
        self.between = -(-every // TURN)  # turns from one validation to the next

    def __len__(self) -> int:
        whole, rest = divmod(self._steps, self._every)
        return whole * self.between + -(-rest // TURN)

    def __iter__(self) -> Iterator[Iterator[Batch]]:
        batches = chain.from_iterable(repeat(self._batches))
        for validated in range(0, self._steps, self._every):
            until = min(validated + self._every, self._steps)
            for step in range(validated, until, TURN):
                yield islice(batches, min(TURN, until - step))


class Learner(pl.LightningModule):  # type: ignore[misc]
    """AdamW on the forecast's own loss, with clipped gradients and a rate per step.

    The methods from `begin` to `end_validation` are one training. Lightning's loop calls them, through the hooks at the
    end, or `stacked`, for several trainings side by side. Clipping, the rate and the monitor are called from here: the
    Trainer's own clipping, schedulers and callbacks together cost more a step than a small network does.

    rate: factor of the learning rate by step.
    half: whether products are computed in brain floats.
    keep: called with the state after each validation.
    ranks: the processes that train it together, where there are several.
    """

    def __init__(
        self, network: nn.Module, monitor: Monitor, config: TrainConfig, rate: Callable[[int], float], *,
        half: bool = False, keep: Callable[[State], None] | None = None, ranks: Ranks | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.network, self.monitor, self.config, self.rate = network, monitor, config, rate
        self.steps = 0  # optimiser steps so far
        self.threads = ThreadCount([torch.get_num_threads()], lambda _: None)
        self.weights = Weights(network)
        self._average = Average(self.weights.tensors, config.average) if config.average else None
        self.automatic_optimization = False  # see `training_step`
        self._half, self._keep, self.ranks = half, keep, ranks
        self._resumed: State | None = None
        self._optimizer: torch.optim.Optimizer | None = None
        self._train = _Mean()
        self._validation = _Mean()

    # --- one training ---------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Training starts now."""
        self.weights.begin()
        self.monitor.begin()

    def loss(self, batch: Batch) -> Tensor:
        """In brain floats where that was asked for; weights, moments and averages stay in single precision."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._half):
            loss: Tensor = self.network(batch.context).loss(batch.truth)
        return loss

    def back(self, batch: Batch) -> Tensor:
        """The loss of a batch, or of all ranks' shares of it, sent back to the gradients."""
        if self.ranks is not None:
            return self.ranks.back(self.loss, batch, self.weights.tensors)
        loss = self.loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    def step(self, loss: Tensor) -> None:
        """With the gradients of a loss there: clip them, set the rate, take the optimiser's step and count it."""
        assert self._optimizer is not None
        self.weights.clip(self.config.clip)
        self._optimizer.param_groups[0]["lr"] = self.config.lr * self.rate(self.steps)
        self._optimizer.step()
        self.weights.forget()
        if self._average is not None:
            self._average.update()
        self._train.add(loss.detach(), 1)
        self.steps += 1

    def begin_validation(self) -> None:
        """The averaged weights are validated."""
        timing.begin("validation")
        if self._average is not None:
            self._average.swap()

    def judge(self, batch: Batch) -> None:
        """One batch of a validation; of several ranks one may have no window of the last."""
        if len(batch.truth.target):
            self._validation.add(self.loss(batch), batch.truth.observed.sum())

    def end_validation(self) -> bool:
        """Report, keep what was best and the state, and say whether to stop."""
        monitor = self.monitor
        stop = monitor.after_validation(self.steps, self._train.take(), self._validation.take(self.ranks), self.network)
        if self._average is not None:
            self._average.swap()
        if self._keep is not None and self._optimizer is not None and monitor.stop != Stop.INTERRUPT:
            self._keep(self.state())
        if self.ranks is not None:
            self.ranks.draw(self.steps)
        timing.end()
        return stop

    # --- its state ------------------------------------------------------------------------------------------------

    def state(self) -> State:
        """After a validation: all that the next steps depend on, and what the best so far is."""
        monitor = self.monitor.state()
        tensors = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"kept.{k}": v for k, v in monitor.tensors.items()}
        assert self._optimizer is not None
        tensors |= moments(self._optimizer)
        if self._average is not None:
            tensors |= {f"average.{k}": v for k, v in self._average.state().items()}
        tensors["random.cpu"] = torch.get_rng_state()
        if self.device.type == "cuda":
            tensors["random.cuda"] = torch.cuda.get_rng_state(self.device)
        return State(tensors, {"step": self.steps, **monitor.facts})

    def resume(self, state: State) -> None:
        """Go on from there: call it with the random numbers seeded, before training begins."""
        self._resumed, self.steps = state, state.facts["step"]
        self.network.load_state_dict(state.part("network."))
        if self._average is not None:
            self._average.resume(state.part("average."))
        self.monitor.resume(State(state.part("kept."), state.facts))
        torch.set_rng_state(state.tensors["random.cpu"])
        if "random.cuda" in state.tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(state.tensors["random.cuda"])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW, with the moments that were resumed."""
        config = self.config
        optimizer = torch.optim.AdamW(
            self.weights.tensors, lr=config.lr, weight_decay=config.weight_decay, fused=True
        )  # fmt: skip
        if self._resumed is not None:
            optimizer.load_state_dict(resumed(optimizer, self._resumed))
        self._optimizer = optimizer
        return optimizer

    # --- what Lightning calls -------------------------------------------------------------------------------------

    def on_train_start(self) -> None:
        self.begin()

    def training_step(self, batches: Iterable[Batch], _index: int) -> None:
        """Several steps: between two calls Lightning does what takes as long as a tenth of a small network's step."""
        if self.ranks is not None:
            self.monitor.agreed = self.ranks.agreed(self.monitor.wish())
        for batch in batches:
            with self.threads.timed():
                self.step(self.back(batch))
            if self.monitor.after_step(self.steps):
                self.trainer.should_stop = True
                return

    def on_validation_model_zero_grad(self) -> None:
        """Gradients are 0 after every step, and stay where `Weights` has them."""

    def on_validation_start(self) -> None:
        self.begin_validation()

    def validation_step(self, batch: Batch, _index: int) -> None:
        self.judge(batch)

    def on_validation_end(self) -> None:
        if self.end_validation():
            self.trainer.should_stop = True

    def transfer_batch_to_device(self, batch: Any, _device: torch.device, _index: int) -> Any:
        """Batches are gathered where they are used."""
        return batch
