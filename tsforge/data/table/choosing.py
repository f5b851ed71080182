"""Which of several readings of a time column is meant: the one that leaves the fewest steps of its grid empty.

01/02/2024 is two days, 202401 a month, a week or a count, and 2023123123 an hour or a second since 1970. A wrong
reading scatters the rows over a grid that is mostly empty. Where two are about as full, the usual one is taken, with
a warning.
"""

from __future__ import annotations

import logging
import re
import shlex
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsforge.data.schema import DataConfig
from tsforge.data.table.reading import Frame
from tsforge.data.table.spelling import read_as
from tsforge.data.time import formats
from tsforge.data.time.calendar import DAY
from tsforge.data.time.frequency import infer, parse
from tsforge.errors import DataError

log = logging.getLogger("tsforge")

FORMS = "write times as 2024-01-31 or 2024-01-31 13:30:00, name data.time_format, or pass data.time for another column"
_MANY = 5_000  # distinct texts, above which formats are tried on some of them first
_SOME = 500
_AS_FULL = 0.9  # of the fullest: then the usual reading is taken
_COMPARABLE = 0.5  # of the fullest: then the other reading is named
_NEARLY = 0.8  # of the texts that the best format reads, for another to be looked at
_THREE = 3  # texts, of which no two alike: fewer could be so by chance
_SHAPES = 20  # kinds of texts whose formats are tried
_PERIOD = r"(1[89]|2[01])\d\d\d{1,10}"  # a year with something behind it


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


@dataclass(frozen=True)
class TimeCells:
    """The distinct texts of a time column, and where each stands."""

    frame: Frame
    name: str
    where: NDArray[np.integer]
    text: pd.Series

    def refuse(self, i: int, hint: str = FORMS) -> NoReturn:
        """Raises DataError for distinct text i, at its first row."""
        row = int(np.flatnonzero(self.where == i)[0])
        value = f"{self.frame.row(row)}: '{self.text.iloc[i]}'"
        raise DataError(f"{self.frame.name}: column '{self.name}', {value} does not read as a time", hint)


class Reading(NamedTuple):
    """The distinct values of a time column, read in one way. stamps, kind and format as in `Times`."""

    stamps: NDArray[Any]
    kind: Literal["datetime", "integer", "float"]
    format: str | None


def microseconds(dates: pd.Series) -> NDArray[np.int64]:
    """Datetimes without a zone as whole numbers."""
    exact = dates if dates.dtype == "M8[us]" else dates.dt.as_unit("us")  # which copies them in any case
    return np.asarray(exact.to_numpy().view(np.int64))


def fullest(name: str, readings: list[Reading], config: DataConfig) -> Reading:
    """The reading whose grid has the fewest empty steps; the first of those that are about as full."""
    if len(readings) == 1:
        return readings[0]
    fills = np.array([fill(reading, config.freq) for reading in readings])
    best = int(np.argmax(fills >= _AS_FULL * fills.max()))
    comparable = [r for r, f in zip(readings, fills, strict=True) if f > _COMPARABLE * fills.max()]
    stamps = readings[best].stamps
    others = [r.format for r in comparable if r.kind == "datetime" and not np.array_equal(r.stamps, stamps)]
    chosen = readings[best]
    if others and chosen.format and chosen.kind == "datetime":
        written, other = (str(f).removesuffix(":int").removesuffix(":float") for f in (chosen.format, others[0]))
        log.warning(
            "column '%s' is read as %s; it could also be %s: data.time_format=%s",
            name, written, other, shlex.quote(other), extra={"choices": [_setting(written, other)]},
        )  # fmt: skip
    return chosen


def _setting(written: str, other: str) -> dict[str, bool | str]:
    """The setting that takes the other of two formats: which comes first, day or month, where that tells them apart."""
    first, instead = formats.day_first(written), formats.day_first(other)
    return {"data.time_format": other} if first == instead or instead is None else {"data.dayfirst": instead}


def fill(reading: Reading, freq: str | None) -> float:
    """The share of a grid's steps that have a row: of the frequency given, or the one that the stamps show.

    Stamps that fit no grid are held against their usual gap, and count half.
    """
    stamps = np.unique(reading.stamps)
    if len(stamps) < 2:
        return 1.0
    if freq is not None:
        try:
            frequency = parse(freq, stamps, numeric=reading.kind != "datetime")
        except DataError:
            return 0.0
        ordinals, on_grid = frequency.ordinals(stamps)
        return float(on_grid.mean()) * len(np.unique(ordinals)) / float(np.ptp(ordinals) + 1)
    grid, _ = infer(stamps, np.arange(len(stamps)) == 0, reading.kind)
    if grid is None:
        gaps, counts = np.unique(np.diff(stamps), return_counts=True)
        return 0.5 * min(1.0, float(gaps[counts.argmax()]) * len(stamps) / float(stamps[-1] - stamps[0]))
    share = len(stamps) / float(np.ptp(grid.ordinals(stamps)[0]) + 1)
    odd = grid.unit == "month" and "%d" in (reading.format or "") and _inside(stamps)
    return 0.4 * share if odd else share  # the first of each month is a grid, the 5th hardly


def _inside(stamps: NDArray[np.int64]) -> bool:
    """True where no stamp is the first or last day of a month."""
    days = (stamps // DAY).astype("M8[D]")
    months = days.astype("M8[M]")
    return bool(((days != months) & (days != (months + 1).astype("M8[D]") - 1)).all())


def read(text: pd.Series, dayfirst: bool | None, *, weak: bool = True) -> list[tuple[pd.Series, str]]:
    """Texts by each format that fits some of them, the likelier first. weak: as in `formats.candidates`."""
    some = text if len(text) <= _MANY else text.iloc[:: len(text) // _SOME]
    forms = _forms(some, weak=weak)
    if some.str.contains(r"(?i)\bsept\b", regex=True).any():  # beside Aug and Oct
        forms = [f.replace("%b", "%4b") for f in forms]
    if dayfirst is not None:
        forms = [f for f in forms if formats.day_first(f) in (None, dayfirst)]
    readings = [read_as(some, f) for f in forms]
    most = max((int(d.notna().sum()) for d, _ in readings), default=0)
    if most < len(some):
        readings += [read_as(some, f.replace("%H", "%24H")) for f in forms if "%H" in f]
        most = max((int(d.notna().sum()) for d, _ in readings), default=0)
    best = [(d, f) for d, f in readings if int(d.notna().sum()) >= _NEARLY * most]
    financial = [(d, f) for d, f in best if "%n" in f.lower() and d.notna().all()]
    if len(some) >= _THREE and financial:  # no other times have the next year beside each year
        best = financial
    return best if some is text else [read_as(text, re.sub(r"%\d{4}([yg])", r"%\1", f)) for _, f in best]


def nearly(readings: list[tuple[pd.Series, str]], config: DataConfig) -> tuple[pd.Series, str] | None:
    """The reading of nearly all texts that leaves few steps empty, where those of all texts leave most.

    Its texts that do not read are mistakes, which another format happens to read: 2024-13, the month, as a week.
    """

    def share(dates: pd.Series, written: str) -> float:
        return fill(Reading(microseconds(dates.dropna()), "datetime", written), config.freq)

    whole = max((share(*r) for r in readings if r[0].notna().all()), default=0.0)
    full = [r for r in readings if not r[0].notna().all() and share(*r) > _AS_FULL]
    return full[0] if full and whole < _COMPARABLE else None


def _forms(text: pd.Series, *, weak: bool) -> list[str]:
    """The formats of texts of different shapes, those of the first shape first."""
    shapes = text.str.replace(r"\d", "9", regex=True).str.replace(r"[A-Za-z]+", "a", regex=True)
    examples = text[~shapes.duplicated()].iloc[:_SHAPES]
    return list(dict.fromkeys(f for example in examples for f in formats.candidates(str(example), weak=weak)))


def packed(text: pd.Series) -> list[Reading]:
    """Whole numbers as periods, by each format that reads all of them: 201952, 20191231, 2019123123."""
    if not text.str.fullmatch(_PERIOD).all():
        return []
    zeros = text.str.fullmatch(r"\d{4}0\d").any()
    forms = formats.PACKED if zeros else (*formats.PACKED, *formats.UNPADDED)
    return [r._replace(format=f"{r.format}:int") for r in _whole(text, forms)]


def short(text: pd.Series) -> list[Reading]:
    """Whole numbers as periods whose years have two digits: 220131, 22031, 2201 or 2252; first zeros may be lost."""
    width = int(text.str.len().max())
    if not 4 <= width <= 6 or text.str.len().min() < width - 1 or len(text) < _THREE:
        return []
    readings = _whole(text.str.zfill(width), formats.SHORT)
    if width == 5:  # of years below 10
        readings += _whole(text.str.zfill(6), ("%y%m%d",))
    return [r._replace(format=f"{r.format}:int") for r in readings]


def periods(text: pd.Series) -> list[Reading]:
    """Numbers with a point as periods: 2019.01 to 2019.12, 2019.1 to 2019.4, or months and weeks without zeros."""
    if text.str.fullmatch(r"(1[89]|2[01])\d\d\.[1-4]").all() and (text.str[:4] != text.iloc[0][:4]).any():
        return _whole(text, ("%Y.%q", "%Y.%t", "%Y.%h"))
    if text.str.fullmatch(r"(1[89]|2[01])\d\d\.\d{2,3}").all():
        return _whole(text, ("%Y.%m", "%G.%V", "%Y.%j"))
    if text.str.fullmatch(r"(1[89]|2[01])\d\d\.[1-9]\d?").all() and text.str.len().min() < text.str.len().max():
        return _whole(text, ("%Y.%-m", "%G.%-V"))
    return _whole(text, ("%m.%Y", "%V.%G")) if text.str.fullmatch(r"\d\d\.(1[89]|2[01])\d\d").all() else []


def _whole(text: pd.Series, forms: tuple[str, ...]) -> list[Reading]:
    some = text if len(text) <= _MANY else text.iloc[:: len(text) // _SOME]
    fitting = [f for f in forms if some.str.fullmatch(formats.pattern(f)).all() and read_as(some, f)[0].notna().all()]
    readings = []
    for form in fitting:
        dates, written = read_as(text, form)
        if dates.notna().all():
            readings.append(Reading(microseconds(dates), "datetime", written))
    return readings


def nearly_packed(text: pd.Series) -> tuple[int, Reading] | None:
    """The one of some whole numbers that is no period though nearly all are, and the reading of the others."""
    if len(text) < 3 or not text.str.fullmatch(_PERIOD).mean() > 0.8:
        return None
    best: tuple[int, Reading] | None = None
    most = 0.75 * len(text) - 1
    for written in formats.PACKED:
        fits = text.str.fullmatch(formats.pattern(written))
        dates = read_as(text, written)[0]
        bad = np.flatnonzero(dates.isna() | ~fits)
        if len(bad) and len(text) - len(bad) > most:
            stamps = microseconds(dates[dates.notna() & fits])
            most, best = len(text) - len(bad), (int(bad[0]), Reading(stamps, "datetime", written))
    return best
