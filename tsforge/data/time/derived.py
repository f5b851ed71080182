"""What the calendar alone decides: columns such as the day of the week, recognised by their values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tsforge.data.time.calendar import DAY, SECOND

Ints = NDArray[np.int64]
Floats = NDArray[np.floating]
Field = Callable[[Ints], Ints]  # of local wall-clock stamps, (N,)

LEAST = 8  # values that show what a column is


def _since(unit: str, larger: str) -> Field:
    """Units since the larger unit began, from 0."""

    def count(wall: Ints) -> Ints:
        times = wall.astype("M8[us]").astype(f"M8[{unit}]")
        whole: Ints = (times - times.astype(f"M8[{larger}]").astype(f"M8[{unit}]")).astype(np.int64)
        return whole

    return count


def _weekday(wall: Ints) -> Ints:
    return (wall // DAY + 3) % 7  # 1970-01-01 was a Thursday


def _year(wall: Ints) -> Ints:
    return wall.astype("M8[us]").astype("M8[Y]").astype(np.int64) + 1970


def _plus(field: Field, number: int) -> Field:
    return lambda wall: field(wall) + number


_month, _hour = _since("M", "Y"), lambda wall: wall // (3_600 * SECOND) % 24
FIELDS: tuple[Field, ...] = (
    _weekday, _plus(_weekday, 1), lambda wall: (_weekday(wall) + 1) % 7, lambda wall: (_weekday(wall) >= 5).astype(int),
    lambda wall: (_weekday(wall) < 5).astype(int), _hour, lambda wall: wall // (60 * SECOND) % 60,
    _plus(_since("D", "M"), 1), _plus(_month, 1), _month, lambda wall: _month(wall) // 3 + 1, _year,
    _plus(_since("D", "Y"), 1),
)  # fmt: skip


def field_of(values: Floats, wall: Ints) -> Field | None:
    """The field of the calendar that a column is, wherever it has a value; None where it is none, or never changes.

    values: (N,), NaN where missing. wall: local wall-clock stamps, (N,).
    """
    seen = ~np.isnan(values)
    values, wall = values[seen], wall[seen]
    if len(values) < LEAST or values.min() == values.max():
        return None
    return next((field for field in FIELDS if np.array_equal(field(wall), values)), None)
