"""What the training part says about a panel: its season, the scale of its errors, its level."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsforge.data.panel import Panel

Ints = NDArray[np.int64]

_MAX_ROWS = 200_000  # rows looked at: enough for any season, and quick on large panels
_CLEAR = 0.2  # autocorrelation from which a season is believed


def detect_season(panel: Panel, stops: Ints) -> int:
    """Steps of one season, 1 where there is none.

    stops: (n,) rows up to which each series may be looked at (the end of its training part).
    A candidate is believed when the first differences repeat after it (autocorrelation over 0.2) and
    two seasons fit; of those, the one with the highest autocorrelation.
    """
    frequency = panel.schema.frequency
    longest = int((stops - panel.offsets[:-1]).max(initial=0))
    candidates = [m for m in frequency.seasons() if 2 <= m <= longest // 2]
    generic = frequency.unit in ("int", "float")
    if generic:
        candidates = list(range(2, min(longest // 2, 400) + 1))
    if not candidates:
        return 1
    strength = _repeats(panel, stops, candidates)
    if generic and len(strength) > 2:  # only a peak is a season, not the slope beside it
        inner = np.r_[False, (strength[1:-1] > strength[:-2]) & (strength[1:-1] >= strength[2:]), False]
        strength = np.where(inner, strength, -1.0)
    # A multiple of the season repeats as well: take it only if it is clearly better.
    best = int(np.argmax(strength - 0.02 * np.arange(len(strength)) / len(strength)))
    return candidates[best] if strength[best] > _CLEAR else 1


def _repeats(panel: Panel, stops: Ints, lags: list[int]) -> NDArray[np.float64]:
    """Autocorrelation of the first differences at each lag, pooled over series and targets.

    Differences are taken in units of their own series, so that a series counts by its length, not its size.
    """
    rows, series = _sample(panel, stops, 2 * max(lags) + 2)
    values = np.where(panel.observed[rows], panel.values[rows], np.nan).astype(np.float64)
    change = np.diff(values, axis=0)
    change[series[1:] != series[:-1]] = np.nan
    seen = ~np.isnan(change)
    change = np.where(seen, change, 0.0)
    power, count = _sums(change**2, series[1:], len(panel)), _sums(seen, series[1:], len(panel))
    size = np.sqrt(power / np.maximum(count, 1))
    change /= np.where(size > 0, size, 1.0)[series[1:]]
    strength = np.zeros(len(lags))
    for k, m in enumerate(lags):
        together = seen[m:] & seen[:-m] & (series[1 + m :] == series[1:-m])[:, None]
        x, y = change[m:][together], change[:-m][together]
        total = float(x @ x + y @ y) / 2
        strength[k] = float(x @ y) / total if total > 0 else 0.0
    return strength


def _sample(panel: Panel, stops: Ints, least: int) -> tuple[Ints, Ints]:
    """(rows, their series) up to the stops: the newest of every series until there are enough."""
    most = max(_MAX_ROWS, least)
    lengths = np.minimum(stops - panel.offsets[:-1], most)
    lengths = np.where(np.cumsum(lengths) - lengths < most, lengths, 0)
    series = np.repeat(np.arange(len(panel)), lengths)
    behind = np.arange(len(series)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return (stops - lengths)[series] + behind, series


def seasonal_error(panel: Panel, stops: Ints, season: int) -> NDArray[np.float64]:
    """Mean |y_t - y_{t-season}| of each series up to its stop, (n, C): the denominator of MASE.

    NaN where a series has no such pair. (Hyndman & Koehler 2006, "Another look at measures of accuracy")
    """
    series = panel.row_series()
    rows = np.arange(len(series))
    inside = (rows >= panel.offsets[series] + season) & (rows < stops[series])
    later = rows[inside]
    both = panel.observed[later] & panel.observed[later - season]
    gap = np.abs(panel.values[later].astype(np.float64) - panel.values[later - season]) * both
    total, count = _sums(gap, series[inside], len(panel)), _sums(both, series[inside], len(panel))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count > 0, total / count, np.nan)


def level(panel: Panel, stops: Ints) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(mean over all observed values, median over series of their deviation) before `stops`, (C,) each."""
    series = panel.row_series()
    seen = panel.observed & (np.arange(len(series)) < stops[series])[:, None]
    values = np.where(seen, panel.values, 0.0).astype(np.float64)
    n = len(panel)
    count, total = _sums(seen, series, n), _sums(values, series, n)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / count
        off = _sums(np.where(seen, (values - mean[series]) ** 2, 0.0), series, n)
        deviation = np.sqrt(off / count)
    centre = total.sum(axis=0) / np.maximum(count.sum(axis=0), 1)
    alive = count.any(axis=1)
    spread = np.nanmedian(deviation[alive], axis=0) if alive.any() else np.ones(values.shape[1])
    return centre.astype(np.float32), np.nan_to_num(spread, nan=1.0).astype(np.float32)


def _sums(rows: NDArray[Any], series: Ints, n: int) -> NDArray[np.float64]:
    """Rows (N, C) summed by series, (n, C)."""
    return np.stack([np.bincount(series, weights=column, minlength=n) for column in rows.T], axis=1)
