"""Names of the grids that irregular times could be brought to, each of which at least half the steps fill."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsforge.data.time import frequency, periods
from tsforge.data.time.calendar import DAY, SECOND, Frequency, month_of

_PERIODS = ("min", "5min", "15min", "30min", "h", "3h", "D", "W", "MS", "QS", "YS")
_TIMES = (2, 5, 10, 20, 50, 100)  # of the usual step, for plain numbers
_LEAST = 8  # steps of the longest series
_MOST = 2  # names
_FULL, _ENOUGH = 0.9, 0.5  # shares of steps with a row
_HOLES = 1 / 3  # share of steps with a row, from which a grid with holes in it is worth a name


def longer(stamps: NDArray[Any], new_series: NDArray[np.bool_], kind: str) -> list[str]:
    """Periods longer than the usual gap, the shorter first, most of which hold a row; [] where there are none.

    stamps: sorted within each series. Where some periods nearly all hold a row, those that leave more empty are none.
    """
    gaps = np.diff(stamps)[~new_series[1:]]
    gaps = gaps[gaps > 0]
    if not len(gaps):
        return []
    shares: dict[str, float] = {}
    for name, grid in _grids(stamps, float(np.median(gaps)), kind):
        share, steps = _filled(periods.period_of(grid, stamps)[0], new_series)
        if steps >= _LEAST and share >= _ENOUGH:
            shares[name] = share
    full = [name for name, share in shares.items() if share >= _FULL]
    return (full or list(shares))[:_MOST]


def with_holes(stamps: NDArray[Any], new_series: NDArray[np.bool_], kind: str) -> str | None:
    """The grid on which all stamps lie, the fullest if there are several, though many of its steps have no row."""
    gaps = np.diff(stamps)[~new_series[1:]]
    if kind == "float" or not len(gaps) or gaps.min() <= 0:
        return None
    step = int(np.gcd.reduce(gaps))
    names = ["B", "MS", "ME"] if kind == "datetime" else []
    names.append(Frequency(unit="us", step=step).name if kind == "datetime" else str(step))
    best, most = None, _HOLES
    for name in names:
        grid = frequency.parse(name, stamps, kind != "datetime")
        ordinals, on_grid = grid.ordinals(stamps)
        if not on_grid.all() or (grid.unit == "month" and not _one_place(stamps)):
            continue
        share, _ = _filled(ordinals, new_series)
        if share >= most:
            best, most = name, share + 1e-9
    return best


def _grids(stamps: NDArray[Any], usual: float, kind: str) -> Iterator[tuple[str, Frequency]]:
    """Periods that are longer than the usual gap."""
    first = stamps.min()
    if kind != "datetime":
        names = [f"{times * usual:.6g}" for times in _TIMES]
        names = [str(int(float(n))) for n in names if float(n) >= 1] if kind == "integer" else names
        for name in names:
            yield name, periods.parse(name, first, numeric=True)
        return
    for name in _PERIODS:
        grid = periods.parse(name, first, numeric=False)
        length = 28 * DAY * int(grid.step) if grid.unit == "month" else int(grid.step)
        if length > max(usual, SECOND):
            yield name, grid


def _filled(ordinals: NDArray[np.int64], new_series: NDArray[np.bool_]) -> tuple[float, int]:
    """The share of the steps of all series that have a row, and the steps of the longest."""
    starts = np.flatnonzero(new_series)
    ends = np.r_[starts[1:], len(ordinals)] - 1
    steps = ordinals[ends] - ordinals[starts] + 1
    rows = int(np.count_nonzero(np.diff(ordinals)[~new_series[1:]])) + len(starts)
    return rows / float(steps.sum()), int(steps.max())


def _one_place(stamps: NDArray[np.int64]) -> bool:
    """True where all stamps lie equally far from the start of their month, or from its end."""
    index = month_of(stamps)
    start, end = (i.astype("M8[M]").astype("M8[us]").astype(np.int64) for i in (index, index + 1))
    return bool(np.ptp(stamps - start) == 0 or np.ptp(stamps - end) == 0)
