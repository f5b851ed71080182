"""The sizes of values: what cannot be computed with is refused by name, before anything is fitted or forecast."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tsforge.data.panel import Panel
from tsforge.errors import DataError

MOST, LEAST = 1e36, 1e-36  # of a value, in size: what units can still be computed in
APART = 1e12  # times the usual size of a series: one value, or growth, beside which no forecast can be told


def check(panel: Panel) -> None:
    """Refuse values that cannot be computed with: of a size beyond 1e36 or 1e-36, or far off their own series.

    Raises DataError with the magnitude, the series and the time.
    """
    for c, name in enumerate(panel.schema.target):
        sides = [_extremes(part, c) for part, _ in panel.blocks()]
        top, low = (np.concatenate(side) for side in zip(*sides, strict=True))
        if not (top > 0).any():
            continue
        if (most := float(np.nanmax(top))) > MOST:
            row = int(panel.offsets[int(np.nanargmax(top))]) + int(
                np.nanargmax(_size(panel, c, int(np.nanargmax(top))))
            )
            hint = "divide the column by a power of ten"
            raise DataError(f"{_place(panel, row, name)} is {most:.3g} in size, beyond {MOST:g}", hint)
        for i in np.flatnonzero((top > 0) & (top < LEAST)).tolist():
            label = f" of series {panel.label(i)}" if panel.ids else ""
            hint = "multiply the column by a power of ten"
            raise DataError(f"{panel.name}: '{name}'{label} is below {LEAST:g} in size throughout", hint)
        for i in np.flatnonzero(top > APART * low).tolist():
            size = _size(panel, c, i)
            usual = float(np.median(size[size > 0]))
            at = int(np.nanargmax(size))
            if size[at] > APART * usual:
                raise DataError(
                    f"{_place(panel, int(panel.offsets[i]) + at, name)} is {size[at]:.3g} in size, "
                    f"{size[at] / usual:.1g} times the usual {usual:.3g} of its series",
                    "correct or empty the value; forecast the logarithms of a series that grows that far",
                )


def _extremes(panel: Panel, c: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The largest and the smallest size above 0 of a target in each series, NaN where there is none, (n,) each."""
    size = np.where(panel.observed[:, c], np.abs(panel.values[:, c].astype(np.float64)), np.nan)
    starts = panel.offsets[:-1]
    return np.fmax.reduceat(size, starts), np.fmin.reduceat(np.where(size > 0, size, np.nan), starts)


def _size(panel: Panel, c: int, i: int) -> NDArray[np.float64]:
    """The sizes of a target in the rows of series i, NaN where it was not observed."""
    rows = slice(int(panel.offsets[i]), int(panel.offsets[i + 1]))
    return np.where(panel.observed[rows, c], np.abs(panel.values[rows, c].astype(np.float64)), np.nan)


def _place(panel: Panel, row: int, name: str) -> str:
    """A value of a target in words: table, column, series and time."""
    from tsforge.data.table.times import show_time

    i = int(panel.row_series()[row])
    when = show_time(panel.schema.frequency.stamps(panel.ordinals()[row : row + 1])[0], panel.schema)
    return f"{panel.name}: '{name}'{f' of series {panel.label(i)}' if panel.ids else ''} at {when}"
