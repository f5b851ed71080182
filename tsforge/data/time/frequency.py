"""The frequency of a table: parsed from its name, or inferred from the stamps."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tsforge.data.time.calendar import (
    DAY,
    FLOAT_TOLERANCE,
    SECOND,
    WEEK,
    Floats,
    Frequency,
    Ints,
    month_of,
    weekday_of_month,
)
from tsforge.errors import DataError, nearest

_PIECE = 1 << 16  # stamps that are looked at together
_MOST = 1e15  # the longest step, of whatever unit

# Names that people use, those of older pandas too.
_FIXED = {
    "us": 1, "ms": 1_000, "l": 1_000, "s": SECOND, "sec": SECOND, "second": SECOND,
    "min": 60 * SECOND, "t": 60 * SECOND, "minute": 60 * SECOND,
    "h": 3_600 * SECOND, "hour": 3_600 * SECOND, "hourly": 3_600 * SECOND,
    "d": DAY, "day": DAY, "daily": DAY, "w": WEEK, "week": WEEK, "weekly": WEEK,
}  # fmt: skip
_MONTHS = {
    "m": 1, "ms": 1, "me": 1, "month": 1, "monthly": 1, "q": 3, "qs": 3, "qe": 3, "quarter": 3,
    "quarterly": 3, "y": 12, "ys": 12, "ye": 12, "a": 12, "as": 12, "year": 12, "yearly": 12, "annual": 12,
}  # fmt: skip
_BUSINESS = {
    "bm": 1, "bms": 1, "bme": 1, "bq": 3, "bqs": 3, "bqe": 3, "by": 12, "bys": 12, "bye": 12, "ba": 12, "bas": 12,
}  # fmt: skip


def parse(text: str, stamps: NDArray[Any], numeric: bool) -> Frequency:
    """The frequency of a name ("h", "1.5h", "30min", "MS", "BME", "B", "W", "10"), anchored at the first stamp.

    Raises DataError when the name is unknown, or longer than any table.
    """
    match = re.fullmatch(r"\s*(\d*\.?\d*)\s*([a-zA-Z]*)(?:-[A-Za-z]{3})?\s*", text)
    number, word = (match.group(1).strip("."), match.group(2)) if match else ("", "")
    first = stamps[0]
    if number and float(number) > _MOST:
        raise DataError(f"frequency '{text[:40]}' is longer than any table", "pass a shorter data.freq")
    if numeric:
        if not number or word or float(number) <= 0:
            raise DataError(f"frequency '{text}' does not fit a time column of plain numbers", "pass data.freq=1")
        integral = np.issubdtype(stamps.dtype, np.integer) and float(number).is_integer()
        step = int(float(number)) if integral else float(number)
        return Frequency(unit="int" if integral else "float", step=step, anchor=first.item())
    times = Fraction(number or 1)
    lower = word.lower()
    # "MS" is month start, "ms" a millisecond: the only pair that case tells apart.
    calendar = {} if word == "ms" else _MONTHS | _BUSINESS
    length = times * (calendar.get(lower) or _FIXED.get(lower, 0))  # 1.5h are 90 minutes, 1.5MS are none
    if (lower not in calendar and length > 400 * 366 * DAY) or (lower in calendar and length > 4800):
        raise DataError(f"frequency '{text[:40]}' is longer than 400 years", "pass a shorter data.freq")
    if length > 0 and length.denominator == 1:
        if lower in _BUSINESS:
            return _business_months(stamps, int(length), last=not lower.endswith("s"))
        if lower in calendar:
            return _months(stamps, int(length), lower[1:])
        return Frequency(unit="us", step=int(length), anchor=int(first) % int(length))
    if lower == "b" and times == 1:
        return Frequency(unit="bday", step=1, offset=int(first) % DAY)
    names = ["s", "min", "15min", "h", "D", "B", "W", "MS", "ME", "QS", "QE", "YS", "YE", "BMS", "BME", "BQE", "BYE"]
    raise DataError(f"frequency '{text}' is unknown", nearest(text, names) or f"known: {', '.join(names)}")


def infer(stamps: NDArray[Any], new_series: NDArray[np.bool_], kind: str) -> tuple[Frequency | None, int]:
    """Infer the frequency on whose grid the stamps lie.

    stamps: sorted within each series, without duplicates.
    new_series: True where a series begins.
    kind: "datetime", "integer" or "float".
    Returns (frequency, -1); (None, i) where stamp i is the first that is off every plausible grid;
    (None, -1) where no series has two rows.
    """
    if new_series.all():
        return None, -1
    only = _only_gap(stamps, new_series) if kind != "float" else 0
    if only > 0 and (kind == "integer" or only < 28 * DAY):
        return Frequency(unit="int" if kind == "integer" else "us", step=only, anchor=int(stamps[0]) % only), -1
    inside = np.flatnonzero(~new_series)
    gaps = np.diff(stamps)[~new_series[1:]]
    if kind == "datetime":
        frequency = _infer_dates(stamps, gaps, inside)
    else:
        frequency = _infer_steps("int", stamps, gaps) if kind == "integer" else _infer_decimals(stamps, gaps)
    if frequency is not None:
        return frequency, -1
    months = kind == "datetime" and gaps.min() >= 25 * DAY
    return None, _first_off_months(stamps) if months else _first_off(gaps, inside)


def _only_gap(stamps: Ints, new_series: NDArray[np.bool_]) -> int:
    """The gap between all neighbours within a series; 0 where there are several, or none."""
    least, most = np.iinfo(np.int64).max, 0
    for begin in range(0, len(stamps) - 1, _PIECE):
        gaps = np.diff(stamps[begin : begin + _PIECE + 1])[~new_series[begin + 1 : begin + _PIECE + 1]]
        if len(gaps):
            least, most = min(least, int(gaps.min())), max(most, int(gaps.max()))
        if least < most:
            return 0
    return most


def _infer_decimals(stamps: Floats, gaps: Floats) -> Frequency | None:
    ratio = gaps / float(np.median(gaps))
    if np.any(np.abs(ratio - np.rint(ratio)) >= FLOAT_TOLERANCE):
        return None
    # Rounded times make single gaps inexact; their sum is not.
    step = float(gaps.sum() / np.rint(ratio).sum())
    usual = float(np.format_float_positional(step, precision=9, fractional=False))
    return Frequency(unit="float", step=usual, anchor=float(stamps[0]))


def _infer_steps(unit: Literal["int", "us"], stamps: Ints, gaps: Ints) -> Frequency | None:
    step = _whole_step(gaps)
    return None if step is None else Frequency(unit=unit, step=step, anchor=int(stamps[0]) % step)


def _infer_dates(stamps: Ints, gaps: Ints, inside: NDArray[np.intp]) -> Frequency | None:
    """Calendar months first, then business days, then fixed steps."""
    if gaps.min() >= 28 * DAY and (months := _infer_months(stamps, inside)):
        return months
    if _business(stamps, gaps):
        return Frequency(unit="bday", step=1, offset=int(stamps[0]) % DAY)
    return _infer_steps("us", stamps, gaps)


def _infer_months(stamps: Ints, inside: NDArray[np.intp]) -> Frequency | None:
    """A grid of months: all stamps equally far from the start or the end of the month, or of its weekdays."""
    index, from_start, to_end = _in_month(stamps)
    step = _whole_step(index[inside] - index[inside - 1])
    if step is None or step <= 0:
        return None
    if np.ptp(from_start) == 0 or np.ptp(to_end) == 0:
        return _months(stamps, step)
    ends = (_business_months(stamps, step, last=last) for last in (True, False))
    return next((f for f in ends if f.ordinals(stamps)[1].all()), None)


def _in_month(stamps: Ints) -> tuple[Ints, Ints, Ints]:
    """The month of each stamp, its distance from the start of the month, and (negative) from its end."""
    index = month_of(stamps)
    start, end = (i.astype("M8[M]").astype("M8[us]").astype(np.int64) for i in (index, index + 1))
    return index, stamps - start, stamps - end


def _months(stamps: Ints, step: int, side: str = "") -> Frequency:
    """A grid of months. side: "s" or "e" for their start or end, where not all stamps lie at the same place."""
    index, from_start, to_end = _in_month(stamps)
    if side in ("s", "e") and np.ptp(from_start) != 0 and np.ptp(to_end) != 0:
        places, counts = np.unique(to_end if side == "e" else from_start, return_counts=True)
        rests, usual = np.unique(index % step, return_counts=True)
        offset, anchor = int(places[counts.argmax()]), int(rests[usual.argmax()])
        return Frequency(unit="month", step=step, anchor=anchor, offset=offset)
    # Every 31 December lies 30 days after a start, but means the end.
    at_end = np.ptp(from_start) != 0 or (np.ptp(to_end) == 0 and -to_end[0] < from_start[0])
    offset = int(to_end[0] if at_end else from_start[0])
    return Frequency(unit="month", step=step, anchor=int(index[0]) % step, offset=offset)


def _business_months(stamps: Ints, step: int, *, last: bool) -> Frequency:
    """The first or the last weekday of months, at the first stamp's time of the day."""
    time = int(stamps[0]) % DAY
    anchor = int(month_of(stamps[:1])[0]) % step
    return Frequency(unit="bmonth", step=step, anchor=anchor, offset=time - DAY if last else time)


def _business(stamps: Ints, gaps: Ints) -> bool:
    if len(stamps) < 6 or int(gaps.min()) != DAY or int(gaps.max()) < 3 * DAY:
        return False
    days, time = np.divmod(stamps, DAY)
    return bool(np.is_busday(days.astype("M8[D]")).all()) and np.ptp(time) == 0


def _whole_step(gaps: Ints) -> int | None:
    """The usual gap if all others are multiples of it; else the common divisor if it leaves few holes.

    Where most gaps are the usual one, a gap that does not fit is a stray row, not a finer grid.
    """
    if gaps.min() == gaps.max():
        return int(gaps[0])
    values, counts = np.unique(gaps, return_counts=True)
    usual = int(values[counts.argmax()])
    if usual > 0 and not (values % usual).any():
        return usual
    divisor = int(np.gcd.reduce(values))
    few_holes = divisor > 0 and gaps.sum() / divisor <= 2 * len(gaps)
    return divisor if few_holes and counts.max() <= len(gaps) / 2 else None


def _first_off(gaps: NDArray[Any], inside: NDArray[np.intp]) -> int:
    if gaps.dtype.kind == "f":
        ratio = gaps / np.median(gaps)
        return int(inside[np.argmax(np.abs(ratio - np.rint(ratio)) >= FLOAT_TOLERANCE)])
    values, counts = np.unique(gaps, return_counts=True)
    return int(inside[np.argmax(gaps % values[counts.argmax()] != 0)])


def _first_off_months(stamps: Ints) -> int:
    """The first stamp that lies elsewhere in its month than most do."""
    index, from_start, to_end = _in_month(stamps)
    places = [from_start, to_end, *(stamps - weekday_of_month(index, last=last) for last in (False, True))]
    usual = [values[counts.argmax()] for values, counts in (np.unique(p, return_counts=True) for p in places)]
    off = min((p != value for p, value in zip(places, usual, strict=True)), key=np.count_nonzero)
    return int(np.argmax(off))
