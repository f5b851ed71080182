"""Trainings side by side: networks of one shape take their steps in one computation.

Each has its own weights, windows, rate, seed, patience and end. The numbers are those of training alone but for
rounding (`model/packed.py`) and the draws of dropout.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor

from tsforge.batch import Batch
from tsforge.data.dataset import Dataset
from tsforge.data.loader import WindowLoader
from tsforge.experiment import Experiment
from tsforge.forecast import Forecast
from tsforge.model import stacked
from tsforge.model.backbones import kernels
from tsforge.model.backbones.recurrent import Recurrent
from tsforge.model.network import Network, Neural
from tsforge.runtime import memory, timing
from tsforge.runtime.seeds import seeded
from tsforge.training import single
from tsforge.training.loop import TrainingLoop, cells, half

TIMES = 4  # steps that are measured of either way


def likeness(experiment: Experiment, dataset: Dataset) -> str | None:
    """What trainings must share to be packed: all but the seed, the rate and what else does not change the computation;
    None for what cannot be packed."""
    model, train, source = experiment.model, experiment.train, dataset.source
    alone = experiment.ensemble > 1 or train.start is not None or half(train.precision, source.device)
    if not isinstance(model, Neural) or alone:
        return None
    shape = model.model_dump(mode="json")
    if isinstance(model.backbone, Recurrent):
        del shape["backbone"]["dropout"]
    steps = [train.batch_size, train.precision]
    return json.dumps([shape, source.shape, source.device, *steps, len(dataset.parts.train)])


def run(loops: Sequence[TrainingLoop]) -> list[Exception | None]:
    """Train all to their ends. What stopped each before: an error of its own, or what its report raised."""
    members = [_Training(loop) for loop in loops]
    first = loops[0]
    with memory.held(), seeded(first.experiment.seed), first.brain_cells(), first.threads() as threads:
        for member in members:
            member.loop.learner.threads = threads
            member.guarded(member.begin)
        while active := [m for m in members if m.goes_on]:
            _step(active)
        for member in members:
            if member.problem is None and member.loop.wants_validation:
                member.guarded(member.validate)
    return [member.problem for member in members]


def gain(experiment: Experiment, dataset: Dataset, count: int) -> float:
    """How many times as fast a step of `count` networks is side by side, measured over a few steps."""
    source = dataset.source
    untrained = [single.untrained(experiment, dataset).to(source.device).train() for _ in range(count)]
    networks = cast("list[Network]", untrained)
    loader = WindowLoader(source, dataset.parts.train, experiment.train.batch_size, base=networks[0].base)
    batch = next(iter(loader))

    def alone() -> None:
        for network in networks:
            _back([network], [batch])

    def packed() -> None:
        _back(networks, [batch] * count)

    with seeded(0), kernels.brain_cells(cells(experiment.train.precision, source.device)):
        seconds = timing.rounds({"alone": alone, "packed": packed}, TIMES, device=source.device)
    return min(seconds["alone"]) / min(seconds["packed"])


@dataclass
class _Training:
    """One training among the others. alone: whether it is kept from the others, as its numbers are not finite."""

    loop: TrainingLoop
    problem: Exception | None = None
    alone: bool = False
    halted: bool = False
    _batches: Iterator[Batch] = field(default_factory=lambda: iter(()))

    def begin(self) -> None:
        self.loop.begin()
        self.loop.learner.configure_optimizers()
        self.loop.learner.begin()
        self.loop.network.train()

    @property
    def network(self) -> Network:
        """What is trained: `likeness` lets no other kind in."""
        return cast("Network", self.loop.network)

    @property
    def goes_on(self) -> bool:
        return self.problem is None and not self.halted and not self.loop.over

    def next(self) -> Batch:
        """Of windows without end."""
        batch = next(self._batches, None)
        if batch is None:
            self._batches = iter(self.loop.loader)
            batch = next(self._batches)
        return batch

    def finite(self, loss: Tensor) -> bool:
        """Whether a loss that was sent back has left finite gradients."""
        gradients = [tensor.grad for tensor in self.loop.learner.weights.tensors if tensor.grad is not None]
        norm = torch.stack(torch._foreach_norm(gradients)).sum()
        return bool(torch.isfinite(norm + loss.detach()))

    def step(self, loss: Tensor) -> None:
        """The optimiser's step, and a validation where one is due."""
        learner = self.loop.learner
        learner.step(loss)
        self.halted = learner.monitor.after_step(learner.steps)
        if learner.steps % self.loop.every == 0:
            self.validate()

    def validate(self) -> None:
        learner, network = self.loop.learner, self.loop.network
        network.eval()
        learner.begin_validation()
        with torch.no_grad():
            for batch in self.loop.validation:
                learner.judge(batch)
        self.halted |= learner.end_validation()
        network.train()

    def guarded(self, work: Callable[..., None], *args: Any) -> None:
        """What goes wrong with one is its own."""
        try:
            work(*args)
        except Exception as problem:
            self.problem = problem


def _step(members: Sequence[_Training]) -> None:
    """One step of each."""
    batches = [member.next() for member in members]
    groups: dict[tuple[int, int], list[int]] = {}
    for i, (member, batch) in enumerate(zip(members, batches, strict=True)):
        apart = id(member) if member.alone else 0
        groups.setdefault((len(batch.truth.target), apart), []).append(i)
    for group in groups.values():
        _together([members[i] for i in group], [batches[i] for i in group])


def _together(members: Sequence[_Training], batches: Sequence[Batch]) -> None:
    with members[0].loop.learner.threads.timed():
        losses = _back([member.network for member in members], batches)
    fine = [member.finite(loss) for member, loss in zip(members, losses, strict=True)]
    if not all(fine) and len(members) > 1:
        # What is not finite has spread through the zeros between members: each by itself says whose it is.
        for i, (member, batch) in enumerate(zip(members, batches, strict=True)):
            member.loop.learner.weights.forget()
            (losses[i],) = _back([member.network], [batch])
            member.alone = not member.finite(losses[i])
    for member, loss in zip(members, losses, strict=True):
        member.guarded(member.step, loss)


def _back(networks: Sequence[Network], batches: Sequence[Batch]) -> list[Tensor]:
    """The losses, sent back to each network's own weights."""
    forecasts: list[Forecast]
    if len(networks) == 1:
        forecasts = [networks[0](batches[0].context)]
    else:
        forecasts = stacked.forward(networks, [batch.context for batch in batches])
    losses = [forecast.loss(batch.truth) for forecast, batch in zip(forecasts, batches, strict=True)]
    total: Any = torch.stack(losses).sum()
    total.backward()
    return losses
