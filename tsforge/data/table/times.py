"""Time columns to stamps, and back in the type and the format that came in."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Any, Literal
from zoneinfo import available_timezones

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from tsforge.data.schema import Schema
from tsforge.data.table.reading import Frame
from tsforge.data.time import formats
from tsforge.data.time.calendar import wall_clock
from tsforge.data.time.frequency import infer
from tsforge.errors import DataError, nearest

log = logging.getLogger("tsforge")

_TICKS = {"s": 1_000_000, "ms": 1_000, "us": 1}  # microseconds of one tick of an epoch count
_EPOCH = range(10**9, 4 * 10**9)  # seconds from 2001 to 2096


@dataclass(frozen=True)
class Times:
    """A parsed time column: stamps in file order, and how they were written.

    stamps: int64 microseconds (UTC where there is a zone, unless `local`), or the numbers themselves, (N,).
    kind: what the stamps are.
    format: as in `formats`; "%Y%m%d:int" and "epoch:s" for dates written as numbers; None for columns of dates.
    timezone: of the times; None where they have none.
    local: written without an offset, in the local time of `timezone`.
    """

    stamps: NDArray[Any]
    kind: Literal["datetime", "integer", "float"]
    format: str | None = None
    timezone: str | None = None
    local: bool = False


def parse_times(frame: Frame, name: str, timezone: str | None, fitted: Schema | None = None) -> Times:
    """Read a time column.

    timezone: of local times written without an offset.
    fitted: schema of a model, in whose format the times are read where they can be.
    Raises DataError with the first row that does not read as a time.
    """
    column = frame.present(name)
    if frame.text and frame.cells(name).number:
        column = pd.to_numeric(column)
    missing = np.flatnonzero(column.isna())
    if len(missing):
        more = f" and {len(missing) - 1} more rows" if len(missing) > 1 else ""
        message = f"column '{name}' has no time in {frame.row(int(missing[0]))}{more}"
        raise DataError(f"{frame.name}: {message}", "fill in the time or delete the row")
    if timezone is not None and not formats.is_zone(timezone):
        near = nearest(timezone, available_timezones())
        raise DataError(f"there is no time zone '{timezone}'", near or "as Europe/Berlin or UTC")
    if fitted is not None and _counted(fitted) and types.is_string_dtype(column):  # as a request may write them
        numbers = pd.to_numeric(column, errors="coerce")
        column = column if numbers.isna().any() else numbers
    if types.is_numeric_dtype(column) and not types.is_bool_dtype(column):
        return _from_numbers(name, column, fitted)
    if types.is_object_dtype(column) and pd.api.types.infer_dtype(column) in ("date", "datetime", "datetime64"):
        column = pd.to_datetime(column)
    if types.is_datetime64_any_dtype(column):
        if column.dt.tz is None:
            return Times(_microseconds(column), "datetime", None, timezone, local=timezone is not None)
        utc = column.dt.tz_convert("UTC").dt.tz_localize(None)
        return Times(_microseconds(utc), "datetime", None, timezone or _zone_name(column))
    return _from_text(frame, name, column, timezone, fitted)


# --- numbers ------------------------------------------------------------------------------------------------


def _counted(schema: Schema) -> bool:
    """True where the times are written as plain numbers."""
    written = schema.time_format or ""
    return schema.time_kind != "datetime" or written.endswith(":int") or written.startswith("epoch:")


def _from_numbers(name: str, column: pd.Series, fitted: Schema | None) -> Times:
    """Stamps of plain numbers, counts of seconds since 1970, or dates written as 20240131 or 202401."""
    kind = None if fitted is None else fitted.time_kind
    values = column.to_numpy()
    if not types.is_integer_dtype(column):
        decimals = np.array(values, dtype=np.float64)
        if kind == "float" or np.any(decimals != np.rint(decimals)):
            return Times(decimals, "float")
        return Times(decimals.astype(np.int64), "integer", "float")
    values = np.array(values, dtype=np.int64)
    if kind in ("float", "integer"):
        return Times(values.astype(np.float64 if kind == "float" else np.int64), kind)
    for digits, written in ((8, "%Y%m%d"), (6, "%Y%m")):
        if 1800 * 10 ** (digits - 4) <= values.min() and values.max() < 2200 * 10 ** (digits - 4):
            where, distinct = pd.factorize(values)
            dates = pd.to_datetime(pd.Series(distinct).astype(str), format=written, errors="coerce")
            if dates.notna().all():
                return Times(_microseconds(dates)[where], "datetime", written + ":int")
    for unit, tick in _TICKS.items():
        ticks = 1_000_000 // tick
        if _EPOCH.start * ticks <= values.min() and values.max() < _EPOCH.stop * ticks:
            log.info("column '%s' is read as %s since 1970", name, unit)
            return Times(values * tick, "datetime", f"epoch:{unit}")
    return Times(values, "integer")


# --- text ---------------------------------------------------------------------------------------------------


def _from_text(frame: Frame, name: str, column: pd.Series, timezone: str | None, fitted: Schema | None) -> Times:
    """Stamps of texts by the one format that reads every value. Each distinct text is read once."""
    where, distinct = pd.factorize(column)
    text = pd.Series(distinct).astype(str).str.strip()
    suffix = formats.offset_format(text.iloc[0])
    offsets = np.zeros(len(text), dtype=np.int64)
    base = text
    if suffix:
        base = text.str.replace(formats.OFFSET, "", regex=True)
        which, endings = pd.factorize(pd.Series([t[len(b) :] for t, b in zip(text, base, strict=True)]))
        offsets = np.array([formats.offset_seconds(e) if e else -1 for e in endings], dtype=np.int64)[which]
    dates, written = _best(name, base, (fitted.time_format or "").removesuffix(suffix) if fitted else "")
    bad = np.flatnonzero(dates.isna() | (offsets == -1))
    if len(bad):
        i = int(np.flatnonzero(where == bad[0])[0])
        value = f"{frame.row(i)}: '{column.iloc[i]}'"
        hint = "write times as 2024-01-31 or 2024-01-31 13:30:00, or pass data.time for another column"
        raise DataError(f"{frame.name}: column '{name}', {value} does not read as a time", hint)
    stamps = (_microseconds(dates) - offsets * 1_000_000)[where]
    if not suffix:
        return Times(stamps, "datetime", written, timezone, local=timezone is not None)
    if timezone is None and len(np.unique(offsets)) > 1:
        log.warning("column '%s' has several UTC offsets, read as UTC; name its zone: data.timezone=ZONE", name)
    zone = formats.offset_name(int(offsets[0])) if np.ptp(offsets) == 0 else "UTC"
    return Times(stamps, "datetime", written + suffix, timezone or zone)


def _best(name: str, text: pd.Series, usual: str) -> tuple[pd.Series, str]:
    """Dates by the format that reads every distinct text, and that format; NaT where none does.

    usual: the format to try first; "" for none.
    """
    if usual:
        dates = read_as(text, usual)
        if dates.notna().all():
            return dates, usual
    readings = [(read_as(text, f), f) for f in formats.candidates(str(text.iloc[0]))]
    whole = [r for r in readings if r[0].notna().all()]
    if not whole:
        mixed = not readings or text.str.match(r"\d{4}-").all()
        return _mixed(text) if mixed else max(readings, key=lambda r: r[0].notna().sum())
    if len(whole) > 1:  # 02/01/2020 reads both ways: the right one makes the times regular
        regular = [r for r in whole if _regular(r[0])] or whole
        others = [f for d, f in regular if not d.equals(regular[0][0])]
        if others:
            log.warning("column '%s' is read as %s; it could also be %s", name, regular[0][1], others[0])
        whole = regular
    dates, written = whole[0]
    exact = (f for f in formats.unpadded(written) if _written(dates, f).equals(text))
    return dates, next(exact, written)


def share_read(text: pd.Series) -> float:
    """The share of a few texts that read as times, by the one format that reads most of them."""
    text = text.astype(str).str.strip()
    if formats.offset_format(text.iloc[0]):
        text = text.str.replace(formats.OFFSET, "", regex=True)
    shares = [float(read_as(text, f).notna().mean()) for f in formats.candidates(text.iloc[0])]
    if shares and text.str.match(r"\d{4}-\d\d-").all():
        shares.append(float(_mixed(text)[0].notna().mean()))
    return max(shares, default=0.0)


def read_as(text: pd.Series, written: str) -> pd.Series:
    """Texts without an offset read by one format; NaT where it does not fit."""
    if "%q" in written:
        year = text.str.extract(r"(\d{4})", expand=False)
        month = text.str.extract(r"Q([1-4])", expand=False).astype("Int64") * 3 - 2
        months = year + "-" + month.astype("string").str.zfill(2)
        return pd.to_datetime(months.astype(object), format="%Y-%m", errors="coerce")
    if "%V" in written:
        return pd.to_datetime(text + "-1", format=written + "-%u", errors="coerce")
    return pd.to_datetime(text, format=formats.plain(written), errors="coerce")


def _mixed(text: pd.Series) -> tuple[pd.Series, str]:
    """ISO times of several lengths, as a midnight written without its hour."""
    without_offset = text.where(~text.str.contains(formats.OFFSET, regex=True))
    dates = pd.to_datetime(without_offset, format="ISO8601", errors="coerce")
    joint = "T" if text.str.contains("T").any() else " "
    fraction = ".%6f" if text.str.contains(r"\.\d", regex=True).any() else ""
    return dates, f"%Y-%m-%d{joint}%H:%M:%S{fraction}"


def _regular(dates: pd.Series) -> bool:
    stamps = np.unique(_microseconds(dates))
    return infer(stamps, np.arange(len(stamps)) == 0, "datetime")[0] is not None


def _microseconds(column: pd.Series) -> NDArray[np.int64]:
    """Naive datetimes as whole numbers."""
    return np.array(column.dt.as_unit("us").to_numpy().view(np.int64))


# --- zones --------------------------------------------------------------------------------------------------


def _zone_name(column: pd.Series) -> str:
    """The zone of a datetime column, by a name that any machine knows; UTC where it has none."""
    name = str(column.dt.tz)  # of a ZoneInfo its key
    return name if formats.is_zone(name) else "UTC"


def to_wall(stamps: NDArray[Any], schema: Schema) -> NDArray[Any]:
    """Grid stamps to the local clock, for calendar features."""
    return stamps if schema.wall_grid else wall_clock(stamps, schema.timezone)


# --- back to the table's own format -------------------------------------------------------------------------


def format_times(stamps: NDArray[Any], schema: Schema) -> pd.Series:
    """Stamps of the grid as a column, in the type and the format of the table's own times."""
    written = schema.time_format
    if schema.time_kind != "datetime":
        return pd.Series(stamps.astype(np.float64) if written == "float" else stamps)
    if written is not None and written.startswith("epoch:"):
        return pd.Series(stamps // _TICKS[written.removeprefix("epoch:")])
    column = pd.Series(stamps.astype("M8[us]"))
    if schema.local:
        column = column if schema.wall_grid else pd.Series(to_wall(stamps, schema).astype("M8[us]"))
    elif schema.timezone is not None and schema.wall_grid:
        summer = np.ones(len(column), dtype=np.bool_)
        column = column.dt.tz_localize(schema.timezone, ambiguous=summer, nonexistent="shift_forward")
    elif schema.timezone is not None:
        column = column.dt.tz_localize("UTC").dt.tz_convert(schema.timezone)
    return column if written is None else _written(column, written)


def _written(column: pd.Series, form: str) -> pd.Series:
    """Dates as texts of a format, or as the numbers that it writes."""
    if form.endswith(":int"):
        return pd.Series(column.dt.strftime(form.removesuffix(":int")).astype(np.int64))
    if form.endswith(("Z", "UTC")) and column.dt.tz is not None:
        column = column.dt.tz_convert("UTC")
    parts = [p for p in re.split(r"(%q|%-[mdHI]|%[1-6]f|%:z)", form) if p]
    pieces = [_piece(column, part) for part in parts]
    return pieces[0] if len(pieces) == 1 else pieces[0].str.cat(pd.concat(pieces[1:], axis=1))


def _piece(column: pd.Series, part: str) -> pd.Series:
    if part == "%q":
        piece = column.dt.quarter.astype(str)
    elif part.startswith("%-"):
        piece = column.dt.strftime("%" + part[2]).str.replace(r"^0(?=\d)", "", regex=True)
    elif part == "%:z":
        piece = column.dt.strftime("%z").str.replace(r"(\d\d)$", r":\1", regex=True)
    elif re.fullmatch(r"%[1-6]f", part):
        piece = column.dt.strftime("%f").str[: int(part[1])]
    else:
        piece = column.dt.strftime(part)
    return pd.Series(piece)


def show_time(stamp: Any, schema: Schema) -> str:
    """One stamp as the table writes it, for a message."""
    return str(format_times(np.array([stamp]), schema).iloc[0])
