"""Periods, which hold several shorter steps: the day, week or month that a time lies in, and the steps that it takes.

A period is dated by its first day, as D, h, MS, QS and YS are, or by its last: ME, QE, YE, and weeks, as in pandas
(W is W-SUN: Monday to Sunday, dated by the Sunday).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsforge.data.time import frequency
from tsforge.data.time.calendar import DAY, FLOAT_TOLERANCE, WEEK, Frequency, Ints, month_of, wall_clock
from tsforge.errors import DataError

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def parse(text: str, first: Any, *, numeric: bool) -> Frequency:
    """The grid of periods of a name: "D", "W", "W-MON", "MS", "QE", "YS-APR", "6h", or "10" of plain numbers.

    first: the earliest stamp on the local clock. Days, weeks and months are those of the calendar; other steps are
    counted from the midnight before it, plain numbers from itself.
    Raises DataError when the name is unknown.
    """
    if numeric:
        return frequency.parse(text, np.array([first]), numeric=True)
    midnight = int(first) // DAY * DAY
    grid = frequency.parse(text, np.array([midnight]), numeric=False)
    word, _, suffix = text.lower().strip().lstrip("0123456789 ").partition("-")
    if grid.unit == "month":
        return _months(text, int(grid.step), suffix, at_end=word.endswith("e"))
    if grid.unit == "bday":
        return Frequency(unit="bday", step=1)
    step = int(grid.step)
    if step % WEEK == 0:
        weekday = _position(text, suffix or "sun", _WEEKDAYS)
        last = midnight + (weekday - (midnight // DAY + 3)) % 7 * DAY  # 1970-01-01 was a Thursday
        return Frequency(unit="us", step=step, anchor=(last + step - WEEK) % step)
    return Frequency(unit="us", step=step, anchor=midnight % step)


def _months(text: str, step: int, suffix: str, *, at_end: bool) -> Frequency:
    """Months from January on, or from the month of the suffix; at their end up to December, or up to that month."""
    usual = "dec" if at_end else "jan"
    month = _position(text, suffix or usual, _MONTHS)
    return Frequency(unit="month", step=step, anchor=month % step, offset=-DAY if at_end else 0)


def _position(text: str, name: str, names: tuple[str, ...]) -> int:
    if name not in names:
        raise DataError(f"frequency '{text}' is unknown", f"after the - stands one of {', '.join(names).upper()}")
    return names.index(name)


def counts_days(grid: Frequency) -> bool:
    """Whether every period is made of whole days, so that it follows the local clock."""
    return grid.unit in ("month", "bday") or (grid.unit == "us" and int(grid.step) % DAY == 0)


def _ends(grid: Frequency) -> bool:
    """Whether periods are dated by their last day."""
    return grid.offset < 0 or (grid.unit == "us" and int(grid.step) % WEEK == 0)


def period_of(grid: Frequency, stamps: NDArray[Any]) -> tuple[Ints, NDArray[np.bool_]]:
    """The ordinal of the period that each stamp lies in; and where there is one, as on no weekend of business days."""
    anywhere = np.ones(len(stamps), dtype=np.bool_)
    if grid.unit == "bday":
        return grid.ordinals(stamps // DAY * DAY)
    if grid.unit == "float":
        return np.floor((stamps - grid.anchor) / grid.step + FLOAT_TOLERANCE).astype(np.int64), anywhere
    step, anchor = int(grid.step), int(grid.anchor)
    place = month_of(stamps) if grid.unit == "month" else stamps
    if not _ends(grid):
        return (place - anchor) // step, anywhere
    place = place if grid.unit == "month" else place // DAY * DAY
    return -((anchor - place) // step), anywhere


def bounds(grid: Frequency, ordinals: Ints) -> tuple[NDArray[Any], NDArray[Any]]:
    """The stamps at which each period begins and at which it is over."""
    if grid.unit == "bday":
        first = grid.stamps(ordinals)
        return first, first + DAY
    edges = []
    for at in (ordinals, ordinals + 1):
        if _ends(grid) and grid.unit == "month":
            first = at * int(grid.step) + int(grid.anchor) - int(grid.step) + 1
            edges.append(first.astype("M8[M]").astype("M8[us]").astype(np.int64))
        else:
            edges.append(grid.stamps(at) - (int(grid.step) - DAY if _ends(grid) else 0))
    return edges[0], edges[1]


def first_from(grid: Frequency, stamps: NDArray[Any]) -> Ints:
    """The ordinal of the first step of a grid that lies at each stamp or after it."""
    slack = FLOAT_TOLERANCE * float(grid.step) if grid.unit == "float" else 0
    ordinals, _ = grid.ordinals(stamps)
    ordinals = np.where(grid.stamps(ordinals - 1) >= stamps - slack, ordinals - 1, ordinals)
    return np.where(grid.stamps(ordinals) < stamps - slack, ordinals + 1, ordinals)


def instants(local: Ints, timezone: str) -> Ints:
    """Local stamps to UTC: the first instant at which the clock shows this time or, where it skips it, a later one."""
    # With the offset of the day before and of the day after: the clock changes between them at most once.
    early, late = (local - (wall_clock(local + d, timezone) - local - d) for d in (-DAY, DAY))
    early, late = np.minimum(early, late), np.maximum(early, late)
    return np.where(wall_clock(early, timezone) >= local, early, late)


def check_longer(text: str, grid: Frequency, source: Frequency) -> None:
    """Raises DataError where periods are not longer than the steps they are made of, or cut them in pieces."""
    if _shortest(grid) <= _longest(source):
        raise DataError(
            f"the rows are steps of {source.name}, which data.resample={text} would not make longer",
            f"name a longer step than {source.name}, or leave out data.resample",
        )
    ratio = float(grid.step) / float(source.step)
    if grid.unit == source.unit and abs(ratio - round(ratio)) > FLOAT_TOLERANCE:
        raise DataError(
            f"data.resample={text} is no whole number of the rows' steps of {source.name}",
            f"name a multiple of {source.name}",
        )


def _shortest(grid: Frequency) -> float:
    return {"month": 28 * DAY * grid.step, "bday": DAY}.get(grid.unit, grid.step)


def _longest(grid: Frequency) -> float:
    return {"month": 31 * DAY * grid.step, "bday": DAY}.get(grid.unit, grid.step)


def repeats(local: Ints, timezone: str) -> NDArray[np.bool_]:
    """Whether the clock shows each local time twice, as it is put back."""
    early, late = (local - (wall_clock(local + d, timezone) - local - d) for d in (-DAY, DAY))
    both = (wall_clock(early, timezone) == local) & (wall_clock(late, timezone) == local)
    return np.asarray((early != late) & both)
