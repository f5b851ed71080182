"""The columns that tell series apart, where only one answer is possible.

Where times repeat, an id makes them unique. Where none repeats, as with meters that report in turn or stores that
open one after the other, only its name and its few values give an id away.
"""

from __future__ import annotations

import shlex

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsforge.data.table.id_names import is_likely, is_sure, names_series
from tsforge.data.table.reading import Frame
from tsforge.data.table.times import approximate
from tsforge.data.time.parts import of_calendar, of_time
from tsforge.errors import ChoiceError, listing

_PIECE = 1 << 16  # rows that are looked at together
_REPEATS = 0.2  # share of times that repeat, above which a word that is no name may tell series apart
_SMALL = 20  # possible pairs for each row
_ROUNDS = 3  # at least, for values that take turns
_MOST = 8  # columns that are tried in pairs
_GAP = 1.5  # of the longest gap inside a block of rows
_FEW = 4  # rows of one series at least, on average, where no time repeats


def detect(frame: Frame, time: str, free: list[str], *, joined: bool = False) -> tuple[str, ...]:
    """The column that tells series apart, or the smallest set of columns; () for a single series.

    free: the columns that are neither the time nor in another role.
    joined: rows of one series and time are joined, so that only a column that makes times unique by itself is an id.
    Raises DataError naming `data.id` where several columns, or one that may be a category, could be it.
    """
    labels = [c for c in free if frame.cells(c).kind in ("text", "code", "integer", "bool")]
    # The number of a row or an invoice is no series, nor is the time of day.
    one = frame.distinct(time) == 1
    labels = [c for c in labels if not of_time(c) and (one or frame.distinct(c) < len(frame.data))]
    repeats = _doubled(frame, [time])
    if not repeats:
        return _without_repeats(frame, time, free, labels)
    named = [c for c in labels if names_series(c)]
    words = [c for c in labels if frame.cells(c).kind in ("text", "code")]
    # A word that is no name tells series apart only where most times repeat, not where one row was doubled.
    candidates = list(dict.fromkeys(named + (words if repeats > _REPEATS * len(frame.data) else [])))
    # A doubled row, or the hour that a clock shows twice, still leaves most repeats explained.
    most = int(_REPEATS * repeats)
    unique = [c for c in candidates if _doubled(frame, [c, time]) <= most * (2 if c in named else 1)]
    few = [c for c in unique if frame.distinct(c) <= len(frame.data) / 2]
    exact = [c for c in few if not _doubled(frame, [c, time])] or unique
    preferred = _apart(frame, [c for c in exact if c in named] or exact)
    if joined and any(_doubled(frame, [c, time]) for c in preferred):
        return ()
    if len(preferred) == 1:
        return (preferred[0],)
    if len(preferred) > 1:
        raise _several(frame, preferred)
    for columns in (named, candidates):
        if not joined and len(columns) > 1 and _doubled(frame, [*columns, time]) <= most:
            return _needed(frame, time, columns, most)
    if joined or repeats <= _REPEATS * len(frame.data):
        return ()
    return _whole_numbers(frame, time, labels) or _complete(frame, time, free)


def by_name(frame: Frame, free: list[str]) -> tuple[str, ...]:
    """The column that tells series apart by its name and its few values, where rows of one series and time are joined.

    Raises DataError where several have such a name.
    """
    labels = [c for c in free if frame.cells(c).kind in ("text", "code", "integer", "bool") and is_sure(c)]
    sure = _apart(frame, [c for c in labels if 2 <= frame.distinct(c) <= len(frame.data) / _FEW])
    if len(sure) > 1:
        raise _several(frame, sure)
    return tuple(sure)


def _doubled(frame: Frame, columns: list[str]) -> int:
    """Rows whose cells in some columns an earlier row has."""
    codes, count = frame.codes(columns[0])[0], frame.distinct(columns[0])
    for name in columns[1:]:
        others, width = frame.codes(name)[0], frame.distinct(name) + 1
        largest = (count + 1) * width
        if name == columns[-1] and largest <= _SMALL * len(codes):
            marks = np.zeros(largest, dtype=np.bool_)  # of each pair: cheaper than a table of them
            for begin in range(0, len(codes), _PIECE):
                part = slice(begin, begin + _PIECE)
                marks[(codes[part].astype(np.int64) + 1) * width + others[part] + 1] = True
            return len(codes) - int(marks.sum())
        codes, distinct = pd.factorize((codes.astype(np.int64) + 1) * width + others + 1)
        count = len(distinct)
    return len(codes) - count


def _several(frame: Frame, columns: list[str]) -> ChoiceError:
    hint = f"pass data.id={shlex.quote(columns[0])}, or another of them"
    several = f"{frame.name}: several columns could name the series: {listing(columns)}"
    return ChoiceError(several, hint, [{"data.id": c} for c in columns])


def _apart(frame: Frame, columns: list[str]) -> list[str]:
    """Columns without those that say the same as one before them, as a code and its name do."""
    apart: list[str] = []
    codes: list[np.ndarray] = []
    for name in columns:
        code = frame.codes(name)[0]
        if not any(np.array_equal(code, other) for other in codes):  # codes count first appearances
            apart.append(name)
            codes.append(code)
    return apart


def _whole_numbers(frame: Frame, time: str, labels: list[str]) -> tuple[str, ...]:
    """A column of whole numbers that makes [id, time] unique and has few values, each of them often."""
    rows, times = len(frame.data), frame.distinct(time)
    least = rows / times  # series, if all had all times
    found = []
    for name in labels:
        if frame.cells(name).kind != "integer" or frame.cells(name).missing.any() or of_time(name):
            continue
        distinct = frame.distinct(name)
        if least <= distinct <= max(2 * least, rows / (2 * _FEW)) and not _doubled(frame, [name, time]):
            found.append(name)
    found = _apart(frame, found)
    if len(found) > 1:
        raise _several(frame, found)
    numbers = [c for c in frame.data.columns if c not in (time, *found) and frame.cells(c).number]
    return tuple(found) if numbers else ()


def _complete(frame: Frame, time: str, free: list[str]) -> tuple[str, ...]:
    """(), or raises ChoiceError where one or two columns of any kind, with all times, make up exactly the rows."""
    rows, times = len(frame.data), frame.distinct(time)
    few = [
        c for c in free if 2 <= frame.distinct(c) <= rows / times and not of_time(c) and rows % frame.distinct(c) == 0
    ]
    pairs = [(a, b) for i, a in enumerate(few) for b in few[i + 1 :]] if len(few) <= _MOST else []
    for columns in (*((c,) for c in few), *pairs):
        series = int(np.prod([frame.distinct(c) for c in columns]))
        others = [str(c) for c in frame.data.columns if c not in (*columns, time)]
        beside = [c for c in others if frame.cells(c).number and not of_time(c)]
        if series * times == rows and beside and not _doubled(frame, [*columns, time]):
            named = listing([f"'{c}'" for c in columns])
            hint = f"pass data.id={shlex.quote(','.join(columns))}"
            raise ChoiceError(f"{frame.name}: {named} may name the series", hint, [{"data.id": columns}])
    return ()


def _without_repeats(frame: Frame, time: str, free: list[str], labels: list[str]) -> tuple[str, ...]:
    """Ids where no time repeats: columns of one value named as an id, and one whose few values share the rows."""
    alike = constant(frame, free)
    few = [c for c in labels if c not in alike and 2 <= frame.distinct(c) <= len(frame.data) / _FEW]
    sure = _apart(frame, [c for c in few if is_sure(c)])
    if len(sure) > 1:
        raise _several(frame, sure)
    numbers = [c for c in free if frame.cells(c).number and c not in alike]
    likely = [
        c for c in few if [n for n in numbers if n != c] and _takes_turns(frame, c, None if is_likely(c) else time)
    ]
    if likely and not sure:
        name = likely[0]
        values = listing([f"'{v}'" for v in frame.texts(name).unique()[:3]], 3)
        message = f"column '{name}' may name the series ({values}, ...), though no time repeats"
        hint = f"pass data.id={shlex.quote(name)}, or name it as a covariate: data.past={shlex.quote(name)}"
        choices = [{"data.id": name}, {"data.past": name}]
        raise ChoiceError(f"{frame.name}: {message}", hint, choices)
    return tuple(c for c in free if c in alike or c in sure)


def _takes_turns(frame: Frame, name: str, time: str | None) -> bool:
    """True where equal values stand together, or each in its turn: no category changes like that.

    time: of a column whose name says nothing. Days and seasons take turns too, and so do the phases of one series:
    its values must be no words of the calendar, nor numbers from 0 or 1 on; and where they stand together the time must
    fall back or leave a gap.
    """
    codes = frame.codes(name)[0]
    distinct = int(codes.max()) + 1
    kind, values = frame.cells(name).kind, frame.texts(name).unique()
    if time is not None and all(of_calendar(str(value)) for value in values):
        return False
    starts = 1 + np.flatnonzero(np.diff(codes))
    if len(starts) == distinct - 1:
        return time is None or _breaks(approximate(frame, time), starts)
    if kind == "integer" and np.nanmin(frame.cells(name).values) <= 1:  # the numbers of shifts or phases
        return False
    return len(codes) >= _ROUNDS * distinct and bool((codes == np.arange(len(codes)) % distinct).all())


def _breaks(times: NDArray[np.float64], starts: NDArray[np.intp]) -> bool:
    """True where a block of rows begins before the one above it ends, or after a gap longer than all inside the blocks.

    starts: the first rows of all blocks but the first.
    """
    gaps = np.diff(times)
    between = np.zeros(len(gaps), dtype=np.bool_)
    between[starts - 1] = True
    return bool((gaps[between] <= 0).any() or gaps[between].max() > _GAP * gaps[~between].max())


def constant(frame: Frame, free: list[str]) -> list[str]:
    """Columns named as an id with one value in all rows: a name whatever its type, if numbers are left beside it."""
    named = [c for c in free if names_series(c) and not frame.cells(c).missing.any()]
    alike = [c for c in named if frame.distinct(c) == 1]
    beside = any(frame.cells(c).number or frame.cells(c).bad.mean() < 0.5 for c in free if c not in alike)
    return alike if beside else [c for c in alike if not frame.cells(c).number]


def _needed(frame: Frame, time: str, names: list[str], most: int) -> tuple[str, ...]:
    """The columns that are needed to tell series apart; the last ones are left out first."""
    needed = list(names)
    for name in reversed(names):
        fewer = [c for c in needed if c != name]
        if fewer and _doubled(frame, [*fewer, time]) <= most:
            needed = fewer
    return tuple(needed)
