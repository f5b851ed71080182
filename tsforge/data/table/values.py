"""Columns as their roles need them: numbers, categories, and ids."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsforge.data.table.cells import appearances, is_amount
from tsforge.data.table.reading import Frame
from tsforge.errors import ChoiceError, DataError

Kind = Literal["number", "category"]

log = logging.getLogger("tsforge")

LARGEST = float(np.finfo(np.float32).max)
_STRAY = 0.1  # share of rows that may be no number in a column of numbers, for it not to be one of categories


@dataclass(frozen=True)
class Column:
    """The values of a covariate: numbers, or codes into `labels`; NaN where missing.

    rows: the row (from 0) in which each label first stands.
    """

    values: NDArray[np.float64]  # (N,)
    labels: tuple[str, ...] = ()
    rows: NDArray[np.int64] | None = None


def numbers(frame: Frame, name: str) -> NDArray[np.float64]:
    """A column as float64, NaN where missing. Raises DataError at the first cell that is no finite number."""
    cells = frame.cells(name)
    if cells.bad.any():
        _not_a_number(frame, name, cells.bad)
    if cells.unclear:
        value = cells.unclear
        whole = re.sub(r"[.,]", "", value)
        message = f"column '{name}': '{value}' could be {float(value.replace(',', '.')):g} or {whole}"
        ways = [{"data.decimal": sign} for sign in ".,"]
        raise ChoiceError(f"{frame.name}: {message}", "name the decimal sign: data.decimal=. or data.decimal=,", ways)
    large = np.flatnonzero((cells.values > LARGEST) | (cells.values < -LARGEST))
    if len(large):
        row, written = frame.row(int(large[0])), str(frame.texts(name).iloc[large[0]])
        value = f"{frame.name}: column '{name}', {row}: "
        if np.isinf(cells.values[large[0]]) and not re.search(r"\d", written):
            raise DataError(f"{value}infinite value", "leave the field empty where the value is missing")
        hint = "divide the column by a power of ten, or correct the value if it is a mistake"
        raise DataError(f"{value}{written} is too large to be computed with", hint)
    _tell_thousands(frame, name)
    return cells.values


def _tell_thousands(frame: Frame, name: str) -> None:
    """Warns where 1.020 is read as 1020 on evidence that the column only suggests."""
    if not frame.text or frame.decimal is not None:
        return
    example = frame.style(name).example
    if example is not None:
        sign = "point" if "." in example else "comma"
        log.warning(
            "column '%s': %s is read as %s, with a %s between thousands; data.decimal=%s reads decimals",
            name, example, re.sub(r"[.,]", "", example), sign, "." if "." in example else ",",
        )  # fmt: skip


def _not_a_number(frame: Frame, name: str, bad: NDArray[np.bool_]) -> NoReturn:
    i, count = int(bad.argmax()), int(bad.sum())
    value = str(frame.texts(name).iloc[i]).strip()
    more = f" (and {count - 1} more such rows)" if count > 1 else ""
    hint = "fix the value, or leave the field empty where it is missing"
    if re.fullmatch(r"[-+]?\d{1,3}([,.' \u00a0\u202f]\d{3})+([.,]\d+)?", value):
        hint = "write numbers without a sign between the thousands, as 1234.5"
    elif re.fullmatch(r"[-+]?\d+,\d+", value):
        hint = "write numbers with a decimal point, as 1234.5"
    elif negative := re.fullmatch(r"\(([\d.,]+)\)|([\d.,]+)-", value):  # as accountants write it
        hint = f"write a negative number as -{negative[1] or negative[2]}"
    elif (unit := re.fullmatch(r"([^\d.,+-]{0,4})[-+]?\d[\d.,]*\s?([^\d.,]{0,4})", value)) and any(unit.groups()):
        hint = f"write the bare number, without '{''.join(unit.groups()).strip()}'"
    raise DataError(f"{frame.name}: column '{name}', {frame.row(i)}: '{value}' is not a number{more}", hint)


def covariate(frame: Frame, name: str, order: NDArray[np.intp] | None, kind: Kind | None) -> Column:
    """A covariate in the order of sorted rows: numbers, or codes into its sorted texts, each looked at once.

    kind: "number" or "category" where that is settled; None for what the cells show.
    Raises DataError where a column of numbers has a few cells that are none.
    """
    cells = frame.cells(name)
    if kind == "number" or (kind is None and cells.number):
        values = numbers(frame, name)
        return Column(values if order is None else values[order])
    if kind is None and cells.kind == "text":
        _check_stray(frame, name, cells.bad, cells.missing)
    where, distinct = pd.factorize(frame.categories(name))
    texts = np.array([label(value) for value in distinct], dtype=object).astype(str)
    named = texts != ""
    labels, first_of = np.unique(texts[named], return_index=True)
    first = np.zeros(len(distinct), dtype=np.int64)
    have = np.flatnonzero(where >= 0)[::-1]  # reversed: the first row is written last
    first[where[have]] = have
    rows = first[np.flatnonzero(named)[first_of]]
    code_of = np.where(named, np.searchsorted(labels, texts), np.nan)
    codes = np.where(where < 0, np.nan, code_of[where] if len(code_of) else np.nan)
    codes = codes.astype(np.float64)
    return Column(codes if order is None else codes[order], tuple(map(str, labels)), rows)


def _check_stray(frame: Frame, name: str, bad: NDArray[np.bool_], missing: NDArray[np.bool_]) -> None:
    """Raises DataError where nearly all cells are numbers, so that the others are mistakes, not categories."""
    distinct = frame.distinct(name)
    if bad.sum() > _STRAY * int((~missing).sum()):
        return
    texts = frame.texts(name)[bad]
    texts = (texts if texts.dtype == object else pd.Series(list(texts.unique()), dtype=object)).astype(str).str.strip()
    amounts = texts.map(is_amount).all()
    if (distinct - texts.nunique() >= 5) or (amounts and distinct > 2):
        try:
            _not_a_number(frame, name, bad)
        except DataError as problem:
            hint = f"{problem.hint}; data.category={name} if its values are names"
            raise DataError(problem.message, hint) from None


def label(value: object) -> str:
    """A category in words; 1.0 of a data frame is 1, as a column of whole numbers with a gap reads."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def key(ids: Iterable[object]) -> str:
    """The ids of a series as one text that no other series has; 1 and 1.0, of two files, are one."""
    return "\x1f".join(str(int(v)) if isinstance(v, float) and v.is_integer() else str(v) for v in ids)


def series(frame: Frame, names: tuple[str, ...]) -> tuple[NDArray[np.integer], tuple[NDArray[Any], ...]]:
    """The code of each row and the distinct ids by column, in order of first appearance."""
    codes: NDArray[np.integer] = np.zeros(len(frame.data), dtype=np.int8)
    if not names:
        return codes, ()
    for name in names:
        part, distinct = frame.codes(name)
        missing = np.flatnonzero(
            (part < 0) | (part == distinct.get_indexer(pd.Index([""]))[0]) if frame.text else part < 0
        )
        if len(missing):
            hint = "fill in the id or delete the row"
            raise DataError(f"{frame.name}: no series id in {frame.row(int(missing[0]))}, column '{name}'", hint)
        if name == names[0]:
            codes = part
            continue
        both = pd.factorize(codes.astype(np.int64) * len(distinct) + part)[0]
        codes = both.astype(np.int32) if len(both) < 2**31 else both
    first = appearances(codes)
    return codes, tuple(_ids(frame, frame.texts(name).iloc[first]) for name in names)


def _ids(frame: Frame, column: pd.Series) -> NDArray[Any]:
    """Distinct ids: integers where all are written as such, otherwise as they came."""
    if frame.text and column.str.fullmatch(r"0|-?[1-9]\d{0,17}").all():
        return np.array(column.to_numpy(dtype=object), dtype=np.int64)
    return np.array(column.to_numpy(dtype=object) if frame.text else column.to_numpy())
