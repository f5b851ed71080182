"""What one trial does: an experiment is trained on the training windows and judged on the validation windows.

The test windows are never forecast.
"""

from __future__ import annotations

import gc
import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tsforge.data.dataset import Dataset
from tsforge.data.loader import WindowLoader
from tsforge.errors import TrainingError
from tsforge.evaluation.forecasting import Forecaster, Reader
from tsforge.evaluation.metrics import SHOWN, lower_is_better
from tsforge.evaluation.scores import scores
from tsforge.experiment import Experiment
from tsforge.fitted.model import Model
from tsforge.model.network import parameters
from tsforge.settings import override
from tsforge.sweeping.config import LATENCY, PARAMETERS, ROUNDS, Plan
from tsforge.sweeping.data import Table
from tsforge.sweeping.meeting import Train
from tsforge.training import fitting, single
from tsforge.training.checkpoint import Checkpoint
from tsforge.training.events import Event, Round, Stop
from tsforge.training.loop import Trained, planned_steps

if TYPE_CHECKING:
    import torch

log = logging.getLogger("tsforge")
LEAST_BATCH = 4  # windows of a step below which a trial fails for want of memory
PASSES = 20  # forecasts of one window whose fastest is the latency


class Watcher(Protocol):
    """Who follows a trial."""

    def sized(self, sizes: dict[str, float], broken: dict[str, float]) -> None:
        """Parameters and latency, and how far each goes beyond its constraint."""

    def heard(self, event: Round) -> None:
        """Told the losses of the newest fold after each validation."""

    def pruned(self, value: float, step: int) -> bool:
        """Told how good the trial is so far; whether it ends here."""

    def halved(self, batch_size: int) -> None:
        """Told that it is trained again, on batches half as large, as memory did not suffice."""

    def stopping(self) -> bool:
        """Asked every few steps: whether the trial is to be left to somebody else."""


class HandedOverError(Exception):
    """The trial was told to stop; somebody goes on with it later."""


@dataclass(frozen=True)
class Judgement:
    """values: of the objectives. scores: val/METRIC, latency in ms, parameters. facts: seconds, and why it ended."""

    values: tuple[float, ...]
    scores: dict[str, float]
    facts: dict[str, Any]
    model: Model  # of the newest fold
    trained: Trained


class StoppedEarlyError(Exception):
    """The trial is not worth going on with; says why."""


@dataclass(frozen=True)
class Judge:
    """Trains experiments and says how good they are on validation.

    folder: where trainings keep their state, so that somebody else can go on with them; None for nowhere.
    train: who trains; `fitting.train` where None.
    """

    plan: Plan
    table: Table
    folder: Path | None = None
    train: Train | None = None

    def judge(self, experiment: Experiment, watcher: Watcher) -> Judgement:
        """Train and score every fold; with batches half as large, and half again, where memory does not suffice.

        Raises StoppedEarlyError, HandedOverError, or a TsforgeError that says why there is no value.
        """
        while True:
            try:
                return self._judge(experiment, watcher)
            except (RuntimeError, MemoryError) as problem:
                if not out_of_memory(problem):
                    raise
            gc.collect()  # what the failed training held goes with its traceback
            size = experiment.train.batch_size // 2
            if size < LEAST_BATCH:
                raise TrainingError(
                    f"memory does not suffice for batches of {2 * size}",
                    "narrow the space, or take fewer sweep.workers",
                )
            log.warning("memory does not suffice for batches of %d: trained again with %d", 2 * size, size)
            watcher.halved(size)
            experiment = override(experiment, {"train.batch_size": size})

    def _judge(self, experiment: Experiment, watcher: Watcher) -> Judgement:
        start = time.perf_counter()
        folds = self.table.datasets(experiment)
        kept = [self._checkpoint(experiment, k) for k in range(len(folds))]
        experiment = experiment.on(folds[0].config)
        found = self.sizes(experiment, folds[0])
        self._constrain(found, watcher)
        try:
            fits, parts = self._folds(experiment, folds, kept, watcher)
        except HandedOverError:
            raise
        except Exception:
            _remove(kept)
            raise
        _remove(kept)
        for name in parts[0]:
            found[name] = sum(p[name] for p in parts) / len(parts)
        stops = dict.fromkeys(trained.stop for _, trained in fits)
        facts = {"seconds": round(time.perf_counter() - start, 3), "stop": ", ".join(stops)}
        return Judgement(self._values(found), found, facts, *fits[0])

    def _folds(
        self, experiment: Experiment, folds: list[Dataset], kept: list[Checkpoint | None], watcher: Watcher
    ) -> tuple[list[tuple[Model, Trained]], list[dict[str, float]]]:
        """Every fold's training and its scores."""
        fits: list[tuple[Model, Trained]] = []
        parts: list[dict[str, float]] = []
        for k, (dataset, keep) in enumerate(zip(folds, kept, strict=True)):
            steps = planned_steps(experiment.train, dataset)
            report = _Report(self.plan, steps, watcher, first=k == 0)
            trained = (self.train or fitting.train)(experiment, dataset, report, keep)
            if trained.stop == Stop.INTERRUPT:
                raise KeyboardInterrupt
            fits.append((fitting.calibrate(trained, dataset), trained))
            parts.append(self._scores(dataset, *fits[-1]))
            more = self.plan.sweep.pruner == "wilcoxon" and k + 1 < len(folds)
            if more and watcher.pruned(parts[-1][self.plan.sweep.objectives[0]], k):
                raise StoppedEarlyError(f"worse than the best over {k + 1} folds")
        return fits, parts

    def _checkpoint(self, experiment: Experiment, fold: int) -> Checkpoint | None:
        """By what is trained: whoever is given the same settings goes on with it, whatever the trial's number."""
        if self.folder is None:
            return None
        return Checkpoint.of(self.folder, f"{self.plan.digest} {fold}\n{experiment.toml()}")

    def _constrain(self, sizes: dict[str, float], watcher: Watcher) -> None:
        """A model beyond a constraint is not trained."""
        broken = self.broken(sizes)
        watcher.sized(sizes, broken)
        over = [f"{name} {sizes[name]:,.6g}" for name, share in broken.items() if share > 0]
        if over:
            raise StoppedEarlyError(f"beyond the constraint: {', '.join(over)}")

    def _scores(self, dataset: Dataset, model: Model, trained: Trained) -> dict[str, float]:
        """Of the validation windows, with the intervals that `predict` would give."""
        forecaster = Forecaster(Reader(model.network, dataset.source), model.calibration)
        outcome = forecaster.outcome(dataset, dataset.parts.validation)
        found = {f"val/{name}": value for name, value in scores(outcome, self._metrics()).items()}
        return found | {"val/loss": min((r.validation for r in trained.rounds), default=math.nan)}

    def sizes(self, experiment: Experiment, dataset: Dataset) -> dict[str, float]:
        """Parameters, and latency where it is asked for: known before anything is trained."""
        network = single.untrained(experiment, dataset).to(dataset.source.device).eval()
        found = {PARAMETERS: float(parameters(network))}
        if self.plan.sweep.max_latency is not None or LATENCY in self.plan.sweep.objectives:
            found[LATENCY] = latency(network, dataset)
        return found

    def broken(self, sizes: dict[str, float]) -> dict[str, float]:
        """By how much a model goes beyond each constraint, as a share of it; 0 and less where it keeps it."""
        sweep = self.plan.sweep
        budgets = {PARAMETERS: sweep.max_parameters, LATENCY: sweep.max_latency and 1000 * sweep.max_latency}
        return {name: sizes[name] / budget - 1 for name, budget in budgets.items() if budget is not None}

    def _metrics(self) -> list[str]:
        asked = [name.removeprefix("val/") for name in self.plan.sweep.objectives if name.startswith("val/")]
        usual = [name for name in (*SHOWN, "crps") if lower_is_better(name)]
        return list(dict.fromkeys([*(name for name in asked if name != "loss"), *usual]))

    def _values(self, found: dict[str, float]) -> tuple[float, ...]:
        values = tuple(found[name] for name in self.plan.sweep.objectives)
        for name, value in zip(self.plan.sweep.objectives, values, strict=True):
            if not math.isfinite(value):
                raise TrainingError(f"{name} has no value on these validation windows", "take sweep.objectives=val/mae")
        return values


def out_of_memory(problem: BaseException) -> bool:
    """Whether it is memory that was missing, of a GPU or of the machine, which torch says in words alone."""
    import torch

    return isinstance(problem, MemoryError | torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(problem)


def _remove(kept: list[Checkpoint | None]) -> None:
    for one in kept:
        if one is not None:
            one.remove()


class _Report:
    """Passes the best validation loss so far on, at most once for each twentieth of a training.

    Of the first fold alone: a mean over folds goes up when the next one begins, and whoever got there by stopping
    early would be held against others' finished folds.
    """

    def __init__(self, plan: Plan, steps: int, watcher: Watcher, *, first: bool) -> None:
        self.steps = steps
        self.listens = first and plan.sweep.pruner not in ("none", "wilcoxon") and len(plan.sweep.objectives) == 1
        self.first, self.watcher = first, watcher
        self.best, self.last = math.inf, 0

    def __call__(self, event: Event) -> None:
        if self.watcher.stopping():
            raise HandedOverError
        if not isinstance(event, Round):
            return
        if self.first:
            self.watcher.heard(event)
        if not self.listens or not math.isfinite(event.validation):
            return
        self.best = min(self.best, event.validation)
        step = min(ROUNDS, math.ceil(ROUNDS * event.step / self.steps))
        if step > self.last:
            self.last = step
            if self.watcher.pruned(self.best, step):
                raise StoppedEarlyError(f"stopped at step {event.step} of {self.steps}: others were better by then")


def latency(network: torch.nn.Module, dataset: Dataset) -> float:
    """Milliseconds of one forecast of one window: the fastest of twenty passes, which a busy machine disturbs least."""
    import torch

    loader = WindowLoader(dataset.source, dataset.parts.validation.thin(1), 1)
    context = next(iter(loader)).context
    best = math.inf
    with torch.inference_mode():
        for _ in range(PASSES + 2):
            start = time.perf_counter()
            network(context)
            if dataset.source.device == "cuda":
                torch.cuda.synchronize()
            best = min(best, time.perf_counter() - start)
    return 1000 * best
