"""The steps of a pretraining. A seed and a count of steps give the same weights on one machine, in one run or many.

Step i draws the i-th batch of series and cuts it by numbers that depend on the seed and i alone: nothing random is kept
between steps, so that a checkpoint is weights, their average, the optimiser's moments, and how much is spent.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from tsforge.batch import WindowShape
from tsforge.errors import TrainingError
from tsforge.model.zero.network import ZeroNetwork
from tsforge.model.zero.tokens import BLOCK
from tsforge.runtime import memory, stopping
from tsforge.runtime.seeds import seeded
from tsforge.runtime.threads import available, threads
from tsforge.synthesis import draw
from tsforge.training.averaging import Average
from tsforge.training.checkpoint import Checkpoint
from tsforge.training.events import Stop
from tsforge.training.monitor import State, moments, resumed
from tsforge.training.pretraining.config import Budget, Pretraining, rate
from tsforge.training.pretraining.examples import Examples, examples

TICK = 10  # steps between signs of life
NO_TABLE = WindowShape(context=1, horizon=BLOCK, targets=1, past=0, known=0, static=0)


class Progress(NamedTuple):
    """How far a pretraining is. loss: the mean since the last sign of life; left: seconds, as far as can be told."""

    step: int
    loss: float
    rate: float
    sequences: int
    seconds: float
    left: float


class Pretrained(NamedTuple):
    """What a pretraining gives. loss: the mean of the last steps; seconds: of all its runs."""

    network: ZeroNetwork
    steps: int
    sequences: int
    seconds: float
    loss: float
    stop: Stop


Report = Callable[[Progress], None]


def pretrain(
    config: Pretraining, budget: Budget, device: str, report: Report | None = None, kept: Path | None = None
) -> Pretrained:
    """Train within a budget, going on from a checkpoint where there is one.

    device: "cpu" or "cuda". report: called every few steps. kept: the file of the checkpoint; none is written where
    None. Stopped by Ctrl-C it leaves one and gives what it has. Raises TrainingError where the loss is no number.
    """
    meaning = f"{config.model_dump_json()} {budget} {device}"
    loop = Pretrainer(config, budget, device, Checkpoint(kept, meaning) if kept is not None else None)
    with stopping.first(loop.interrupt), memory.held(), threads(config.train.threads or available()):
        return loop.run(report or (lambda _: None))


class Pretrainer:
    """One pretraining from its first step, or its last checkpoint, to its end."""

    def __init__(self, config: Pretraining, budget: Budget, device: str, checkpoint: Checkpoint | None = None) -> None:
        self.config, self.train, self.budget, self.device = config, config.train, budget, device
        with seeded(config.seed):
            self.network = config.model.build(NO_TABLE).to(device)
        self.average = Average(list(self.network.parameters()), self.train.average)
        self.optimizer = torch.optim.AdamW(_groups(self.network, self.train.weight_decay), lr=self.train.lr)
        self.steps, self.sequences, self.interrupted = 0, 0, False
        self._checkpoint, self._before, self._start = checkpoint, 0.0, time.perf_counter()
        if checkpoint is not None and (state := checkpoint.read()) is not None:
            self.resume(state)

    def interrupt(self) -> None:
        """End after the current step; a handler of signals may call it."""
        self.interrupted = True

    @property
    def seconds(self) -> float:
        """That all runs took."""
        return self._before + time.perf_counter() - self._start

    @property
    def spent(self) -> float:
        """The share of the budget that is gone."""
        return self.budget.spent(self.steps, self.seconds)

    def run(self, report: Report) -> Pretrained:
        """Steps until the budget is spent."""
        self.network.train()
        losses: list[float] = []
        last, noted = float("nan"), time.perf_counter()
        while self.spent < 1 and not self.interrupted:
            losses.append(self.step())
            if len(losses) == TICK or self.spent >= 1:
                last = sum(losses) / len(losses)
                losses.clear()
                self._check(last)
                left = self.seconds / max(self.spent, 1e-9) * (1 - self.spent)
                report(Progress(self.steps, last, self._rate, self.sequences, self.seconds, left))
            if time.perf_counter() - noted > self.train.keep:
                self.keep()
                noted = time.perf_counter()
        stop = Stop.INTERRUPT if self.spent < 1 else Stop.STEPS
        self.keep()
        self.average.swap()
        return Pretrained(self.network.eval(), self.steps, self.sequences, self.seconds, last, stop)

    def step(self) -> float:
        """One step; the mean loss of its sequences."""
        batch = self.batch()
        self._rate = self.train.lr * rate(self.train, self.spent)
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate
        total = torch.zeros((), device=self.device)
        for part in batch.chunks(self.train.chunks):
            loss = part.loss(self.network) / len(batch)
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.train.clip, foreach=True)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.average.update()
        self.steps, self.sequences = self.steps + 1, self.sequences + len(batch)
        return float(total)

    def batch(self) -> Examples:
        """What the next step learns from."""
        train, seed = self.train, self.config.seed
        series = draw(self.config.mixture, train.series, train.length, seed, self.steps, self.device)
        generator = torch.Generator().manual_seed((seed << 31) + self.steps)
        return examples(series, train.cuts, generator)

    def keep(self) -> None:
        """Write a checkpoint."""
        if self._checkpoint is not None:
            self._checkpoint.write(self.state())

    def state(self) -> State:
        """All that the next steps depend on."""
        tensors = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.state().items()}
        tensors |= moments(self.optimizer)
        return State(tensors, {"steps": self.steps, "sequences": self.sequences, "seconds": self.seconds})

    def resume(self, state: State) -> None:
        """Go on from there."""
        self.steps, self.sequences, self._before = (state.facts[name] for name in ("steps", "sequences", "seconds"))
        self.network.load_state_dict(state.part("network."))
        self.average.resume(state.part("average."))
        self.optimizer.load_state_dict(resumed(self.optimizer, state))

    def _check(self, loss: float) -> None:
        if loss != loss:
            rate = self.train.lr / 3
            raise TrainingError(f"the loss is not a number at step {self.steps}", f"lower the rate: train.lr={rate:g}")


def _groups(network: nn.Module, decay: float) -> list[dict[str, object]]:
    """Matrices, which decay, and all else, which does not."""
    matrices = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": matrices, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
