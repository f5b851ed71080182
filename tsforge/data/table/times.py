"""Time columns to stamps, and back in the type and the format that came in."""

from __future__ import annotations

import logging
import re
from typing import Any
from zoneinfo import available_timezones

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from tsforge.data.schema import DataConfig, Schema
from tsforge.data.table import choosing, counts
from tsforge.data.table.choosing import FORMS, Reading, TimeCells, Times
from tsforge.data.table.reading import Frame
from tsforge.data.table.spelling import read_as, spelling, write
from tsforge.data.time import formats
from tsforge.data.time.calendar import wall_clock
from tsforge.errors import DataError, nearest

log = logging.getLogger("tsforge")

# A zone is asked for its offset some days beside a time: dates of Python reach from year 1 to 9999.
FIRST, LAST = (int(np.datetime64(day, "us").astype(np.int64)) for day in ("0001-01-10", "9999-12-20"))
MOST = 10**17  # of a time that is a number


def parse_times(frame: Frame, name: str, config: DataConfig, fitted: Schema | None = None) -> Times:
    """Read a time column, and check that its times lie where a calendar and a grid reach.

    config: its frequency and what it says of times: their format, whether days come first, their zone.
    fitted: schema of a model, in whose format the times are read where they can be.
    Raises DataError with the first row that does not read as a time.
    """
    try:
        times = _parse(frame, name, config, fitted)
    except (ValueError, OverflowError) as problem:  # pandas' own, for dates beyond its range
        raise DataError(f"{frame.name}: column '{name}' does not read as times: {problem}", FORMS) from None
    low, high = (FIRST, LAST) if times.kind == "datetime" else (-MOST, MOST)
    beyond = np.flatnonzero((times.stamps < low) | (times.stamps > high))
    if len(beyond):
        i = int(beyond[0])
        what = "what lies between 0001-01-10 and 9999-12-20" if times.kind == "datetime" else f"{MOST:g} in size"
        text = f"column '{name}', {frame.row(i)}: '{cell(frame.texts(name), i)}' is beyond {what}"
        raise DataError(f"{frame.name}: {text}", "correct the time")
    return times


def cell(column: pd.Series, i: int) -> str:
    """One cell of a column for a message, though it be a typed time too far away for a date of Python."""
    try:
        return str(column.iloc[i])
    except (ValueError, OverflowError, NotImplementedError):
        return str(column.iloc[[i]].to_numpy("M8[us]")[0])


def _parse(frame: Frame, name: str, config: DataConfig, fitted: Schema | None) -> Times:
    """Read a time column by what its cells are: dates, numbers or texts."""
    column = _typed(frame, name)
    missing = np.flatnonzero(column.isna())
    if len(missing):
        more = f" and {len(missing) - 1} more rows" if len(missing) > 1 else ""
        message = f"column '{name}' has no time in {frame.row(int(missing[0]))}{more}"
        raise DataError(f"{frame.name}: {message}", "fill in the time or delete the row")
    timezone = config.timezone
    if timezone is not None and not formats.is_zone(timezone):
        near = nearest(timezone, available_timezones())
        raise DataError(f"there is no time zone '{timezone}'", near or "as Europe/Berlin or UTC")
    if types.is_datetime64_any_dtype(column):
        if column.dt.tz is None:
            return Times(choosing.microseconds(column), "datetime", None, timezone, local=timezone is not None)
        utc = column.dt.tz_convert("UTC").dt.tz_localize(None)
        return Times(choosing.microseconds(utc), "datetime", None, timezone or _zone_name(column))
    where, distinct = frame.codes(name) if frame.text else pd.factorize(column)
    if types.is_numeric_dtype(column) and not types.is_bool_dtype(column):
        return counts.read(TimeCells(frame, name, where, pd.Series(distinct).astype(str)), config, fitted)
    cells = TimeCells(frame, name, where, pd.Series(distinct, dtype="str").str.strip())
    counted = frame.text and frame.cells(name).number if fitted is None else counts.counted(fitted)
    return counts.read(cells, config, fitted) if counted else _from_text(cells, config, fitted)


def _typed(frame: Frame, name: str) -> pd.Series:
    """The column with NaN where a cell is missing; dates of Arrow and of Python as datetimes."""
    column = frame.present(name)
    if isinstance(column.dtype, pd.ArrowDtype):
        column = column.convert_dtypes(dtype_backend="numpy_nullable") if types.is_numeric_dtype(column) else column
        column = column if types.is_numeric_dtype(column) else column.astype(object)
    if not types.is_object_dtype(column):
        return column
    kind = pd.api.types.infer_dtype(column, skipna=True)
    try:
        if kind in ("date", "datetime", "datetime64"):
            zones = {getattr(value, "tzinfo", None) is None for value in column.dropna()}
            if len(zones) > 1:
                text = f"column '{name}' holds times with a zone and times without one"
                raise DataError(f"{frame.name}: {text}", "give all of them a zone, or none")
            return pd.to_datetime(column, utc=False in zones).dt.as_unit("us")
        return pd.to_numeric(column) if kind in ("integer", "floating") else column
    except (ValueError, OverflowError) as problem:
        raise DataError(f"{frame.name}: column '{name}' does not read as times: {problem}", FORMS) from None


# --- text ---------------------------------------------------------------------------------------------------


def _from_text(cells: TimeCells, config: DataConfig, fitted: Schema | None) -> Times:
    """Stamps of texts by the one format that reads every value. Each distinct text is read once."""
    text = cells.text
    suffix = next((s for s in map(formats.offset_format, text.iloc[:3]) if s), "")
    offsets = np.zeros(len(text), dtype=np.int64)
    base = text
    if suffix:
        base = text.str.replace(formats.OFFSET, r"\1", regex=True)
        which, endings = pd.factorize(pd.Series([t[len(b) :] for t, b in zip(text, base, strict=True)]))
        offsets = np.array([formats.offset_seconds(e) if e else -1 for e in endings], dtype=np.int64)[which]
        short = any(len(str(e).strip()) == 3 and str(e).strip()[0] in "+-" for e in endings)
        suffix = suffix.replace("%:z", "%#z") if short else suffix
    usual = (fitted.time_format or "").removesuffix(suffix) if fitted else ""
    dates, written = _best(cells, base, config, usual)
    bad = np.flatnonzero(dates.isna() | (offsets == -1))
    if len(bad):
        i = int(bad[0])
        good = np.flatnonzero(dates.notna() & (offsets != -1))
        as_other = f"the other rows are written as '{text.iloc[int(good[0])]}': fix the value, or " if len(good) else ""
        cells.refuse(i, as_other + FORMS)
    stamps = (choosing.microseconds(dates) - offsets * 1_000_000)[cells.where]
    if not suffix:
        return Times(stamps, "datetime", written, config.timezone, local=config.timezone is not None)
    if config.timezone is None and len(np.unique(offsets)) > 1:
        log.warning("column '%s' has several UTC offsets, read as UTC; name its zone: data.timezone=ZONE", cells.name)
    zone = formats.offset_name(int(offsets[0])) if np.ptp(offsets) == 0 else "UTC"
    return Times(stamps, "datetime", written + suffix, config.timezone or zone)


def _best(cells: TimeCells, text: pd.Series, config: DataConfig, usual: str) -> tuple[pd.Series, str]:
    """Dates by the format that reads every distinct text, and that format; NaT where none does.

    usual: the format to try first; "" for none.
    """
    asked = re.sub(r"\s?%[:#]?z$", "", config.time_format or "")  # the offset has been read
    for written in filter(None, (usual, asked)):
        dates, exact = read_as(text, written)
        if dates.notna().all() or written == asked:
            return dates, exact if written == usual else spelling(text, dates, exact)
    readings = choosing.read(text, config.dayfirst)
    whole = [r for r in readings if r[0].notna().all()]
    if not whole:
        mixed = not readings or text.str.match(r"\d{4}-").all()
        iso = _mixed(text) if mixed else None
        if iso is not None and (not readings or iso[0].notna().sum() > max(d.notna().sum() for d, _ in readings)):
            return iso
        return max(readings, key=lambda r: r[0].notna().sum())
    doubtful = choosing.nearly(readings, config) if len(readings) > len(whole) else None
    if doubtful is not None:
        return doubtful
    chosen = choosing.fullest(cells.name, [Reading(choosing.microseconds(d), "datetime", f) for d, f in whole], config)
    dates, written = next(r for r in whole if r[1] == chosen.format)
    return dates, spelling(text, dates, written)


def share_read(text: pd.Series) -> float:
    """The share of a few texts that read as times, by the one format that reads most of them."""
    text = text.astype(str).str.strip().reset_index(drop=True)
    if formats.offset_format(text.iloc[0]):
        text = text.str.replace(formats.OFFSET, r"\1", regex=True)
    shares = [float(dates.notna().mean()) for dates, _ in choosing.read(text, None, weak=False)]
    if shares and text.str.match(r"\d{4}-\d\d-").all():
        shares.append(float(_mixed(text)[0].notna().mean()))
    return max(shares, default=0.0)


def approximate(frame: Frame, name: str) -> NDArray[np.float64]:
    """Times as numbers by which rows can be put in order, by the reading that fits most of them; NaN where it fits not.

    No choice between readings is made here: `parse_times` does that.
    """
    if frame.cells(name).number:
        return np.asarray(frame.cells(name).values, dtype=np.float64)
    where, distinct = frame.codes(name)
    text = pd.Series(distinct, dtype="str").str.strip().str.replace(formats.OFFSET, r"\1", regex=True)
    readings = [dates for dates, _ in choosing.read(text, None)] or [_mixed(text)[0]]
    dates = max(readings, key=lambda column: int(column.notna().sum()))
    values = np.where(dates.isna(), np.nan, choosing.microseconds(dates))
    return np.asarray(values[where], dtype=np.float64)


def _mixed(text: pd.Series) -> tuple[pd.Series, str]:
    """ISO times of several lengths, as a midnight written without its hour."""
    without_offset = text.where(text.str.fullmatch(r"\d{4}(?:-\d\d){0,2}(?:[T ][\d:.,]+)?"))
    dates = pd.to_datetime(without_offset, format="ISO8601", errors="coerce")
    joint = "T" if text.str.contains("T").any() else " "
    fraction = ".%6f" if text.str.contains(r"\.\d", regex=True).any() else ""
    return dates, f"%Y-%m-%d{joint}%H:%M:%S{fraction}"


# --- zones --------------------------------------------------------------------------------------------------


def _zone_name(column: pd.Series) -> str:
    """The zone of a datetime column, by a name that any machine knows; UTC where it has none."""
    name = str(column.dt.tz)  # of a ZoneInfo its key
    return name if formats.is_zone(name) else "UTC"


def to_wall(stamps: NDArray[Any], schema: Schema) -> NDArray[Any]:
    """Grid stamps to the local clock, for calendar features."""
    return stamps if schema.wall_grid else wall_clock(stamps, schema.timezone)


def labels(stamps: NDArray[Any], schema: Schema) -> NDArray[Any]:
    """Grid stamps as the local times that name their steps: of the begin, or of the end."""
    if schema.resampling is None:
        return to_wall(stamps, schema) + schema.ending
    if schema.ending and "%24H" in (schema.time_format or ""):  # a day ends at 24:00 too
        stamps = schema.frequency.stamps(schema.frequency.ordinals(stamps)[0] + 1)
    return to_wall(stamps, schema)


# --- back to the table's own format -------------------------------------------------------------------------


def format_times(stamps: NDArray[Any], schema: Schema) -> pd.Series:
    """Stamps of the grid as a column, in the type and the format of the table's own times."""
    written = schema.time_format
    if schema.time_kind != "datetime":
        return pd.Series(stamps.astype(np.float64) if written == "float" else stamps)
    if written is not None and written.startswith("epoch:"):
        unit = written.removeprefix("epoch:")
        return pd.Series(stamps * 1_000 if unit == "ns" else stamps // counts.TICKS[unit])
    column = pd.Series(stamps.astype("M8[us]"))
    if schema.local or schema.timezone is None:
        column = pd.Series(labels(stamps, schema).astype("M8[us]"))
    elif schema.timezone is not None and schema.wall_grid:
        summer = np.ones(len(column), dtype=np.bool_)
        column = column.dt.tz_localize(schema.timezone, ambiguous=summer, nonexistent="shift_forward")
    elif schema.timezone is not None:
        column = column.dt.tz_localize("UTC").dt.tz_convert(schema.timezone)
    return column if written is None else write(column, written)


def show_time(stamp: Any, schema: Schema) -> str:
    """One stamp as the table writes it, for a message."""
    return str(format_times(np.array([stamp]), schema).iloc[0])
