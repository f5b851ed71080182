"""How the numbers of a column of texts are written: which sign parts decimals, and which stands between thousands.

A point or a comma in a number is a decimal sign or stands between thousands: 1.020 alone does not say which. The
column's own cells decide where they can (1.5, 1.020.000), then the other columns of the file, then the integers
beside it: where those have three digits and never four, 900 is followed by 1.020.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tsforge.data.table.dialect import MISSING

Sign = Literal[".", ","]

OTHER: dict[str, Sign] = {".": ",", ",": "."}
HEAD = 2_000  # cells that mostly settle a question without the others
_PERIOD = r"^(1[89]|2[01])\d\d\.(0[1-9]|1[0-2])$"  # 2024.01 is a month and says nothing of decimals


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


# --- texts --------------------------------------------------------------------------------------------------


def as_arrow(column: pd.Series) -> Any:
    """A column of texts as an Arrow array, each cell for itself."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype("str")
    array = pa.array(column, from_pandas=True) if column.dtype != object else pa.array(column, pa.string())
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


def distinct(column: pd.Series) -> tuple[Any, NDArray[np.integer] | None]:
    """The texts of a column, and which of them stands in each row; None where each row has its own."""
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return as_arrow(column), None
    return as_arrow(pd.Series(column.cat.categories)), column.array.codes


def is_missing(array: Any) -> Any:
    """Which texts of an Arrow array are empty or a word for missing."""
    return pc.fill_null(pc.is_in(array, value_set=pa.array(sorted(MISSING), array.type)), True)


def count(array: Any, pattern: str, times: NDArray[np.int64] | None = None) -> int:
    """How many texts have a pattern. times: how often each text counts, once if None."""
    have = pc.match_substring_regex(array, pattern)
    return int(pc.sum(have).as_py() or 0) if times is None else int(times[have.to_numpy()].sum())


def are_whole(values: NDArray[np.float64]) -> bool:
    return np.array_equal(values, np.rint(values), equal_nan=True)


# --- votes --------------------------------------------------------------------------------------------------


def votes(column: pd.Series) -> Votes:
    """What the texts of a column say of its decimal sign."""
    decimal: dict[str, int] = {".": 0, ",": 0}
    triple: dict[str, str | None] = {".": None, ",": None}
    texts, where = distinct(column)
    times = None if where is None else np.bincount(where, minlength=len(texts))
    signed = {}
    for part, rows in ((as_arrow(column.head(HEAD)), None), (texts, times)):
        for sign, other in ((".", ","), (",", ".")):
            have = pc.match_substring(part, sign)
            signed[sign] = cells = part.filter(have)
            of_cells = None if rows is None else rows[have.to_numpy()]
            decimal[sign] += count(cells, _decisive(sign), of_cells)
            decimal[sign] -= count(cells, _PERIOD, of_cells) if sign == "." else 0
            decimal[other] += count(cells, rf"^[-+]?\d{{1,3}}(\{sign}\d{{3}}){{2,}}(\{other}\d+)?$", of_cells)
        if decimal["."] != decimal[","]:
            return Votes(decimal, triple, three=False, four=False)
    for sign, cells in signed.items():
        ambiguous = cells.filter(pc.match_substring_regex(cells, rf"^[-+]?[1-9]\d{{0,2}}\{sign}\d{{3}}$"))
        triple[sign] = str(ambiguous[0]) if len(ambiguous) else None
    three = four = False
    if triple["."] or triple[","]:
        three, four = count(texts, r"^[-+]?[1-9]\d\d$") > 0, count(texts, r"^[-+]?[1-9]\d{3,}$") > 0
    return Votes(decimal, triple, three, four)


def _decisive(sign: str) -> str:
    """Numbers whose sign can only be a decimal one: 1.5, 1.2345, 0.125, 1234.567, 1,234.5."""
    s, other = rf"\{sign}", rf"\{OTHER[sign]}"
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
        return Style(OTHER[sign], grouped=True, example=example)
    if delimiter == ",":  # where a comma parts the columns, one in quotes parts thousands, and a point decimals
        return Style(".", grouped=True, example=example if sign == "," else None)
    return Style(sign, example=example, clear=delimiter != ";" and sign == ".")


def are_decimals(array: Any) -> bool:
    """True where some of the first texts can only be decimals with a point, and all of them are plain numbers.

    Then further cells are such numbers too, or none that the cast takes: no comma, and no point between thousands.
    """
    head = array[:HEAD]
    if count(head, _decisive(".")) <= count(head, _PERIOD):
        return False
    try:
        values = pc.cast(head.filter(pc.invert(is_missing(head))), pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        return False
    return not are_whole(values)
