"""Trainings side by side: networks of one shape take their steps in one computation.

Each has its own weights, windows, rate, seed, patience and end. The numbers are those of training alone but for
rounding (`model/packed.py`) and the draws of dropout.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn

from tsforge.batch import Batch
from tsforge.data.dataset import Prepared
from tsforge.data.loader import WindowLoader
from tsforge.forecast import Forecast
from tsforge.model import stacked
from tsforge.model.backbones.recurrent import Recurrent
from tsforge.model.network import Network, Neural
from tsforge.runtime.seeds import seeded
from tsforge.training import fitting
from tsforge.training.loop import Course

TIMES = 4  # steps that are measured of either way


def likeness(prepared: Prepared) -> str | None:
    """What trainings must share to be packed: all but the seed, the rate and what else does not change the computation;
    None for what cannot be packed."""
    model, train = prepared.experiment.model, prepared.experiment.train
    if not isinstance(model, Neural) or prepared.experiment.ensemble > 1 or train.precision != "32":
        return None
    shape = model.model_dump(mode="json")
    if isinstance(model.backbone, Recurrent):
        del shape["backbone"]["dropout"]
    return json.dumps(
        [shape, prepared.source.shape, prepared.source.device, train.batch_size, len(prepared.parts.train)]
    )


def run(courses: Sequence[Course]) -> list[Exception | None]:
    """Train all to their ends. What stopped each before: an error of its own, or what its report raised."""
    members = [_Member(course) for course in courses]
    with seeded(courses[0].prepared.experiment.seed):
        for member in members:
            member.guarded(member.begin)
        while active := [m for m in members if m.goes_on]:
            _step(active)
        for member in members:
            if member.problem is None and member.course.watch.wants_validation(member.course.learner.steps):
                member.guarded(member.validate)
    return [member.problem for member in members]


def gain(prepared: Prepared, count: int) -> float:
    """How many times as fast a step of so many networks of this shape is side by side: the best of a few, measured."""
    batch = next(iter(WindowLoader(prepared.source, prepared.parts.train, prepared.experiment.train.batch_size)))
    networks = [cast("Network", fitting.untrained(prepared)).to(prepared.source.device).train() for _ in range(count)]

    def alone() -> None:
        for network in networks:
            _back([network], [batch])

    def packed() -> None:
        _back(networks, [batch] * count)

    best = {alone: math.inf, packed: math.inf}
    with seeded(0):
        for _ in range(TIMES):
            for way in best:
                start = time.perf_counter()
                way()
                if prepared.source.device == "cuda":
                    torch.cuda.synchronize()
                best[way] = min(best[way], time.perf_counter() - start)
    return best[alone] / best[packed]


@dataclass
class _Member:
    """One training among the others. alone: whether it is kept from the others, as its numbers are not finite."""

    course: Course
    problem: Exception | None = None
    alone: bool = False
    halted: bool = False
    _batches: Iterator[Batch] = field(default_factory=lambda: iter(()))

    def begin(self) -> None:
        course = self.course
        course.begin()
        course.learner.halt = self.halt
        self.optimizer = course.learner.configure_optimizers()
        course.learner.on_train_start()
        course.network.train()

    def halt(self) -> None:
        self.halted = True

    @property
    def goes_on(self) -> bool:
        return self.problem is None and not self.halted and not self.course.over

    def next(self) -> Batch:
        """Of windows without end."""
        batch = next(self._batches, None)
        if batch is None:
            self._batches = iter(self.course.loader)
            batch = next(self._batches)
        return batch

    def gradient(self, loss: Tensor) -> bool:
        """Whether a loss that was sent back has left finite gradients."""
        found = [p.grad for p in self.course.network.parameters() if p.grad is not None]
        norm = torch.stack(torch._foreach_norm(found)).sum()
        return bool(torch.isfinite(norm + loss.detach()))

    def after(self, loss: Tensor) -> None:
        """The optimiser's step, and a validation where one is due."""
        learner = self.course.learner
        learner.counted(loss)
        learner.on_before_optimizer_step(self.optimizer)
        self.optimizer.step()
        self.optimizer.zero_grad()
        learner.on_train_batch_end()
        if learner.steps % self.course.every == 0:
            self.validate()

    def validate(self) -> None:
        learner, network = self.course.learner, self.course.network
        network.eval()
        learner.on_validation_start()
        with torch.no_grad():
            for i, batch in enumerate(self.course.validation):
                learner.validation_step(batch, i)
        learner.on_validation_end()
        network.train()

    def guarded(self, work: object, *args: object) -> None:
        """What goes wrong with one is its own."""
        try:
            work(*args)  # type: ignore[operator]
        except Exception as problem:
            self.problem = problem


def _step(members: Sequence[_Member]) -> None:
    """One step of each."""
    batches = [member.next() for member in members]
    groups: dict[tuple[int, int], list[int]] = {}
    for i, (member, batch) in enumerate(zip(members, batches, strict=True)):
        apart = id(member) if member.alone else 0
        groups.setdefault((len(batch.truth.target), apart), []).append(i)
    for group in groups.values():
        _together([members[i] for i in group], [batches[i] for i in group])


def _together(members: Sequence[_Member], batches: Sequence[Batch]) -> None:
    losses = _back([member.course.network for member in members], batches)
    fine = [member.gradient(loss) for member, loss in zip(members, losses, strict=True)]
    if not all(fine) and len(members) > 1:
        # What is not finite has spread through the zeros between members: each by itself says whose it is.
        for i, (member, batch) in enumerate(zip(members, batches, strict=True)):
            nn.Module.zero_grad(member.course.network)
            (losses[i],) = _back([member.course.network], [batch])
            member.alone = not member.gradient(losses[i])
    for member, loss in zip(members, losses, strict=True):
        member.guarded(member.after, loss)


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
