"""Whether all series of a table have the same step."""

from __future__ import annotations

from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from tsforge.data.schema import Schema
from tsforge.data.table.checks import Rows
from tsforge.data.time import frequency
from tsforge.data.time.calendar import Frequency
from tsforge.errors import DataError

LEAST = 8  # rows that show the step of a series
MOST = 20  # series that are looked at one by one
LONGER = 1.3  # times another step, to be a step of its own: months are, and their first working days are none


def common(rows: Rows, name: str | None, fitted: Schema | None) -> Frequency:
    """The frequency that is named, that of the fitted model, or the one that all series show."""
    if name is not None or fitted is not None:
        return rows.frequency(name, fitted)
    try:
        grid = rows.frequency(None, None)
    except DataError:
        _check_complete(rows)
        raise
    check_same(rows, grid)
    return grid


def _check_complete(rows: Rows) -> None:
    """Raises DataError where two series have each a row at every step of its own, and these differ."""
    starts = np.r_[np.flatnonzero(rows.new_series), len(rows.codes)]
    first: tuple[float, int] | None = None  # (usual gap, which series)
    for i in np.flatnonzero(np.diff(starts) >= LEAST)[:MOST]:
        part = slice(int(starts[i]), int(starts[i + 1]))
        if not _is_complete(rows, part):
            continue
        gap = float(np.median(np.diff(rows.stamps[part])))
        if first is None:
            first = (gap, int(i))
        elif max(gap, first[0]) > LONGER * min(gap, first[0]):
            _refuse(rows, None, (first[1], int(i)))


def check_same(rows: Rows, grid: Frequency) -> None:
    """Raises DataError where a series has a row at every second, third, ... step alone, and another between those.

    grid: of the whole table. A gap here and there is none of that.
    """
    phases = rows.phases(grid)
    ordinal = grid.ordinals(rows.stamps - phases[rows.codes])[0] if phases.any() else rows.positions(grid)[0]
    starts = rows.starts
    counts = np.diff(np.r_[starts, len(ordinal)])
    if (rows.steps(ordinal) == counts - 1).all():  # no series has a gap
        return
    gaps = np.r_[0, np.diff(ordinal)].astype(np.int64)
    gaps[starts] = 0
    largest = np.maximum.reduceat(gaps, starts)
    smallest = np.minimum.reduceat(np.where(rows.new_series, np.iinfo(np.int64).max, gaps), starts)
    regular = (counts >= LEAST) & (smallest == largest)
    dense = (counts >= LEAST) & (np.add.reduceat(gaps, starts) <= 2 * counts)
    for i in np.flatnonzero(regular & (largest >= 2)):
        between = np.logical_or.reduceat(gaps % largest[i] != 0, starts)
        if len(others := np.flatnonzero(between & (regular | dense))):
            _refuse(rows, grid, (int(others[0]), int(i)))
    others = np.flatnonzero(dense)
    for i in np.flatnonzero(~dense & (counts >= LEAST))[:MOST] if len(others) else ():  # months among days
        if _is_complete(rows, slice(int(starts[i]), int(starts[i] + counts[i]))):
            _refuse(rows, grid, (int(others[0]), int(i)))


def _refuse(rows: Rows, grid: Frequency | None, series: tuple[int, int]) -> NoReturn:
    """grid: that holds both, if any does. series: two of them, by the order of their rows."""
    words = []
    starts = np.r_[np.flatnonzero(rows.new_series), len(rows.codes)]
    for k in sorted(series):
        part = slice(int(starts[k]), int(starts[k + 1]))
        name = " ".join(str(column[rows.codes[part.start]]) for column in rows.ids)
        own = _own(rows, part) or grid
        words.append(f"series {name} is of frequency {own.name if own is not None else 'unknown'}")
    hint = "fit them apart, from one table each, or bring them to a longer step with data.resample"
    ways = [{"data.freq": grid.name}] if grid is not None else []
    if grid is not None:
        hint += f"; pass data.freq={grid.name} if the steps between are missing values"
    raise DataError(f"{rows.frame.name}: two frequencies in one table: {' and '.join(words)}", hint, ways)


def _is_complete(rows: Rows, part: slice) -> bool:
    """Whether one series has a row at every step of a grid of its own."""
    own = _own(rows, part)
    return own is not None and bool((np.diff(own.ordinals(rows.stamps[part])[0]) == 1).all())


def _own(rows: Rows, part: slice) -> Frequency | None:
    stamps: NDArray[np.int64] = rows.stamps[part]
    return frequency.infer(stamps, np.arange(len(stamps)) == 0, rows.schema.time_kind)[0]
