"""Time columns to stamps, and back in the type and the format that came in."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Literal, NoReturn
from zoneinfo import available_timezones

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from tsforge.data.schema import DataConfig, Schema
from tsforge.data.table import choosing
from tsforge.data.table.choosing import Reading
from tsforge.data.table.reading import Frame
from tsforge.data.table.spelling import read_as, spelling, write
from tsforge.data.time import formats
from tsforge.data.time.calendar import wall_clock
from tsforge.errors import DataError, nearest

log = logging.getLogger("tsforge")

_TICKS = {"s": 1_000_000, "ms": 1_000, "us": 1}  # microseconds of one tick of an epoch count
_EPOCH = range(10**9, 4 * 10**9)  # seconds from 2001 to 2096
_FARTHEST = 2**62  # of a counter: differences of two must not overflow
_FORMS = "write times as 2024-01-31 or 2024-01-31 13:30:00, or pass data.time for another column"


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


def parse_times(frame: Frame, name: str, config: DataConfig, fitted: Schema | None = None) -> Times:
    """Read a time column.

    config: its frequency and what it says of times: their format, whether days come first, their zone.
    fitted: schema of a model, in whose format the times are read where they can be.
    Raises DataError with the first row that does not read as a time.
    """
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
            return Times(_microseconds(column), "datetime", None, timezone, local=timezone is not None)
        utc = column.dt.tz_convert("UTC").dt.tz_localize(None)
        return Times(_microseconds(utc), "datetime", None, timezone or _zone_name(column))
    where, distinct = pd.factorize(column)
    if types.is_numeric_dtype(column) and not types.is_bool_dtype(column):
        return _from_numbers(_Cells(frame, name, where, pd.Series(distinct).astype(str)), config, fitted)
    cells = _Cells(frame, name, where, pd.Series(distinct, dtype="str").str.strip())
    if (frame.text and frame.cells(name).number) or (fitted is not None and _counted(fitted)):
        return _from_numbers(cells, config, fitted)
    return _from_text(cells, config, fitted)


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
        raise DataError(f"{frame.name}: column '{name}' does not read as times: {problem}", _FORMS) from None


@dataclass(frozen=True)
class _Cells:
    """The distinct texts of a time column, and where each stands."""

    frame: Frame
    name: str
    where: NDArray[np.intp]
    text: pd.Series

    def refuse(self, i: int, hint: str = _FORMS) -> NoReturn:
        """Raises DataError for distinct text i, at its first row."""
        row = int(np.flatnonzero(self.where == i)[0])
        value = f"{self.frame.row(row)}: '{self.text.iloc[i]}'"
        raise DataError(f"{self.frame.name}: column '{self.name}', {value} does not read as a time", hint)


# --- numbers ------------------------------------------------------------------------------------------------


def _counted(schema: Schema) -> bool:
    """True where the times are written as plain numbers."""
    written = schema.time_format or ""
    return schema.time_kind != "datetime" or written.endswith(":int") or written.startswith("epoch:")


def _from_numbers(cells: _Cells, config: DataConfig, fitted: Schema | None) -> Times:
    """Stamps of plain numbers, counts of seconds since 1970, or periods written as 20240131, 202401 or 202452."""
    text = cells.text.str.replace(r"\.0$", "", regex=True) if not cells.frame.text else cells.text
    whole = text.str.fullmatch(r"[-+]?\d+")
    if fitted is not None and not _counted(fitted):
        if cells.frame.text:
            return _from_text(cells, config, fitted)
        fitted = None  # the kinds differ, which the caller says
    if not whole.all():
        packed = choosing.periods(text) if fitted is None and cells.frame.text else []
        decimals = _decimals(cells)
        float_reading = Reading(decimals, "float", "float")
        best = choosing.fullest(cells.name, [*packed, float_reading], config)
        return Times(best.stamps[cells.where], best.kind, best.format if best.kind == "datetime" else None)
    if not cells.frame.text and types.is_float_dtype(cells.frame.data[cells.name]):
        return _whole_decimals(cells, text, fitted)
    values = _integers(cells, text)
    kind = None if fitted is None else fitted.time_kind
    if kind in ("float", "integer"):
        return Times(values.astype(np.float64 if kind == "float" else np.int64)[cells.where], kind)
    if fitted is not None:
        return _as_fitted(cells, text, values, fitted.time_format or "")
    readings = [] if config.time_format is None else [_as_asked(cells, text, config.time_format)]
    readings = readings or [*choosing.packed(text), *_epochs(values), Reading(values, "integer", None)]
    best = choosing.fullest(cells.name, readings, config)
    if not (best.format or "").endswith(":int"):
        doubtful = choosing.nearly_packed(text)
        if doubtful is not None and choosing.fill(best, config.freq) <= 0.5:
            i, written = doubtful
            cells.refuse(i, f"the other rows read as {written}, as {text.iloc[0 if i else -1]}; fix the value")
    if best.format and best.format.startswith("epoch"):
        log.info("column '%s' is read as %s since 1970", cells.name, best.format.removeprefix("epoch:"))
    return Times(best.stamps[cells.where], best.kind, best.format)


def _integers(cells: _Cells, text: pd.Series) -> NDArray[np.int64]:
    numbers = [int(t) for t in text]
    far = [i for i, n in enumerate(numbers) if abs(n) > _FARTHEST]
    if far:
        cells.refuse(far[0], "it is too large for a count or a time")
    return np.array(numbers, dtype=np.int64)


def _decimals(cells: _Cells) -> NDArray[np.float64]:
    decimal = cells.frame.style(cells.name).decimal if cells.frame.text else "."
    text = cells.text.str.replace(",", ".", regex=False) if decimal == "," else cells.text
    values = pd.to_numeric(text, errors="coerce").to_numpy(dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        cells.refuse(int(bad[0]))
    return values


def _whole_decimals(cells: _Cells, text: pd.Series, fitted: Schema | None) -> Times:
    """Counts that a data frame holds as decimals."""
    values = np.array([float(t) for t in text])
    if fitted is not None and fitted.time_kind == "float":
        return Times(values[cells.where], "float")
    return Times(_integers(cells, text)[cells.where], "integer", "float")


def _as_asked(cells: _Cells, text: pd.Series, written: str) -> Reading:
    dates, written = read_as(text, written)
    bad = np.flatnonzero(dates.isna())
    if len(bad):
        cells.refuse(int(bad[0]), f"it does not fit data.time_format={written}")
    return Reading(_microseconds(dates), "datetime", written + ":int")


def _as_fitted(cells: _Cells, text: pd.Series, values: NDArray[np.int64], written: str) -> Times:
    """Times as numbers, read as those of the table that a model was fitted on."""
    if written.startswith("epoch:"):
        unit = written.removeprefix("epoch:")
        stamps = values // 1_000 if unit == "ns" else values * _TICKS[unit]
        return Times(stamps[cells.where], "datetime", written)
    reading = _as_asked(cells, text, written.removesuffix(":int"))
    return Times(reading.stamps[cells.where], "datetime", written)


def _epochs(values: NDArray[np.int64]) -> list[Reading]:
    """Whole numbers as seconds since 1970, or thousandths, millionths or billionths of them, by their size."""
    for unit, ticks in (("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)):
        if _EPOCH.start * ticks <= values.min() and values.max() < _EPOCH.stop * ticks:
            stamps = values // 1_000 if unit == "ns" else values * _TICKS[unit]
            return [Reading(stamps, "datetime", f"epoch:{unit}")] if unit != "ns" or not (values % 1_000).any() else []
    return []


# --- text ---------------------------------------------------------------------------------------------------


def _from_text(cells: _Cells, config: DataConfig, fitted: Schema | None) -> Times:
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
        cells.refuse(i, as_other + _FORMS)
    stamps = (_microseconds(dates) - offsets * 1_000_000)[cells.where]
    if not suffix:
        return Times(stamps, "datetime", written, config.timezone, local=config.timezone is not None)
    if config.timezone is None and len(np.unique(offsets)) > 1:
        log.warning("column '%s' has several UTC offsets, read as UTC; name its zone: data.timezone=ZONE", cells.name)
    zone = formats.offset_name(int(offsets[0])) if np.ptp(offsets) == 0 else "UTC"
    return Times(stamps, "datetime", written + suffix, config.timezone or zone)


def _best(cells: _Cells, text: pd.Series, config: DataConfig, usual: str) -> tuple[pd.Series, str]:
    """Dates by the format that reads every distinct text, and that format; NaT where none does.

    usual: the format to try first; "" for none.
    """
    for written in filter(None, (usual, config.time_format)):
        dates, exact = read_as(text, written)
        if dates.notna().all() or written == config.time_format:
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
    chosen = choosing.fullest(cells.name, [Reading(_microseconds(d), "datetime", f) for d, f in whole], config)
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


def _mixed(text: pd.Series) -> tuple[pd.Series, str]:
    """ISO times of several lengths, as a midnight written without its hour."""
    without_offset = text.where(text == text.str.replace(formats.OFFSET, r"\1", regex=True))
    dates = pd.to_datetime(without_offset, format="ISO8601", errors="coerce")
    joint = "T" if text.str.contains("T").any() else " "
    fraction = ".%6f" if text.str.contains(r"\.\d", regex=True).any() else ""
    return dates, f"%Y-%m-%d{joint}%H:%M:%S{fraction}"


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
        unit = written.removeprefix("epoch:")
        return pd.Series(stamps * 1_000 if unit == "ns" else stamps // _TICKS[unit])
    column = pd.Series(stamps.astype("M8[us]"))
    if schema.local:
        column = column if schema.wall_grid else pd.Series(to_wall(stamps, schema).astype("M8[us]"))
    elif schema.timezone is not None and schema.wall_grid:
        summer = np.ones(len(column), dtype=np.bool_)
        column = column.dt.tz_localize(schema.timezone, ambiguous=summer, nonexistent="shift_forward")
    elif schema.timezone is not None:
        column = column.dt.tz_localize("UTC").dt.tz_convert(schema.timezone)
    return column if written is None else write(column, written)


def show_time(stamp: Any, schema: Schema) -> str:
    """One stamp as the table writes it, for a message."""
    return str(format_times(np.array([stamp]), schema).iloc[0])
