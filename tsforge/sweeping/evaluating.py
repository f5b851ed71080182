"""One trial, step by step: an experiment is trained on the training windows and scored on the validation windows.

The test windows are never forecast.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence

from tsforge.data.dataset import Dataset
from tsforge.errors import TrainingError
from tsforge.experiment import Experiment
from tsforge.fitted.model import Model
from tsforge.settings import override
from tsforge.sweeping.config import ROUNDS, Plan
from tsforge.sweeping.objective import Objective, Result
from tsforge.training import fitting, single, stacked
from tsforge.training.checkpoint import Checkpoint
from tsforge.training.events import Event, Report, Round, Stop
from tsforge.training.loop import Trained, planned_steps

log = logging.getLogger("tsforge")
LEAST_BATCH = 4  # windows of a step below which a trial fails for want of memory


class Watcher:
    """Follows a trial, and lets it go on until it is told to stop.

    stopping: asked every few steps: whether the trial is to be left to another worker.
    """

    def __init__(self, stopping: Callable[[], bool]) -> None:
        self.stopping = stopping

    def sized(self, sizes: dict[str, float], broken: dict[str, float]) -> None:
        """Told parameters and latency, and how far each goes beyond its constraint."""

    def validated(self, event: Round) -> None:
        """Told the losses of the newest fold after each validation."""

    def pruned(self, _value: float, _step: int) -> bool:
        """Told how good the trial is so far; whether it ends here."""
        return False

    def halved(self, batch_size: int) -> None:
        """Told that it is trained again, on batches half as large, as memory did not suffice."""


class HandedOverError(Exception):
    """The trial was told to stop; another worker goes on with it later."""


class StoppedEarlyError(Exception):
    """The trial is not worth going on with; says why."""


class Evaluation:
    """One trial as steps, which `run` takes: prepare, then on each fold train and score.

    Where memory does not suffice it begins again, with batches half as large.

    end: the result; or what ended it: StoppedEarlyError, HandedOverError, or an error that says why there is no value.
    None as long as it goes on.
    """

    def __init__(self, objective: Objective, experiment: Experiment, watcher: Watcher) -> None:
        self.objective, self.experiment, self.watcher = objective, experiment, watcher
        self.end: Result | Exception | None = None
        self.prepared = self._halved = False
        self._checkpoints: list[Checkpoint | None] = []

    def prepare(self) -> None:
        """Cut the folds and measure the sizes. Raises StoppedEarlyError where they break a constraint."""
        if self._halved:
            gc.collect()  # what the failed training held goes with its traceback
        self._start = time.perf_counter()
        self._folds = self.objective.data.datasets(self.experiment)
        self._checkpoints = self.objective.checkpoints(self.experiment, len(self._folds))
        self._trainings: list[tuple[Model, Trained]] = []
        self._scores: list[dict[str, float]] = []
        self._sizes = self.objective.sizes(self.experiment, self._folds[0])
        broken = self.objective.broken(self._sizes)
        self.watcher.sized(self._sizes, broken)
        excess = [f"{name} {self._sizes[name]:,.6g}" for name, share in broken.items() if share > 0]
        if excess:
            raise StoppedEarlyError(f"beyond the constraint: {', '.join(excess)}")
        self.prepared = True

    @property
    def training(self) -> tuple[Experiment, Dataset, Report, Checkpoint | None]:
        """What is to be trained now, on the newest fold that has no scores, as `fitting.train` takes it."""
        fold = len(self._scores)
        dataset = self._folds[fold]
        report = _Report(self.objective.plan, planned_steps(self.experiment.train, dataset), self.watcher, fold)
        return self.experiment.on(dataset.config, dataset.sizes.narrow), dataset, report, self._checkpoints[fold]

    def score(self, trained: Trained) -> None:
        """Score the training of a fold; after the last one the trial has its result."""
        if trained.stop == Stop.INTERRUPT:
            raise KeyboardInterrupt
        dataset, sweep = self._folds[len(self._scores)], self.objective.plan.sweep
        model = fitting.calibrate(trained, dataset)
        self._trainings.append((model, trained))
        self._scores.append(self.objective.scores(dataset, model, trained))
        count = len(self._scores)
        if count == len(self._folds):
            self._finish()
        elif sweep.pruner == "wilcoxon" and self.watcher.pruned(self._scores[-1][sweep.objectives[0]], count - 1):
            raise StoppedEarlyError(f"worse than the best over {count} folds")

    def _finish(self) -> None:
        self._forget()
        means = {name: sum(s[name] for s in self._scores) / len(self._scores) for name in self._scores[0]}
        scores = self._sizes | means
        stops = dict.fromkeys(trained.stop for _, trained in self._trainings)
        facts = {"seconds": round(time.perf_counter() - self._start, 3), "stop": ", ".join(stops)}
        self.end = Result(self.objective.values(scores), scores, facts, *self._trainings[0])

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        """Around a step: what goes wrong in it ends this trial and no other."""
        try:
            yield
        except Exception as problem:
            self.fail(problem)

    def fail(self, problem: Exception) -> None:
        """End with a problem; where memory is short, begin again with half a batch."""
        if not isinstance(problem, HandedOverError):
            self._forget()
        size = self.experiment.train.batch_size // 2
        if not out_of_memory(problem):
            self.end = problem
        elif size < LEAST_BATCH:
            text = f"memory does not suffice for batches of {2 * size}"
            self.end = TrainingError(text, "narrow the space, or take fewer sweep.workers")
        else:
            log.warning("memory does not suffice for batches of %d: trained again with %d", 2 * size, size)
            self.watcher.halved(size)
            self.experiment = override(self.experiment, {"train.batch_size": size})
            self.prepared, self._halved = False, True

    def _forget(self) -> None:
        """Remove the checkpoints, which nobody goes on from."""
        for checkpoint in self._checkpoints:
            if checkpoint is not None:
                checkpoint.remove()


def run(evaluations: Sequence[Evaluation]) -> Iterator[tuple[int, Result | Exception]]:
    """Train and score trials to their ends, fold by fold; gives the position and the end of each that is over.

    Those whose networks have one shape are trained side by side, all others one after the other.
    """
    active = dict(enumerate(evaluations))
    while active:
        if fresh := [evaluation for evaluation in active.values() if not evaluation.prepared]:
            for evaluation in fresh:
                with evaluation.guarded():
                    evaluation.prepare()
        else:
            groups: dict[str, list[Evaluation]] = {}
            for i, evaluation in active.items():
                shape = stacked.likeness(*evaluation.training[:2])
                groups.setdefault(shape or f"alone {i}", []).append(evaluation)
            for group in groups.values():
                _train(group)
        for i, evaluation in list(active.items()):
            if evaluation.end is not None:
                del active[i]
                yield i, evaluation.end


def _train(group: Sequence[Evaluation]) -> None:
    """One fold of trials of one shape, side by side; of one alone as `fit` does."""
    if len(group) == 1:
        with group[0].guarded():
            group[0].score(fitting.train(*group[0].training))
        return
    try:
        loops = [single.begin(*evaluation.training) for evaluation in group]
        problems = stacked.run(loops)
    except Exception as problem:  # of all, as where memory is short
        for evaluation in group:
            evaluation.fail(problem)
        return
    for evaluation, loop, stopped in zip(group, loops, problems, strict=True):
        with evaluation.guarded():
            if stopped is not None:
                raise stopped
            evaluation.score(loop.finish())


class _Report:
    """Passes the best validation loss so far on, at most once for each twentieth of a training.

    Of the first fold alone: a mean over folds goes up when the next one begins, and whoever got there by stopping
    early would be held against others' finished folds.
    """

    def __init__(self, plan: Plan, steps: int, watcher: Watcher, fold: int) -> None:
        self.steps, self.watcher, self.first = steps, watcher, fold == 0
        compared = plan.sweep.pruner not in ("none", "wilcoxon") and len(plan.sweep.objectives) == 1
        self.listens = self.first and compared
        self.best, self.last = math.inf, 0

    def __call__(self, event: Event) -> None:
        if self.watcher.stopping():
            raise HandedOverError
        if not isinstance(event, Round):
            return
        if self.first:
            self.watcher.validated(event)
        if not self.listens or not math.isfinite(event.validation):
            return
        self.best = min(self.best, event.validation)
        step = min(ROUNDS, math.ceil(ROUNDS * event.step / self.steps))
        if step > self.last:
            self.last = step
            if self.watcher.pruned(self.best, step):
                raise StoppedEarlyError(f"stopped at step {event.step} of {self.steps}: others were better by then")


def out_of_memory(problem: BaseException) -> bool:
    """Whether it is memory that was missing, of a GPU or of the machine, which torch says in words alone."""
    import torch

    return isinstance(problem, MemoryError | torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(problem)
