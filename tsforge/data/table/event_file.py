"""Events from a file: a row for each day, with its name, and columns that say whose it is."""

from __future__ import annotations

from datetime import date
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsforge.data.schema import DataConfig
from tsforge.data.table.reading import Frame, read
from tsforge.data.table.times import parse_times
from tsforge.data.table.values import numbers
from tsforge.data.time.calendar import DAY
from tsforge.errors import DataError, listing, nearest

DATE, NAME, SIDES = "date", "name", ("before", "after")
MOST = 366  # days of a window
_HINT = "columns: date, name, and, if wanted, before and after (days) and columns that tell series apart"


class Event(NamedTuple):
    """One name in a file of events.

    days: by the values of the columns that tell series apart, each as a text; "" where there are none.
    before, after: days of its window.
    """

    name: str
    days: dict[str, tuple[date, ...]]
    before: int
    after: int


def events(source: Any, ids: tuple[str, ...], dayfirst: bool | None = None) -> tuple[list[Event], tuple[str, ...]]:
    """The events of a file or a data frame, and the columns of it that tell series apart.

    ids: the columns that tell the series of the table apart; those that the file has too belong to an event.
    Raises DataError for columns and cells that say nothing, each with its row.
    """
    frame = read(source)
    columns = list(frame.data.columns)
    for needed in (DATE, NAME):
        if needed not in columns:
            hint = nearest(needed, columns) or _HINT
            raise DataError(f"{frame.name}: there is no column '{needed}', only {listing(columns)}", hint)
    if strange := [c for c in columns if c not in (DATE, NAME, *SIDES, *ids)]:
        of = f" or the id of a series ({listing(ids)})" if ids else ", and the table has one series alone"
        raise DataError(f"{frame.name}: column '{strange[0]}' is none of an event{of}", _HINT)
    by = tuple(name for name in ids if name in columns)
    for column in (DATE, NAME, *by):
        if len(missing := np.flatnonzero(frame.cells(column).missing)):
            text = f"column '{column}' is empty in {frame.row(int(missing[0]))}"
            raise DataError(f"{frame.name}: {text}", "fill it in, or delete the row")
    rows = pd.DataFrame({NAME: frame.texts(NAME).astype(str).str.strip().to_numpy(), DATE: _days(frame, dayfirst)})
    rows["key"] = ["\x1f".join(row) for row in zip(*(frame.texts(c).astype(str) for c in by), strict=True)] or ""
    for side in SIDES:
        rows[side] = _window(frame, side)
    return [_event(frame, own, name) for name, own in rows.groupby(NAME, sort=False)], by


def _event(frame: Frame, rows: pd.DataFrame, name: Any) -> Event:
    """The rows of one name. Raises DataError where they have several windows."""
    for side in SIDES:
        other = np.flatnonzero((rows[side] != rows[side].iloc[0]).to_numpy())
        if len(other):
            (one, first), (two, second) = ((rows.index[i], rows[side].iloc[i]) for i in (0, other[0]))
            text = f"event '{name}' has {side}={first} in {frame.row(one)}, and {second} in {frame.row(two)}"
            raise DataError(f"{frame.name}: {text}", "an event has one window: give one of them another name")
    days = {str(key): tuple(sorted(set(own[DATE]))) for key, own in rows.groupby("key", sort=False)}
    return Event(str(name), days, int(rows["before"].iloc[0]), int(rows["after"].iloc[0]))


def _days(frame: Frame, dayfirst: bool | None) -> list[date]:
    """The column of dates. Raises DataError for what is no date, or has a time of day."""
    times = parse_times(frame, DATE, DataConfig(dayfirst=dayfirst))
    if times.kind != "datetime":
        raise DataError(f"{frame.name}: column '{DATE}' holds numbers, not dates", "write dates as 2024-12-24")
    stamps = times.stamps
    if len(timed := np.flatnonzero(stamps % DAY)):
        text = f"column '{DATE}' has a time of day in {frame.row(int(timed[0]))}"
        raise DataError(f"{frame.name}: {text}", "an event takes whole days: write the date alone, as 2024-12-24")
    return [day.item() for day in stamps.astype("M8[us]").astype("M8[D]")]


def _window(frame: Frame, side: str) -> NDArray[np.int64]:
    """Days before or after an event, row by row; 0 where nothing is said."""
    if side not in frame.data.columns:
        return np.zeros(len(frame.data), dtype=np.int64)
    values = np.nan_to_num(numbers(frame, side))
    wrong = np.flatnonzero((values < 0) | (values > MOST) | (values != np.floor(values)))
    if len(wrong):
        text = f"column '{side}', {frame.row(int(wrong[0]))}: {values[wrong[0]]:g} is no count of days"
        raise DataError(f"{frame.name}: {text}", f"write a whole number from 0 to {MOST}")
    return values.astype(np.int64)
