"""tsforge as a timed program: its named networks through `tsforge.fit`, whose reports set the pace."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tsforge
from benchmarks.speed.pace import Enough, Pace
from benchmarks.speed.works import ID, TARGET, TIME, WORKS, Work
from tsforge.data.loader import WindowLoader
from tsforge.experiment import TrainConfig
from tsforge.training.events import Event, Round, Tick
from tsforge.training.fitting import prepare

KINDS = {"transformer": "transformer-encoder"}  # the one whose network is of the floor's kind
FEW = 3  # steps of the model that forecasts: what a forecast costs does not depend on how good it is


def settings(work: Work, model: str) -> dict[str, Any]:
    """Dotted settings: the sizes of the work, everything else as tsforge has it; a "-32" after the model's name is for
    single precision throughout."""
    model, _, precision = model.partition("-")
    exact = {"train.precision": precision} if precision else {}
    return exact | {
        "data.id": ID, "data.time": TIME, "data.target": TARGET, "data.horizon": work.horizon,
        "data.context": work.context, "model.kind": KINDS.get(model, model), "model.width": work.width,
        "train.batch_size": work.batch, "train.lr": work.lr, "train.max_steps": 100_000, "train.validations": 1,
        "train.device": "cpu", "seed": 1,
    }  # fmt: skip


def fixed_threads(count: int | str) -> dict[str, Any]:
    """The setting of how many threads to train with, where there is one."""
    return {"train.threads": count} if "threads" in TrainConfig.model_fields else {}


def turns(
    values: dict[str, Any], frame: Any, after: Callable[[float], bool], clock: Callable[[], float] = time.perf_counter
) -> None:
    """Train with settings until `after` says so, which ends it by an exception: only steps are asked for.

    after: called every few steps with the milliseconds that each of them took; how long it takes itself counts nothing.
    """
    last, mark = 0, 0.0

    def report(event: Event) -> None:
        nonlocal last, mark
        now = clock()
        if isinstance(event, Tick) and mark and after(1e3 * (now - mark) / (event.step - last)):
            raise Enough
        if isinstance(event, Tick | Round):
            last, mark = event.step, clock()

    with contextlib.suppress(Enough):
        tsforge.fit(tsforge.build(values), frame, report=report)


class Program:
    """Textbook networks of width 64, one layer (the Transformer two), with calendar and quantiles as by default."""

    packages = ("tsforge-toolkit", "torch", "pytorch-lightning", "numpy", "pandas")
    settings = "named models of width 64; quantile head, calendar and scaling as by default"

    def __init__(self, work: Work, model: str, threads: int) -> None:
        self.settings_of_fit = settings(work, model) | fixed_threads(threads)
        self._fitted: Any = None

    def train(self, frame: Any, pace: Pace) -> None:
        turns(self.settings_of_fit, frame, pace.pair)

    def predict(self, frame: Any) -> object:
        if self._fitted is None:
            values = self.settings_of_fit | {"train.max_steps": FEW}
            self._fitted = tsforge.fit(tsforge.build(values), frame).model
        return tsforge.predict(self._fitted, frame)


def first_batch(path: Path) -> None:
    """Read a table as `fit` does, and gather the first batch of its training."""
    work = WORKS["w1"]
    experiment = tsforge.build(settings(work, "lstm"))
    dataset = prepare(experiment, path)
    next(iter(WindowLoader(dataset.source, dataset.parts.train, work.batch, seed=1)))
