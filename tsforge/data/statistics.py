"""What the training part says about a panel: its season, the scale of its errors, its level."""

from __future__ import annotations

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
    strength = np.array([_repeats(panel, stops, m) for m in candidates])
    if generic and len(strength) > 2:  # only a peak is a season, not the slope beside it
        inner = np.r_[False, (strength[1:-1] > strength[:-2]) & (strength[1:-1] >= strength[2:]), False]
        strength = np.where(inner, strength, -1.0)
    # A multiple of the season repeats as well: take it only if it is clearly better.
    best = int(np.argmax(strength - 0.02 * np.arange(len(strength)) / len(strength)))
    return candidates[best] if strength[best] > _CLEAR else 1


def _repeats(panel: Panel, stops: Ints, m: int) -> float:
    """Autocorrelation at lag m of the first differences, pooled over series and targets."""
    starts = panel.offsets[:-1]
    take = np.flatnonzero(stops - starts > m + 1)
    scores, weights = [], []
    budget = _MAX_ROWS
    for i in take:
        a, b = int(starts[i]), int(stops[i])
        a = max(a, b - max(budget, 2 * m + 2))
        values = np.where(panel.observed[a:b], panel.values[a:b], np.nan).astype(np.float64)
        change = np.diff(values, axis=0)
        x, y = change[m:], change[:-m]
        both = ~np.isnan(x) & ~np.isnan(y)
        power = np.where(both, x * x + y * y, 0.0).sum() / 2
        if power > 0:
            scores.append(np.where(both, x * y, 0.0).sum() / power)
            weights.append(both.sum())
        budget -= b - a
        if budget <= 0:
            break
    return float(np.average(scores, weights=weights)) if scores else 0.0


def seasonal_error(panel: Panel, stops: Ints, season: int) -> NDArray[np.float64]:
    """Mean |y_t - y_{t-season}| of each series up to its stop, (n, C): the denominator of MASE.

    NaN where a series has no such pair. (Hyndman & Koehler 2006, "Another look at measures of accuracy")
    """
    n, C = len(panel), panel.values.shape[1]
    series = panel.row_series()
    rows = np.arange(len(series))
    inside = (rows >= panel.offsets[series] + season) & (rows < stops[series])
    later = rows[inside]
    both = panel.observed[later] & panel.observed[later - season]
    gap = np.abs(panel.values[later].astype(np.float64) - panel.values[later - season]) * both
    total, count = np.zeros((n, C)), np.zeros((n, C))
    np.add.at(total, series[inside], gap)
    np.add.at(count, series[inside], both)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count > 0, total / count, np.nan)


def level(panel: Panel, stops: Ints) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(mean over all observed values, median over series of their deviation) before `stops`, (C,) each."""
    series = panel.row_series()
    seen = panel.observed & (np.arange(len(series)) < stops[series])[:, None]
    values = np.where(seen, panel.values, 0.0).astype(np.float64)
    n = len(panel)
    count, total = np.zeros((n, values.shape[1])), np.zeros((n, values.shape[1]))
    np.add.at(count, series, seen)
    np.add.at(total, series, values)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / count
        off = np.zeros_like(total)
        np.add.at(off, series, np.where(seen, (values - mean[series]) ** 2, 0.0))
        deviation = np.sqrt(off / count)
    centre = total.sum(axis=0) / np.maximum(count.sum(axis=0), 1)
    alive = count.any(axis=1)
    spread = np.nanmedian(deviation[alive], axis=0) if alive.any() else np.ones(values.shape[1])
    return centre.astype(np.float32), np.nan_to_num(spread, nan=1.0).astype(np.float32)
