"""Reading a file or a data frame: a pandas frame with a name for messages, in which nothing is interpreted yet.

All columns of a text file are texts, as they are written: what is a number, a category, an id or a time follows from
the role of a column, not from what else happens to stand in it.
"""

from __future__ import annotations

import csv
import gzip
import logging
import mmap
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from tsforge.data.table.cells import (
    Cells,
    Sign,
    Style,
    Votes,
    as_arrow,
    choose_style,
    holds_numbers,
    read_text,
    read_typed,
    votes,
)
from tsforge.data.table.dialect import MISSING, Dialect, records, sniff
from tsforge.errors import DataError, nearest

log = logging.getLogger("tsforge")

_TEXT = pd.StringDtype("pyarrow", na_value=np.nan)
_LOOK = 200  # cells that show whether a column is one of numbers


@dataclass(frozen=True)
class Frame:
    """A pandas frame, where it came from, and how it was written if its rows are lines of a text file.

    data: of a text file, texts without the spaces around them; the types of a data frame are as they came.
    filled: rows of a text file that are not empty; None where all are.
    decimal: the decimal sign that the user names.
    usual: the decimal sign of the table that a model was fitted on, where this one does not show its own.
    parts: columns that make up the times, which then stand in one column more.
    """

    data: pd.DataFrame
    name: str
    dialect: Dialect | None = None
    filled: NDArray[np.bool_] | None = None
    decimal: Sign | None = None
    usual: Sign | None = None
    parts: tuple[str, ...] = ()
    _cells: dict[str, Cells] = field(default_factory=dict, compare=False, repr=False)
    _codes: dict[str, tuple[NDArray[np.intp], pd.Index]] = field(default_factory=dict, compare=False, repr=False)
    _votes: dict[str, Votes] = field(default_factory=dict, compare=False, repr=False)

    @property
    def text(self) -> bool:
        return self.dialect is not None

    def cells(self, name: str) -> Cells:
        """One column, read: its kind, its numbers, and which cells are missing."""
        if name not in self._cells:
            column = self.data[name]
            self._cells[name] = read_text(column, self.style(name)) if self.text else read_typed(column)
        return self._cells[name]

    def codes(self, name: str) -> tuple[NDArray[np.intp], pd.Index]:
        """The distinct cells of a column in order of appearance, and which of them stands in each row; -1 for none."""
        if name not in self._codes:
            self._codes[name] = pd.factorize(self.data[name])
        return self._codes[name]

    def distinct(self, name: str) -> int:
        """The number of distinct cells of a column."""
        return len(self.codes(name)[1])

    def present(self, name: str) -> pd.Series:
        """One column, NaN where a cell is missing."""
        column = self.data[name]
        return column.where(~self.cells(name).missing) if self.text else column

    def categories(self, name: str) -> pd.Series:
        """One column as categories, NaN where there is none: among them NA, none and - are words as any other."""
        column = self.data[name]
        if not self.text:
            return column
        return column.where(~column.isin(("", "NaN", "nan", "<NA>")))

    @property
    def sign(self) -> Sign | None:
        """The decimal sign that the columns read so far show or need; None where they have none."""
        if not self.text or self.decimal is not None:
            return self.decimal
        styles = [self.style(name) for name, cells in self._cells.items() if cells.number]
        signs = [s.decimal for s in styles if s.grouped or s.example]
        return signs[0] if signs else self.usual

    def style(self, name: str) -> Style:
        """How the numbers of a column of a text file are written."""
        assert self.dialect is not None
        if self.decimal is not None:
            return Style(self.decimal, grouped=True)
        if not holds_numbers(self.data[name]):
            return Style()
        own = self._vote(name)
        settled = own.decimal["."] != own.decimal[","] or not any(own.triple.values())
        elsewhere = None if settled else self._elsewhere(name)
        return choose_style(own, elsewhere, self.usual, self.dialect.delimiter)

    def _vote(self, name: str) -> Votes:
        if name not in self._votes:
            self._votes[name] = votes(as_arrow(self.data[name]))
        return self._votes[name]

    def _elsewhere(self, name: str) -> Sign | None:
        """The decimal sign of the first other column of numbers that shows one."""
        for other in self.data.columns:
            sample = self.data[other].head(_LOOK)
            sample = sample[~sample.isin(MISSING)]
            if other == name or sample.empty or sample.str.fullmatch(r"[-+]?[\d.,]+([eE][-+]?\d+)?").mean() < 0.5:
                continue
            point, comma = self._vote(other).decimal["."], self._vote(other).decimal[","]
            if point != comma:
                return "." if point > comma else ","
        return None

    def row(self, i: int) -> str:
        """Row i (from 0) in words: "row 3", and the line where a text file has it."""
        return f"row {i + 1} (line {self._lines[i + 1]})" if self.text else f"row {i + 1}"

    @cached_property
    def _lines(self) -> list[int]:
        """The line at which each row of a text file begins, the header first; looked up for messages only."""
        assert self.dialect is not None
        return [line for line, _ in records(Path(self.name), self.dialect)]


def read(source: Any, decimal: Sign | None = None, usual: Sign | None = None) -> Frame:
    """Read CSV (comma, semicolon, tab or bar; BOM; gzip), Parquet, or take a pandas or Polars frame.

    decimal, usual: as in `Frame`.
    Raises DataError for what is missing, empty, binary or ragged.
    """
    library = type(source).__module__.split(".")[0]
    if isinstance(source, pd.DataFrame | pd.Series):
        frame = Frame(_with_index(pd.DataFrame(source)), "the data frame")
    elif library == "polars":
        whole = source.collect() if hasattr(source, "collect") else source
        frame = Frame(pd.DataFrame(whole.to_pandas()), "the data frame")
    elif isinstance(source, str | Path):
        frame = _read_file(Path(source), decimal, usual)
    else:
        raise DataError(f"a table cannot be read from {type(source).__name__}", "pass a path or a data frame")
    repeated = frame.data.columns[frame.data.columns.duplicated()]
    if len(repeated):
        raise DataError(f"{frame.name}: column '{repeated[0]}' appears more than once", "rename one of them")
    if frame.data.empty:
        raise DataError(f"{frame.name}: a header but no rows", "a table needs at least one row per time step")
    return frame


def _with_index(data: pd.DataFrame) -> pd.DataFrame:
    """A named index, or one of times, becomes a column; any other is dropped. Names become text."""
    index = data.index
    times = isinstance(index, pd.DatetimeIndex | pd.PeriodIndex)
    wanted = times or any(n is not None for n in index.names)
    if times and index.name is None:
        index = index.rename("time")
    taken = any(n in data.columns for n in index.names)
    data = data.set_axis(index).reset_index(drop=taken or not wanted)
    return data.set_axis([str(c) for c in data.columns], axis=1)


def _read_file(path: Path, decimal: Sign | None, usual: Sign | None) -> Frame:
    if not path.exists():
        folder = path.parent if path.parent.is_dir() else Path()
        near = nearest(path.name, [p.name for p in folder.iterdir() if p.is_file()])
        raise DataError(f"{path}: no such file", near or "check the path")
    if path.is_dir():
        raise DataError(f"{path}: a folder (directory), not a table", "name a CSV or Parquet file")
    try:
        with path.open("rb") as file:
            parquet = file.read(4) == b"PAR1"
    except PermissionError:
        raise DataError(f"{path}: may not be read", "check the permissions of the file") from None
    if not parquet:
        data, dialect, filled = _read_text(path, sniff(path))
        return Frame(data, str(path), dialect, filled, decimal, usual)
    try:
        data = pd.read_parquet(path)
    except Exception as problem:
        raise DataError(f"{path}: not a readable Parquet file: {problem}", "write the file again") from None
    return Frame(_with_index(data), str(path))


# --- text ---------------------------------------------------------------------------------------------------


def _read_text(path: Path, dialect: Dialect) -> tuple[pd.DataFrame, Dialect, NDArray[np.bool_] | None]:
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
            return _read_text(path, dialect._replace(encoding="cp1252"))
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
    nameless = [c for c in data.columns if c.startswith("Unnamed: ") and data[c].isin(MISSING).all()]
    return data.drop(columns=nameless), dialect, filled


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
    quoted = f'{dialect.delimiter} "'.encode()  # a space before a quote, which Arrow takes for text
    if content.find(b'"') >= 0 and content.find(quoted) >= 0:
        raise pa.ArrowInvalid("a space before a quote")
    table = pa.csv.read_csv(
        pa.py_buffer(content),
        pa.csv.ReadOptions(skip_rows=dialect.skip + 1, column_names=list(dialect.columns)),
        pa.csv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=True),
        pa.csv.ConvertOptions(column_types=dict.fromkeys(dialect.columns, pa.string()), strings_can_be_null=False),
    )
    trimmed = [pc.utf8_trim_whitespace(column) for column in table.columns]
    frame: pd.DataFrame = pa.table(trimmed, names=table.column_names).to_pandas(types_mapper={pa.string(): _TEXT}.get)
    return frame


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
