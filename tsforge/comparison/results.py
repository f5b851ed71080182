"""What a comparison measures, before anything is said about it.

Axes of curves: L length (past tokens).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tsforge.comparison.probes.cost import Curve
from tsforge.comparison.probes.memory_tasks import Attempt
from tsforge.evaluation import judgement
from tsforge.evaluation.judgement import Judgement
from tsforge.evaluation.scores import best_simple
from tsforge.evaluation.significance import Paired

PRIMARY = "mase"


@dataclass(frozen=True)
class Probed:
    """What the backbone of one architecture costs and can do (see `probes`).

    width, parameters: of the probed network.
    chain: dependent operations.
    seconds: of a training step.
    saved, peak: bytes; peak on a GPU alone.
    attempts: by task.
    reach: the gradient's norm by distance, "initial" and "trained".
    """

    width: int
    parameters: int
    chain: Curve
    seconds: Curve
    saved: Curve
    peak: Curve | None
    attempts: dict[str, tuple[Attempt, ...]]
    reach: dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class Fitted:
    """One training.

    curve: (seconds since its begin, validation loss) after each validation.
    windows: seen by training in `seconds`.
    folder: where the model lies; empty where it was not saved.
    """

    model: str
    seed: int
    width: int
    parameters: int
    scores: dict[str, float]
    curve: tuple[tuple[float, float], ...]
    windows: int
    seconds: float
    stop: str
    folder: str = ""

    @property
    def pace(self) -> float:
        """Training windows per second."""
        return self.windows / self.seconds if self.seconds > 0 else math.nan

    @property
    def lowest(self) -> float:
        """The lowest validation loss."""
        return min((loss for _, loss in self.curve if math.isfinite(loss)), default=math.inf)

    def seconds_to(self, loss: float) -> float:
        """Until validation first reached a loss; NaN where it never did."""
        return next((seconds for seconds, now in self.curve if now <= loss), math.nan)


@dataclass(frozen=True)
class Tuned:
    """What a search on the validation windows chose for one model.

    trials: that ended, those that were stopped early among them.
    objective: as val/mase.
    score, before: of the chosen settings, and of those without tuning (NaN where that is no trial).
    fixed: paths that were not varied.
    seconds: of the trials that were completed.
    """

    model: str
    trials: int
    objective: str
    score: float
    before: float
    settings: dict[str, Any]
    fixed: tuple[str, ...]
    seconds: float
    folder: str


@dataclass(frozen=True)
class OnData:
    """All trainings on one data set.

    windows: held-out ones.
    best: the model with the lowest mean of `primary`.
    against: every other model and baseline against the best, over the same windows, errors averaged over seeds.
    tuned: by model; empty where nothing was tuned.
    """

    name: str
    horizon: int
    context: int
    season: int
    windows: int
    fits: tuple[Fitted, ...]
    baselines: dict[str, dict[str, float]]
    best: str
    against: dict[str, Paired]
    primary: str = PRIMARY
    tuned: dict[str, Tuned] = field(default_factory=dict)

    def of(self, model: str) -> list[Fitted]:
        """The trainings of one model, one per seed."""
        return [fit for fit in self.fits if fit.model == model]

    def values(self, model: str, metric: str) -> list[float]:
        """A score by seed; a single one of a baseline."""
        if model in self.baselines:
            return [self.baselines[model][metric]]
        return [fit.scores[metric] for fit in self.of(model)]

    def mean(self, model: str, metric: str) -> float:
        """Over seeds."""
        values = self.values(model, metric)
        return float(np.mean(values)) if values else math.nan

    @property
    def best_simple(self) -> str | None:
        """The best simple forecaster, seasonal naive or naive, in the primary metric; None without baselines."""
        return best_simple({name: self.mean(name, self.primary) for name in self.baselines})

    @property
    def floor(self) -> float:
        """The error of the best simple forecaster; NaN where there is none."""
        return self.mean(self.best_simple, self.primary) if self.best_simple else math.nan

    @property
    def judgement(self) -> Judgement | None:
        """The best of the networks against the best of all others, baselines among them; None where nothing scored."""
        names = list(dict.fromkeys([*(fit.model for fit in self.fits), *self.baselines]))
        errors = {name: self.mean(name, self.primary) for name in names}
        networks = [n for n in names if n not in self.baselines and math.isfinite(errors[n])]
        if not networks:
            return None
        first = min(networks, key=lambda name: errors[name])

        def against(other: str) -> Paired:
            return self.against[other].turned() if first == self.best else self.against[first]

        return judgement.judge(self.primary, {first: errors[first]} | errors, against)

    @property
    def reachable(self) -> float:
        """The lowest validation loss that every training reached: what "seconds to a loss" is measured to."""
        return max((fit.lowest for fit in self.fits), default=math.nan)


@dataclass(frozen=True)
class Measured:
    """A whole comparison.

    probed: by model, empty where probes were left out.
    lag: at which the trained reach was measured.
    """

    name: str
    models: tuple[str, ...]
    seeds: int
    budget: str
    probed: dict[str, Probed]
    data: tuple[OnData, ...]
    lag: int
    machine: dict[str, str]
    seconds: float
