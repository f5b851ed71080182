"""Times whose parts stand in several columns, as year, month, day and hour: one column of texts, and back."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
from pandas.api import types

from tsforge.data.schema import DataConfig, Schema, TimePart
from tsforge.data.table.reading import Frame
from tsforge.data.table.roles import check_columns, resolve
from tsforge.data.table.spelling import read_as, write
from tsforge.data.time import formats
from tsforge.data.time.parts import PARTS, part_of
from tsforge.errors import DataError, listing

_DATES = {
    ("Y",): "%Y", ("Y", "h"): "%Y-H%h", ("Y", "q"): "%Y-Q%q", ("Y", "m"): "%Y-%m", ("y", "m"): "%y-%m",
    ("Y", "V"): "%G-W%V", ("Y", "V", "u"): "%G-W%V-%u", ("Y", "j"): "%Y-%j", ("Y", "m", "d"): "%Y-%m-%d",
    ("y", "m", "d"): "%y-%m-%d",
}  # fmt: skip
_CLOCKS = {(): "", ("clock",): "", ("H",): "%H:%M", ("H", "M"): "%H:%M", ("H", "M", "S"): "%H:%M:%S"}
_LETTERS = {"q": "q", "m": "m", "s": "h", "h": "h", "w": "V", "he": "H"}  # M01, Q1, S2, W07, HE24: a letter and a part
_LETTERED = r"([A-Za-z]{1,2})\d{1,2}"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CLOCK_TEXT = re.compile(r"\d\d?:\d\d(:\d\d)?([.,]\d+)?( ?[AaPp][Mm])?")


def compose(frame: Frame, config: DataConfig) -> tuple[Frame, DataConfig]:
    """The frame with one column of texts for a time that stands in several, and the configuration that names it.

    Unchanged where the time is one column. Raises DataError for parts that make no time, and for the first row in
    which one is wrong.
    """
    names = resolve(frame, config).time
    if len(names) < 2:
        return frame, config
    check_columns(frame, names)
    frame, written = with_time(frame, names)
    form = config.time_format  # of the date, if it says nothing of the hour
    if form is not None and not {"H", "I"} & {t.letter for t in formats.tokens(form)}:
        form += " %H:%M"
    return frame, config.model_copy(update={"time": (",".join(names),), "time_format": written or form})


def with_time(frame: Frame, names: tuple[str, ...]) -> tuple[Frame, str | None]:
    """The frame with a column of composed times, and their format; None where a part is a text that is yet to be read.

    The column is named as its parts, with commas between them.
    """
    columns = {name: _texts(frame, name) for name in names}
    kinds = _kinds(frame, columns)
    by_kind = {kind: name for name, kind in kinds.items()}
    date = tuple(k for k in ("date", *"YyhqmVujd") if k in by_kind)
    clock = tuple(k for k in ("clock", *"HMS") if k in by_kind)
    whole_days = date in (("date",), ("Y", "m", "d"), ("y", "m", "d"), ("Y", "j"), ("Y", "V", "u"))
    if (date != ("date",) and date not in _DATES) or clock not in _CLOCKS or (clock and not whole_days):
        raise _no_time(frame, kinds)
    number = {k: _number(frame, name, columns[name], k) for name, k in kinds.items() if k in PARTS}
    text = _days(columns[by_kind["date"]]) if date == ("date",) else _fill(_DATES[date], number)
    written = _DATES.get(date)
    if clock == ("clock",):
        text, written = text + " " + columns[by_kind["clock"]], None
    elif clock:
        hour = "%24H" if (number["H"] == 24).any() else "%H"
        text = text + " " + _fill(_CLOCKS[clock], number)
        written = written and f"{written} {_CLOCKS[clock].replace('%H', hour)}"
    missing = pd.DataFrame(columns).isna().any(axis=1)
    text = text.where(~missing)
    if frame.text:
        text = text.fillna("").astype("str")
    data = frame.data.assign(**{",".join(names): text})
    return replace(frame, data=data, parts=names), written


def spelled(frame: Frame, written: str) -> tuple[TimePart, ...]:
    """The parts of a composed time and how each is written. written: the format of the composed text."""
    columns = {name: _texts(frame, name) for name in frame.parts}
    kinds = _kinds(frame, columns)
    date, clock = written, ""
    if {"clock", *"HMS"} & set(kinds.values()):
        spaces = max((columns[n].dropna().iloc[0].count(" ") for n, k in kinds.items() if k == "clock"), default=0)
        pieces = written.rsplit(" ", spaces + 1)
        date, clock = pieces[0], " ".join(pieces[1:])
    numbers = pd.concat([columns[n].dropna() for n, k in kinds.items() if k in PARTS] or [pd.Series(dtype=str)])
    zeros = bool(numbers.astype(str).str.match(r"0\d").any())
    parts = []
    for name, kind in kinds.items():
        if kind == "clock":
            form = clock
        elif kind == "date":
            column = frame.texts(name)
            date += _midnight(columns[name])
            form = "" if types.is_datetime64_any_dtype(column) else date
            form += ":int" if types.is_numeric_dtype(column) else ""
        else:
            form = _spelling(columns[name].dropna(), kind, week="V" in kinds.values(), ends="%24H" in clock)
            form = form.removesuffix(":int") if zeros and columns[name].dropna().str.len().eq(2).all() else form
        parts.append(TimePart(name=name, format=form))
    return tuple(parts)


def _spelling(text: pd.Series, kind: str, *, week: bool, ends: bool) -> str:
    """The format of one part. week: the year is that of a week. ends: hours go from 1 to 24."""
    if kind == "m" and text.str.isalpha().all():
        letter = "b" if text.str.len().eq(3).all() else "B"
        return formats.spelled(f"%{letter}", {letter: list(text.unique())})
    if text.str.fullmatch(_LETTERED).all():
        letters = text.str.extract(_LETTERED, expand=False).iloc[0]
        pad = "-" if text.str.len().min() == len(letters) + 1 and kind in "mV" else "24" if kind == "H" and ends else ""
        return f"{letters}%{pad}{kind}"
    if kind == "H" and _hundreds(text):
        padded = text.str.len().eq(4).all()
        return "%H%M" if padded else "%H%M:int"
    form = {"Y": "%G" if week else "%Y", "H": "%24H" if ends else "%H"}.get(kind, f"%{kind}")
    zeros = kind not in "Yy" and bool(text.str.match(r"0\d").any())
    return form if zeros else form + ":int"


def split(times: pd.Series, schema: Schema) -> dict[str, pd.Series]:
    """The columns of composed times: each part as the table writes it. times: texts of `schema.time_format`."""
    written = schema.time_format or ""
    dates, _ = read_as(times, written)
    days = dates
    if "%24H" in written:  # midnight belongs to the day that it ends
        days = dates.where(dates.dt.normalize() != dates, dates - pd.Timedelta(days=1))
    columns = {}
    for part in schema.time_parts:
        clock = any(t.letter in "HIMS" for t in formats.tokens(part.format) if t.letter)
        column = dates if clock else days
        columns[part.name] = write(column, part.format) if part.format else column.dt.normalize()
    return columns


def _texts(frame: Frame, name: str) -> pd.Series:
    """A part as text, whole numbers without a point, dates as 2024-01-31; NaN where it is missing."""
    column = frame.present(name)
    if types.is_datetime64_any_dtype(column):
        return pd.Series(column.dt.strftime("%Y-%m-%d"))
    if types.is_numeric_dtype(column) and not types.is_bool_dtype(column):
        values = pd.to_numeric(column, errors="coerce").astype("float64")
        whole = bool((values.dropna() % 1 == 0).all())
        return values.map(lambda v: f"{v:.0f}" if whole else f"{v:g}", na_action="ignore").astype(object)
    text = column.astype(object).map(lambda v: str(v).strip(), na_action="ignore")
    decimal = text.dropna().str.fullmatch(r"\d+\.0+").all()
    return text.str.replace(r"\.0+$", "", regex=True) if decimal else text


def _midnight(dates: pd.Series) -> str:
    """The midnight that stands behind every date, as in 2024-01-31 00:00:00; "" where there is none."""
    ends = dates.dropna().str.extract(r"([ T]0?0:00(?::00(?:\.0+)?)?)$", expand=False)
    return str(ends.iloc[0]) if len(ends) and (ends == ends.iloc[0]).all() else ""


def _days(dates: pd.Series) -> pd.Series:
    """Dates without a midnight behind them."""
    end = _midnight(dates)
    return dates.str.slice(0, -len(end)) if end else dates


def _kinds(frame: Frame, columns: dict[str, pd.Series]) -> dict[str, str]:
    """What each part is: a directive, "date" or "clock"; by its cells where they are no numbers, else by its name."""
    kinds: dict[str, str] = {}
    for name, column in columns.items():
        some = column.dropna().head(50)
        letters = some.str.extract(f"^{_LETTERED}$", expand=False).str.lower()
        lettered = _LETTERS.get(str(letters.iloc[0])) if len(set(letters.fillna(""))) == 1 else None
        short = some.str.fullmatch(r"[qQ]?\d{1,4}|[A-Za-z]{3,9}").mean() > 0.5  # others are mistakes
        named = part_of(name, short=True) if short else None
        if some.map(lambda v: bool(_CLOCK_TEXT.fullmatch(v))).all() and len(some):
            kinds[name] = "clock"
        elif lettered is not None:
            kinds[name] = lettered
        elif named is not None:
            kinds[name] = "y" if named == "Y" and some.str.fullmatch(r"\d\d?").all() else named
        elif some.str.fullmatch(r"\d{1,4}").all():
            kinds[name] = _by_place(some, set(kinds.values()))
        else:
            kinds[name] = "date"
    if len(set(kinds.values())) < len(kinds):
        raise _no_time(frame, kinds)
    return kinds


def _by_place(column: pd.Series, taken: set[str]) -> str:
    """A part of whole numbers under a name that says nothing: the next after those before it."""
    if "date" in taken or "d" in taken or "j" in taken:
        return next((k for k in "HMS" if k not in taken), "S")
    if "Y" not in taken and column.str.len().eq(4).all():
        return "Y"
    return "m" if "m" not in taken else "d"


def _no_time(frame: Frame, kinds: dict[str, str]) -> DataError:
    parts = listing([f"{name} ({PARTS[kind].word if kind in PARTS else kind})" for name, kind in kinds.items()])
    hint = "as data.time=year,month,day,hour or date,time, or year with quarter, month or week"
    return DataError(f"{frame.name}: these parts make no time: {parts}", hint)


def _number(frame: Frame, name: str, column: pd.Series, kind: str) -> pd.Series:
    """A part as whole numbers, 0 where it is missing. Raises DataError for the first that is none or out of range."""
    text = column.str.replace(r"^[A-Za-z]{1,2}(?=\d)", "", regex=True)
    text = text.str.slice(0, -2).replace("", "0") if kind == "H" and _hundreds(text.dropna()) else text
    if kind == "m" and column.dropna().str.fullmatch("[A-Za-z]{3,9}").all():
        values = column.str.lower().str[:3].map({m: float(i + 1) for i, m in enumerate(_MONTHS)})
    else:
        values = pd.to_numeric(text, errors="coerce").astype("float64")
    part = PARTS[kind]
    bad = np.flatnonzero(column.notna() & ~(values.between(part.least, part.most) & (values % 1 == 0)))
    if len(bad):
        i = int(bad[0])
        message = f"column '{name}', {frame.row(i)}: '{column.iloc[i]}' is no {part.word} ({part.least} to {part.most})"
        raise DataError(f"{frame.name}: {message}", "fix the value, or name other parts with data.time")
    return values.fillna(0).astype(np.int64)


def _hundreds(text: pd.Series) -> bool:
    """True for hours as 100, 1300 and 2400."""
    return bool(text.str.fullmatch(r"\d{1,2}00|0").all() and (text.str.len() > 2).any())


def _fill(form: str, whole: dict[str, pd.Series]) -> pd.Series:
    """Texts of a format, of the numbers of each directive; 0 where it has none."""
    index = next(iter(whole.values())).index
    text = pd.Series("", index=index, dtype=object)
    for token in formats.tokens(form):
        letter = {"G": "Y"}.get(token.letter, token.letter)
        values = whole.get(letter, pd.Series(0, index=index))
        text = text + (values.astype(str).str.zfill(PARTS[letter].width).astype(object) if letter else token.text)
    return text
