"""Regular time grids: timestamps to whole numbers ("ordinals") and back, and the cycles of the calendar.

Stamps are int64 microseconds since 1970 for dates, and the plain numbers themselves where time is a number.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from tsforge.config import Config
from tsforge.errors import DataError, nearest

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SECOND = 1_000_000
DAY = 86_400 * SECOND
WEEK = 7 * DAY
FLOAT_TOLERANCE = 1e-3  # of a step: how far a decimal time may lie from its grid point

# Spellings people use; the older pandas ones too.
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


class Frequency(Config):
    """A regular grid in time.

    unit: "us" fixed steps, "month" calendar months, "bday" Monday to Friday, "int" and "float" plain numbers.
    step: length of one step in that unit. anchor: where ordinal 0 lies.
    offset: microseconds from the start of the month (of its end, if negative), or from midnight.
    """

    unit: Literal["us", "month", "bday", "int", "float"]
    step: int | float
    anchor: int | float = 0
    offset: int = 0

    @property
    def name(self) -> str:
        """The usual alias: "30min", "h", "D", "B", "W", "MS", "QE", "YS", "3" for every third number."""
        if self.unit in ("int", "float"):
            return f"{self.step:g}"
        if self.unit == "bday":
            return "B"
        if self.unit == "month":
            side = "E" if self.offset < 0 else "S"
            for months, letter in ((12, "Y"), (3, "Q"), (1, "M")):
                if self.step % months == 0:
                    return _times(int(self.step) // months, letter + side)
        for length, letter in (
            (WEEK, "W"), (DAY, "D"), (3_600 * SECOND, "h"), (60 * SECOND, "min"), (SECOND, "s"), (1_000, "ms")
        ):  # fmt: skip
            if self.step % length == 0:
                return _times(int(self.step) // length, letter)
        return _times(int(self.step), "us")

    def ordinals(self, stamps: NDArray[Any]) -> tuple[Ints, NDArray[np.bool_]]:
        """(grid position of each stamp, whether the stamp lies on the grid exactly)."""
        if self.unit == "float":
            exact = (stamps.astype(np.float64) - self.anchor) / self.step
            whole = np.rint(exact)
            return whole.astype(np.int64), np.abs(exact - whole) <= FLOAT_TOLERANCE
        if self.unit == "month":
            index = _month(stamps if self.offset >= 0 else stamps - self.offset - 1)
            on_grid = self._month_stamp(index) == stamps
            whole, rest = np.divmod(index - int(self.anchor), int(self.step))
            return whole, on_grid & (rest == 0)
        if self.unit == "bday":
            days, time = np.divmod(stamps, DAY)
            dates = days.astype("M8[D]")
            count = np.busday_count(np.datetime64(0, "D"), dates).astype(np.int64)
            return count, np.is_busday(dates) & (time == self.offset)
        whole, rest = np.divmod(stamps - int(self.anchor), int(self.step))
        return whole, rest == 0

    def stamps(self, ordinals: Ints) -> NDArray[Any]:
        """The inverse of `ordinals` for positions on the grid."""
        if self.unit == "float":
            decimals = max(0, 6 - int(np.floor(np.log10(abs(float(self.step))))))
            return np.round(self.anchor + ordinals * float(self.step), decimals)
        if self.unit == "month":
            return self._month_stamp(ordinals * int(self.step) + int(self.anchor))
        if self.unit == "bday":
            dates = np.busday_offset(np.datetime64(0, "D"), ordinals, roll="forward")
            return dates.astype(np.int64) * DAY + self.offset
        return ordinals * int(self.step) + int(self.anchor)

    def _month_stamp(self, index: Ints) -> Ints:
        """Month number to stamp: so far from the start of the month, or (negative) before its end."""
        first = (index if self.offset >= 0 else index + 1).astype("M8[M]")
        return first.astype("M8[us]").astype(np.int64) + self.offset

    def cycle(self, length: Literal["day", "week", "year"]) -> float:
        """Steps in one cycle of the calendar; 0 where it has no meaning on this grid."""
        if self.unit in ("int", "float"):
            return 0.0
        if self.unit == "bday":
            return {"day": 0.0, "week": 5.0, "year": 261.0}[length]
        if self.unit == "month":
            return 12 / self.step if length == "year" else 0.0
        return {"day": DAY, "week": WEEK, "year": 365.2425 * DAY}[length] / self.step

    def seasons(self) -> list[int]:
        """Season lengths that this grid suggests, in steps, shortest first."""
        if self.unit == "us" and self.step < 60 * SECOND:
            short = [60 * SECOND / self.step, 3_600 * SECOND / self.step]
        else:
            short = []
        cycles = [*short, self.cycle("day"), self.cycle("week"), self.cycle("year")]
        whole = [round(c) for c in cycles if c >= 2 and (abs(c - round(c)) < 1e-9 or c > 50)]
        return sorted(set(whole))


def _times(n: int, letter: str) -> str:
    return letter if n == 1 else f"{n}{letter}"


def _month(stamps: Ints) -> Ints:
    """Months since January 1970."""
    return stamps.astype("M8[us]").astype("M8[M]").astype(np.int64)


def parse(text: str, stamps: NDArray[Any], numeric: bool) -> Frequency:
    """The frequency a user named ("h", "30min", "MS", "B", "W", "10"), anchored at the data's first stamp.

    Raises DataError when the name is unknown.
    """
    match = re.fullmatch(r"\s*(\d*\.?\d*)\s*([a-zA-Z]*)(?:-[A-Za-z]{3})?\s*", text)
    number, word = (match.group(1), match.group(2)) if match else ("", "")
    first = stamps[0] if len(stamps) else 0
    if numeric:
        if not number or word or float(number) <= 0:
            raise DataError(f"frequency '{text}' does not fit a time column of plain numbers", "pass --freq 1")
        integral = np.issubdtype(stamps.dtype, np.integer) and float(number).is_integer()
        step = int(float(number)) if integral else float(number)
        return Frequency(unit="int" if integral else "float", step=step, anchor=first.item())
    times = int(number) if number.isdigit() else 1
    lower = word.lower()
    # "MS" is month start, "ms" a millisecond: the only pair that case tells apart.
    if lower in _MONTHS and word != "ms" and times > 0:
        return _months(stamps, times * _MONTHS[lower])
    if lower == "b" and times == 1:
        return Frequency(unit="bday", step=1, offset=int(first) % DAY)
    if lower in _FIXED and times > 0:
        step = times * _FIXED[lower]
        return Frequency(unit="us", step=step, anchor=int(first) % step)
    known = ["s", "min", "15min", "h", "D", "B", "W", "MS", "ME", "QS", "QE", "YS", "YE"]
    raise DataError(f"frequency '{text}' is unknown", nearest(text, known) or f"known: {', '.join(known)}")


def infer(stamps: NDArray[Any], new_series: NDArray[np.bool_], kind: str) -> tuple[Frequency | None, int]:
    """The grid on which the stamps lie.

    stamps: sorted within each series, without duplicates. new_series: True where a series begins.
    kind: "datetime", "integer" or "float".
    Returns (frequency, -1); (None, i) where stamp i is the first that is off every plausible grid;
    (None, -1) where no series has two rows.
    """
    inside = np.flatnonzero(~new_series)
    if len(inside) == 0:
        return None, -1
    gaps = stamps[inside] - stamps[inside - 1]
    found = {"datetime": _infer_dates, "integer": _infer_integers, "float": _infer_decimals}[kind](
        stamps, gaps, inside
    )
    return (found, -1) if found else (None, _first_off(gaps, inside))


def _infer_decimals(stamps: Floats, gaps: Floats, _inside: NDArray[np.intp]) -> Frequency | None:
    usual = float(np.format_float_positional(float(np.median(gaps)), precision=9, fractional=False))
    ratio = gaps / usual
    if np.any(np.abs(ratio - np.rint(ratio)) >= FLOAT_TOLERANCE):
        return None
    return Frequency(unit="float", step=usual, anchor=float(stamps[0]))


def _infer_integers(stamps: Ints, gaps: Ints, _inside: NDArray[np.intp]) -> Frequency | None:
    step = _whole_step(gaps)
    return None if step is None else Frequency(unit="int", step=step, anchor=int(stamps[0]) % step)


def _infer_dates(stamps: Ints, gaps: Ints, inside: NDArray[np.intp]) -> Frequency | None:
    """Calendar months first, then business days, then fixed steps."""
    if gaps.min() >= 28 * DAY:
        months = _infer_months(stamps, inside)
        if months is not None:
            return months
    if _business(stamps, gaps):
        return Frequency(unit="bday", step=1, offset=int(stamps[0]) % DAY)
    step = _whole_step(gaps)
    return None if step is None else Frequency(unit="us", step=step, anchor=int(stamps[0]) % step)


def _infer_months(stamps: Ints, inside: NDArray[np.intp]) -> Frequency | None:
    """Month grid if every stamp lies equally far from the start, or from the end, of its month."""
    index = _month(stamps)
    from_start = stamps - index.astype("M8[M]").astype("M8[us]").astype(np.int64)
    to_end = stamps - (index + 1).astype("M8[M]").astype("M8[us]").astype(np.int64)
    if np.ptp(from_start) != 0 and np.ptp(to_end) != 0:
        return None
    step = _whole_step(index[inside] - index[inside - 1])
    return None if step is None else _months(stamps, step)


def _months(stamps: Ints, step: int) -> Frequency:
    index = _month(stamps)
    from_start = stamps - index.astype("M8[M]").astype("M8[us]").astype(np.int64)
    if np.ptp(from_start) == 0:
        offset = int(from_start[0])
    else:
        offset = int(stamps[0] - (index[0] + 1).astype("M8[M]").astype("M8[us]").astype(np.int64))
    return Frequency(unit="month", step=step, anchor=int(index[0]) % step, offset=offset)


def _business(stamps: Ints, gaps: Ints) -> bool:
    days, time = np.divmod(stamps, DAY)
    weekdays_only = bool(np.is_busday(days.astype("M8[D]")).all()) and np.ptp(time) == 0
    return weekdays_only and len(stamps) >= 6 and int(gaps.min()) == DAY and int(gaps.max()) >= 3 * DAY


def _whole_step(gaps: Ints) -> int | None:
    """The usual gap if all others are multiples of it; else the common divisor if it leaves few holes."""
    values, counts = np.unique(gaps, return_counts=True)
    usual = int(values[counts.argmax()])
    if usual > 0 and not (values % usual).any():
        return usual
    divisor = int(np.gcd.reduce(values))
    few_holes = divisor > 0 and gaps.sum() / divisor <= 2 * len(gaps)
    return divisor if few_holes else None


def _first_off(gaps: NDArray[Any], inside: NDArray[np.intp]) -> int:
    values, counts = np.unique(gaps, return_counts=True)
    usual = values[counts.argmax()]
    ratio = gaps / usual
    return int(inside[np.flatnonzero(np.abs(ratio - np.rint(ratio)) >= FLOAT_TOLERANCE)[0]])


# --- cycles of the calendar as features ---------------------------------------------------------------------

HARMONICS = {"day": 3, "week": 3, "year": 2}


def cycles(frequency: Frequency, steps: int) -> tuple[str, ...]:
    """The cycles worth a feature: at least three steps long and seen twice in `steps` steps.

    A cycle that the training part does not hold twice would be extrapolated, not learned.
    """
    return tuple(c for c in HARMONICS if 3 <= frequency.cycle(c) and 2 * frequency.cycle(c) <= steps)  # type: ignore[arg-type]


def cycle_width(frequency: Frequency, names: tuple[str, ...]) -> int:
    """How many feature columns the cycles take."""
    return sum(2 * _harmonics(frequency, c) for c in names)


def cycle_features(frequency: Frequency, wall: Ints, names: tuple[str, ...]) -> NDArray[np.float32]:
    """sin and cos of the phase in each cycle and its harmonics, (N, 2·harmonics) in [-1, 1].

    wall: local wall-clock stamps, (N,).
    """
    days = wall.astype("M8[us]").astype("M8[D]")
    time = (wall % DAY) / DAY
    phases = {
        "day": lambda: time,
        # 1970-01-01 was a Thursday.
        "week": lambda: ((days.astype(np.int64) + 3) % 7 + time) / 7,
        "year": lambda: ((days - days.astype("M8[Y]")).astype(np.int64) + time) / 365.2425,
    }
    columns = []
    for name in names:
        phase = 2 * np.pi * phases[name]()
        for k in range(1, _harmonics(frequency, name) + 1):
            columns += [np.sin(k * phase), np.cos(k * phase)]
    return np.stack(columns, axis=1).astype(np.float32) if columns else np.zeros((len(wall), 0), np.float32)


def _harmonics(frequency: Frequency, name: str) -> int:
    """No more than the grid can tell apart."""
    return min(HARMONICS[name], max(1, int((frequency.cycle(name) - 1) // 2)))  # type: ignore[arg-type]


def wall_clock(stamps: Ints, timezone: str | None) -> Ints:
    """UTC stamps to local wall-clock stamps; unchanged without a time zone.

    Offsets are looked up once per quarter of an hour: no zone changes its clock in between.
    """
    if timezone is None:
        return stamps
    zone = ZoneInfo(timezone)
    quarter = 900 * SECOND
    buckets, where = np.unique(stamps // quarter, return_inverse=True)
    offsets = np.array(
        [datetime.fromtimestamp(int(b) * 900, UTC).astimezone(zone).utcoffset() for b in buckets],
        dtype="m8[us]",
    )
    return stamps + offsets.astype(np.int64)[where]
