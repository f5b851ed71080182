"""The roles of columns: as the user names them, otherwise detected where only one answer is possible."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from tsforge.data.schema import DataConfig
from tsforge.data.table import counts, identity
from tsforge.data.table.cells import is_amount
from tsforge.data.table.choosing import FORMS
from tsforge.data.table.reading import Frame
from tsforge.data.table.times import share_read
from tsforge.data.time import formats
from tsforge.data.time.parts import PARTS, part_of
from tsforge.errors import ChoiceError, DataError, listing, nearest

TIME_NAMES = (
    "ds", "date", "time", "datetime", "date_time", "timestamp", "day", "week", "month", "quarter", "year",
    "period", "hour", "t", "step", "time_idx", "datum", "zeit",
)  # fmt: skip
TARGET_NAMES = ("y", "target", "value")
_SAMPLE = 50
_RISING = 0.9  # share of rows above the one before, in numbers that may be times
_GROUPS = ("time", "id", "target", "past", "future", "static")


@dataclass(frozen=True)
class Roles:
    """Column names by role; `unused` are in the table and in no role. category: covariates whose values are names."""

    time: str
    id: tuple[str, ...]
    target: tuple[str, ...]
    past: tuple[str, ...]
    future: tuple[str, ...]
    static: tuple[str, ...]
    unused: tuple[str, ...]
    category: tuple[str, ...] = ()


def detect(frame: Frame, config: DataConfig, *, lenient: bool = False) -> Roles:
    """The role of each column. Raises DataError naming the setting to use where several columns could have it.

    lenient: take every column that could be the target, to look at them all.
    """
    if len(frame.data.columns) == 1:
        hint = "a table needs a column of times and one of values, divided by comma, semicolon, tab or bar"
        raise DataError(f"{frame.name}: only one column, '{frame.data.columns[0]}'", hint)
    config = resolve(frame, config)
    named = [*config.time, *config.id, *config.target, *config.past, *config.future, *config.static]
    check_columns(frame, [*named, *config.category])
    twice = sorted({c for c in named if [*named, *frame.parts].count(c) > 1})
    if twice:
        raise DataError(f"{frame.name}: column '{twice[0]}' is given two roles", "name it once")
    free = [c for c in frame.data.columns if c not in (*named, *frame.parts)]
    empty = [c for c in free if frame.is_empty(c)]  # candidates for nothing
    free = [c for c in free if c not in empty]
    counted = [c for c in free if _row_number(frame, c)]
    time = config.time[0] if config.time else _time(frame, [c for c in free if c not in counted], counted)
    free = [c for c in free if c != time and c not in counted]
    if not config.time:
        _check_whole(frame, time, free)
    if not config.id and (not config.time or config.joining == "error"):
        _check_clock(frame, time, free)
    labels = [c for c in free if not looks_like_dates(frame, c)]
    ids = config.id
    if not ids and config.joining != "error":  # then no id need make times unique
        ids = identity.by_name(frame, labels)
    ids = ids or identity.detect(frame, time, labels, joined=config.joining != "error")
    free = [c for c in free if c not in ids]
    target = config.target or _target(frame, free or empty, lenient=lenient)
    unused = tuple(c for c in frame.data.columns if c in (*free, *empty) and c not in target)
    return Roles(time, ids, target, config.past, config.future, config.static, unused, config.category)


def resolve(frame: Frame, config: DataConfig) -> DataConfig:
    """The configuration with one element for each column: texts that are no column are cut at their commas."""
    columns = set(map(str, frame.data.columns))
    groups = (*_GROUPS, "category")
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


def looks_like_dates(frame: Frame, name: str) -> bool:
    """True for datetimes, and for text whose first values all read as dates."""
    kind = frame.cells(name).kind
    if kind in ("date", "integer", "decimal", "bool"):
        return kind == "date"
    sample = frame.sample(name, _SAMPLE)
    return not sample.empty and share_read(sample) > 0.8


def _time(frame: Frame, free: list[str], counted: list[str]) -> str:
    """The column of times. counted: nameless columns that number the rows, good enough where nothing else is."""
    dates = [c for c in free if looks_like_dates(frame, c)]
    named = sorted((c for c in free if c.lower() in TIME_NAMES), key=lambda c: TIME_NAMES.index(c.lower()))
    named += [c for c in free if c not in named and part_of(c) is not None and frame.cells(c).kind in ("text", "date")]
    named_dates = [c for c in named if c in dates]
    if named_dates:
        return named_dates[0]
    if len(dates) == 1:
        return dates[0]
    if len(dates) > 1:
        several = f"{frame.name}: several columns could be the time: {listing(dates)}"
        raise ChoiceError(several, "pass data.time=COLUMN", [{"data.time": c} for c in dates])
    numbers = [c for c in named if frame.cells(c).number]
    if len(numbers) > 1:
        _ask_for_parts(frame, free, numbers)
    others = [c for c in free if c.lower() not in TARGET_NAMES]
    counting = [c for c in others if frame.cells(c).kind == "integer" and _counts(frame, c)]
    if len(numbers) == 1 or (not numbers and len(counting) == 1):
        return (numbers or counting)[0]
    periods = [] if counting else [c for c in others if frame.cells(c).number and counts.are_periods(frame, c)]
    for choice in (periods, counted):
        if len(choice) == 1:
            return choice[0]
    parts = _parts(frame, free)
    if len(parts) > 1:
        _ask_for_parts(frame, free, parts)
    text = [c for c in named if not frame.cells(c).number]
    if len(text) == 1:  # a column of that name whose values are no dates: the reader will say which
        return text[0]
    hint = "pass data.time=COLUMN (dates, or numbers that count the steps)"
    columns = listing(frame.data.columns, 20)
    likely = [{"data.time": c} for c in others if _rises(frame, c)][:3]
    if likely:
        hint += f", as data.time={shlex.quote(likely[0]['data.time'])}, whose numbers rise"
    elif words := [c for c in others if frame.cells(c).kind == "text" and frame.distinct(c) == len(frame.data)]:
        hint = f"'{frame.data[words[0]].iloc[0]}' in column '{words[0]}' is none: {FORMS}"
    raise DataError(f"{frame.name}: no column reads as the time; the columns are {columns}", hint, likely)


def _ask_for_parts(frame: Frame, free: list[str], numbers: list[str]) -> NoReturn:
    """Raises ChoiceError for numbers under names of times: the parts of one time, or several that count."""
    parts = _parts(frame, free)
    together = len(parts) > 1
    hint = f"pass data.time={','.join(parts)} for the parts of one time" if together else "pass data.time=COLUMN"
    choices: list[dict[str, Any]] = [{"data.time": tuple(parts)}] if together else []
    choices += [{"data.time": c} for c in numbers if not together or c not in parts]
    raise ChoiceError(f"{frame.name}: several columns could be the time: {listing(numbers)}", hint, choices)


def _parts(frame: Frame, names: list[str]) -> list[str]:
    """Columns of numbers named as the parts of one time, the year first; [] where none is a year."""
    columns = {letter: c for c in reversed(names) if frame.cells(c).number and (letter := part_of(c)) is not None}
    day = next((way for way in ("md", "Vu", "j") if set(way) <= set(columns)), "")
    date = day or next((letter for letter in "mqVh" if letter in columns), "")
    clock = "H" * ("H" in columns) + "M" * ({"H", "M"} <= set(columns)) if day else ""
    return [columns[letter] for letter in ("Y", *date, *clock)] if "Y" in columns else []


def _counts(frame: Frame, name: str) -> bool:
    """True for whole numbers that rise by the same step."""
    gaps = pd.Series(frame.cells(name).values).diff().iloc[1:]
    return bool(len(gaps) and gaps.iloc[0] > 0 and (gaps == gaps.iloc[0]).all())


def _rises(frame: Frame, name: str) -> bool:
    """True for numbers that nearly always rise from row to row, each of them there."""
    cells = frame.cells(name)
    if not cells.number or cells.missing.any() or len(cells.values) < 3:
        return False
    return float(np.mean(np.diff(cells.values) > 0)) > _RISING


def _row_number(frame: Frame, name: str) -> bool:
    """True for the nameless column that pandas writes for its index."""
    return (
        name.startswith("Unnamed: 0")
        and frame.cells(name).kind == "integer"
        and frame.distinct(name) == len(frame.data)
    )


def _check_whole(frame: Frame, time: str, free: list[str]) -> None:
    """Raises ChoiceError where the column of times is a part of one, as a month from 1 to 12 that comes again."""
    part = part_of(time)
    cells = frame.cells(time)
    if part in (None, "Y") or cells.kind != "integer" or frame.distinct(time) == len(frame.data):
        return
    if cells.values.max() > PARTS[part].most:
        return
    parts = _parts(frame, [*free, time])
    message = (
        f"column '{time}' holds a part of a time ({cells.values.min():g} to {cells.values.max():g}), which comes again"
    )
    if len(parts) > 1:
        hint = f"pass data.time={','.join(parts)} for the parts of one time"
        raise ChoiceError(f"{frame.name}: {message}", hint, [{"data.time": tuple(parts)}])
    hint = f"add the year, or all of the time, in one column or in several, or pass data.time={time} to count by it"
    raise ChoiceError(f"{frame.name}: {message}", hint, [{"data.time": time}])


def _check_clock(frame: Frame, time: str, free: list[str]) -> None:
    """Raises DataError where the days stand in one column and the hours, as 13:00, in another."""
    for name in free:
        if frame.cells(name).kind != "text":
            continue
        text = frame.sample(name, _SAMPLE).astype(str).str.strip()
        if len(text) and text.str.fullmatch(formats.CLOCK_ALONE).all() and frame.distinct(time) < len(frame.data):
            both = (time, name)
            hint = f"pass data.time={shlex.quote(','.join(both))} for the two as one time"
            several = f"{frame.name}: '{time}' holds the days and '{name}' the hours"
            raise ChoiceError(several, hint, [{"data.time": both}])


def _target(frame: Frame, free: list[str], *, lenient: bool) -> tuple[str, ...]:
    """The one column of numbers; where several are, the one with the usual name."""
    named = identity.constant(frame, free)
    numbers = [c for c in free if c not in named and (frame.cells(c).number or _amounts(frame, c))]
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
        return tuple(c for c in numbers if frame.cells(c).number) or (numbers[0],)  # the reader names its bad cell
    likely = [c for c in numbers if frame.sample(c, _SAMPLE).nunique() > 2] or numbers  # a switch is seldom forecast
    pair = ",".join((likely if len(likely) > 1 else numbers)[:2])
    hint = f"pass data.target={shlex.quote(likely[-1])}, or several: data.target={shlex.quote(pair)}"
    several = f"{frame.name}: {len(numbers)} columns could be the target: {listing(numbers, 12)}"
    raise ChoiceError(several, hint, [{"data.target": c} for c in numbers])


def _amounts(frame: Frame, name: str) -> bool:
    """True for text that is mostly numbers: the reader will say which value is none."""
    sample = frame.sample(name, _SAMPLE).astype(str).str.strip()
    return bool(len(sample) and sample.map(is_amount).mean() > 0.5) and not looks_like_dates(frame, name)
