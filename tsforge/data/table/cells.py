"""The cells of one column: which are missing, and which are numbers."""

from __future__ import annotations

import re
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pandas.api import types

from tsforge.data.table.dialect import MISSING
from tsforge.data.table.signs import HEAD, OTHER, Style, are_whole, count, distinct, is_missing

Kind = Literal["integer", "decimal", "code", "text", "date", "bool"]

_AMOUNT = re.compile(r"\D{0,4}[-+−]?\d[\d.,' \u00a0\u202f]*\s?\D{0,4}")  # as a person writes it: 1,234, 12%, $3.50
_CODE = r"^[-+]?0\d+$"  # 007: as a number it would lose its zeros
_NUMERIC = r"[-+−]?[\d.,]*\d[\d.,]*([eE][-+]?\d+)?"


class Cells(NamedTuple):
    """One column, read.

    kind: integer or decimal numbers, code (007), text, date, bool.
    values: the numbers, (N,), NaN where there is none.
    missing: cells that are empty or hold a word for it, (N,).
    bad: cells that are neither missing nor a number, (N,).
    unclear: a cell that is a decimal or has thousands, where nothing tells which.
    """

    kind: Kind
    values: NDArray[np.float64]
    missing: NDArray[np.bool_]
    bad: NDArray[np.bool_]
    unclear: str | None = None

    @property
    def number(self) -> bool:
        return self.kind in ("integer", "decimal")


def is_amount(text: str) -> bool:
    """True for a number as a person writes it, with a sign, a unit or groups of digits."""
    return _AMOUNT.fullmatch(text) is not None


def holds_numbers(column: pd.Series) -> bool:
    """True where some of a text file's first cells in a column are numbers."""
    head = column.head(HEAD)
    return bool(head.isin(MISSING).all() or head.str.fullmatch(_NUMERIC).any())


def numbered(column: pd.Series) -> tuple[NDArray[np.integer], pd.Index] | None:
    """The codes and the categories of a column, where its rows show these in their order; None for any other."""
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return None
    codes: NDArray[np.integer] = column.array.codes  # a view, where `column.cat.codes` is a copy
    first, distinct = appearances(codes), column.cat.categories
    in_order = len(first) == len(distinct) and codes[0] == 0 and bool((codes[first] == np.arange(len(first))).all())
    return (codes, distinct) if in_order else None


def appearances(codes: NDArray[np.integer]) -> NDArray[np.intp]:
    """The rows with a larger code than all above them: of codes in order of appearance, the first of each."""
    highest = np.maximum.accumulate(codes)
    return np.flatnonzero(np.r_[True, highest[1:] > highest[:-1]])


def read_text(column: pd.Series, how: Style) -> Cells:
    """A column of a text file. Cells that hold a word for missing are missing, whatever else the column has."""
    array, where = distinct(column)
    missing = is_missing(array)
    absent = np.array(missing.to_numpy(), dtype=np.bool_)
    rows = slice(None) if where is None else where
    if not holds_numbers(column):
        return Cells("text", np.broadcast_to(np.nan, len(column)), absent[rows], ~absent[rows])
    present = pc.if_else(missing, None, array)
    try:
        if how.decimal == "," or (how.grouped and pc.any(pc.match_substring(present, ",")).as_py()):
            raise pa.ArrowInvalid("written in another way than the cast expects")
        values = np.array(pc.cast(present, pa.float64()).to_numpy(), dtype=np.float64)
    except pa.ArrowInvalid:
        values = _read_distinct(array, how)
    bad = np.isnan(values) & ~absent
    kind: Kind = "decimal"
    if bad.any():
        kind = "text"
    elif not absent.all() and are_whole(values[:HEAD]) and are_whole(values):
        whole = how.grouped or not count(present, r"[.,eE]")
        kind = "code" if count(present, _CODE) else "integer" if whole else "decimal"
    return Cells(kind, values[rows], absent[rows], bad[rows], None if how.clear else how.example)


def _read_distinct(array: Any, how: Style) -> NDArray[np.float64]:
    """Numbers of texts in any style, each distinct text once; NaN for what is none."""
    where, texts = pd.factorize(pd.Series(array.to_pandas(), dtype="str"))
    text = pd.Series(texts, dtype="str").str.replace("−", "-", regex=False)
    sign, other = re.escape(how.decimal), re.escape(OTHER[how.decimal])
    plain = text.str.fullmatch(rf"[-+]?(\d+({sign}\d*)?|{sign}\d+)([eE][-+]?\d+)?")
    grouped = text.str.fullmatch(rf"[-+]?\d{{1,3}}({other}\d{{3}})+({sign}\d+)?") & how.grouped
    infinite = text.str.fullmatch(r"[-+]?[Ii]nf(inity)?")
    spelled = text.str.replace(OTHER[how.decimal], "", regex=False).where(grouped, text)
    spelled = spelled.str.replace(",", ".", regex=False)
    numbers = pd.to_numeric(spelled.where(plain | grouped | infinite), errors="coerce").to_numpy(dtype=np.float64)
    return np.where(where < 0, np.nan, numbers[where] if len(numbers) else np.nan)


def _are_bare(categories: pd.Index) -> bool:
    """True for texts without spaces around them."""
    return categories.dtype == "str" and bool((categories.str.strip() == categories).all())


def read_typed(column: pd.Series) -> Cells:
    """A column of a data frame: numbers by their type; texts are text, though their numbers are known too."""
    missing = column.isna().to_numpy(dtype=np.bool_)
    if types.is_bool_dtype(column):
        return Cells("bool", np.broadcast_to(np.nan, len(column)), missing, ~missing)
    if types.is_numeric_dtype(column):
        numpy = column.dtype == np.float64
        values = column.to_numpy() if numpy else column.to_numpy(dtype=np.float64, na_value=np.nan)
        kind: Kind = "integer" if types.is_integer_dtype(column) else "decimal"
        return Cells(kind, values, np.isnan(values), np.broadcast_to(np.False_, len(values)))
    if types.is_datetime64_any_dtype(column):
        return Cells("date", np.broadcast_to(np.nan, len(column)), missing, ~missing)
    if isinstance(column.dtype, pd.CategoricalDtype) and _are_bare(column.cat.categories):
        if missing.any():
            column = (column if "" in column.cat.categories else column.cat.add_categories("")).fillna("")
        return read_text(column, Style())._replace(kind="text")
    if pd.api.types.infer_dtype(column, skipna=True) in ("integer", "floating", "mixed-integer-float", "decimal"):
        numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        return Cells("decimal", np.array(numbers), missing, np.isnan(numbers) & ~missing)
    text = column.astype(str).str.strip().where(~missing, "")
    return read_text(pd.Series(text, dtype="str"), Style())._replace(kind="text")
