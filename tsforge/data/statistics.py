"""Statistics of every series of a panel: seasonal differences, mean and deviation, level."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsforge.data.panel import Ints, Panel

_Floats = NDArray[np.float64]

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
    parts = [_seasonal_error(part, season, *marks) for part, marks in panel.blocks(stops)]
    return SeasonalError(*map(np.concatenate, zip(*parts, strict=True)))


def _seasonal_error(panel: Panel, season: int, stops: Ints) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    inside = (panel.between(stops, panel.offsets[:-1] + season) & panel.observed.any(axis=1))[season:]
    pairs = np.zeros_like(panel.observed)
    both = pairs[season:]
    both[:] = panel.observed[season:] & panel.observed[:-season] & inside[:, None]
    values = panel.values.astype(np.float64)
    size, gap = np.zeros_like(values), np.zeros_like(values)
    size[season:] = np.abs(values[season:]) * both
    gap[season:] = np.abs(values[season:] - values[:-season]) * both
    count = _counts(pairs, panel.offsets)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean, square = (_sums(g, panel) / count for g in (gap, gap**2))
    largest = np.maximum.reduceat(size, panel.offsets[:-1])
    alike = mean <= largest * (_ROUNDING if panel.values.dtype == np.float32 else _ROUNDING_EXACT)
    return np.where(alike, 0.0, mean), np.where(alike, 0.0, square)


class Moments(NamedTuple):
    """Mean, deviation and count of each series and target, (n, C); NaN where nothing was observed."""

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]  # of the population: divided by the count
    seen: NDArray[np.float64]  # how many values


def moments(panel: Panel, stops: Ints, begins: Ints | None = None) -> Moments:
    """Mean and deviation of what was observed before each series' stop; from `begins` on where that is given."""
    parts = [_moments(part, *marks) for part, marks in panel.blocks(stops, begins)]
    return Moments(*map(np.concatenate, zip(*parts, strict=True)))


def _moments(panel: Panel, stops: Ints, begins: Ints | None) -> Moments:
    seen = panel.observed & panel.between(stops, begins)[:, None]
    values = np.where(seen, panel.values, 0.0).astype(np.float64)
    count = _counts(seen, panel.offsets)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = _sums(values, panel) / count
        off = _sums(np.where(seen, (values - _spread(mean, panel)) ** 2, 0.0), panel)
        return Moments(mean, np.sqrt(off / count), count)


class Level(NamedTuple):
    """Location and scale of each target over all series, (C,) each."""

    centre: NDArray[np.float32]  # mean over all observed values
    spread: NDArray[np.float32]  # median over series of their deviation
    least: NDArray[np.float32]  # smallest deviation of a series that varies at all


def level(panel: Panel, stops: Ints, begins: Ints | None = None) -> Level:
    """Location and scale of the values before `stops`, from `begins` on. In the scale every series counts once."""
    return level_of(moments(panel, stops, begins))


def level_of(estimates: Moments) -> Level:
    """Location and scale over all series, from the moments of each."""
    mean, deviation, count = estimates
    total = (np.nan_to_num(mean) * count).sum(axis=0)
    centre = total / np.maximum(count.sum(axis=0), 1)
    alive = count.any(axis=1)
    spread = np.nanmedian(deviation[alive], axis=0) if alive.any() else np.ones(deviation.shape[1])
    least = np.where(deviation > 0, deviation, np.inf).min(axis=0)
    least = np.where(np.isfinite(least), least, spread)
    parts = (centre, np.nan_to_num(spread, nan=1.0), np.nan_to_num(least, nan=1.0))
    return Level(*(p.astype(np.float32) for p in parts))


def usual(
    panel: Panel, length: int, stops: Ints, begins: Ints | None = None, estimates: Moments | None = None
) -> NDArray[np.floating]:  # fmt: skip
    """How much windows of `length` steps deviate, and how much they change from step to step, by series: (n, 2, C).

    The median over windows that vary at all, a quarter of their length apart, before each series' stop; 0 without any.

    estimates: of `moments` over the same rows, where they are there.
    """
    estimates = moments(panel, stops, begins) if estimates is None else estimates
    sums, parts, done = [_Sums() for _ in range(3)], [], 0
    for part, marks in panel.blocks(stops, begins):
        mean, deviation = (column[done : done + len(part)] for column in estimates[:2])
        parts.append(_usual(part, length, sums, (mean, deviation), (marks[0], marks[1])))
        done += len(part)
    return np.concatenate(parts).astype(panel.values.dtype)


def _usual(
    panel: Panel, length: int, sums: list[_Sums], of: tuple[_Floats, _Floats], marks: tuple[Ints, Ints | None]
) -> _Floats:  # fmt: skip
    """As `usual`, of a few series. of: their mean and deviation. marks: their stops and begins."""
    (mean, deviation), (stops, begins) = of, marks
    seen = panel.observed & panel.between(stops, begins)[:, None]
    unit = np.where(deviation > 0, deviation, 1.0)
    z = np.where(seen, (panel.values - _spread(np.nan_to_num(mean), panel)) / _spread(unit, panel), 0.0)
    pairs = np.zeros_like(seen)
    pairs[1:] = seen[1:] & seen[:-1]
    pairs[panel.offsets[:-1]] = False  # the row before is another series'
    change = np.abs(np.diff(z, axis=0, prepend=z[:1])) * pairs
    first = panel.offsets[:-1] if begins is None else begins
    span = np.minimum(length, np.maximum(stops - first, 1))
    step = np.maximum(span // 4, 1)
    count = np.maximum((stops - span - first) // step + 1, 0)  # windows, the last of which ends at the stop
    series = np.repeat(np.arange(len(panel)), count)
    last = stops[series] - (np.cumsum(count)[series] - 1 - np.arange(len(series))) * step[series]
    begin = last - span[series]
    levels, squares = (total.windows(part, begin, last) for total, part in zip(sums, (z, z**2), strict=False))
    changes = sums[2].windows(change, begin + 1, last)  # between neighbours inside the window
    with np.errstate(invalid="ignore", divide="ignore"):
        held, steps = _held(seen, begin, last), _held(pairs, begin + 1, last)
        variance, mean_change = squares / held - (levels / held) ** 2, changes / steps
    varies = np.sqrt(np.where(variance > LITTLE, variance, np.nan)), np.where(mean_change > LITTLE, mean_change, np.nan)
    return np.stack([_medians(part, series, len(panel)) * unit for part in varies], axis=1)


def _held(mask: NDArray[np.bool_], begin: Ints, last: Ints) -> NDArray[np.int32]:
    """How many rows of a mask (N, C) lie in [begin, last), (W, C)."""
    total = np.zeros((len(mask) + 1, mask.shape[1]), dtype=np.int32)
    np.cumsum(mask, axis=0, dtype=np.int32, out=total[1:])
    return np.asarray(total[last] - total[begin])


class _Sums:
    """Sums of rows over windows, from running sums that go on from block to block."""

    def __init__(self) -> None:
        self.so_far: NDArray[np.float64] | float = 0.0

    def windows(self, rows: NDArray[Any], begin: Ints, last: Ints) -> NDArray[np.float64]:
        """Sums of the rows (N, C) of a block over [begin, last), (W, C)."""
        total = np.empty((len(rows) + 1, rows.shape[1]))
        total[0], total[1:] = self.so_far, rows
        np.cumsum(total, axis=0, out=total)
        self.so_far = total[-1].copy()
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


def _spread(values: _Floats, panel: Panel) -> _Floats:
    """Values of each series (n, C) at all its rows, (T, C)."""
    return np.repeat(values, np.diff(panel.offsets), axis=0)


def _counts(mask: NDArray[np.bool_], offsets: Ints) -> _Floats:
    """How many rows of each series a mask (T, C) has, (n, C)."""
    return np.add.reduceat(mask, offsets[:-1], axis=0, dtype=np.int64).astype(np.float64)


def _sums(rows: _Floats, panel: Panel) -> _Floats:
    """Rows (T, C) summed by series, (n, C), each in the order of its rows; equally long series side by side."""
    n, counts = len(panel), np.diff(panel.offsets)
    if n < 2 or (counts != counts[0]).any():
        return series_sums(rows, panel.row_series(), n)
    steps = rows.reshape(n, int(counts[0]), -1).transpose(1, 0, 2)
    return np.asarray(np.add.reduce(np.ascontiguousarray(steps), axis=0))


def series_sums(rows: NDArray[Any], series: Ints, n: int) -> NDArray[np.float64]:
    """Rows (N, C) summed by series, (n, C)."""
    return np.stack([np.bincount(series, weights=column, minlength=n) for column in rows.T], axis=1)
