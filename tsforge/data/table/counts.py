"""Times written as numbers: counts, seconds since 1970, and periods such as 202401 or 2023123123."""

from __future__ import annotations

import logging
import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from tsforge.data.schema import DataConfig, Schema
from tsforge.data.table import choosing
from tsforge.data.table.choosing import Reading, TimeCells, Times
from tsforge.data.table.reading import Frame
from tsforge.data.table.spelling import read_as
from tsforge.data.time.parts import part_of

log = logging.getLogger("tsforge")

TICKS = {"s": 1_000_000, "ms": 1_000, "us": 1}  # microseconds of one tick of an epoch count
_EPOCH = range(10**9, 4 * 10**9)  # seconds from 2001 to 2096
_FEWEST = 3  # distinct numbers, of which no count or amount would be a period each by chance
_FULL = 0.8  # share of the steps with a row
_FARTHEST = 2**62  # of a counter: differences of two must not overflow


def counted(schema: Schema) -> bool:
    """True where the times are written as plain numbers."""
    written = schema.time_format or ""
    return schema.time_kind != "datetime" or written.endswith((":int", ":float")) or written.startswith("epoch:")


def read(cells: TimeCells, config: DataConfig, fitted: Schema | None) -> Times:
    """Stamps of plain numbers, counts of seconds since 1970, or periods written as 20240131, 202401 or 202452."""
    text = cells.text.str.replace(r"\.0$", "", regex=True) if not cells.frame.text else cells.text
    whole = text.str.fullmatch(r"[-+]?\d+")
    if fitted is not None and not counted(fitted):
        fitted = None  # the kinds differ, which the caller says
    if cells.frame.text and fitted is None and (times := _as_decimals(cells, config)) is not None:
        return times
    if not whole.all():
        if fitted is not None and (fitted.time_format or "").endswith(":float"):
            return _as_fitted(cells, _filled(text), np.zeros(0, dtype=np.int64), str(fitted.time_format))
        packed = _pointed(cells, text) if fitted is None else []
        decimals = _decimals(cells)
        float_reading = Reading(decimals, "float", "float")
        best = choosing.fullest(cells.name, [*packed, float_reading], config)
        return Times(best.stamps[cells.where], best.kind, best.format if best.kind == "datetime" else None)
    if not cells.frame.text and types.is_float_dtype(cells.frame.data[cells.name]):
        return _whole_decimals(cells, text, config, fitted)
    values = _integers(cells, text)
    kind = None if fitted is None else fitted.time_kind
    if kind in ("float", "integer"):
        return Times(values.astype(np.float64 if kind == "float" else np.int64)[cells.where], kind)
    if fitted is not None:
        return _as_fitted(cells, text, values, fitted.time_format or "")
    if config.time_format is not None:
        best = _as_asked(cells, text, values, config.time_format)
    else:
        best = choosing.fullest(cells.name, _readings(cells.name, text, values), config)
    full = choosing.fill(best, config.freq)
    doubtful = choosing.nearly_packed(text) if full < 0.9 else None
    if doubtful is not None and full < 0.9 * choosing.fill(doubtful[1], config.freq):
        i, others = doubtful
        cells.refuse(i, f"the other rows read as {others.format}, as {text.iloc[0 if i else -1]}; fix the value")
    if best.format and best.format.startswith("epoch"):
        log.info("column '%s' is read as %s since 1970", cells.name, best.format.removeprefix("epoch:"))
    return Times(best.stamps[cells.where], best.kind, best.format)


def _readings(name: str, text: pd.Series, values: NDArray[np.int64]) -> list[Reading]:
    """Whole numbers in each way they can be meant, the likelier first.

    Periods whose years have two digits look like counts: they come first only where the name says so.
    """
    short = choosing.short(text) if part_of(name) != "Y" else []
    named = [r for r in short if _says(name, str(r.format))]
    others = [r for r in short if not _says(name, str(r.format))]
    return [*choosing.packed(text), *_epochs(values), *named, Reading(values, "integer", None), *others]


def are_periods(frame: Frame, name: str) -> bool:
    """True for numbers that are years with a part of the year behind them and leave few steps empty, as 201901."""
    head = frame.present(name).head(_FEWEST).astype(str)
    if not head.str.fullmatch(r"\s*(1[89]|2[01])\d\d\.?\d{1,10}(\.0)?\s*").all():
        return False
    distinct = frame.present(name).dropna().drop_duplicates()
    text = distinct.astype(str).str.strip().str.replace(r"\.0$", "", regex=True).reset_index(drop=True)
    if len(text) < _FEWEST or not text.str.fullmatch(r"(1[89]|2[01])\d\d\.?\d{1,10}").all():
        return False
    pointed = bool(text.str.contains(".", regex=False).any())
    readings = [*choosing.periods(_filled(text)), *choosing.periods(text)] if pointed else choosing.packed(text)
    return any(choosing.fill(reading, None) >= _FULL for reading in readings)


def _says(name: str, written: str) -> bool:
    """True where a column is named as the shortest part of a format: date for days, month or week."""
    words, parts = {
        "d": (("date", "datum", "yymmdd"), "dj"), "j": (("date", "datum", "yyddd"), "dj"), "m": (("yymm",), "m"),
        "V": (("yyww",), "V"),
    }[written.removesuffix(":int")[-1]]  # fmt: skip
    return part_of(name) in tuple(parts) or any(word in name.lower() for word in words)


def _pointed(cells: TimeCells, text: pd.Series) -> list[Reading]:
    """Numbers with a point as periods; of numbers that lost their last zeros, 2019.1 is October beside 2019.11."""
    if not text.str.fullmatch(r"(1[89]|2[01])\d\d\.\d{1,3}").all():
        return choosing.periods(text) if cells.frame.text else []
    filled = _filled(text)
    if cells.frame.text and filled.equals(text):
        return choosing.periods(text)
    lost = [r for r in choosing.periods(filled) if r.format != "%Y.%j"]
    unpadded = [r for r in choosing.periods(text) if "-" in str(r.format)]
    ending = "" if cells.frame.text else ":float"
    return [
        *(r._replace(format=f"{r.format}:float") for r in lost),
        *(r._replace(format=f"{r.format}{ending}") for r in unpadded),
    ]


def _filled(text: pd.Series) -> pd.Series:
    """Numbers with as many digits behind the point as the longest has."""
    parts = text.str.extract(r"^([^.]*)\.?(\d*)$")
    return parts[0] + "." + parts[1].str.ljust(int(parts[1].str.len().max()), "0")


def _integers(cells: TimeCells, text: pd.Series) -> NDArray[np.int64]:
    numbers = [int(t) for t in text]
    far = [i for i, n in enumerate(numbers) if abs(n) > _FARTHEST]
    if far:
        cells.refuse(far[0], "it is too large for a count or a time")
    return np.array(numbers, dtype=np.int64)


def _decimals(cells: TimeCells) -> NDArray[np.float64]:
    decimal = cells.frame.style(cells.name).decimal if cells.frame.text else "."
    text = cells.text.str.replace(",", ".", regex=False) if decimal == "," else cells.text
    values = pd.to_numeric(text, errors="coerce").to_numpy(dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        cells.refuse(int(bad[0]))
    return values


def _whole_decimals(cells: TimeCells, text: pd.Series, config: DataConfig, fitted: Schema | None) -> Times:
    """Counts, or periods, that a data frame holds as decimals."""
    values = np.array([float(t) for t in text])
    if fitted is not None and fitted.time_kind == "float":
        return Times(values[cells.where], "float")
    if fitted is not None and (fitted.time_format or "").endswith(":float") and fitted.time_kind == "datetime":
        return _as_fitted(cells, text, np.zeros(0, dtype=np.int64), str(fitted.time_format))
    count = Reading(_integers(cells, text), "integer", None)
    best = choosing.fullest(cells.name, [count] if fitted else [*choosing.packed(text), count], config)
    if best.kind == "datetime":
        return Times(best.stamps[cells.where], "datetime", str(best.format).removesuffix(":int") + ":float")
    return Times(best.stamps[cells.where], "integer", "float")


def _as_decimals(cells: TimeCells, config: DataConfig) -> Times | None:
    """Texts by a format that is asked for, or periods written as 201801.0, which come back so; None for others."""
    asked, text = config.time_format, cells.text.str.removesuffix(".0")
    if cells.text.str.fullmatch(r"\d+\.0").all():
        if asked is not None:
            best = _as_asked(cells, text, _integers(cells, text), asked)
        else:
            readings = [*choosing.packed(text), Reading(_decimals(cells), "float", None)]
            best = choosing.fullest(cells.name, readings, config)
        if best.kind != "datetime" or str(best.format).startswith("epoch"):
            return None
        return Times(best.stamps[cells.where], "datetime", str(best.format).removesuffix(":int") + ".0")
    if asked is None or asked.startswith("epoch") or not cells.text.str.contains(".", regex=False).any():
        return None
    dates, written = read_as(cells.text, asked)
    bad = np.flatnonzero(dates.isna())
    if len(bad):
        cells.refuse(int(bad[0]), f"it does not fit data.time_format={asked}")
    return Times(choosing.microseconds(dates)[cells.where], "datetime", written)


def _as_asked(cells: TimeCells, text: pd.Series, values: NDArray[np.int64], written: str) -> Reading:
    unit = written.removeprefix("epoch:")
    if unit != written:
        if unit not in (*TICKS, "ns"):
            cells.refuse(0, f"data.time_format={written} is none of epoch:s, epoch:ms, epoch:us and epoch:ns")
        return Reading(_since_1970(values, unit), "datetime", written)
    text = text.str.zfill(int(text.str.len().max())) if re.match(r"%(\d{4})?[yg]", written) else text  # zeros lost
    dates, written = read_as(text, written)
    bad = np.flatnonzero(dates.isna())
    if len(bad):
        cells.refuse(int(bad[0]), f"it does not fit data.time_format={written}")
    return Reading(choosing.microseconds(dates), "datetime", written + ":int")


def _as_fitted(cells: TimeCells, text: pd.Series, values: NDArray[np.int64], written: str) -> Times:
    """Times as numbers, read as those of the table that a model was fitted on."""
    reading = _as_asked(cells, text, values, written.removesuffix(":int").removesuffix(":float"))
    return Times(reading.stamps[cells.where], "datetime", written)


def _since_1970(values: NDArray[np.int64], unit: str) -> NDArray[np.int64]:
    return values // 1_000 if unit == "ns" else values * TICKS[unit]


def _epochs(values: NDArray[np.int64]) -> list[Reading]:
    """Whole numbers as seconds since 1970, or thousandths, millionths or billionths of them, by their size."""
    for unit, ticks in (("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)):
        if _EPOCH.start * ticks <= values.min() and values.max() < _EPOCH.stop * ticks:
            stamps = _since_1970(values, unit)
            return [Reading(stamps, "datetime", f"epoch:{unit}")] if unit != "ns" or not (values % 1_000).any() else []
    return []
