"""Which column is what: taken as named by the user, otherwise detected where only one answer is possible."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import pandas as pd
from pandas.api import types

from tsforge.data.reading import Frame
from tsforge.data.schema import DataConfig
from tsforge.errors import DataError, listing, nearest

TIME_NAMES = (
    "ds", "date", "time", "datetime", "date_time", "timestamp", "day", "week", "month", "quarter", "year",
    "period", "hour", "t", "step", "time_idx", "datum", "zeit",
)  # fmt: skip
ID_NAMES = ("unique_id", "id", "series", "series_id", "item_id", "item", "store", "sensor", "name", "key")
TARGET_NAMES = ("y", "target", "value")


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
    """The role of each column. Raises DataError naming the flag to use where columns could be either.

    lenient: take every column that could be the target, to look at them all.
    """
    named = [c for c in (config.time,) if c]
    named += [*config.id, *config.target, *config.past, *config.future, *config.static]
    check_columns(frame, named)
    twice = sorted({c for c in named if named.count(c) > 1})
    if twice:
        raise DataError(f"{frame.name}: column '{twice[0]}' is given two roles", "name it once")
    free = [c for c in frame.data.columns if c not in named and not _row_number(frame.data, c)]
    time = config.time or _time(frame, free)
    free = [c for c in free if c != time]
    ids = config.id or _ids(frame, time, free)
    free = [c for c in free if c not in ids]
    target = config.target or _target(frame, free, lenient=lenient)
    unused = tuple(c for c in free if c not in target)
    return Roles(time, ids, target, config.past, config.future, config.static, unused)


def check_columns(frame: Frame, names: list[str] | tuple[str, ...]) -> None:
    """Raises DataError for the first name that is not a column, suggesting the nearest."""
    columns = [str(c) for c in frame.data.columns]
    for name in names:
        if name not in columns:
            near = nearest(name, columns)
            raise DataError(f"{frame.name}: there is no column '{name}'", near or f"columns: {listing(columns, 20)}")


def looks_like_dates(column: pd.Series) -> bool:
    """True for datetimes, and for text whose first values all read as dates."""
    if types.is_datetime64_any_dtype(column):
        return True
    sample = column.dropna().head(50)
    if types.is_numeric_dtype(column) or sample.empty:
        return False
    text = sample.astype(str)
    if not text.str.contains(r"\d").all():
        return False
    if text.str.fullmatch(r"\d{4}[- ]?Q[1-4]").all():
        return True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bool(pd.to_datetime(text, format="mixed", errors="coerce", utc=True).notna().mean() > 0.8)


def _time(frame: Frame, free: list[str]) -> str:
    data = frame.data
    dates = [c for c in free if looks_like_dates(data[c])]
    named = sorted((c for c in free if c.lower() in TIME_NAMES), key=lambda c: TIME_NAMES.index(c.lower()))
    named_dates = [c for c in named if c in dates]
    if named_dates:
        return named_dates[0]
    if len(dates) == 1:
        return dates[0]
    if len(dates) > 1:
        raise DataError(f"{frame.name}: several columns could be the time: {listing(dates)}", "pass --time COLUMN")
    counting = [c for c in free if types.is_numeric_dtype(data[c]) and _counts(data[c])]
    for choice in ([c for c in named if types.is_numeric_dtype(data[c])], counting):
        if len(choice) == 1:
            return choice[0]
    text = [c for c in named if not types.is_numeric_dtype(data[c])]
    if len(text) == 1:  # a column of that name whose values are no dates: the reader will say which
        return text[0]
    raise DataError(
        f"{frame.name}: no column reads as the time; the columns are {listing(data.columns, 20)}",
        "pass --time COLUMN (dates, or numbers that count the steps)",
    )


def _counts(column: pd.Series) -> bool:
    """True for whole numbers that rise by the same step."""
    if not types.is_integer_dtype(column) or len(column) < 2:
        return False
    gaps = column.diff().iloc[1:]
    return bool(gaps.iloc[0] > 0 and (gaps == gaps.iloc[0]).all())


def _row_number(data: pd.DataFrame, name: str) -> bool:
    """The nameless column that pandas writes for its index."""
    return name.startswith("Unnamed: 0") and _counts(data[name])


def _ids(frame: Frame, time: str, free: list[str]) -> tuple[str, ...]:
    data = frame.data
    labels = [c for c in free if not types.is_float_dtype(data[c])]
    named = [c for c in labels if c.lower() in ID_NAMES]
    if not data[time].duplicated().any():
        return tuple(c for c in named if not types.is_numeric_dtype(data[c]) and data[c].nunique() < len(data))[:1]
    words = [c for c in labels if not types.is_numeric_dtype(data[c])]
    tell_apart = [c for c in dict.fromkeys(named + words) if not data.duplicated([c, time]).any()]
    preferred = [c for c in tell_apart if c in named] or tell_apart
    if len(preferred) == 1:
        return (preferred[0],)
    if len(preferred) > 1:
        raise DataError(f"{frame.name}: several columns could name the series: {listing(preferred)}", "pass --id COLUMN")
    if len(words) > 1 and not data.duplicated([*words, time]).any():
        raise DataError(
            f"{frame.name}: times repeat, and only several columns together tell the series apart",
            "pass " + " ".join(f"--id {c}" for c in words),
        )
    return ()


def _target(frame: Frame, free: list[str], *, lenient: bool) -> tuple[str, ...]:
    numbers = [c for c in free if types.is_numeric_dtype(frame.data[c])]
    if not numbers and len(free) == 1:  # one column left, of text: the reader will say which value is none
        return (free[0],)
    if len(numbers) == 1:
        return (numbers[0],)
    usual = [c for c in numbers if c.lower() in TARGET_NAMES]
    if len(usual) == 1:
        return (usual[0],)
    if not numbers:
        raise DataError(f"{frame.name}: no numeric column is left to forecast", "pass --target COLUMN")
    if lenient:
        return tuple(numbers)
    raise DataError(
        f"{frame.name}: {len(numbers)} columns could be the target: {listing(numbers, 12)}",
        f"pass --target {numbers[-1]}, or several: --target {','.join(numbers[:2])}",
    )
