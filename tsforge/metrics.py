"""Scores: one pure function per metric over an `Outcome`, for all points, by horizon step, or by series.

Axes: W windows, H horizon, C targets, Q quantile levels. A metric returns `Terms` (`terms.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tsforge.bands import Floats, Ints, Rows
from tsforge.outcome import Outcome
from tsforge.terms import STEPS, WINDOWS, Terms, together

Average = Literal["points", "series"]


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


def score(o: Outcome, name: str, average: Average = "points") -> float:
    """One metric: pooled over all points, or the mean over series (and targets) of each one's own."""
    return score_all([o], name, average)


def score_all(outcomes: Sequence[Outcome], name: str, average: Average = "points") -> float:
    """One metric over several outcomes, as if they were one: of all their points, or of all their series."""
    if average == "series":
        return mean(np.concatenate([by_series(o, name).ravel() for o in outcomes]))
    terms = [_summed(o, name, WINDOWS) for o in outcomes]
    return float(terms[0].ratio(np.sum([t.total.sum() for t in terms]), np.sum([t.weight.sum() for t in terms])))


def steps_all(outcomes: Sequence[Outcome], name: str) -> Floats:
    """A metric of every horizon step over several outcomes, which may have different horizons."""
    terms = [_summed(o, name, WINDOWS) for o in outcomes]
    total, weight = np.zeros((2, max(o.truth.shape[1] for o in outcomes)))
    for t in terms:
        total[: len(t.total)] += t.total.sum(axis=1)
        weight[: len(t.weight)] += t.weight.sum(axis=1)
    return terms[0].ratio(total, weight)


def scores(o: Outcome, names: Iterable[str] = tuple(METRICS), average: Average = "points") -> dict[str, float]:
    """Metrics of an outcome by name."""
    prepare(o, names := tuple(names), average)
    return {name: score(o, name, average) for name in names}


def by_step(o: Outcome, name: str) -> Floats:
    """A metric of every horizon step, pooled over windows and targets, (H,)."""
    return steps_all([o], name)


def by_window(o: Outcome, name: str) -> Floats:
    """A metric of every window, pooled over steps and targets, (W,)."""
    terms = _summed(o, name, STEPS)
    return terms.ratio(terms.total.sum(axis=1), terms.weight.sum(axis=1))


def by_series(o: Outcome, name: str) -> Floats:
    """A metric of every series that has windows and of each of its targets, (n, C); the series ascend."""
    terms = _summed(o, name, STEPS)
    kept, position = np.unique(o.series, return_inverse=True)
    total, weight = (_sums(t, position, len(kept)) for t in (terms.total, terms.weight))
    return terms.ratio(total, weight)


def left_out(o: Outcome, name: str) -> int:
    """Observed points for which a metric has no value (a zero to divide by, a series without a scale)."""
    return _summed(o, name, WINDOWS).left_out


def owa(o: Outcome, reference: Outcome, average: Average = "points") -> float:
    """Mean of the ratios of sMAPE and MASE to those of a reference. (Makridakis et al. 2020, "M4": Naive2)"""
    return float(owa_of(lambda name: score(o, name, average), lambda name: score(reference, name, average)))


def owa_of(own: Callable[[str], Floats | float], reference: Callable[[str], Floats | float]) -> Floats:
    """The same from what gives sMAPE and MASE by name: one value each, or one per step or series."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = [np.divide(own(name), reference(name)) for name in ("smape", "mase")]
    return np.asarray(np.mean(ratios, axis=0))


def skill(value: float, reference: float) -> float:
    """100 · (1 - value / reference): percent better than the reference.

    NaN where the reference is unknown, or so near 0 (a millionth of the value) that it is only rounding.
    """
    return 100 * (1 - value / reference) if reference > 1e-6 * value else float("nan")


def mean(values: Floats) -> float:
    """Mean without NaN; NaN (and no warning) where nothing is left."""
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if kept.size else float("nan")


Pieces = Iterable[tuple[Rows, list[Outcome]]]  # which windows, and what each outcome says of them


def prepare(o: Outcome, names: Iterable[str], average: Average = "points") -> None:
    """Sum several metrics of an outcome in one pass, block by block; whoever asks for them later finds them there."""
    prepare_all([o], lambda: ((rows, [block]) for rows, block in o.blocks()), names, average)


def prepare_all(
    outcomes: list[Outcome], pieces: Callable[[], Pieces], names: Iterable[str], average: Average = "points"
) -> None:
    """The same for several outcomes that are looked at together, piece by piece."""
    axis = STEPS if average == "series" else WINDOWS
    known = {n: metric for n in names if any((n, axis) not in o.sums for o in outcomes) and (metric := find(n))}
    if not known:
        return
    rows: list[Rows] = []
    found: list[dict[str, list[Terms]]] = [{name: [] for name in known} for _ in outcomes]
    for here, parts in pieces():
        rows.append(here)
        for part, sums in zip(parts, found, strict=True):
            for name, metric in known.items():
                sums[name].append(metric(part).summed(axis))
    for o, sums in zip(outcomes, found, strict=True):
        o.sums.update({(name, axis): together(parts, rows, axis) for name, parts in sums.items()})


def _summed(o: Outcome, name: str, axis: int) -> Terms:
    """A metric's terms, summed over windows (H, C) or over steps (W, C)."""
    if find(name) is None:
        raise KeyError(name)
    prepare(o, [name], "series" if axis == STEPS else "points")
    terms: Terms = o.sums[name, axis]
    return terms


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


def _sums(rows: Floats, position: Ints, n: int) -> NDArray[np.float64]:
    """Rows (W, C) summed by position, (n, C)."""
    return np.stack([np.bincount(position, weights=column, minlength=n) for column in rows.T], axis=1)
