"""Metrics: what each one measures, as a pure function of an `Outcome`; `scores.py` averages them.

A new metric is one function that returns a `Ratio`, and one line of METRICS; one of a user's is registered.

Axes: W windows, H horizon, C targets, Q quantile levels.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from tsforge.errors import ConfigError
from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.quantiles import Distribution, Floats
from tsforge.runtime import plugins

SIMPLE = ("naive", "seasonal-naive")  # the simple forecasters: a skill is measured against the better of them


class Ratio(NamedTuple):
    """A metric before it is averaged: the sum of `numerator` over the sum of `denominator`, then a root where `root`.

    Both are (W, H, C), 0 where not observed and where the metric has no value; `left_out` counts the observed points
    without a value. Pooling, steps, windows and series differ only in which points are summed.
    """

    numerator: Floats
    denominator: Floats
    left_out: int = 0
    root: bool = False

    @property
    def value(self) -> Floats:
        """The metric; NaN (and no warning) where there is nothing to divide by."""
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(self.denominator > 0, self.numerator / self.denominator, np.nan)
        return np.sqrt(mean) if self.root else mean

    def map(self, function: Callable[[Floats], Floats]) -> Ratio:
        """Numerator and denominator changed alike."""
        return self._replace(numerator=function(self.numerator), denominator=function(self.denominator))


@dataclass(frozen=True)
class Metric:
    """A metric and what its values mean.

    function: numerator and denominator at every point.
    lower_is_better: False where neither direction is better, as of a bias or a coverage: then there is no skill.
    needs_quantiles: whether a point forecast has no value.
    scaled: whether errors are divided by how much the series changed before, one season apart.
    """

    function: Callable[[Outcome], Ratio]
    lower_is_better: bool = True
    needs_quantiles: bool = False
    scaled: bool = False


def mse(o: Outcome) -> Ratio:
    """Mean squared error."""
    return Ratio(o.error**2, o.weight)


def rmse(o: Outcome) -> Ratio:
    """Root of the mean squared error."""
    return mse(o)._replace(root=True)


def mae(o: Outcome) -> Ratio:
    """Mean absolute error."""
    return Ratio(o.distance, o.weight)


def bias(o: Outcome) -> Ratio:
    """Mean of forecast minus truth: above 0 where forecasts are too high."""
    return Ratio(o.error, o.weight)


def mape(o: Outcome) -> Ratio:
    """100 |y - f| / |y|, in per cent; points with y = 0 are left out."""
    return _where(o, 100 * o.distance, o.size)


def smape(o: Outcome) -> Ratio:
    """200 |y - f| / (|y| + |f|), in 0 to 200; points where both are 0 are left out. (Makridakis & Hibon 2000)"""
    return _where(o, 200 * o.distance, o.size + np.abs(o.point))


def wape(o: Outcome) -> Ratio:
    """Sum of |y - f| over the sum of |y|, a ratio; also called ND."""
    return Ratio(o.distance, o.size)


def mase(o: Outcome) -> Ratio:
    """Absolute error over the in-sample seasonal naive error of the series. (Hyndman & Koehler 2006)

    Points of series that never changed in-sample have no scale and are left out.
    """
    return _where(o, o.distance, np.nan_to_num(o.scale)[:, None, :])


def rmsse(o: Outcome) -> Ratio:
    """Root of the squared error over the in-sample mean squared seasonal difference. (Makridakis et al. 2022, "M5")"""
    return _where(o, o.error**2, np.nan_to_num(o.square)[:, None, :])._replace(root=True)


def wql(o: Outcome) -> Ratio:
    """Weighted quantile loss: twice the pinball loss summed, over the sum of |y|; the mean over all levels.

    (Salinas et al. 2020, "DeepAR"; the level 0.5 alone gives WAPE.) NaN without quantiles or where y is all 0.
    """
    return Ratio(2 * o.pinball, o.size) if o.levels else _unknown(o)


def crps(o: Outcome) -> Ratio:
    """Continuous ranked probability score from quantiles: twice the mean pinball loss over all levels.

    (Laio & Tamea 2007; it tends to the integral as levels grow dense.)
    """
    return Ratio(2 * o.pinball, o.weight) if o.levels else _unknown(o)


def pinball(o: Outcome, level: float) -> Ratio:
    """Pinball loss of the quantile at `level`. (Koenker & Bassett 1978)"""
    q = _position(o, level)
    return Ratio(o.pinball_at(q), o.weight) if q is not None else _unknown(o)


def coverage(o: Outcome, nominal: float) -> Ratio:
    """Share of truths within the central interval, bounds included; `nominal` is right."""
    bounds = _bounds(o, nominal)
    if bounds is None:
        return _unknown(o)
    low, high = (o.quantile(q) for q in bounds)  # as they are shown: a truth may lie on them
    return Ratio(((low <= o.truth) & (o.truth <= high) & o.observed).astype(float), o.weight)


def width(o: Outcome, nominal: float) -> Ratio:
    """Mean width of the central interval."""
    bounds = _bounds(o, nominal)
    if bounds is None:
        return _unknown(o)
    low, high = (o.ordered[q] for q in bounds)
    return Ratio(o.in_data_units(high - low), o.weight)


def winkler(o: Outcome, nominal: float) -> Ratio:
    """Width plus 2 / (1 - nominal) times the distance of truths outside. (Winkler 1972; Gneiting & Raftery 2007)"""
    bounds = _bounds(o, nominal)
    if bounds is None:
        return _unknown(o)
    low, high = (o.ordered[q] for q in bounds)
    outside = np.maximum(low - o.place, 0) + np.maximum(o.place - high, 0)
    return Ratio(width(o, nominal).numerator + o.in_data_units(2 / (1 - nominal) * outside), o.weight)


# By a number in the name: the nominal share of an interval, or a quantile's level.
_FAMILIES: dict[str, Callable[[float], Metric]] = {
    "coverage": lambda p: Metric(partial(coverage, nominal=p), lower_is_better=False, needs_quantiles=True),
    "width": lambda p: Metric(partial(width, nominal=p), lower_is_better=False, needs_quantiles=True),
    "winkler": lambda p: Metric(partial(winkler, nominal=p), needs_quantiles=True),
    "pinball": lambda p: Metric(partial(pinball, level=p), needs_quantiles=True),
}

METRICS: dict[str, Metric] = {
    "mase": Metric(mase, scaled=True),
    "mae": Metric(mae),
    "rmse": Metric(rmse),
    "mse": Metric(mse),
    "smape": Metric(smape),
    "mape": Metric(mape),
    "wape": Metric(wape),
    "rmsse": Metric(rmsse, scaled=True),
    "bias": Metric(bias, lower_is_better=False),
    "wql": Metric(wql, needs_quantiles=True),
    "crps": Metric(crps, needs_quantiles=True),
    **{f"{name}_{n}": _FAMILIES[name](n / 100) for name in ("coverage", "width", "winkler") for n in (80, 90)},
}

SHOWN = ("mase", "mae", "rmse", "mse", "smape", "wql", "coverage_80", "coverage_90")  # where nobody asked for others


def find(name: str) -> Metric | None:
    """The metric of a name, also of "coverage_95", "winkler_50", "pinball_0.25"; None for an unknown name."""
    if name in METRICS:
        return METRICS[name]
    if match := re.fullmatch(r"(coverage|width|winkler)_(\d+(?:\.\d+)?)", name):
        nominal = float(match[2]) / 100
        return _FAMILIES[match[1]](nominal) if 0 < nominal < 1 else None
    if match := re.fullmatch(r"pinball_(0?\.\d+)", name):
        return _FAMILIES["pinball"](float(match[1])) if float(match[1]) > 0 else None
    found: Metric | None = plugins.find("metric", name, check_metric)
    return found


def every() -> dict[str, Metric]:
    """All metrics by name: ours, and those that users have added."""
    return METRICS | plugins.every("metric", check_metric)


def check_metric(name: str, thing: Any) -> Metric:
    """A metric that a user has registered, a function or a `Metric` of one. Raises ConfigError where it is none."""
    made = thing if isinstance(thing, Metric) else Metric(thing)
    if not callable(made.function):
        raise ConfigError(f"the metric '{name}' is no function", "a function of an Outcome that returns a Ratio")
    shape = (2, 3, 1)
    truth, observed = np.arange(6.0).reshape(shape), np.ones(shape, dtype=np.bool_)
    observed[0, 1] = False
    truth[0, 1] = np.nan  # as where nothing was observed
    point, size = np.full(shape, 2.0), np.ones((2, 1))
    values = np.stack([point - 1, point, point + 1], axis=-1)
    spread = Distribution.of_values(values, (0.1, 0.5, 0.9), point, size)
    series, time = np.arange(2), np.zeros(2, dtype=np.int64)
    ratio = made.function(Outcome(truth, observed, point, spread, size, size, series, time))
    for part in ("numerator", "denominator"):
        array = np.asarray(getattr(ratio, part, np.nan), dtype=np.float64)
        if array.shape != shape or not np.isfinite(array).all() or array[0, 1].any():
            what = f"the {part} of the metric '{name}' is not a number at each of (windows, steps, targets), 0 where "
            raise ConfigError(f"{what}nothing was observed", "as Ratio(outcome.error**2, outcome.weight)")
    return made


def metric(name: str) -> Metric:
    """The metric of a name, as `find` reads it. Raises KeyError for an unknown name."""
    if (metric := find(name)) is None:
        raise KeyError(name)
    return metric


def lower_is_better(name: str) -> bool:
    """Whether a skill makes sense, by name; also of "owa", which has no line in METRICS as it needs a reference."""
    return name == "owa" or metric(name).lower_is_better


def _where(o: Outcome, total: Floats, denominator: Floats) -> Ratio:
    """total / denominator at every observed point whose denominator is above 0; the others are counted."""
    if o.complete and (denominator > 0).all():
        return Ratio(total / denominator, o.weight)
    valid = o.observed & (denominator > 0)
    ratio = np.divide(total, denominator, out=np.zeros(total.shape), where=valid)
    return Ratio(ratio, valid.astype(float), int(o.observed.sum() - valid.sum()))


def _unknown(o: Outcome) -> Ratio:
    nothing = np.zeros(o.truth.shape)
    return Ratio(nothing, nothing, int(o.observed.sum()))


def _position(o: Outcome, level: float) -> int | None:
    return next((q for q, other in enumerate(o.levels) if abs(other - level) < 1e-9), None)


def _bounds(o: Outcome, nominal: float) -> tuple[int, int] | None:
    """Positions of the levels of the central interval; None where the forecast lacks one of them."""
    low, high = _position(o, (1 - nominal) / 2), _position(o, (1 + nominal) / 2)
    return None if low is None or high is None else (low, high)
