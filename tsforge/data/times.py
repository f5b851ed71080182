"""Time columns to stamps and back, in the type and the spelling that came in."""

from __future__ import annotations

import logging
import re
import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types
from pandas.tseries.api import guess_datetime_format

from tsforge.data.calendar import DAY, infer, wall_clock
from tsforge.data.reading import Frame
from tsforge.data.schema import Schema
from tsforge.errors import DataError

log = logging.getLogger("tsforge")

QUARTER = "quarter"  # the spelling 2020Q1, which strptime does not know


@dataclass(frozen=True)
class Times:
    """A parsed time column: stamps in file order, and how they were written."""

    stamps: NDArray[Any]  # (N,) int64 microseconds (UTC where there is a zone), or the numbers themselves
    kind: Literal["datetime", "integer", "float"]
    format: str | None
    timezone: str | None


def parse_times(frame: Frame, name: str, timezone: str | None) -> Times:
    """Read a time column. timezone: of local times written without an offset.

    Raises DataError with the first row that does not read as a time.
    """
    column = frame.data[name]
    missing = np.flatnonzero(column.isna())
    if len(missing):
        raise DataError(
            f"{frame.name}: column '{name}' has no time in {frame.row(int(missing[0]))}"
            + (f" and {len(missing) - 1} more rows" if len(missing) > 1 else ""),
            "fill in the time or delete the row",
        )
    if types.is_numeric_dtype(column) and not types.is_bool_dtype(column):
        return _numbers(column)
    written: str | None = None
    if not types.is_datetime64_any_dtype(column):
        column, written = _from_text(frame, name, column)
    return _with_zone(frame, name, column, written, timezone)


def _numbers(column: pd.Series) -> Times:
    """Plain numbers, or dates written as 20240131 or 202401."""
    values = column.to_numpy()
    if types.is_integer_dtype(column):
        for digits, fmt in ((8, "%Y%m%d"), (6, "%Y%m")):
            low, high = 1800 * 10 ** (digits - 4), 2200 * 10 ** (digits - 4)
            if ((values >= low) & (values < high)).all():
                dates = pd.to_datetime(column.astype(str), format=fmt, errors="coerce")
                if dates.notna().all():
                    return Times(_microseconds(dates), "datetime", fmt + ":int", None)
        return Times(np.array(values, dtype=np.int64), "integer", None, None)
    decimals = np.array(values, dtype=np.float64)
    if np.all(decimals == np.rint(decimals)):
        return Times(decimals.astype(np.int64), "integer", None, None)
    return Times(decimals, "float", None, None)


def _from_text(frame: Frame, name: str, column: pd.Series) -> tuple[pd.Series, str]:
    """Text to datetimes by the one format that reads every value."""
    text = column.astype(str).str.strip()
    if text.str.fullmatch(r"\d{4}[- ]?Q[1-4]").all():
        periods = pd.PeriodIndex(text.str.replace(r"[- ]", "", regex=True), freq="Q")
        return pd.Series(periods.to_timestamp()), QUARTER
    readings = []
    for fmt in _formats(str(text.iloc[0])):
        dates = pd.to_datetime(text, format=fmt, errors="coerce", utc="%z" in fmt)
        if dates.notna().all():
            readings.append((dates, fmt))
    best = readings[0] if readings else None
    if len(readings) > 1:  # 02/01/2020 reads both ways: the right one makes the times regular
        regular = [r for r in readings if _regular(r[0])] or readings
        best = regular[0]
        if len(regular) > 1:
            log.warning("column '%s' is read as %s; it could also be %s", name, regular[0][1], regular[1][1])
    if best is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            offsets = text.str.contains(r"(?:Z|[+-]\d\d:?\d\d)$").all()
            dates = pd.to_datetime(text, format="mixed", errors="coerce", utc=bool(offsets))
        bad = np.flatnonzero(dates.isna())
        if len(bad):
            i = int(bad[0])
            raise DataError(
                f"{frame.name}: column '{name}', {frame.row(i)}: '{text.iloc[i]}' does not read as a time",
                "write times as 2024-01-31 or 2024-01-31 13:30:00, or pass --time for another column",
            )
        best = dates, "%Y-%m-%d %H:%M:%S" + ("%z" if offsets else "")
    return best


def _formats(first: str) -> list[str]:
    """Formats that could be meant by the first value, month first before day first."""
    found = [guess_datetime_format(first, dayfirst=d) for d in (False, True)]
    if re.fullmatch(r"\d{4}-\d\d", first):
        found.append("%Y-%m")
    return list(dict.fromkeys(f for f in found if f))


def _regular(dates: pd.Series) -> bool:
    stamps = np.unique(_microseconds(dates))
    return infer(stamps, np.arange(len(stamps)) == 0, "datetime")[0] is not None


def _with_zone(frame: Frame, name: str, column: pd.Series, written: str | None, timezone: str | None) -> Times:
    zone = str(column.dt.tz) if column.dt.tz is not None else None
    if zone is None and timezone is not None:
        try:
            column = column.dt.tz_localize(timezone, ambiguous="infer").dt.tz_convert("UTC")
        except Exception as problem:
            raise DataError(
                f"{frame.name}: column '{name}' cannot be read in the time zone {timezone}: {problem}",
                "check the zone's name (as Europe/Berlin) and the hours around the clock change",
            ) from None
        return Times(_microseconds(column.dt.tz_localize(None)), "datetime", written, timezone)
    if zone is None:
        return Times(_microseconds(column), "datetime", written, None)
    utc = column.dt.tz_convert("UTC").dt.tz_localize(None)
    return Times(_microseconds(utc), "datetime", written, timezone or zone)


def _microseconds(column: pd.Series) -> NDArray[np.int64]:
    return np.array(column.dt.as_unit("us").to_numpy().view(np.int64))


def counts_days(stamps: NDArray[np.int64], new_series: NDArray[np.bool_]) -> bool:
    """True where the shortest gap is about a day or longer: then the grid is one of local days."""
    inside = np.flatnonzero(~new_series)
    return len(inside) > 0 and int((stamps[inside] - stamps[inside - 1]).min()) > DAY * 5 // 6


def format_times(stamps: NDArray[Any], schema: Schema) -> pd.Series:
    """Stamps of the grid as a column of the type and spelling that the table came in."""
    if schema.time_kind != "datetime":
        return pd.Series(stamps)
    column = pd.Series(stamps.astype("M8[us]"))
    if schema.timezone is not None:
        if schema.wall_grid:
            column = column.dt.tz_localize(schema.timezone, ambiguous=True, nonexistent="shift_forward")
        else:
            column = column.dt.tz_localize("UTC").dt.tz_convert(schema.timezone)
    return column if schema.time_format is None else _spelled(column, schema.time_format)


def _spelled(column: pd.Series, written: str) -> pd.Series:
    if written == QUARTER:
        return column.dt.year.astype(str) + "Q" + column.dt.quarter.astype(str)
    spelled = column.dt.strftime(written.removesuffix(":int"))
    return spelled.astype(np.int64) if written.endswith(":int") else spelled


def show_time(stamp: Any, schema: Schema) -> str:
    """One stamp, for a message."""
    return str(format_times(np.array([stamp]), schema).iloc[0])


def to_wall(stamps: NDArray[Any], schema: Schema) -> NDArray[Any]:
    """Grid stamps to the local clock, for calendar features."""
    return stamps if schema.wall_grid else wall_clock(stamps, schema.timezone)
