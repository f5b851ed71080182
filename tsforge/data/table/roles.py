"""The roles of columns: as the user names them, otherwise detected where only one answer is possible."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import pandas as pd
from pandas.api import types

from tsforge.data.schema import DataConfig
from tsforge.data.table.reading import Frame
from tsforge.data.table.times import share_read
from tsforge.data.time import formats
from tsforge.errors import ChoiceError, DataError, listing, nearest

TIME_NAMES = (
    "ds", "date", "time", "datetime", "date_time", "timestamp", "day", "week", "month", "quarter", "year",
    "period", "hour", "t", "step", "time_idx", "datum", "zeit",
)  # fmt: skip
PARTS = ("year", "quarter", "month", "week", "day", "hour", "minute", "second")  # of one time, in their order
ID_NAMES = (
    "unique_id", "id", "series", "item", "store", "shop", "product", "sku", "sensor", "meter", "device",
    "station", "site", "name", "key",
)  # fmt: skip
TARGET_NAMES = ("y", "target", "value")
_AMOUNT = re.compile(r"\D{0,4}[-+]?\d[\d.,' ]*\s?\D{0,4}")  # as a person writes it: 1,234, 12%, $3.50
_SAMPLE = 50


@dataclass(frozen=True)
class Roles:
    """Column names by role; `unused` are in the table and in no role."""

    time: str
    id: tuple[str, ...]
    target: tuple[str, ...]
    past: tuple[str, ...]
    future: tuple[str, ...]
    static: tuple[str, ...]
    unused: tuple[str, ...]


def detect(frame: Frame, config: DataConfig, *, lenient: bool = False) -> Roles:
    """The role of each column. Raises DataError naming the setting to use where several columns could have it.

    lenient: take every column that could be the target, to look at them all.
    """
    if len(frame.data.columns) == 1:
        hint = "a table needs a column of times and one of values, divided by comma, semicolon, tab or bar"
        raise DataError(f"{frame.name}: only one column, '{frame.data.columns[0]}'", hint)
    config = resolve(frame, config)
    named = [*config.time, *config.id, *config.target, *config.past, *config.future, *config.static]
    check_columns(frame, named)
    twice = sorted({c for c in named if named.count(c) > 1})
    if twice:
        raise DataError(f"{frame.name}: column '{twice[0]}' is given two roles", "name it once")
    free = [c for c in frame.data.columns if c not in named]
    counted = [c for c in free if _row_number(frame.data, c)]
    time = config.time[0] if config.time else _time(frame, [c for c in free if c not in counted], counted)
    free = [c for c in free if c != time and c not in counted]
    if not config.id:
        _check_clock(frame, time, free)
    ids = config.id or _ids(frame, time, free)
    free = [c for c in free if c not in ids]
    target = config.target or _target(frame, free, lenient=lenient)
    unused = tuple(c for c in free if c not in target)
    return Roles(time, ids, target, config.past, config.future, config.static, unused)


def resolve(frame: Frame, config: DataConfig) -> DataConfig:
    """The configuration with one element for each column: texts that are no column are cut at their commas."""
    columns = set(map(str, frame.data.columns))
    groups = ("time", "id", "target", "past", "future", "static")
    names = {group: [name for text in getattr(config, group) for name in _cut(text, columns)] for group in groups}
    return config.model_copy(update={group: tuple(parts) for group, parts in names.items()})


def _cut(text: str, columns: set[str]) -> list[str]:
    """One name, or the names between its commas; each piece is the longest that is a column."""
    if text in columns or "," not in text:
        return [text if text in columns else text.strip()]
    pieces = text.split(",")
    for count in range(len(pieces) - 1, 0, -1):
        first = ",".join(pieces[:count])
        if first in columns or first.strip() in columns or count == 1:
            name = first if first in columns else first.strip()
            return [*([name] if name else []), *_cut(",".join(pieces[count:]), columns)]
    return []


def check_columns(frame: Frame, names: list[str] | tuple[str, ...]) -> None:
    """Raises DataError for the first name that is not a column, suggesting the nearest."""
    columns = [str(c) for c in frame.data.columns]
    for name in names:
        if name not in columns:
            hint = nearest(name, columns) or f"columns: {listing(columns, 20)}"
            raise DataError(f"{frame.name}: there is no column '{name}'", hint)


def looks_like_dates(column: pd.Series) -> bool:
    """True for datetimes, and for text whose first values all read as dates."""
    if types.is_datetime64_any_dtype(column):
        return True
    sample = column.dropna().head(_SAMPLE)
    return not (types.is_numeric_dtype(column) or sample.empty) and share_read(sample) > 0.8


def _time(frame: Frame, free: list[str], counted: list[str]) -> str:
    """The column of times. counted: nameless columns that number the rows, good enough where nothing else is."""
    data = frame.data
    dates = [c for c in free if looks_like_dates(data[c])]
    named = sorted((c for c in free if c.lower() in TIME_NAMES), key=lambda c: TIME_NAMES.index(c.lower()))
    named_dates = [c for c in named if c in dates]
    if named_dates:
        return named_dates[0]
    if len(dates) == 1:
        return dates[0]
    if len(dates) > 1:
        several = f"{frame.name}: several columns could be the time: {listing(dates)}"
        raise ChoiceError(several, "pass data.time=COLUMN", [{"data.time": c} for c in dates])
    numbers = [c for c in named if types.is_numeric_dtype(data[c])]
    if len(numbers) > 1:
        _ask_for_parts(frame, numbers)
    counting = [c for c in free if types.is_numeric_dtype(data[c]) and _counts(data[c])]
    for choice in (numbers, counting, counted):
        if len(choice) == 1:
            return choice[0]
    text = [c for c in named if not types.is_numeric_dtype(data[c])]
    if len(text) == 1:  # a column of that name whose values are no dates: the reader will say which
        return text[0]
    hint = "pass data.time=COLUMN (dates, or numbers that count the steps)"
    raise DataError(f"{frame.name}: no column reads as the time; the columns are {listing(data.columns, 20)}", hint)


def _ask_for_parts(frame: Frame, numbers: list[str]) -> NoReturn:
    """Raises ChoiceError for numbers under names of times: the parts of one time, or several that count."""
    parts = sorted((c for c in numbers if c.lower() in PARTS), key=lambda c: PARTS.index(c.lower()))
    joint = [{"data.time": tuple(parts)}] if parts[:1] and parts[0].lower() == "year" and len(parts) > 1 else []
    hint = f"pass data.time={','.join(parts)} for the parts of one time" if joint else "pass data.time=COLUMN"
    several = f"{frame.name}: several columns could be the time: {listing(numbers)}"
    raise ChoiceError(several, hint, [*joint, *({"data.time": c} for c in numbers if not joint or c not in parts)])


def _counts(column: pd.Series) -> bool:
    """True for whole numbers that rise by the same step."""
    if not types.is_integer_dtype(column) or len(column) < 2:
        return False
    gaps = column.diff().iloc[1:]
    return bool(gaps.iloc[0] > 0 and (gaps == gaps.iloc[0]).all())


def _row_number(data: pd.DataFrame, name: str) -> bool:
    """True for the nameless column that pandas writes for its index."""
    column = data[name]
    return name.startswith("Unnamed: 0") and types.is_integer_dtype(column) and column.is_unique


def _check_clock(frame: Frame, time: str, free: list[str]) -> None:
    """Raises DataError where the days stand in one column and the hours, as 13:00, in another."""
    for name in free:
        column = frame.data[name]
        text = column.dropna().head(_SAMPLE).astype(str).str.strip()
        number = types.is_numeric_dtype(column) or text.empty
        if not number and text.str.fullmatch(formats.CLOCK_ALONE).all() and frame.data[time].duplicated().any():
            both = (time, name)
            hint = f"pass data.time={shlex.quote(','.join(both))} for the two as one time"
            several = f"{frame.name}: '{time}' holds the days and '{name}' the hours"
            raise ChoiceError(several, hint, [{"data.time": both}])


def _ids(frame: Frame, time: str, free: list[str]) -> tuple[str, ...]:
    """The column that tells series apart, or the smallest set of columns; () for a single series."""
    data = frame.data
    labels = [c for c in free if not types.is_float_dtype(data[c]) and not looks_like_dates(data[c])]
    named = [c for c in labels if _names_series(c)]
    words = [c for c in labels if not types.is_numeric_dtype(data[c])]
    repeats = data[time].duplicated()
    if not repeats.any():
        constant = _constant_names(data, free)
        blocks = [c for c in named if c in words and c not in constant and _blocks(data[c])][:1]
        return tuple(c for c in free if c in constant or c in blocks)
    # A word that is no name tells series apart only where most times repeat, not where one row was doubled.
    candidates = list(dict.fromkeys(named + (words if repeats.mean() > 0.2 else [])))
    # A doubled row, or the hour that a clock shows twice, still leaves most repeats explained.
    most = int(0.2 * repeats.sum())
    tell_apart = [c for c in candidates if data.duplicated([c, time]).sum() <= most * (2 if c in named else 1)]
    preferred = [c for c in tell_apart if c in named] or tell_apart
    if len(preferred) == 1:
        return (preferred[0],)
    if len(preferred) > 1:
        several = f"{frame.name}: several columns could name the series: {listing(preferred)}"
        raise ChoiceError(several, "pass data.id=COLUMN", [{"data.id": c} for c in preferred])
    for names in (named, candidates):
        if len(names) > 1 and data.duplicated([*names, time]).sum() <= most:
            return _needed(data, time, names, most)
    return ()


def _needed(data: pd.DataFrame, time: str, names: list[str], most: int) -> tuple[str, ...]:
    """The columns that are needed to tell series apart; the last ones are left out first."""
    needed = list(names)
    for name in reversed(names):
        fewer = [c for c in needed if c != name]
        if fewer and data.duplicated([*fewer, time]).sum() <= most:
            needed = fewer
    return tuple(needed)


def _constant_names(data: pd.DataFrame, free: list[str]) -> list[str]:
    """Columns named as an id with one value in all rows: a name whatever its type, if numbers are left beside it."""
    alike = [c for c in free if _names_series(c) and data[c].notna().all() and (data[c] == data[c].iloc[0]).all()]
    beside = any(types.is_numeric_dtype(data[c]) or _amounts(data[c]) for c in free if c not in alike)
    return alike if beside else [c for c in alike if not types.is_numeric_dtype(data[c])]


def _names_series(name: str) -> bool:
    return name.lower() in ID_NAMES or name.lower().endswith("_id")


def _blocks(column: pd.Series) -> bool:
    """True where equal values stand together and some repeat, as series do that follow each other."""
    codes = pd.factorize(column)[0]
    distinct = len(np.unique(codes))
    return distinct < len(codes) and int(np.count_nonzero(np.diff(codes))) == distinct - 1


def _target(frame: Frame, free: list[str], *, lenient: bool) -> tuple[str, ...]:
    """The one column of numbers; where several are, the one with the usual name."""
    data = frame.data
    named = _constant_names(data, free)
    numbers = [c for c in free if c not in named and (types.is_numeric_dtype(data[c]) or _amounts(data[c]))]
    if not numbers and len(free) == 1:  # one column left, of text: the reader will say which value is none
        return (free[0],)
    if len(numbers) == 1:
        return (numbers[0],)
    usual = [c for c in numbers if c.lower() in TARGET_NAMES]
    if len(usual) == 1:
        return (usual[0],)
    if not numbers:
        raise DataError(f"{frame.name}: no numeric column is left to forecast", "pass data.target=COLUMN")
    if lenient:
        return tuple(c for c in numbers if types.is_numeric_dtype(data[c]))
    hint = f"pass data.target={shlex.quote(numbers[-1])}, or several: data.target={shlex.quote(','.join(numbers[:2]))}"
    several = f"{frame.name}: {len(numbers)} columns could be the target: {listing(numbers, 12)}"
    raise ChoiceError(several, hint, [{"data.target": c} for c in numbers])


def _amounts(column: pd.Series) -> bool:
    """True for text that is mostly numbers: the reader will say which value is none."""
    sample = column.dropna().head(_SAMPLE)
    text = sample.astype(str).str.strip()
    return bool(len(text) and text.str.fullmatch(_AMOUNT).mean() > 0.5) and not looks_like_dates(column)
