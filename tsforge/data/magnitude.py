"""The sizes of values: what cannot be computed with is refused by name, before anything is fitted or forecast."""

from __future__ import annotations

import numpy as np

from tsforge.data.panel import Panel
from tsforge.errors import DataError

MOST, LEAST = 1e36, 1e-36  # of a value, in size: what units can still be computed in
APART = 1e12  # times the usual size of a series: one value, or growth, beside which no forecast can be told


def check(panel: Panel) -> None:
    """Refuse values that cannot be computed with: of a size beyond 1e36 or 1e-36, or far off their own series.

    Raises DataError with the magnitude, the series and the time.
    """
    series = panel.row_series()
    for c, name in enumerate(panel.schema.target):
        size = np.where(panel.observed[:, c], np.abs(panel.values[:, c].astype(np.float64)), np.nan)
        if not (size > 0).any():
            continue
        row = int(np.nanargmax(size))
        if size[row] > MOST:
            hint = "divide the column by a power of ten"
            raise DataError(f"{_place(panel, row, name)} is {size[row]:.3g} in size, beyond {MOST:g}", hint)
        lengths = np.diff(panel.offsets)
        filled = np.flatnonzero(lengths)
        top = np.fmax.reduceat(size, panel.offsets[:-1][filled])
        low = np.fmin.reduceat(np.where(size > 0, size, np.nan), panel.offsets[:-1][filled])
        for i in filled[(top > 0) & (top < LEAST)].tolist():
            row = int(panel.offsets[i])
            label = f" of series {panel.label(i)}" if panel.ids else ""
            hint = "multiply the column by a power of ten"
            raise DataError(f"{panel.name}: '{name}'{label} is below {LEAST:g} in size throughout", hint)
        for i in filled[top > APART * low].tolist():
            rows = np.flatnonzero((series == i) & (size > 0))
            usual = float(np.median(size[rows]))
            row = int(rows[size[rows].argmax()])
            if size[row] > APART * usual:
                raise DataError(
                    f"{_place(panel, row, name)} is {size[row]:.3g} in size, {size[row] / usual:.1g} times the usual "
                    f"{usual:.3g} of its series",
                    "correct or empty the value; forecast the logarithms of a series that grows that far",
                )


def _place(panel: Panel, row: int, name: str) -> str:
    """A value of a target in words: table, column, series and time."""
    from tsforge.data.table.times import show_time

    i = int(panel.row_series()[row])
    when = show_time(panel.schema.frequency.stamps(panel.ordinals()[row : row + 1])[0], panel.schema)
    return f"{panel.name}: '{name}'{f' of series {panel.label(i)}' if panel.ids else ''} at {when}"
