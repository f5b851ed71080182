"""What a sweep makes small: scores on validation windows, parameters, latency; within constraints."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsforge.data.dataset import Dataset
from tsforge.data.loader import WindowLoader
from tsforge.errors import TrainingError
from tsforge.evaluation.metrics import SHOWN, lower_is_better
from tsforge.evaluation.scores import scores
from tsforge.experiment import Experiment
from tsforge.fitted.model import Model
from tsforge.model.network import parameters
from tsforge.runtime import timing
from tsforge.sweeping.config import LATENCY, PARAMETERS, Plan
from tsforge.sweeping.data import SweepData
from tsforge.training import single
from tsforge.training.checkpoint import Checkpoint
from tsforge.training.loop import Trained

if TYPE_CHECKING:
    import torch

PASSES = 20  # forecasts of one window whose fastest is the latency


@dataclass(frozen=True)
class Result:
    """What a trial comes to.

    values: of the objectives.
    scores: val/METRIC, latency in ms, parameters.
    facts: seconds, and why training ended.
    model, trained: of the newest fold.
    """

    values: tuple[float, ...]
    scores: dict[str, float]
    facts: dict[str, Any]
    model: Model
    trained: Trained


@dataclass(frozen=True)
class Objective:
    """How good experiments are on validation: their scores and sizes.

    folder: where trainings keep their state, so that another worker can go on with them; None for nowhere.
    """

    plan: Plan
    data: SweepData
    folder: Path | None = None

    def checkpoints(self, experiment: Experiment, folds: int) -> list[Checkpoint | None]:
        """Of each fold, named by what is trained: a trial with equal settings goes on, whatever its number."""
        if self.folder is None:
            return [None] * folds
        text = experiment.toml()
        return [Checkpoint.of(self.folder, f"{self.plan.digest} {k}\n{text}") for k in range(folds)]

    def sizes(self, experiment: Experiment, dataset: Dataset) -> dict[str, float]:
        """Parameters, and latency where it is asked for: known before anything is trained."""
        experiment = experiment.on(dataset.config, dataset.sizes.narrow)
        network = single.untrained(experiment, dataset).to(dataset.source.device).eval()
        sizes = {PARAMETERS: float(parameters(network))}
        if self.plan.sweep.max_latency is not None or LATENCY in self.plan.sweep.objectives:
            sizes[LATENCY] = latency(network, dataset)
        return sizes

    def broken(self, sizes: dict[str, float]) -> dict[str, float]:
        """By how much a model goes beyond each constraint, as a share of it; 0 and less where it keeps it."""
        sweep = self.plan.sweep
        budgets = {PARAMETERS: sweep.max_parameters, LATENCY: sweep.max_latency and 1000 * sweep.max_latency}
        return {name: sizes[name] / budget - 1 for name, budget in budgets.items() if budget is not None}

    def scores(self, dataset: Dataset, model: Model, trained: Trained) -> dict[str, float]:
        """Of the validation windows, with the intervals that `predict` would give."""
        wanted = [name.removeprefix("val/") for name in self.plan.sweep.objectives if name.startswith("val/")]
        usual = [name for name in (*SHOWN, "crps") if lower_is_better(name)]
        metrics = list(dict.fromkeys([*(name for name in wanted if name != "loss"), *usual]))
        forecaster = model.forecaster(dataset.source)
        outcome = forecaster.outcome(dataset, dataset.parts.validation)
        validation = {f"val/{name}": value for name, value in scores(outcome, metrics).items()}
        return validation | {"val/loss": min((r.validation for r in trained.rounds), default=math.nan)}

    def values(self, scores: dict[str, float]) -> tuple[float, ...]:
        """Of the plan's objectives. Raises TrainingError where one has none."""
        for name in self.plan.sweep.objectives:
            if not math.isfinite(scores[name]):
                raise TrainingError(f"{name} has no value on these validation windows", "take sweep.objectives=val/mae")
        return tuple(scores[name] for name in self.plan.sweep.objectives)


def latency(network: torch.nn.Module, dataset: Dataset) -> float:
    """Milliseconds of one forecast of one window: the fastest of many passes, which a busy machine disturbs least."""
    import torch

    loader = WindowLoader(dataset.source, dataset.parts.validation.thin(1), 1)
    context = next(iter(loader)).context
    with torch.inference_mode():
        return 1000 * timing.best(lambda: network(context), PASSES + 2, device=dataset.source.device)
