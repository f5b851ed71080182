"""The model and the baselines over the same windows, learned from and calibrated on the same parts."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from tsforge.data import split, statistics
from tsforge.data.dataset import Dataset
from tsforge.data.windows import Windows
from tsforge.evaluation import adaptive as adaptation
from tsforge.evaluation import conformal, forecasting
from tsforge.evaluation.adaptive import Adapted
from tsforge.evaluation.conformal import Calibration
from tsforge.evaluation.forecasting import Baselines, Forecaster
from tsforge.evaluation.outcome import Outcome, concatenated
from tsforge.experiment import Experiment
from tsforge.model.baselines.naive import BaselineKind

log = logging.getLogger("tsforge")

MOST_VALUES = 400_000_000  # quantiles of one model that are kept: 1.6 GB


@dataclass(frozen=True)
class Judged:
    """Forecasts of the same windows by name, the model's first.

    raw: as the networks give them. starts: for each fit, how many of the windows are its own, and the corrections of
    the intervals by name, from held-out windows before its first origin.
    """

    windows: Windows
    raw: dict[str, Outcome]
    starts: tuple[tuple[int, dict[str, Calibration | None]], ...]

    def static(self, name: str) -> Outcome:
        """With the intervals corrected, as `predict` gives them."""
        return conformal.apply_all(self.raw[name], [(count, found[name]) for count, found in self.starts])

    def adaptive(self, gamma: float) -> Moving:
        """With intervals that also move after every origin, all of them."""
        starts = self.starts[0][1]
        once = len(self.starts) == 1
        moving = {name: start for name, start in starts.items() if start is not None}
        found = {name: self.raw[name] if once else self.static(name) for name in self.raw}
        together = []
        for levels in {start.levels for start in moving.values()}:
            names = [name for name, start in moving.items() if start.levels == levels]
            begin = [moving[name] if once else moving[name].settled() for name in names]
            together.append(adaptation.adapt_all([found[name] for name in names], begin, gamma))
            found |= dict(zip(names, together[-1].moved, strict=True))
        return Moving(found, together)


class Moving(NamedTuple):
    """Forecasts with intervals that move, by name; and which of them move in one pass over time."""

    outcomes: dict[str, Outcome]
    together: list[Adapted]


def judge(model: Forecaster, experiment: Experiment, dataset: Dataset, fitted: Baselines | None = None) -> Judged:
    """The model and the baselines over the test windows. fitted: baselines that were fitted with the model."""
    windows, fitted = _bounded(dataset), fitted or {}
    kind: str = experiment.model.kind
    metrics = experiment.backtest.metrics if experiment.backtest else ()
    extra: tuple[BaselineKind, ...] = ("naive2",) if "owa" in metrics else ()
    others = [name for name in dict.fromkeys((*forecasting.BASELINES, *extra)) if name != kind]
    blank = [] if len(dataset.parts.train) else [name for name in others if name not in fitted]
    if "linear" in blank:
        log.warning("there is nothing before the first origin to learn from: linear is left out")
        others.remove("linear")
        blank.remove("linear")
    forecasters = {kind: model, **forecasting.baselines(others, dataset, fitted)}
    raw = forecasting.outcomes({name: f.reader for name, f in forecasters.items()}, dataset, windows)
    # Those without errors to take their intervals from have none.
    raw |= {name: replace(raw[name], bands=raw[name].bands.bare()) for name in blank}
    return Judged(windows, raw, ((len(windows), {name: f.calibration for name, f in forecasters.items()}),))


def _bounded(dataset: Dataset) -> Windows:
    """The test windows, or as many of them as memory allows."""
    shape = dataset.source.shape
    most = MOST_VALUES // (shape.horizon * shape.targets * 11)
    return split.thin_test(dataset.parts, most).test


def joined(parts: list[Judged], units: statistics.Moments | None) -> Judged:
    """What several fits say of their own windows as one; in deviations of `units` where they are given."""
    raw = {name: concatenated([p.raw[name] for p in parts]) for name in parts[0].raw}
    if units is not None:
        raw = forecasting.standardise(raw, units)
    windows = Windows(*(np.concatenate(column) for column in zip(*(p.windows for p in parts), strict=True)))
    return Judged(windows, raw, tuple(start for p in parts for start in p.starts))
