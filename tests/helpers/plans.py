"""Settings of small trials, and the type of the fixture that makes plans over a small table."""

from __future__ import annotations

from collections.abc import Callable

from tsforge.data.dataset import read, resolve
from tsforge.experiment import Experiment
from tsforge.sweeping.config import Plan

Make = Callable[..., Plan]

SMALL = {"model.width": "choice(8,16)", "model.backbone.layers": 1, "model.backbone.dropout": 0.0}


def resolved(experiment: Experiment) -> Experiment:
    """With every setting of its data settled."""
    config, panel = read(experiment.data, None)
    return experiment.on(resolve(config, panel, experiment.model).config)
