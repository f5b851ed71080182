"""A text file as a frame, each cell as it is written, or an error that names the line.

Texts that repeat, as ids and times do, are held once each: as categories of pandas. Where the first rows of a column
are decimals such as 1.5, a point is no sign between thousands, and the column is read as numbers at once; its texts
are read again where someone asks for them.
"""

from __future__ import annotations

import csv
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from tsforge.data.table.content import Content, of_file
from tsforge.data.table.dialect import MISSING, Dialect, records
from tsforge.data.table.signs import are_decimals
from tsforge.errors import DataError, LineError

log = logging.getLogger("tsforge")

_TEXT: Any = pd.StringDtype("pyarrow", na_value=np.nan)
_STRING, _DECIMAL, _REPEATING = pa.string(), pa.float64(), pa.dictionary(pa.int32(), pa.string())
_SAMPLE = 1 << 20  # bytes that show how columns are best held
_REPEATED = 0.5  # of the texts in a sample that may be different where texts repeat


def read_text(path: Path, dialect: Dialect, *, plain: bool) -> tuple[pd.DataFrame, Dialect, NDArray[np.bool_] | None]:
    """The cells of a file; the rows that are not empty, None where all are.

    Columns are texts or categories of texts, and float64 where all cells are missing or decimals with a point.
    plain: a point can only be a decimal sign; where it is False, no column is read as numbers.
    Raises DataError where the file is damaged, has rows that are too long or too short, or bytes that are no text.
    """
    content = of_file(path, dialect)
    if dialect.encoding == "cp1252":
        content, plain = Content(_old_encoding(path, content.whole())), False
    try:
        data = _read_fast(content, dialect, plain=plain)
    except pa.ArrowInvalid as problem:
        if "UTF8" in str(problem):  # the first lines were plain, a later one is not
            return read_text(path, dialect._replace(encoding="cp1252"), plain=False)
        data = _read_rows(path, dialect)
    if content.quotes % 2:
        line = max((begins for begins, _ in records(path, dialect)), default=dialect.skip + 1)
        text = f"a quote is open at the end of the file, the row that holds it begins at line {line}"
        raise DataError(f"{path}: cannot be cut into columns: {text}", "close every quote")
    empty = _missing(data.iloc[:, -1])
    if empty.any():
        rows = np.flatnonzero(empty)
        few = data.iloc[rows]
        empty[rows] = np.all([_missing(few[name]) for name in few], axis=0)
    filled = ~empty if empty.any() else None
    data = data if filled is None else data[filled].reset_index(drop=True)
    filled_in = [
        not c.startswith("Unnamed: ") or not _missing(data.iloc[:, i]).all() for i, c in enumerate(data.columns)
    ]
    return data if all(filled_in) else data.loc[:, filled_in], dialect, filled


def _missing(column: pd.Series) -> NDArray[np.bool_]:
    decimals = column.dtype == np.float64
    return np.array(column.isna() if decimals else column.isin(MISSING))


def _old_encoding(path: Path, content: bytes) -> bytes:
    """Bytes that are not UTF-8, read as cp1252, with a warning. Raises DataError where other lines are UTF-8."""
    bad = []
    for number, line in enumerate(content.split(b"\n"), 1):
        if line.isascii():
            continue
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            bad.append(number)
        else:
            bad.insert(0, -1)
    lines = [number for number in bad if number > 0]
    if lines and len(lines) < len(bad):
        where = f"line {lines[0]}" + (f" and {len(lines) - 1} more" if len(lines) > 1 else "")
        raise DataError(f"{path}: {where} is not UTF-8, though other lines are", "save the whole file as UTF-8")
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError as problem:
        raise DataError(f"{path}: neither UTF-8 nor cp1252 text: {problem}", "save it as UTF-8") from None
    log.warning("%s: is not UTF-8 and is read as cp1252 (Windows, Western Europe); save it as UTF-8 if not so", path)
    return text.encode()


def _read_fast(content: Content, dialect: Dialect, *, plain: bool) -> pd.DataFrame:
    """The columns of a file, as `read_text` has them. plain: a point can only be a decimal sign.

    Raises ArrowInvalid for what needs a reader that is slower and more patient.
    """
    quotes = content.quotes > 0
    quoted = f'{dialect.delimiter} "'.encode()  # a space before a quote, which Arrow takes for text
    if quotes and content.holds(quoted):
        raise pa.ArrowInvalid("a space before a quote")
    types = _types(content, dialect, quotes=quotes, plain=plain)
    try:
        columns = _columns(_parse(content.stream(), dialect, types, quotes=quotes))
    except pa.ArrowInvalid:
        if _DECIMAL not in types.values():
            raise
        types = {name: _STRING if kind == _DECIMAL else kind for name, kind in types.items()}
        columns = _columns(_parse(content.stream(), dialect, types, quotes=quotes))
    return pd.DataFrame(columns, copy=False)


def _columns(table: Any) -> dict[str, Any]:
    """The columns of an Arrow table for pandas; the memory of each is given back before the next is turned over."""
    pool = pa.default_memory_pool()
    pool.release_unused()  # what the parser held
    names, columns = table.column_names, table.unify_dictionaries().columns[::-1]
    del table
    result = {}
    for name in names:
        result[name] = _column(columns.pop())
        pool.release_unused()
    return result


def _parse(source: Any, dialect: Dialect, types: dict[str, Any], *, quotes: bool) -> Any:
    """A file as an Arrow table with columns of some types."""
    return pa.csv.read_csv(
        source,
        pa.csv.ReadOptions(skip_rows=dialect.skip + 1, column_names=list(dialect.columns)),
        pa.csv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=quotes),
        pa.csv.ConvertOptions(
            column_types=types, include_columns=list(types), null_values=sorted(MISSING), strings_can_be_null=False
        ),
    )


def _types(content: Content, dialect: Dialect, *, quotes: bool, plain: bool) -> dict[str, Any]:
    """How each column is best held, as the first rows show: decimals with a point, texts that repeat, or texts."""
    types = dict.fromkeys(dialect.columns, _STRING)
    head = content.head(_SAMPLE)
    try:
        sample = _parse(pa.BufferReader(head[: head.rfind(b"\n") + 1]), dialect, types, quotes=quotes)
    except pa.ArrowInvalid:
        return types
    for name, column in zip(sample.column_names, sample.columns, strict=True):
        if plain and are_decimals(column):
            types[name] = _DECIMAL
        elif pc.count_distinct(column).as_py() <= _REPEATED * len(column):
            types[name] = _REPEATING
    return types


def _column(column: Any) -> Any:
    """A column of an Arrow table for pandas, texts without the spaces around them.

    Raises ArrowInvalid where a decimal is spelled as none, which the reader takes all the same.
    """
    if column.type == _DECIMAL:
        values = column.to_numpy()
        if np.count_nonzero(np.isnan(values)) > column.null_count:
            raise pa.ArrowInvalid("not a number")
        return values
    if column.type == _STRING:
        return _TEXT.__from_arrow__(pc.utf8_trim_whitespace(column) if _has_spaces(column) else column)
    if not column.num_chunks:
        return _TEXT.__from_arrow__(column.cast(_STRING))
    texts = column.chunk(0).dictionary  # the same of all chunks
    short: Any = np.min_scalar_type(-len(texts))  # as pandas holds them
    codes = np.concatenate([chunk.indices.to_numpy() for chunk in column.chunks], dtype=short, casting="unsafe")
    if _has_spaces(texts):
        trimmed = pc.utf8_trim_whitespace(texts).dictionary_encode()
        texts, codes = trimmed.dictionary, trimmed.indices.to_numpy().astype(short)[codes]
    return pd.Categorical.from_codes(codes, categories=pd.Index(_TEXT.__from_arrow__(texts)), validate=False)


def _has_spaces(column: Any) -> bool:
    """True where a cell begins or ends with a space: to look for one costs less than to copy all cells."""
    ends = (pc.starts_with, pc.ends_with)
    return any(pc.any(end(column, space)).as_py() for space in (" ", "\t", "\u00a0") for end in ends)


def _read_rows(path: Path, dialect: Dialect) -> pd.DataFrame:
    """All columns as texts, of rows that are not empty. Raises DataError for a row that is too long or too short."""
    width = len(dialect.columns)
    rows: list[list[str]] = []
    try:
        for line, row in records(path, dialect):
            if len(row) < width or any(cell.strip() for cell in row[width:]):
                message = f"line {line} has {len(row)} columns, the header {width}: {','.join(row)[:60]}"
                hint = "quote values that hold the delimiter, or fix the line"
                if len(row) < width:
                    hint = "add the fields that the line lacks, or delete the line"
                if len(rows) < 2:  # nothing to see above it
                    hint = f"{hint}; the header is {','.join(dialect.columns)[:200]}"
                raise LineError(f"{path}: {message}", hint, _as_frame(rows, dialect))
            rows.append([cell.strip() for cell in row[:width]])
    except csv.Error as problem:
        hint = "fix the line; close every quote"
        raise DataError(f"{path}: cannot be cut into columns: {problem}", hint) from None
    return _as_frame(rows, dialect)


def _as_frame(rows: list[list[str]], dialect: Dialect) -> pd.DataFrame:
    return pd.DataFrame(rows[1:], columns=list(dialect.columns), dtype=_TEXT)
