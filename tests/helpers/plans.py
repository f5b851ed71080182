"""A small table, and the type of the fixture that makes plans over it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from tsforge.data.dataset import read, resolve
from tsforge.experiment import Experiment
from tsforge.sweeping import evaluating
from tsforge.sweeping.config import Plan
from tsforge.sweeping.evaluating import Evaluation, Watcher
from tsforge.sweeping.objective import Objective, Result

Make = Callable[..., Plan]

SMALL = {"model.width": "choice(8,16)", "model.backbone.layers": 1, "model.backbone.dropout": 0.0}


def hourly(days: int = 16) -> pd.DataFrame:
    """A day's wave with noise."""
    n = 24 * days
    load = 50 + 10 * np.sin(np.arange(n) * 2 * np.pi / 24) + np.random.default_rng(0).normal(size=n)
    return pd.DataFrame({"time": pd.date_range("2024-03-01", periods=n, freq="h"), "load": load.round(3)})


def resolved(experiment: Experiment) -> Experiment:
    """With every setting of its data settled."""
    config, panel = read(experiment.data, None)
    return experiment.on(resolve(config, panel, experiment.model).config)


def evaluate(objective: Objective, experiment: Experiment, watcher: Watcher) -> Result:
    """One trial alone; what ends it without a result is raised."""
    ((_, end),) = evaluating.run([Evaluation(objective, experiment, watcher)])
    if isinstance(end, Exception):
        raise end
    return end
