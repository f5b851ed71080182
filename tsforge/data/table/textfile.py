"""A text file as a frame of texts, each cell as it is written, or an error that names the line."""

from __future__ import annotations

import csv
import gzip
import logging
import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from tsforge.data.table.dialect import MISSING, Dialect, records
from tsforge.errors import DataError

log = logging.getLogger("tsforge")

_TEXT = pd.StringDtype("pyarrow", na_value=np.nan)


def read_text(path: Path, dialect: Dialect) -> tuple[pd.DataFrame, Dialect, NDArray[np.bool_] | None]:
    """The texts of a file; the rows that are not empty, None where all are.

    Raises DataError where the file is damaged, has rows that are too long or too short, or bytes that are no text.
    """
    content = _content(path, dialect)
    if dialect.encoding == "cp1252":
        content = _old_encoding(path, content)
    try:
        data = _read_fast(content, dialect)
    except pa.ArrowInvalid as problem:
        if "UTF8" in str(problem):  # the first lines were plain, a later one is not
            return read_text(path, dialect._replace(encoding="cp1252"))
        data = _read_rows(path, dialect)
    if content.find(b'"') >= 0 and bytes(content).count(b'"') % 2:
        *_, (line, _) = records(path, dialect)
        text = f"a quote is open at the end of the file, the row that holds it begins at line {line}"
        raise DataError(f"{path}: cannot be cut into columns: {text}", "close every quote")
    empty = np.array(data.iloc[:, -1].isin(MISSING))
    if empty.any():
        rows = np.flatnonzero(empty)
        empty[rows] = data.iloc[rows].isin(MISSING).all(axis=1).to_numpy()
    filled = ~empty if empty.any() else None
    data = data if filled is None else data[filled].reset_index(drop=True)
    named = [i for i, c in enumerate(data.columns) if not c.startswith("Unnamed: ") or not data.iloc[:, i].isin(MISSING).all()]
    return data.iloc[:, named] if len(named) < data.shape[1] else data, dialect, filled


def _content(path: Path, dialect: Dialect) -> Any:
    """The bytes of a file, unpacked, of UTF-16 as UTF-8."""
    try:
        if dialect.compression:
            content: Any = gzip.decompress(path.read_bytes())
        else:
            with path.open("rb") as file:
                content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return bytes(content).decode("utf-16").encode() if dialect.encoding == "utf-16" else content
    except UnicodeDecodeError as problem:
        raise DataError(f"{path}: not valid {dialect.encoding} text: {problem}", "save it as UTF-8") from None
    except Exception as problem:  # zlib's own errors among them
        raise DataError(f"{path}: damaged file: {problem}", "write the file again") from None


def _old_encoding(path: Path, content: Any) -> bytes:
    """Bytes that are not UTF-8, read as cp1252, with a warning. Raises DataError where other lines are UTF-8."""
    bad = []
    for number, line in enumerate(bytes(content).split(b"\n"), 1):
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
        text = bytes(content).decode("cp1252")
    except UnicodeDecodeError as problem:
        raise DataError(f"{path}: neither UTF-8 nor cp1252 text: {problem}", "save it as UTF-8") from None
    log.warning("%s: is not UTF-8 and is read as cp1252 (Windows, Western Europe); save it as UTF-8 if not so", path)
    return text.encode()


def _read_fast(content: Any, dialect: Dialect) -> pd.DataFrame:
    """All columns as texts. Raises ArrowInvalid for what needs a reader that is slower and more patient."""
    quotes = content.find(b'"') >= 0
    quoted = f'{dialect.delimiter} "'.encode()  # a space before a quote, which Arrow takes for text
    if quotes and content.find(quoted) >= 0:
        raise pa.ArrowInvalid("a space before a quote")
    table = pa.csv.read_csv(
        pa.py_buffer(content),
        pa.csv.ReadOptions(skip_rows=dialect.skip + 1, column_names=list(dialect.columns)),
        pa.csv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=quotes),
        pa.csv.ConvertOptions(column_types=dict.fromkeys(dialect.columns, pa.string()), strings_can_be_null=False),
    )
    columns = [pc.utf8_trim_whitespace(c) if _has_spaces(c) else c for c in table.columns]
    table = pa.table(columns, names=table.column_names)
    frame: pd.DataFrame = table.to_pandas(types_mapper={pa.string(): _TEXT}.get)
    return frame


def _has_spaces(column: Any) -> bool:
    """True where a cell begins or ends with a space: to look for one costs less than to copy all cells."""
    ends = (pc.starts_with, pc.ends_with)
    return any(pc.any(end(column, space)).as_py() for space in (" ", "\u00a0") for end in ends)


def _read_rows(path: Path, dialect: Dialect) -> pd.DataFrame:
    """All columns as texts, of rows that are not empty. Raises DataError for a row that is too long or too short."""
    width = len(dialect.columns)
    rows = []
    try:
        for line, row in records(path, dialect):
            if len(row) < width or any(cell.strip() for cell in row[width:]):
                message = f"line {line} has {len(row)} columns, the header {width}: {','.join(row)[:60]}"
                raise DataError(f"{path}: {message}", "quote values that hold the delimiter, or fix the line")
            rows.append([cell.strip() for cell in row[:width]])
    except csv.Error as problem:
        hint = "fix the line; close every quote"
        raise DataError(f"{path}: cannot be cut into columns: {problem}", hint) from None
    return pd.DataFrame(rows[1:], columns=list(dialect.columns), dtype=_TEXT)
