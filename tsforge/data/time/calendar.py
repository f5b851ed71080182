"""Regular time grids: timestamps to whole numbers ("ordinals") and back, and the cycles of the calendar.

Stamps are int64 microseconds since 1970 for dates, and the plain numbers themselves where time is a number.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from tsforge.config import Config
from tsforge.data.time.formats import zone_of

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SECOND = 1_000_000
DAY = 86_400 * SECOND
WEEK = 7 * DAY
QUARTER_HOUR = 900 * SECOND
FLOAT_TOLERANCE = 1e-3  # of a step: how far a decimal time may lie from its grid point


class Frequency(Config):
    """A regular grid in time.

    unit: "us" fixed steps, "month" calendar months, "bmonth" the first or the last weekday of calendar months, "bday"
        Monday to Friday, "int" and "float" plain numbers.
    step: length of one step in that unit.
    anchor: where ordinal 0 lies.
    offset: microseconds from the start of the month (of its end, if negative), or from midnight; of "bmonth" from the
        start of its first weekday, or from the end of its last.
    """

    unit: Literal["us", "month", "bmonth", "bday", "int", "float"]
    step: Annotated[int, Field(gt=0, lt=2**62)] | Annotated[float, Field(gt=0)]
    anchor: Annotated[int, Field(gt=-(2**62), lt=2**62)] | float = 0
    offset: Annotated[int, Field(gt=-(2**62), lt=2**62)] = 0

    @model_validator(mode="after")
    def _whole(self) -> Frequency:
        for value in (self.step, self.anchor):
            if self.unit != "float" and not (float(value).is_integer() and abs(value) < 2**62):
                raise ValueError(f"a grid of whole numbers has none of {value}")
        return self

    @property
    def name(self) -> str:
        """The usual alias: "30min", "h", "D", "B", "W", "MS", "QE", "BYS", "3" for every third number."""
        if self.unit in ("int", "float"):
            return np.format_float_positional(self.step, precision=9, fractional=False, trim="-")
        if self.unit == "bday":
            return "B"
        if self.unit in ("month", "bmonth"):
            side = "E" if self.offset < 0 else "S"
            for months, letter in ((12, "Y"), (3, "Q"), (1, "M")):
                if self.step % months == 0:
                    return _times(int(self.step) // months, ("B" if self.unit == "bmonth" else "") + letter + side)
        for length, letter in (
            (WEEK, "W"), (DAY, "D"), (3_600 * SECOND, "h"), (60 * SECOND, "min"), (SECOND, "s"), (1_000, "ms")
        ):  # fmt: skip
            if self.step % length == 0:
                return _times(int(self.step) // length, letter)
        return _times(int(self.step), "us")

    def ordinals(self, stamps: NDArray[Any]) -> tuple[Ints, NDArray[np.bool_]]:
        """The grid position of each stamp, and whether the stamp lies on the grid exactly."""
        if self.unit == "float":
            exact = (stamps.astype(np.float64) - self.anchor) / self.step
            whole = np.rint(exact)
            return whole.astype(np.int64), np.abs(exact - whole) <= FLOAT_TOLERANCE
        if self.unit in ("month", "bmonth"):
            in_month = self.offset >= 0 or self.unit == "bmonth"
            index = month_of(stamps if in_month else stamps - self.offset - 1)
            on_grid = self._month_stamp(index) == stamps
            whole, rest = np.divmod(index - int(self.anchor), int(self.step))
            return whole, on_grid & (rest == 0)
        if self.unit == "bday":
            days, time = np.divmod(stamps, DAY)
            dates = days.astype("M8[D]")
            count = np.busday_count(np.datetime64(0, "D"), dates).astype(np.int64)
            return count, np.is_busday(dates) & (time == self.offset)
        whole = stamps - int(self.anchor)
        whole //= int(self.step)  # by a multiplication, where divmod divides each
        return whole, whole * int(self.step) + int(self.anchor) == stamps

    def stamps(self, ordinals: Ints) -> NDArray[Any]:
        """The stamp of each grid position: the inverse of `ordinals`."""
        ordinals = np.asarray(ordinals, dtype=np.int64)  # a table holds them in 32 bits
        if self.unit == "float":
            decimals = max(0, 6 - int(np.floor(np.log10(abs(float(self.step))))))
            return np.round(self.anchor + ordinals * float(self.step), decimals)
        if self.unit in ("month", "bmonth"):
            return self._month_stamp(ordinals * int(self.step) + int(self.anchor))
        if self.unit == "bday":
            dates = np.busday_offset(np.datetime64(0, "D"), ordinals, roll="forward")
            return dates.astype(np.int64) * DAY + self.offset
        return ordinals * int(self.step) + int(self.anchor)

    def _month_stamp(self, index: Ints) -> Ints:
        """Month numbers to stamps: `offset` from the start of the month or, if negative, before its end."""
        if self.unit == "bmonth":
            return weekday_of_month(index, last=self.offset < 0) + self.offset + (DAY if self.offset < 0 else 0)
        first = (index if self.offset >= 0 else index + 1).astype("M8[M]")
        return first.astype("M8[us]").astype(np.int64) + self.offset

    def cycle(self, length: Literal["day", "week", "year"]) -> float:
        """Steps in one cycle of the calendar; 0 where it has no meaning on this grid."""
        if self.unit in ("int", "float"):
            return 0.0
        if self.unit == "bday":
            return {"day": 0.0, "week": 5.0, "year": 261.0}[length]
        if self.unit in ("month", "bmonth"):
            return 12 / self.step if length == "year" else 0.0
        return {"day": DAY, "week": WEEK, "year": 365.2425 * DAY}[length] / self.step

    def main_cycle(self) -> int:
        """Steps of the day, the week or the year, the first of them that has a whole number of them; 1 where none has.

        At least two: 24 of hours, 7 of days, 52 of weeks, 12 of months. Of a year only about a whole number.
        """
        seasons, cycles = self.seasons(), (self.cycle("day"), self.cycle("week"), self.cycle("year"))
        return next((round(c) for c in cycles if round(c) in seasons), 1)

    def seasons(self) -> list[int]:
        """Season lengths that this grid suggests, in steps, shortest first."""
        below_minutes = self.unit == "us" and self.step < 60 * SECOND
        short = [60 * SECOND / self.step, 3_600 * SECOND / self.step] if below_minutes else []
        cycles = [*short, self.cycle("day"), self.cycle("week"), self.cycle("year")]
        whole = [round(c) for c in cycles if c >= 2 and (abs(c - round(c)) < 1e-9 or c > 50)]
        return sorted(set(whole))


def _times(n: int, letter: str) -> str:
    return letter if n == 1 else f"{n}{letter}"


def month_of(stamps: Ints) -> Ints:
    """Months since January 1970."""
    return stamps.astype("M8[us]").astype("M8[M]").astype(np.int64)


def weekday_of_month(index: Ints, *, last: bool) -> Ints:
    """Midnight of the first or the last of Monday to Friday in months since January 1970."""
    start = (index + 1 if last else index).astype("M8[M]").astype("M8[D]")
    days = np.busday_offset(start, -1 if last else 0, roll="forward")
    return days.astype("M8[us]").astype(np.int64)


# --- cycles of the calendar as features ---------------------------------------------------------------------

Cycle = Literal["day", "week", "year"]
HARMONICS: dict[Cycle, int] = {"day": 3, "week": 3, "year": 2}


def cycles(frequency: Frequency, steps: int) -> tuple[Cycle, ...]:
    """The cycles worth a feature: at least three steps long and seen twice in `steps` steps.

    A cycle that the training part does not hold twice would be extrapolated, not learned.
    """
    return tuple(c for c in HARMONICS if frequency.cycle(c) >= 3 and 2 * frequency.cycle(c) <= steps)


def harmonics(frequency: Frequency, name: Cycle) -> int:
    """The harmonics of a cycle that are features: no more than the grid can tell apart."""
    return min(HARMONICS[name], max(1, int((frequency.cycle(name) - 1) // 2)))


def cycle_features(frequency: Frequency, wall: Ints, names: tuple[Cycle, ...]) -> NDArray[np.float32]:
    """sin and cos of the phase in each cycle and its harmonics, (N, 2·harmonics) in [-1, 1].

    wall: local wall-clock stamps, (N,).
    """
    days = wall.astype("M8[us]").astype("M8[D]")
    time = (wall % DAY) / DAY
    phases = {
        "day": time,
        # 1970-01-01 was a Thursday.
        "week": ((days.astype(np.int64) + 3) % 7 + time) / 7,
        "year": ((days - days.astype("M8[Y]")).astype(np.int64) + time) / 365.2425,
    }
    columns = []
    for name in names:
        phase = 2 * np.pi * phases[name]
        for k in range(1, harmonics(frequency, name) + 1):
            columns += [np.sin(k * phase), np.cos(k * phase)]
    return np.stack(columns, axis=1).astype(np.float32) if columns else np.zeros((len(wall), 0), np.float32)


def counts_days(stamps: Ints, new_series: NDArray[np.bool_]) -> bool:
    """True where the shortest gap within a series is about a day or longer: then the grid is one of local days."""
    gaps = np.diff(stamps)[~new_series[1:]]
    gaps = gaps[gaps > 0]
    return len(gaps) > 0 and int(gaps.min()) > DAY * 5 // 6


def wall_clock(stamps: Ints, timezone: str | None) -> Ints:
    """UTC stamps to local wall-clock stamps; unchanged without a time zone.

    Offsets are looked up once per day, and once per quarter of an hour on days when the clock changes:
    no zone changes it in between.
    """
    if timezone is None or not len(stamps):
        return stamps
    zone = zone_of(timezone)
    days, day_of = np.unique(stamps // DAY, return_inverse=True)
    offsets = _offsets(days, DAY, zone)
    changes = offsets != _offsets(days + 1, DAY, zone)
    local = offsets[day_of]
    changing = np.flatnonzero(changes[day_of])
    quarters, quarter_of = np.unique(stamps[changing] // QUARTER_HOUR, return_inverse=True)
    local[changing] = _offsets(quarters, QUARTER_HOUR, zone)[quarter_of]
    return stamps + local


def _offsets(buckets: Ints, length: int, zone: tzinfo) -> Ints:
    """Microseconds between the local clock and UTC at the start of each bucket of `length` microseconds."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    times = [epoch + timedelta(microseconds=int(b) * length) for b in buckets]
    offsets = [t.astimezone(zone).utcoffset() for t in times]
    return np.array(offsets, dtype="m8[us]").astype(np.int64)


def localise(
    stamps: Ints, codes: NDArray[np.integer], order: NDArray[np.intp], timezone: str
) -> tuple[Ints, NDArray[np.intp]]:
    """Local stamps sorted by series and time -> (UTC stamps, the rows whose local time does not exist).

    The hour that a clock shows twice at the end of summer time is summer time at its first row in the file
    and winter time at the second (the other way round where a file runs backwards).
    order (N,): the row in the file of each sorted row.
    """
    same = np.r_[False, codes[1:] == codes[:-1]]
    again = same & np.r_[False, stamps[1:] == stamps[:-1]]
    steps = np.diff(order)[same[1:] & ~again[1:]]
    backwards = len(steps) > 0 and np.mean(steps > 0) < 0.5
    first = again | ~np.r_[again[1:], False] if backwards else ~again
    local, where = np.unique(stamps, return_inverse=True)
    # With the offset of the day before and of the day after: one of them fits, or both in a repeated hour.
    early, late = (local - (wall_clock(local + d, timezone) - local - d) for d in (-DAY, DAY))
    early_fits, late_fits = wall_clock(early, timezone) == local, wall_clock(late, timezone) == local
    earlier = early_fits[where] & (first | ~late_fits[where])
    return np.where(earlier, early[where], late[where]), np.flatnonzero(~(early_fits | late_fits)[where])
