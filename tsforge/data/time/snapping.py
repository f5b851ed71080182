"""Times that lie near a regular grid: the step they mean, and the grid position that each belongs to."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsforge.data.time.calendar import DAY, SECOND, WEEK, Frequency, Ints, month_of, weekday_of_month
from tsforge.data.time.frequency import infer, parse

_HOUR = 3_600 * SECOND
_LOOK = 10_000  # series that are looked at for a message
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MINUTE = 60 * SECOND
_USUAL = (
    *(n * SECOND for n in (1, 2, 5, 10, 15, 20, 30)), *(n * _MINUTE for n in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)),
    *(n * _HOUR for n in (1, 2, 3, 4, 6, 8, 12)), DAY, WEEK,
)  # fmt: skip
_ROUND = (DAY, _HOUR, 30 * _MINUTE, 15 * _MINUTE, 5 * _MINUTE, _MINUTE, SECOND, 1_000, 1)
_NAMES = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_MONTHS = ((12, 355, 376), (6, 176, 189), (3, 86, 96), (1, 25, 34))  # months, and the days that they take


def usual_grid(stamps: Ints, new_series: NDArray[np.bool_], name: str | None) -> Frequency | None:
    """The grid of dates near which the stamps lie; None where no series has two rows.

    A grid on which the first series lies exactly is preferred to an estimate from all rows.

    stamps: sorted within each series.
    name: of the frequency, if the user gives one.
    """
    parsed = parse(name, stamps, numeric=False) if name else None
    starts = np.flatnonzero(new_series)
    end = int(starts[1]) if len(starts) > 1 else len(stamps)
    first = np.unique(stamps[:end])
    own = infer(first, np.arange(len(first)) == 0, "datetime")[0]
    if own is not None and (parsed is None or (own.unit, own.step) == (parsed.unit, parsed.step)):
        return own
    if parsed is None:
        gaps = np.diff(stamps)[~new_series[1:]]
        gaps = gaps[gaps > 0]
        if not len(gaps):
            return None
        unit, step = _usual_step(int(np.median(gaps)))
        at_end = unit == "month" and _near_end(stamps)
        if unit == "month" and _on_weekdays(stamps, last=at_end):
            unit = "bmonth"
    else:
        unit, step, at_end = parsed.unit, int(parsed.step), parsed.name.endswith("E")
        at_end = at_end if unit == "bmonth" else not (name or "").upper().endswith("S") and unit == "month"
    if unit in ("month", "bmonth"):
        return _month_grid(stamps, step, at_end=at_end, business=unit == "bmonth")
    if unit == "bday":
        return Frequency(unit="bday", step=1, offset=_phase(stamps, DAY))
    return Frequency(unit="us", step=step, anchor=_phase(stamps, step))


def nearest(frequency: Frequency, stamps: NDArray[Any]) -> Ints:
    """The grid position that each stamp belongs to.

    A step of a day or weeks holds its day or its week from Monday on, a step of months its months; what lies just
    before the grid point that begins a period belongs to it. Shorter steps take the nearest, the earlier of two.
    """
    step = frequency.step
    if frequency.unit in ("month", "bmonth"):
        early = DAY // 2 if 0 <= frequency.offset < DAY else 0
        months = month_of(stamps + early) - int(frequency.anchor)
        positions: Ints = months // int(step) if frequency.offset >= 0 else -(-months // int(step))
        return positions
    if frequency.unit == "bday":
        days = (stamps - frequency.offset + DAY // 2) // DAY
        dates = np.busday_offset(days.astype("M8[D]"), 0, roll="preceding")
        return np.busday_count(np.datetime64(0, "D"), dates).astype(np.int64)
    if frequency.unit in ("int", "float"):
        return np.ceil((stamps - frequency.anchor) / step - 0.5).astype(np.int64)
    anchor, length = int(frequency.anchor), int(step)
    if length == DAY:
        return (_in_period(stamps, anchor, DAY, DAY // 5) - anchor) // DAY
    if length % WEEK == 0:
        return (_in_period(stamps, anchor, WEEK, DAY // 2) - anchor) // length
    return -((anchor - stamps + length // 2) // length)


def _in_period(stamps: Ints, anchor: int, length: int, margin: int) -> Ints:
    """The grid point in the day or the week of each stamp; margin: how far before its period a point may reach."""
    monday = 4 * DAY if length == WEEK else 0  # 1970-01-05
    place = (anchor - monday) % length
    begins = monday + (-margin if place <= margin else margin if place >= length - margin else 0)
    points: Ints = (stamps - begins) // length * length + monday + place
    return points


def _usual_step(gap: int) -> tuple[str, int]:
    """The unit and the step that a median gap means."""
    for months, least, most in _MONTHS:
        if least * DAY <= gap <= most * DAY:
            return "month", months
    near = min(_USUAL, key=lambda step: abs(np.log(step / gap)))
    if abs(near / gap - 1) <= 0.1:
        return "us", int(near)
    unit = DAY if gap > DAY else SECOND if gap > SECOND else 1
    return "us", round(gap / unit) * unit


def _phase(stamps: Ints, step: int) -> int:
    """Where in a step the stamps lie, as round a time as their spread allows."""
    angles = 2 * np.pi * ((stamps % step) / step)
    centre = np.angle(np.median(np.cos(angles)) + 1j * np.median(np.sin(angles))) / (2 * np.pi) * step
    away = np.abs((stamps - round(centre) + step // 2) % step - step // 2)
    spread, widest = int(np.median(away)), min(2 * int(away.max()), step // 8)
    zero = (step,) if step <= DAY else ()  # whole steps are so usual that late clocks are put right
    for unit in (*zero, *_ROUND):
        rounded = round(centre / unit) * unit
        if unit <= step and abs(rounded - centre) <= max(1, widest if unit == step else spread):
            return int(rounded) % step
    phase: int = round(centre) % step
    return phase


def _near_end(stamps: Ints) -> bool:
    """True where most stamps lie nearer to the end of their month, and within five days of it."""
    index = month_of(stamps)
    left = (index + 1).astype("M8[M]").astype("M8[us]").astype(np.int64) - stamps
    return bool(DAY // 2 < np.median(left) <= 5 * DAY)


def _on_weekdays(stamps: Ints, *, last: bool) -> bool:
    """True where most stamps lie on the first or last weekday of their month, and fewer on its first or last day."""
    index, days = month_of(stamps), stamps // DAY * DAY
    edge = (index + 1 if last else index).astype("M8[M]").astype("M8[us]").astype(np.int64) - (DAY if last else 0)
    weekday, day = float(np.mean(days == weekday_of_month(index, last=last))), float(np.mean(days == edge))
    return weekday > max(day, 0.5)


def _month_grid(stamps: Ints, step: int, *, at_end: bool, business: bool) -> Frequency:
    """Months at their start, their end, or where most stamps lie in them."""
    if business:
        index = month_of(stamps)
        day = stamps // DAY * DAY - weekday_of_month(index, last=at_end)
        time = _phase(stamps[day == 0] if (day == 0).any() else stamps, DAY)
        offset = time - DAY if at_end else time
    elif at_end:
        index, offset = month_of(stamps), _phase(stamps, DAY) - DAY
    else:
        index = month_of(stamps + DAY // 2)
        place = int(np.median(stamps - index.astype("M8[M]").astype("M8[us]").astype(np.int64)))
        offset = 0 if abs(place) <= 5 * DAY else place // DAY * DAY
    rests, counts = np.unique(index % step, return_counts=True)
    return Frequency(
        unit="bmonth" if business else "month", step=step, anchor=int(rests[counts.argmax()]), offset=offset
    )


# --- what is wrong with times that lie on no grid ---------------------------------------------------------------


class Apart(NamedTuple):
    """Two series with the same step that begin at different places in it.

    rows: a row of each. grids: of each.
    """

    rows: tuple[int, int]
    grids: tuple[Frequency, Frequency]


def apart(stamps: NDArray[Any], new_series: NDArray[np.bool_], kind: str) -> Apart | None:
    """The first series and the first other that is regular with the same step, but lies between its steps."""
    starts = np.r_[np.flatnonzero(new_series), len(stamps)]
    first: tuple[int, Frequency] | None = None
    for begin, end in pairwise(starts[: _LOOK + 1]):
        times = np.unique(stamps[begin:end])
        own = infer(times, np.arange(len(times)) == 0, kind)[0]
        if own is None:
            continue
        if first is None:
            first = int(begin), own
        elif own.name != first[1].name and not _both_months(own, first[1]):
            continue
        elif not first[1].ordinals(times)[1].any():
            return Apart((first[0], int(begin)), (first[1], own))
    return None


def _both_months(a: Frequency, b: Frequency) -> bool:
    return a.unit in ("month", "bmonth") and b.unit in ("month", "bmonth") and a.step == b.step


def jitter(stamps: Ints, new_series: NDArray[np.bool_], name: str | None = None) -> tuple[Frequency, int] | None:
    """The grid near which nearly all stamps lie, and how far the farthest is from it; None where there is none such."""
    grid = usual_grid(stamps, new_series, name)
    if grid is None:
        return None
    ordinals = nearest(grid, stamps)
    away = np.abs(grid.stamps(ordinals) - stamps)
    lengths = np.abs(grid.stamps(ordinals + 1) - grid.stamps(ordinals))
    twice = (np.diff(ordinals) == 0) & ~new_series[1:]
    if twice.any() or np.mean(away <= lengths / 4) < 0.9:
        return None
    return grid, int(away.max())


def place_in_step(frequency: Frequency) -> str:
    """Where the steps of a frequency lie, in words: "Tuesdays", "day 15 of the month", "00:30, every h"."""
    if frequency.unit in ("int", "float"):
        return f"{frequency.stamps(np.array([0]))[0]:g}, every {frequency.name}"
    if frequency.unit in ("month", "bmonth"):
        return _place_in_month(frequency)
    length = int(frequency.step)
    time = timedelta(microseconds=int(frequency.stamps(np.array([0]))[0]) % DAY)
    clock = f"{str(time).zfill(8)[:5]}" if time.seconds % 60 == 0 and not time.microseconds else str(time).zfill(8)
    if length % WEEK == 0:
        day = _WEEKDAYS[(int(frequency.anchor) // DAY + 3) % 7]
        return f"{day}s" + (f" at {clock}" if time else "")
    return clock if length % DAY == 0 else f"{clock}, every {frequency.name}"


def _place_in_month(frequency: Frequency) -> str:
    ends, month = frequency.offset < 0, _months_held(frequency)
    if frequency.unit == "bmonth":
        return f"the {'last' if ends else 'first'} weekday of {month}"
    if frequency.offset == -DAY:
        return f"the last day of {month}"
    if ends:
        return f"{-(frequency.offset // DAY)} days before the end of {month}"
    time = timedelta(microseconds=frequency.offset % DAY)
    return f"day {frequency.offset // DAY + 1} of {month}" + (f" at {str(time).zfill(8)}" if time else "")


def _months_held(frequency: Frequency) -> str:
    """The months on a grid by name, where it holds the same ones every year and not all of them."""
    step = int(frequency.step)
    if step == 1 or 12 % step:
        return "the month"
    names = [_NAMES[(int(frequency.anchor) + i) % 12] for i in range(0, 12, step)]
    names.sort(key=_NAMES.index)
    return ", ".join(names[:-1]) + " and " * (len(names) > 1) + names[-1]


def span(length: int) -> str:
    """A length of time in words: "2 s", "90 min", "3 days"."""
    for unit, word in ((DAY, "days"), (_HOUR, "h"), (_MINUTE, "min"), (SECOND, "s"), (1_000, "ms")):
        if length >= unit and (length % unit == 0 or length >= 10 * unit or unit == 1_000):
            count = length // unit
            return f"{count} {'day' if word == 'days' and count == 1 else word}"
    return f"{length} us"
