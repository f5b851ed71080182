"""The same windows, budget, loss and number of parameters for every model: trained with several seeds, and scored."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tsforge.comparison import widths
from tsforge.comparison.config import CompareConfig
from tsforge.comparison.results import PRIMARY, Fitted, OnData, Tuned
from tsforge.data import statistics
from tsforge.data.dataset import Dataset
from tsforge.errors import ConfigError
from tsforge.evaluation import forecasting
from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.quantiles import Floats
from tsforge.evaluation.scores import by_window, scores
from tsforge.evaluation.significance import Paired, paired
from tsforge.experiment import Experiment, single
from tsforge.model.network import Neural
from tsforge.settings import override
from tsforge.tracking import recording
from tsforge.tracking.recording import RunOptions
from tsforge.tracking.tracker import Tracker
from tsforge.training import fitting
from tsforge.training.events import Report, Stop

METRICS = ("mase", "mae", "mse", "rmse", "wql", "smape", "coverage_80")
SHORT, LONG = 40, 120  # steps of the two trainings from which the pace of a model is found


@dataclass(frozen=True)
class Stage:
    """Where trainings are kept and recorded.

    folder: for the models.
    options: what is recorded of their runs beside the results.
    watch: called before a training begins, with its title, experiment and windows; gives its report.
    """

    folder: Path
    tracker: Tracker
    options: RunOptions
    watch: Callable[[str, Experiment, Dataset], Report | None]


@dataclass(frozen=True)
class Setup:
    """What all models are trained on, on one data set.

    sizes: (width, parameters) by model.
    tuned: the settings that were chosen for each model.
    """

    name: str
    experiment: Experiment
    dataset: Dataset
    sizes: dict[str, tuple[int, int]]
    tuned: dict[str, Tuned] = field(default_factory=dict)

    def network(self, config: CompareConfig, model: str) -> Neural:
        """The configuration of a model at its width."""
        return config.model(model, self.sizes[model][0])


def prepare(name: str, experiment: Experiment, config: CompareConfig, frame: Any = None) -> Setup:
    """Read the table, cut it, and solve for the widths. Raises DataError or ConfigError for what can be mended.

    frame: the data; what the experiment names where None.
    """
    experiment = single(experiment, "a comparison")
    dataset = fitting.prepare(experiment, frame)
    if not len(dataset.parts.test):
        raise ConfigError(f"{name}: nothing is held out to compare on", "set data.test")
    if config.budget == "time" and experiment.train.max_time is None:
        raise ConfigError("a budget of time needs the time", "give train.max_time=60s")
    counts = {model: widths.of_windows(config.model(model), dataset.source.shape) for model in config.models}
    first = config.models[0]
    asked = config.parameters or counts[first](config.model(first).width)
    return Setup(name, experiment.on(dataset.config, dataset.sizes.narrow), dataset, widths.widths(counts, asked))


def train(setup: Setup, config: CompareConfig, stage: Stage) -> OnData:
    """Train every model with every seed on one data set, and score it."""
    dataset, name = setup.dataset, setup.name
    experiments = {model: experiment_of(setup, config, model) for model in config.models}
    fits: list[Fitted] = []
    scored = _Scorer(setup)
    for number in range(config.seeds):
        for model, own in experiments.items():  # in turns, so that a busy hour of the machine hits all alike
            seed = setup.experiment.seed + number
            title = f"{model}-{name}-seed{seed}"
            experiment = override(own, {"seed": seed, "name": title})
            folder = stage.folder / name / f"{model}-seed{seed}"
            fit, _ = recording.fit(
                experiment, dataset, folder, stage.tracker, options=stage.options,
                report=stage.watch(title, experiment, dataset),
            )  # fmt: skip
            if fit.stop == Stop.INTERRUPT:
                raise KeyboardInterrupt
            fits.append(_fitted(fit, scored.take(model, fit), folder))
    sizes, best = dataset.sizes, scored.best()
    return OnData(
        name, sizes.horizon, sizes.context, sizes.season, len(dataset.parts.test), tuple(fits), scored.baselines, best,
        {model: scored.against(model, best) for model in scored.losses if model != best}, scored.primary, setup.tuned,
    )  # fmt: skip


def experiment_of(setup: Setup, config: CompareConfig, model: str, steps: int | None = None) -> Experiment:
    """What a model is trained by: as all others, with its own network and with what tuning chose for it.

    Where time is given, with as many steps as that allows, unless they are known.
    """
    experiment = setup.experiment.model_copy(update={"model": setup.network(config, model)})
    if model in setup.tuned:
        experiment = override(experiment, setup.tuned[model].settings)
    if config.budget == "steps":
        return experiment
    limit = experiment.train.max_time
    assert limit is not None
    return override(experiment, {"train.max_steps": steps or _steps_within(experiment, setup.dataset, limit)})


def _steps_within(experiment: Experiment, dataset: Dataset, limit: float) -> int:
    """So many steps as take `limit` seconds, validations included: a schedule that ends when the time does.

    Both a short and a longer training have 20 validations, so that their difference is of steps alone.
    """

    def seconds(steps: int) -> float:
        whole = {"train.max_steps": steps, "train.patience": steps, "train.max_time": None}
        return fitting.train(override(experiment, whole), dataset).rounds[-1].seconds

    seconds(SHORT)  # the first one warms up
    short, long = seconds(SHORT), seconds(LONG)
    step = max(long - short, 1e-6 * limit) / (LONG - SHORT)
    return max(1, round((limit - max(0.0, short - SHORT * step)) / step))


class _Scorer:
    """Errors of every window by model and seed, which is all that is kept of the forecasts."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.losses: dict[str, list[Floats]] = {}
        self.by_model: dict[str, list[float]] = {}
        self.baselines: dict[str, dict[str, float]] = {}
        self.primary = PRIMARY
        self._first: Outcome | None = None

    def take(self, model: str, fit: fitting.Fit) -> dict[str, float]:
        """The scores of a training; its baselines, which all share, count once."""
        if self._first is None:
            self._first = self._scaled(next(iter(fit.outcomes.values())))
            self.primary = PRIMARY if math.isfinite(scores(self._first, (PRIMARY,))[PRIMARY]) else "mae"
            for name in list(fit.shown)[1:]:
                self.baselines[name] = self._score(name, fit.outcomes[name])
        return self._score(model, fit.outcomes[fit.model.experiment.model.kind])

    def best(self) -> str:
        """Of networks and baselines, by the mean over seeds."""
        means = {model: float(np.mean(values)) for model, values in self.by_model.items()}
        return min((m for m in means if math.isfinite(means[m])), key=lambda m: means[m], default=next(iter(means)))

    def against(self, model: str, best: str) -> Paired:
        """One against the best, over windows."""
        assert self._first is not None
        mine, others = (np.mean(self.losses[name], axis=0) for name in (model, best))
        return paired([mine - others], [self._first])

    def _score(self, name: str, outcome: Outcome) -> dict[str, float]:
        outcome = self._scaled(outcome)
        values = scores(outcome, METRICS)
        self.losses.setdefault(name, []).append(by_window(outcome, self.primary))
        self.by_model.setdefault(name, []).append(values[self.primary])
        return values

    def _scaled(self, outcome: Outcome) -> Outcome:
        """In deviations of the training part where the experiment asks for it, as the long-horizon literature does."""
        asked = self.setup.experiment.backtest
        if asked is None or asked.units != "standard":
            return outcome
        dataset = self.setup.dataset
        units = statistics.moments(dataset.panel, dataset.cuts.train, dataset.cuts.begin)
        return forecasting.standardise({"": outcome}, units)[""]


def _fitted(fit: fitting.Fit, values: dict[str, float], folder: Path) -> Fitted:
    config = fit.model.experiment.model
    curve = tuple((r.seconds, r.validation) for r in fit.rounds)
    windows = fit.rounds[-1].windows if fit.rounds else 0
    return Fitted(
        config.kind, fit.model.experiment.seed, getattr(config, "width", 0), fit.parameters, values, curve, windows,
        fit.seconds, fit.stop, str(folder),
    )  # fmt: skip
