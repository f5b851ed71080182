"""Scores: one pure function per metric over an `Outcome`, for all points, by horizon step, or by series.

Axes: W windows, H horizon, C targets, Q quantile levels. A metric returns `Terms` (`terms.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import numpy as np

from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.quantiles import Floats
from tsforge.evaluation.terms import Terms

Metric = Callable[[Outcome], Terms]
REFERENCE = "seasonal-naive"  # whom a skill is measured against


def mse(o: Outcome) -> Terms:
    """Mean squared error."""
    return Terms(o.error**2, o.weight)


def rmse(o: Outcome) -> Terms:
    """Root of the mean squared error."""
    return mse(o)._replace(root=True)


def mae(o: Outcome) -> Terms:
    """Mean absolute error."""
    return Terms(o.distance, o.weight)


def bias(o: Outcome) -> Terms:
    """Mean of forecast minus truth: above 0 where forecasts are too high."""
    return Terms(o.error, o.weight)


def mape(o: Outcome) -> Terms:
    """100 |y - f| / |y|, in per cent; points with y = 0 are left out."""
    return _where(o, 100 * o.distance, o.size)


def smape(o: Outcome) -> Terms:
    """200 |y - f| / (|y| + |f|), in 0 to 200; points where both are 0 are left out. (Makridakis & Hibon 2000)"""
    return _where(o, 200 * o.distance, o.size + np.abs(o.point))


def wape(o: Outcome) -> Terms:
    """Sum of |y - f| over the sum of |y|, a ratio; also called ND."""
    return Terms(o.distance, o.size)


def mase(o: Outcome) -> Terms:
    """Absolute error over the in-sample seasonal naive error of the series. (Hyndman & Koehler 2006)

    Points of series that never changed in-sample have no scale and are left out.
    """
    return _where(o, o.distance, np.nan_to_num(o.scale)[:, None, :])


def rmsse(o: Outcome) -> Terms:
    """Root of the squared error over the in-sample mean squared seasonal difference. (Makridakis et al. 2022, "M5")"""
    return _where(o, o.error**2, np.nan_to_num(o.square)[:, None, :])._replace(root=True)


def wql(o: Outcome) -> Terms:
    """Weighted quantile loss: twice the pinball loss summed, over the sum of |y|; the mean over all levels.

    (Salinas et al. 2020, "DeepAR"; the level 0.5 alone gives WAPE.) NaN without quantiles or where y is all 0.
    """
    return Terms(2 * o.pinball, o.size) if o.levels else _unknown(o)


def crps(o: Outcome) -> Terms:
    """Continuous ranked probability score from quantiles: twice the mean pinball loss over all levels.

    (Laio & Tamea 2007; it tends to the integral as levels grow dense.)
    """
    return Terms(2 * o.pinball, o.weight) if o.levels else _unknown(o)


def pinball(o: Outcome, level: float) -> Terms:
    """Pinball loss of the quantile at `level`. (Koenker & Bassett 1978)"""
    q = _position(o, level)
    return Terms(o.pinball_at(q), o.weight) if q is not None else _unknown(o)


def coverage(o: Outcome, nominal: float) -> Terms:
    """Share of truths within the central interval, bounds included; `nominal` is right."""
    bounds = _bounds(o, nominal)
    if bounds is None:
        return _unknown(o)
    low, high = (o.quantile(q) for q in bounds)  # as they are shown: a truth may lie on them
    return Terms(((low <= o.truth) & (o.truth <= high) & o.observed).astype(float), o.weight)


def width(o: Outcome, nominal: float) -> Terms:
    """Mean width of the central interval."""
    bounds = _bounds(o, nominal)
    if bounds is None:
        return _unknown(o)
    low, high = (o.ordered[q] for q in bounds)
    return Terms(o.in_data_units(high - low), o.weight)


def winkler(o: Outcome, nominal: float) -> Terms:
    """Width plus 2 / (1 - nominal) times the distance of truths outside. (Winkler 1972; Gneiting & Raftery 2007)"""
    bounds = _bounds(o, nominal)
    if bounds is None:
        return _unknown(o)
    low, high = (o.ordered[q] for q in bounds)
    outside = np.maximum(low - o.place, 0) + np.maximum(o.place - high, 0)
    return Terms(width(o, nominal).total + o.in_data_units(2 / (1 - nominal) * outside), o.weight)


METRICS: dict[str, Metric] = {
    "mase": mase, "mae": mae, "rmse": rmse, "mse": mse, "smape": smape, "mape": mape, "wape": wape, "rmsse": rmsse,
    "bias": bias, "wql": wql, "crps": crps,
    "coverage_80": partial(coverage, nominal=0.8), "coverage_90": partial(coverage, nominal=0.9),
    "width_80": partial(width, nominal=0.8), "width_90": partial(width, nominal=0.9),
    "winkler_80": partial(winkler, nominal=0.8), "winkler_90": partial(winkler, nominal=0.9),
}  # fmt: skip

SHOWN = ("mase", "mae", "rmse", "mse", "smape", "wql", "coverage_80", "coverage_90")  # where nobody asked for others

_FAMILIES: dict[str, Callable[..., Terms]] = {"coverage": coverage, "width": width, "winkler": winkler}
_NO_ERROR = ("bias", "coverage", "width")  # lower is not better


def asks_quantiles(name: str) -> bool:
    """Whether a metric looks at quantiles."""
    return name.startswith(("wql", "crps", *_FAMILIES, "pinball"))


def find(name: str) -> Metric | None:
    """The metric of a name, also of "coverage_95", "winkler_50", "pinball_0.25"; None for an unknown one."""
    if name in METRICS:
        return METRICS[name]
    if match := re.fullmatch(r"(coverage|width|winkler)_(\d+(?:\.\d+)?)", name):
        nominal = float(match[2]) / 100
        return partial(_FAMILIES[match[1]], nominal=nominal) if 0 < nominal < 1 else None
    if match := re.fullmatch(r"pinball_(0?\.\d+)", name):
        return partial(pinball, level=float(match[1])) if float(match[1]) > 0 else None
    return None


def is_error(name: str) -> bool:
    """Whether lower is better, so that a skill makes sense."""
    return not name.startswith(_NO_ERROR)


def _where(o: Outcome, total: Floats, denominator: Floats) -> Terms:
    """total / denominator at every observed point whose denominator is above 0; the others are counted."""
    if o.complete and (denominator > 0).all():
        return Terms(total / denominator, o.weight)
    kept = o.observed & (denominator > 0)
    ratio = np.divide(total, denominator, out=np.zeros(total.shape), where=kept)
    return Terms(ratio, kept.astype(float), int(o.observed.sum() - kept.sum()))


def _unknown(o: Outcome) -> Terms:
    nothing = np.zeros(o.truth.shape)
    return Terms(nothing, nothing, int(o.observed.sum()))


def _position(o: Outcome, level: float) -> int | None:
    return next((q for q, known in enumerate(o.levels) if abs(known - level) < 1e-9), None)


def _bounds(o: Outcome, nominal: float) -> tuple[int, int] | None:
    """Positions of the levels of the central interval; None where the forecast lacks one of them."""
    low, high = _position(o, (1 - nominal) / 2), _position(o, (1 + nominal) / 2)
    return None if low is None or high is None else (low, high)
