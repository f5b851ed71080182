"""Ablation: the same model fitted without a column, and what its error is then, on the same held-out windows.

A model that is fitted anew is another one by the luck of its seed alone. Each is fitted with several seeds, with and
without the column, and the range of the difference is what that luck gives: Student's interval of 95 %, with one
deviation of all groups of fits together.
"""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tsforge.backtesting import importance, rolling, shifting
from tsforge.backtesting.importance import Effect, Importances, Measure
from tsforge.data.dataset import Dataset
from tsforge.data.windows import Windows
from tsforge.errors import ConfigError
from tsforge.evaluation.forecasting import Reader
from tsforge.experiment import BacktestConfig, Experiment
from tsforge.fitted import directory
from tsforge.fitted.model import Model
from tsforge.runtime import logs
from tsforge.settings import override
from tsforge.training import fitting

log = logging.getLogger("tsforge")

SEEDS = 3  # fits with all columns, and without each of them


def ablate(result: Importances, model: Model | str | Path, data: Any = None, seeds: int = SEEDS) -> Importances:
    """Fit a model with all its covariates, and without each of them, and compare their errors.

    result: what `importance.covariates` has found of the model and the same table.
    data: the table it was fitted on; the training data where None.
    """
    if seeds < 1:
        raise ConfigError(f"seeds {seeds} is not positive", "take 1 or more")
    model = model if isinstance(model, Model) else directory.load(model)
    names = [column.name for column in shifting.columns(model.facts.encodings)]
    errors: dict[str, list[float]] = {}
    for number, name in enumerate(["", *names]):
        but = f"without '{name}'" if name else "with all covariates"
        log.info("fitting %d models %s (%d of %d)", seeds, but, number + 1, 1 + len(names))
        own = [without(model, name, model.experiment.seed + seed) for seed in range(seeds)]
        with logs.errors_alone():  # what a fit has to say was said by the first one
            errors[name] = [_error(experiment, data, result) for experiment in own]
    effects = {name: _effect(errors[""], errors[name], _deviation(list(errors.values()))) for name in names}
    return importance.with_refits(result, float(np.mean(errors[""])), effects)


def without(model: Model, name: str, seed: int) -> Experiment:
    """A model's experiment without one covariate ("" for none), and with another seed."""
    schema, asked = model.facts.columns, model.experiment.data
    roles = {role: [c.name for c in getattr(schema, role) if c.name != name] for role in shifting.ROLES}
    changed: dict[str, Any] = {f"data.{role}": names for role, names in roles.items()}
    changed |= {"data.category": [column for column in asked.category if column != name], "seed": seed}
    return override(model.experiment, changed)


def _error(experiment: Experiment, data: Any, like: Importances) -> float:
    """The error of a model fitted anew, on the same windows."""
    dataset = fitting.prepare(experiment, data)
    trained = fitting.train(experiment, dataset)
    model = fitting.uncorrected(trained, dataset)
    model.network.cpu()
    judged = rolling.held_out(model, data, BacktestConfig())
    judged = replace(judged, parts=judged.parts._replace(test=_alike(judged, like.dataset)))
    return Measure(judged, like.metric)(Reader(model.network, judged.source))


def _alike(dataset: Dataset, like: Dataset) -> Windows:
    """The test windows of one dataset in another one, of the same table with other columns."""
    places = {dataset.panel.key(i): i for i in range(len(dataset.panel))}
    wanted = like.parts.test
    series = np.array([places[like.panel.key(int(i))] for i in wanted.series])
    rows = wanted.origins - like.panel.offsets[wanted.series] + like.panel.first[wanted.series]
    origins = rows - dataset.panel.first[series] + dataset.panel.offsets[series]
    return Windows(origins.astype(wanted.origins.dtype), series.astype(wanted.series.dtype))


def _deviation(groups: list[list[float]]) -> tuple[float, int]:
    """The deviation of errors about the mean of their own group, and its degrees of freedom."""
    degrees = sum(len(group) - 1 for group in groups)
    squares = sum(float(np.square(np.array(group) - np.mean(group)).sum()) for group in groups)
    return math.sqrt(squares / degrees) if degrees else math.nan, degrees


def _effect(with_all: list[float], without_it: list[float], luck: tuple[float, int]) -> Effect:
    """What the mean error is more without a column, and its interval; none of one seed alone."""
    from scipy.special import stdtrit

    change = float(np.mean(without_it) - np.mean(with_all))
    deviation, degrees = luck
    if not degrees:
        return Effect(change, math.nan, math.nan, len(without_it))
    reach = float(stdtrit(degrees, 0.975)) * deviation * math.sqrt(1 / len(with_all) + 1 / len(without_it))
    return Effect(change, change - reach, change + reach, len(without_it))
