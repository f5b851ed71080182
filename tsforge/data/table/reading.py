"""Reading a file or a data frame: a pandas frame with a name for messages, in which nothing is interpreted yet."""

from __future__ import annotations

import csv
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsforge.data.table.dialect import MISSING, Dialect, records, sniff
from tsforge.errors import DataError, nearest


@dataclass(frozen=True)
class Frame:
    """A pandas frame, where it came from, and how it was written if its rows are lines of a text file."""

    data: pd.DataFrame
    name: str
    dialect: Dialect | None = None
    filled: NDArray[np.bool_] | None = None  # rows of a text file that are not empty; None where all are

    @property
    def text(self) -> bool:
        return self.dialect is not None

    def as_text(self, name: str) -> pd.Series:
        """One column of a text file again, as it is written."""
        assert self.dialect is not None
        options = _options(self.dialect) | {"usecols": [name], "dtype": str, "na_values": []}
        column: pd.Series = pd.read_csv(self.name, **options)[name].fillna("").str.strip()
        return column if self.filled is None else column[self.filled].reset_index(drop=True)

    def categories(self, name: str) -> pd.Series:
        """One column with the words that mean missing among numbers, as none or -, put back as categories."""
        column = self.data[name]
        if not self.text or not column.isna().any():
            return column
        return column.astype(object).where(column.notna(), self.as_text(name).to_numpy())

    def row(self, i: int) -> str:
        """Row i (from 0) in words: "row 3", and the line where a text file has it."""
        return f"row {i + 1} (line {self._lines[i + 1]})" if self.text else f"row {i + 1}"

    @cached_property
    def _lines(self) -> list[int]:
        """The line at which each row of a text file begins, the header first; looked up for messages only."""
        assert self.dialect is not None
        return [line for line, _ in records(Path(self.name), self.dialect)]


def read(source: Any) -> Frame:
    """Read CSV (comma, semicolon, tab or bar; BOM; gzip), Parquet, or take a pandas or Polars frame.

    Raises DataError for what is missing, empty, binary or ragged.
    """
    library = type(source).__module__.split(".")[0]
    if isinstance(source, pd.DataFrame | pd.Series):
        frame = Frame(_with_index(pd.DataFrame(source)), "the data frame")
    elif library == "polars":
        whole = source.collect() if hasattr(source, "collect") else source
        frame = Frame(pd.DataFrame(whole.to_pandas()), "the data frame")
    elif isinstance(source, str | Path):
        frame = _read_file(Path(source))
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


def _read_file(path: Path) -> Frame:
    if not path.exists():
        folder = path.parent if path.parent.is_dir() else Path()
        near = nearest(path.name, [p.name for p in folder.iterdir() if p.is_file()])
        raise DataError(f"{path}: no such file", near or "check the path")
    if path.is_dir():
        raise DataError(f"{path}: a folder, not a table", "name a CSV or Parquet file")
    try:
        with path.open("rb") as file:
            parquet = file.read(4) == b"PAR1"
    except PermissionError:
        raise DataError(f"{path}: may not be read", "check the permissions of the file") from None
    if not parquet:
        return _read_text(path, sniff(path))
    try:
        data = pd.read_parquet(path)
    except Exception as problem:
        raise DataError(f"{path}: not a readable Parquet file: {problem}", "write the file again") from None
    return Frame(_with_index(data), str(path))


def _options(dialect: Dialect) -> dict[str, Any]:
    return {
        "sep": dialect.delimiter, "encoding": dialect.encoding, "compression": dialect.compression,
        "decimal": dialect.decimal, "names": list(dialect.columns), "header": 0, "index_col": False,
        "skipinitialspace": True, "low_memory": False, "keep_default_na": False, "na_values": list(MISSING),
    }  # fmt: skip


def _read_text(path: Path, dialect: Dialect) -> Frame:
    try:
        with warnings.catch_warnings():
            # pandas would cut rows longer than the header and only warn.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            data = pd.read_csv(path, **_options(dialect))
    except (pd.errors.ParserError, pd.errors.ParserWarning) as problem:
        _check_widths(path, dialect)
        text = str(problem).replace("Error tokenizing data. C error: ", "").strip()
        raise DataError(f"{path}: cannot be cut into columns: {text}", "fix the line; close every quote") from None
    except UnicodeDecodeError as problem:
        if dialect.encoding == "utf-8-sig":  # the first lines were plain, a later one is not
            return _read_text(path, dialect._replace(encoding="cp1252"))
        raise DataError(f"{path}: not valid {dialect.encoding} text: {problem}", "save it as UTF-8") from None
    except (OSError, EOFError) as problem:
        raise DataError(f"{path}: damaged file: {problem}", "write the file again") from None
    empty = data.iloc[:, -1].isna()
    if empty.any():
        # Only then can a row be too short: pandas fills those up in silence.
        empty = data.isna().all(axis=1)
        _check_widths(path, dialect)
    filled = ~empty.to_numpy() if empty.any() else None
    data = data if filled is None else data[filled].reset_index(drop=True)
    nameless = [c for c in data.columns if c.startswith("Unnamed: ") and data[c].isna().all()]
    return Frame(data.drop(columns=nameless), str(path), dialect, filled)


def _check_widths(path: Path, dialect: Dialect) -> None:
    """Raises DataError at the first row with more or fewer fields than the header."""
    width = len(dialect.columns)
    try:
        for line, row in records(path, dialect):
            if len(row) < width or any(field.strip() for field in row[width:]):
                message = f"line {line} has {len(row)} columns, the header {width}: {','.join(row)[:60]}"
                raise DataError(f"{path}: {message}", "quote values that hold the delimiter, or fix the line")
    except csv.Error:
        return
