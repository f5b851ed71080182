"""The cells of one column: which are missing, which are numbers, and how its numbers are written.

A point or a comma in a number is a decimal sign or stands between thousands: 1.020 alone does not say which. The
column's own cells decide where they can (1.5, 1.020.000), then the other columns of the file, then the integers
beside it: where those have three digits and never four, 900 is followed by 1.020.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pandas.api import types

from tsforge.data.table.dialect import MISSING

Sign = Literal[".", ","]
Kind = Literal["integer", "decimal", "code", "text", "date", "bool"]

_OTHER: dict[str, Sign] = {".": ",", ",": "."}
_AMOUNT = re.compile(r"\D{0,4}[-+−]?\d[\d.,' \u00a0\u202f]*\s?\D{0,4}")  # as a person writes it: 1,234, 12%, $3.50
_CODE = r"^[-+]?0\d+$"  # 007: as a number it would lose its zeros
_PERIOD = r"^(1[89]|2[01])\d\d\.(0[1-9]|1[0-2])$"  # 2024.01 is a month and says nothing of decimals
_NUMERIC = r"[-+−]?[\d.,]*\d[\d.,]*([eE][-+]?\d+)?"
_HEAD = 2_000  # cells that mostly settle a question without the others


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


@dataclass(frozen=True)
class Style:
    """How a column's numbers are written.

    decimal: the decimal sign.
    grouped: the other sign stands between thousands.
    example: a cell that decides nothing by itself, read as `grouped` says.
    clear: False where nothing tells which of both it is.
    """

    decimal: Sign = "."
    grouped: bool = False
    example: str | None = None
    clear: bool = True


class Votes(NamedTuple):
    """What the cells of a column say of its signs.

    decimal: for each sign, how many cells can only have it as the decimal sign.
    triple: for each sign, a cell as 1.020 that may be either, if there is one.
    three, four: whether there are integers of just three digits, and of more.
    The last three are not looked at where `decimal` settles it.
    """

    decimal: dict[str, int]
    triple: dict[str, str | None]
    three: bool
    four: bool


def as_arrow(column: pd.Series) -> Any:
    """A column of texts as an Arrow array."""
    array = pa.array(column, from_pandas=True) if column.dtype != object else pa.array(column, pa.string())
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


def is_amount(text: str) -> bool:
    """True for a number as a person writes it, with a sign, a unit or groups of digits."""
    return _AMOUNT.fullmatch(text) is not None


# --- signs --------------------------------------------------------------------------------------------------


def votes(array: Any) -> Votes:
    """What the texts of a column say of its decimal sign."""
    decimal: dict[str, int] = {".": 0, ",": 0}
    triple: dict[str, str | None] = {".": None, ",": None}
    for part in (array[:_HEAD], array):
        signed = {sign: part.filter(pc.match_substring(part, sign)) for sign in (".", ",")}
        for sign, other in ((".", ","), (",", ".")):
            cells = signed[sign]
            decimal[sign] += _count(cells, _decisive(sign)) - (_count(cells, _PERIOD) if sign == "." else 0)
            decimal[other] += _count(cells, rf"^[-+]?\d{{1,3}}(\{sign}\d{{3}}){{2,}}(\{other}\d+)?$")
        if decimal["."] != decimal[","]:
            return Votes(decimal, triple, three=False, four=False)
    for sign, cells in signed.items():
        ambiguous = cells.filter(pc.match_substring_regex(cells, rf"^[-+]?[1-9]\d{{0,2}}\{sign}\d{{3}}$"))
        triple[sign] = str(ambiguous[0]) if len(ambiguous) else None
    three = four = False
    if triple["."] or triple[","]:
        three, four = _count(array, r"^[-+]?[1-9]\d\d$") > 0, _count(array, r"^[-+]?[1-9]\d{3,}$") > 0
    return Votes(decimal, triple, three, four)


def _count(array: Any, pattern: str) -> int:
    return int(pc.sum(pc.match_substring_regex(array, pattern)).as_py() or 0)


def _decisive(sign: str) -> str:
    """Numbers whose sign can only be a decimal one: 1.5, 1.2345, 0.125, 1234.567, 1,234.5."""
    s, other = rf"\{sign}", rf"\{_OTHER[sign]}"
    plain = rf"\d{{4,}}{s}\d+|0*{s}\d+|\d+{s}(\d{{1,2}}|\d{{4,}})?"
    return rf"^[-+−]?({plain}|\d{{1,3}}({other}\d{{3}})+{s}\d+)([eE][-+]?\d+)?$"


def choose_style(own: Votes, elsewhere: Sign | None, usual: Sign | None, delimiter: str) -> Style:
    """The style of a column.

    elsewhere: the sign in other columns.
    usual: the sign of the table that a model was fitted on.
    """
    if own.decimal["."] != own.decimal[","]:
        sign: Sign = "." if own.decimal["."] > own.decimal[","] else ","
        return Style(sign, grouped=True)
    unsure: list[Sign] = [sign for sign in (".", ",") if own.triple[sign]]
    if not unsure:
        return Style(elsewhere or usual or ".")
    sign, example = unsure[0], own.triple[unsure[0]]
    decided = elsewhere or usual
    if len(unsure) == 2 or decided:
        return Style(
            decided or ".", grouped=True, example=example if decided != sign else None, clear=decided is not None
        )
    if own.four:  # 1020 without a sign: so there is none between thousands
        return Style(sign)
    if own.three:
        return Style(_OTHER[sign], grouped=True, example=example)
    if delimiter == ",":  # where a comma parts the columns, one in quotes parts thousands, and a point decimals
        return Style(".", grouped=True, example=example if sign == "," else None)
    return Style(sign, example=example, clear=delimiter != ";" and sign == ".")


# --- numbers ------------------------------------------------------------------------------------------------


def holds_numbers(column: pd.Series) -> bool:
    """True where some of a text file's first cells in a column are numbers."""
    head = column.head(_HEAD)
    return bool(head.isin(MISSING).all() or head.str.fullmatch(_NUMERIC).any())


def read_text(column: pd.Series, how: Style) -> Cells:
    """A column of a text file. Cells that hold a word for missing are missing, whatever else the column has."""
    array = as_arrow(column)
    missing = pc.fill_null(pc.is_in(array, value_set=pa.array(sorted(MISSING), array.type)), True)
    absent = np.array(missing.to_numpy(), dtype=np.bool_)
    if not holds_numbers(column):
        return Cells("text", np.broadcast_to(np.nan, len(column)), absent, ~absent)
    present = pc.if_else(missing, None, array)
    try:
        if how.decimal == "," or (how.grouped and pc.any(pc.match_substring(present, ",")).as_py()):
            raise pa.ArrowInvalid("written in another way than the cast expects")
        values = np.array(pc.cast(present, pa.float64()).to_numpy(), dtype=np.float64)
    except pa.ArrowInvalid:
        values = _read_distinct(column, how)
    bad = np.isnan(values) & ~absent
    kind: Kind = "decimal"
    if bad.any():
        kind = "text"
    elif not absent.all() and _whole(values[:_HEAD]) and _whole(values):
        whole = how.grouped or not _count(present, r"[.,eE]")
        kind = "code" if _count(present, _CODE) else "integer" if whole else "decimal"
    return Cells(kind, values, absent, bad, None if how.clear else how.example)


def _whole(values: NDArray[np.float64]) -> bool:
    return np.array_equal(values, np.rint(values), equal_nan=True)


def _read_distinct(column: pd.Series, how: Style) -> NDArray[np.float64]:
    """Numbers of texts in any style, each distinct text once; NaN for what is none."""
    where, distinct = pd.factorize(column)
    text = pd.Series(distinct, dtype="str").str.replace("−", "-", regex=False)
    sign, other = re.escape(how.decimal), re.escape(_OTHER[how.decimal])
    plain = text.str.fullmatch(rf"[-+]?(\d+({sign}\d*)?|{sign}\d+)([eE][-+]?\d+)?")
    grouped = text.str.fullmatch(rf"[-+]?\d{{1,3}}({other}\d{{3}})+({sign}\d+)?") & how.grouped
    infinite = text.str.fullmatch(r"[-+]?[Ii]nf(inity)?")
    spelled = text.str.replace(_OTHER[how.decimal], "", regex=False).where(grouped, text)
    spelled = spelled.str.replace(",", ".", regex=False)
    numbers = pd.to_numeric(spelled.where(plain | grouped | infinite), errors="coerce").to_numpy(dtype=np.float64)
    return np.where(where < 0, np.nan, numbers[where] if len(numbers) else np.nan)


def read_typed(column: pd.Series) -> Cells:
    """A column of a data frame: numbers by their type; texts are text, though their numbers are known too."""
    missing = column.isna().to_numpy(dtype=np.bool_)
    if types.is_bool_dtype(column):
        return Cells("bool", np.full(len(column), np.nan), missing, ~missing)
    if types.is_numeric_dtype(column):
        values = np.array(column.to_numpy(dtype=np.float64, na_value=np.nan))
        kind: Kind = "integer" if types.is_integer_dtype(column) else "decimal"
        return Cells(kind, values, np.isnan(values), np.zeros(len(values), np.bool_))
    if types.is_datetime64_any_dtype(column):
        return Cells("date", np.full(len(column), np.nan), missing, ~missing)
    if pd.api.types.infer_dtype(column, skipna=True) in ("integer", "floating", "mixed-integer-float", "decimal"):
        numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        return Cells("decimal", np.array(numbers), missing, np.isnan(numbers) & ~missing)
    text = column.astype(str).str.strip().where(~missing, "")
    return read_text(pd.Series(text, dtype="str"), Style())._replace(kind="text")
