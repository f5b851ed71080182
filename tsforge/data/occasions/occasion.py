"""Days that repeat under one name, and what they are as numbers of each step of a grid.

A step of a day or less is that of one local day, of which three numbers are known in advance:

    on      1 on a day of the occasion, else 0
    before  1 - d / (w + 1) on the d-th of w days before the next of these days, else 0
    after   the same of the days after the last of them

A longer step, as a week or a month, holds several days: `on` is how many of them are days of the occasion, `before`
that of the step that follows, `after` that of the step before. The three are 0 where none is near, so that a linear
model needs no other form of them, and a network can read the distance off them.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tsforge.config import Config
from tsforge.data.schema import Schema
from tsforge.data.table.times import to_wall
from tsforge.data.time.calendar import DAY, WEEK, Frequency

Ints = NDArray[np.int64]
Window = Annotated[int, Field(ge=0, le=366)]  # days


class Occasion(Config):
    """Days under one name.

    name: of the column that it becomes.
    days: ascending, by the values of the columns `by` of the series that they belong to, in a text as `Panel.key`;
        those of all series under "".
    before, after: days before and after each of them that are told apart; 0 for none.
    by: columns that tell series apart; none where the days are those of all series.
    since, until: the days between which all are known; None where nobody can say.
    """

    name: str
    days: dict[str, tuple[date, ...]]
    before: Window = 0
    after: Window = 0
    by: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None

    @property
    def sides(self) -> tuple[str, ...]:
        """What it becomes: "on", and "before" and "after" where it has a window."""
        return ("on", *(side for side, days in (("before", self.before), ("after", self.after)) if days))

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of what it becomes: as "holiday DE", "before holiday DE"."""
        return tuple(self.name if side == "on" else f"{side} {self.name}" for side in self.sides)

    def of(self, key: str) -> Ints:
        """Its days for series of a key, in days since 1970, ascending."""
        return np.array(self.days.get(key, ()), dtype="M8[D]").astype(np.int64)


class Spans(NamedTuple):
    """The local days of steps: from `low` up to, not including, `high`, in days since 1970, (M,) each.

    long: whether steps may hold several days.
    """

    low: Ints
    high: Ints
    long: bool


def spans(schema: Schema, ordinals: Ints) -> Spans:
    """The days of the steps at some places of a grid of dates.

    Months end where they are dated by their last day; weeks are dated by it, as in pandas.
    """
    grid = schema.frequency
    if grid.unit in ("month", "bmonth"):
        step, index = int(grid.step), ordinals * int(grid.step) + int(grid.anchor)
        first = index - step + 1 if grid.offset < 0 else index
        return Spans(_month_begin(first), _month_begin(first + step), long=True)
    low = to_wall(grid.stamps(ordinals), schema) // DAY
    if not is_long(grid):
        return Spans(low, low + 1, long=False)
    if int(grid.step) % WEEK == 0:
        return Spans(low - int(grid.step) // DAY + 1, low + 1, long=True)
    return Spans(low, to_wall(grid.stamps(ordinals + 1), schema) // DAY, long=True)


def is_long(grid: Frequency) -> bool:
    """Whether a step may hold several days."""
    return grid.unit in ("month", "bmonth") or (grid.unit == "us" and int(grid.step) > DAY)


def _month_begin(index: Ints) -> Ints:
    return index.astype("M8[M]").astype("M8[D]").astype(np.int64)


def numbers(occasion: Occasion, schema: Schema, ordinals: Ints, key: str = "") -> NDArray[np.float32]:
    """What an occasion is at places of a grid, (M, its columns).

    key: of the series, where its days are not those of all.
    """
    days, here = occasion.of(key), spans(schema, ordinals)
    columns = [_count(days, here)]
    for width, side in ((occasion.before, 1), (occasion.after, -1)):
        if not width:
            continue
        near = _count(days, spans(schema, ordinals + side)) if here.long else _nearness(days, here.low, side, width)
        columns.append(near)
    return np.stack(columns, axis=1).astype(np.float32)


def _count(days: Ints, here: Spans) -> NDArray[np.float64]:
    """How many of some days lie in each step."""
    return (np.searchsorted(days, here.high) - np.searchsorted(days, here.low)).astype(np.float64)


def _nearness(days: Ints, low: Ints, side: int, width: int) -> NDArray[np.float64]:
    """1 - d / (width + 1), d days before (side 1) or after (side -1) the nearest of some days; 0 on it and far away."""
    edge = np.iinfo(np.int64).max // 4
    padded = np.r_[-edge, days, edge]
    after = np.searchsorted(padded, low)  # of the first that is not before
    on = padded[after] == low
    distance = padded[after] - low if side > 0 else low - padded[after - 1]
    return np.where(on | (distance > width), 0.0, 1 - np.minimum(distance, width) / (width + 1))
