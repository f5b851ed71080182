"""The model and the baselines over the same windows, learned from and calibrated on the same parts."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np

from tsforge.data import split, statistics
from tsforge.data.dataset import Dataset
from tsforge.data.windows import Windows
from tsforge.evaluation import conformal, forecasting
from tsforge.evaluation.adaptive import adapt
from tsforge.evaluation.conformal import Calibration
from tsforge.evaluation.forecasting import Baselines, Forecaster
from tsforge.evaluation.outcome import Outcome, concatenated
from tsforge.evaluation.running_sums import RunningSums
from tsforge.experiment import Experiment
from tsforge.model.baselines.naive import BaselineKind
from tsforge.runtime.timing import stage

log = logging.getLogger("tsforge")

MOST_VALUES = 400_000_000  # quantiles of one model that are kept: 1.6 GB


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of the same windows by name, the model's first.

    raw: as the networks give them. starts: for each fit, how many of the windows are its own, and the corrections of
    the intervals by name, from held-out windows before its first origin.
    """

    windows: Windows
    raw: dict[str, Outcome]
    starts: tuple[tuple[int, dict[str, Calibration | None]], ...]

    def static(self, name: str) -> Outcome:
        """With the intervals corrected, as `predict` gives them."""
        return conformal.apply_all(self.raw[name], [(count, starts[name]) for count, starts in self.starts])

    def adaptive(self, name: str, gamma: float) -> Outcome:
        """With intervals that also move after every origin; several fits move on from their own corrections."""
        start = self.starts[0][1][name]
        if start is None:
            return self.static(name)
        if len(self.starts) == 1:
            return adapt(self.raw[name], start, gamma)
        return adapt(self.static(name), start.cleared(), gamma)


@stage("forecasting")
def forecast(
    model: Forecaster, experiment: Experiment, dataset: Dataset, fitted: Baselines | None = None,
    sums: RunningSums | None = None, *, learn: bool = True,
) -> Forecasts:  # fmt: skip
    """The model and the baselines over the test windows.

    fitted: baselines that were fitted with the model. sums: of the last fit, for the linear one. learn: whether others
    learn from the dataset; where not, or where it has no training part, they have no intervals.
    """
    fitted, shape = fitted or {}, dataset.source.shape
    windows = split.thin_test(dataset.parts, MOST_VALUES // (shape.horizon * shape.targets * 11)).test
    kind: str = experiment.model.kind
    metrics = experiment.backtest.metrics if experiment.backtest else ()
    more: tuple[BaselineKind, ...] = ("naive2",) if "owa" in metrics else ()
    others = forecasting.beside(experiment, *more)
    blank = [] if len(dataset.parts.train) else [name for name in others if name not in fitted]
    if "linear" in blank:
        why = "there is nothing before the first origin to learn from" if learn else "it was not kept with the model"
        log.warning("%s: linear is left out", why)
        others.remove("linear")
        blank.remove("linear")
    with stage("baselines"):
        forecasters = {kind: model, **forecasting.baselines(others, dataset, fitted, sums)}
    raw = forecasting.outcomes({name: f.reader for name, f in forecasters.items()}, dataset, windows)
    # Those without errors to take their intervals from have none.
    raw |= {name: replace(raw[name], distribution=raw[name].distribution.without_levels()) for name in blank}
    starts = {name: f.calibration if learn or name not in blank else None for name, f in forecasters.items()}
    return Forecasts(windows, raw, ((len(windows), starts),))


def joined(parts: list[Forecasts], units: statistics.Moments | None) -> Forecasts:
    """What several fits say of their own windows as one; in deviations of `units` where they are given."""
    raw = {name: concatenated([p.raw[name] for p in parts]) for name in parts[0].raw}
    if units is not None:
        raw = forecasting.standardise(raw, units)
    windows = Windows(*(np.concatenate(column) for column in zip(*(p.windows for p in parts), strict=True)))
    return Forecasts(windows, raw, tuple(start for p in parts for start in p.starts))
