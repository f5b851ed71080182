"""Statistics of every series of a panel: seasonal differences, mean and deviation, level."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsforge.data.panel import Ints, Panel

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


def series_sums(rows: NDArray[Any], series: Ints, n: int) -> NDArray[np.float64]:
    """Rows (N, C) summed by series, (n, C)."""
    return np.stack([np.bincount(series, weights=column, minlength=n) for column in rows.T], axis=1)
