"""The time of a tournament: until when, and for whom."""

from __future__ import annotations

import math
import time

from tsforge.data.dataset import Dataset
from tsforge.experiment import Experiment
from tsforge.model.auto import Auto
from tsforge.runtime import garbage
from tsforge.training.auto import time_budget

DEFAULT_TIME = 300.0  # seconds, where networks are named and no time
EXIT = 0.5  # of the start, which the end of the process takes


def config(experiment: Experiment) -> Auto:
    """The settings of an experiment's tournament."""
    assert isinstance(experiment.model, Auto)
    return experiment.model


def networks(experiment: Experiment) -> tuple[str, ...]:
    """The candidates that are trained."""
    return config(experiment).networks(experiment.train.max_time)


def start_up(experiment: Experiment) -> None:
    """Import what trains networks, where some compete: the seconds that takes belong to the start."""
    if networks(experiment):
        with garbage.paused():
            import tsforge.training.learner  # noqa: F401


def deadline(experiment: Experiment, dataset: Dataset, reserved: float) -> float:
    """The moment from which on `reserved` seconds of the time are left; without networks there is no hurry."""
    limit = experiment.train.max_time or DEFAULT_TIME
    return dataset.began + limit - reserved if networks(experiment) else math.inf


def left(experiment: Experiment, dataset: Dataset, start: float, before: float = 0.0) -> float:
    """Seconds until a tournament's time is up, less those of the process's end, which are told from its `start`.

    before: seconds that earlier processes of the fit took.
    """
    reserved = time_budget.LEAST / 2 + EXIT * start + before
    return max(0.0, deadline(experiment, dataset, reserved) - time.perf_counter())
