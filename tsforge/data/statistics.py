"""Statistics of every series of a panel: seasonal differences, mean and deviation, level."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsforge.data.panel import Ints, Panel

LITTLE = 1e-9  # of a series' variance or deviation: a window that varies by less does not vary
_ROUNDING, _ROUNDING_EXACT = 5e-7, 1e-12  # of the largest value: differences up to here are none, by precision


class SeasonalError(NamedTuple):
    """The denominators of MASE and RMSSE, of each series and target: (n, C)."""

    mean: NDArray[np.float64]  # of |y_t - y_{t-season}|
    square: NDArray[np.float64]  # of (y_t - y_{t-season})²


def seasonal_error(panel: Panel, stops: Ints, season: int) -> SeasonalError:
    """Mean differences of values that lie one season apart, up to each series' stop.

    NaN where a series has no such pair; 0 where they are alike but for rounding.
    (Hyndman & Koehler 2006, "Another look at measures of accuracy")
    """
    series = panel.row_series()
    rows = np.arange(len(series))
    inside = (rows >= panel.offsets[series] + season) & (rows < stops[series])
    later = rows[inside]
    both = panel.observed[later] & panel.observed[later - season]
    gap = np.abs(panel.values[later].astype(np.float64) - panel.values[later - season]) * both
    count = series_sums(both, series[inside], len(panel))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean, square = (series_sums(g, series[inside], len(panel)) / count for g in (gap, gap**2))
    largest = np.zeros_like(mean)
    np.maximum.at(largest, series[later], np.abs(panel.values[later].astype(np.float64)) * both)
    alike = mean <= largest * (_ROUNDING if panel.values.dtype == np.float32 else _ROUNDING_EXACT)
    return SeasonalError(np.where(alike, 0.0, mean), np.where(alike, 0.0, square))


class Moments(NamedTuple):
    """Mean, deviation and count of each series and target, (n, C); NaN where nothing was observed."""

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]  # of the population: divided by the count
    seen: NDArray[np.float64]  # how many values


def moments(panel: Panel, stops: Ints, begins: Ints | None = None) -> Moments:
    """Mean and deviation of what was observed before each series' stop; from `begins` on where that is given."""
    series = panel.row_series()
    seen = panel.observed & panel.between(stops, begins)[:, None]
    values = np.where(seen, panel.values, 0.0).astype(np.float64)
    n = len(panel)
    count = series_sums(seen, series, n)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = series_sums(values, series, n) / count
        off = series_sums(np.where(seen, (values - mean[series]) ** 2, 0.0), series, n)
        return Moments(mean, np.sqrt(off / count), count)


class Level(NamedTuple):
    """Location and scale of each target over all series, (C,) each."""

    centre: NDArray[np.float32]  # mean over all observed values
    spread: NDArray[np.float32]  # median over series of their deviation
    least: NDArray[np.float32]  # smallest deviation of a series that varies at all


def level(panel: Panel, stops: Ints, begins: Ints | None = None) -> Level:
    """Location and scale of the values before `stops`, from `begins` on. In the scale every series counts once."""
    mean, deviation, count = moments(panel, stops, begins)
    total = (np.nan_to_num(mean) * count).sum(axis=0)
    centre = total / np.maximum(count.sum(axis=0), 1)
    alive = count.any(axis=1)
    spread = np.nanmedian(deviation[alive], axis=0) if alive.any() else np.ones(deviation.shape[1])
    least = np.where(deviation > 0, deviation, np.inf).min(axis=0)
    least = np.where(np.isfinite(least), least, spread)
    parts = (centre, np.nan_to_num(spread, nan=1.0), np.nan_to_num(least, nan=1.0))
    return Level(*(p.astype(np.float32) for p in parts))


def usual(panel: Panel, length: int, stops: Ints, begins: Ints | None = None) -> NDArray[np.floating]:
    """How much windows of `length` steps deviate, and how much they change from step to step, by series: (n, 2, C).

    The median over windows that vary at all, a quarter of their length apart, before each series' stop; 0 without any.
    """
    series, seen = panel.row_series(), panel.observed & panel.between(stops, begins)[:, None]
    mean, deviation, _ = moments(panel, stops, begins)
    unit = np.where(deviation > 0, deviation, 1.0)
    z = np.where(seen, (panel.values - np.nan_to_num(mean)[series]) / unit[series], 0.0)
    pairs = np.zeros_like(seen)
    pairs[1:] = seen[1:] & seen[:-1] & (series[1:] == series[:-1])[:, None]
    change = np.abs(np.diff(z, axis=0, prepend=z[:1])) * pairs
    first = panel.offsets[:-1] if begins is None else begins
    span = np.minimum(length, np.maximum(stops - first, 1))[series]
    rows = np.arange(len(series))
    left = stops[series] - 1 - rows  # steps to the end of the training part
    ends = (left >= 0) & (rows + 1 - span >= first[series]) & (left % np.maximum(span // 4, 1) == 0)
    last, of = rows[ends] + 1, series[ends]
    begin = last - span[ends]
    both = [_windows(part, begin, last) for part in (z, z**2, seen)]
    both += [_windows(part, begin + 1, last) for part in (change, pairs)]  # between neighbours inside the window
    with np.errstate(invalid="ignore", divide="ignore"):
        variance, step = both[1] / both[2] - (both[0] / both[2]) ** 2, both[3] / both[4]
    varies = np.sqrt(np.where(variance > LITTLE, variance, np.nan)), np.where(step > LITTLE, step, np.nan)
    typical = [_medians(part, of, len(panel)) for part in varies]
    return np.stack([t * unit for t in typical], axis=1).astype(panel.values.dtype)


def _windows(rows: NDArray[Any], begin: Ints, last: Ints) -> NDArray[np.float64]:
    """Sums of rows (N, C) over [begin, last), (W, C)."""
    total = np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(rows, axis=0, dtype=np.float64)])
    return np.asarray(total[last] - total[begin])


def _medians(values: NDArray[np.float64], series: Ints, n: int) -> NDArray[np.float64]:
    """The (lower) median of each series and target of values (W, C), NaN left out; 0 without any. (n, C)"""
    result = np.zeros((n, values.shape[1]))
    for c, column in enumerate(values.T):
        there = ~np.isnan(column)
        order = np.lexsort((column[there], series[there]))
        count = np.bincount(series[there], minlength=n)
        start = np.cumsum(count) - count
        some = count > 0
        result[some, c] = column[there][order][(start + (count - 1) // 2)[some]]
    return result


def series_sums(rows: NDArray[Any], series: Ints, n: int) -> NDArray[np.float64]:
    """Rows (N, C) summed by series, (n, C)."""
    return np.stack([np.bincount(series, weights=column, minlength=n) for column in rows.T], axis=1)
