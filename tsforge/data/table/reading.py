"""Reading a file or a data frame: a pandas frame with a name for messages, in which nothing is interpreted yet.

All columns of a text file are taken as they are written: what is a number, a category, an id or a time follows from
the role of a column, not from what else happens to stand in it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from tsforge.data.table import parquet, piped, textfile
from tsforge.data.table.cells import Cells, holds_numbers, numbered, read_text, read_typed
from tsforge.data.table.dialect import MISSING, Dialect, records, sniff
from tsforge.data.table.folder import Places
from tsforge.data.table.piped import Piped
from tsforge.data.table.signs import Sign, Style, Votes, choose_style, votes
from tsforge.errors import DataError, LineError, nearest

log = logging.getLogger("tsforge")

_LOOK = 200  # cells that show whether a column is one of numbers


@dataclass(frozen=True)
class Frame:
    """A pandas frame, where it came from, and how it was written if its rows are lines of a text file.

    data: of a text file, texts without the spaces around them, or categories of them, or float64 where all cells are
        decimals with a point (`texts` has these as they are written); the types of a data frame are as they came.
    filled: rows of a text file that are not empty; None where all are.
    decimal: the decimal sign that the user names.
    usual: the decimal sign of the table that a model was fitted on, where this one does not show its own.
    parts: columns that make up the times, which then stand in one column more.
    places: where its rows stand, where it was read of several files.
    part: whether it is a part of a table whose columns and grid are settled, and not a table like another.
    file: in which a text table lies, where that is not its name.
    """

    data: pd.DataFrame
    name: str
    dialect: Dialect | None = None
    filled: NDArray[np.bool_] | None = None
    decimal: Sign | None = None
    usual: Sign | None = None
    parts: tuple[str, ...] = ()
    places: Places | None = None
    part: bool = False
    file: Path | None = None
    _cells: dict[str, Cells] = field(default_factory=dict, compare=False, repr=False)
    _codes: dict[str, tuple[NDArray[np.integer], pd.Index]] = field(default_factory=dict, compare=False, repr=False)
    _votes: dict[str, Votes] = field(default_factory=dict, compare=False, repr=False)

    @property
    def text(self) -> bool:
        return self.dialect is not None

    def cells(self, name: str) -> Cells:
        """One column, read: its kind, its numbers, and which cells are missing."""
        if name not in self._cells:
            column = self.data[name]
            typed = not self.text or self._decimals(name)
            self._cells[name] = read_typed(column) if typed else read_text(column, self.style(name))
        return self._cells[name]

    def codes(self, name: str) -> tuple[NDArray[np.integer], pd.Index]:
        """The distinct cells of a column in order of appearance, and which of them stands in each row; -1 for none."""
        if name not in self._codes:
            column = self.texts(name)
            try:
                codes, distinct = numbered(column) or pd.factorize(column)
            except TypeError:  # lists and the like, which have no hash
                hint = "leave it out, or make its cells numbers or texts"
                raise DataError(f"{self.name}: column '{name}' holds what is no cell of a table", hint) from None
            short = codes.astype(np.int32) if len(distinct) < 2**31 and codes.dtype == np.int64 else codes
            self._codes[name] = short, distinct.astype("str") if self.text else distinct
        return self._codes[name]

    def distinct(self, name: str) -> int:
        """The number of distinct cells of a column."""
        return len(self.codes(name)[1])

    def texts(self, name: str) -> pd.Series:
        """One column as it came: of a text file, its texts."""
        return self._as_written[name] if self._decimals(name) else self.data[name]

    def present(self, name: str) -> pd.Series:
        """One column, NaN where a cell is missing."""
        column = self.texts(name)
        missing = self.cells(name).missing
        return column.where(~missing) if self.text and missing.any() else column

    def sample(self, name: str, count: int) -> pd.Series:
        """The first cells of a column that are not missing."""
        missing, column = self.cells(name).missing, self.texts(name)
        for size in (10 * count, len(column)):
            rows = np.flatnonzero(~missing[:size])[:count]
            if len(rows) == count:
                break
        return column.iloc[rows]

    def is_empty(self, name: str) -> bool:
        """True where no cell of a column holds anything."""
        column = self.data[name]
        if not self.text:
            return bool(column.isna().all())
        return bool(column.head(_LOOK).isin(MISSING).all() and column.isin(MISSING).all())

    def categories(self, name: str) -> pd.Series:
        """One column as categories, NaN where there is none: among them NA, none and - are words as any other."""
        column = self.texts(name)
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
        if self._decimals(name):
            return Style(".", grouped=True)
        if not holds_numbers(self.data[name]):
            return Style()
        own = self._vote(name)
        settled = own.decimal["."] != own.decimal[","] or not any(own.triple.values())
        elsewhere = None if settled else self._elsewhere(name)
        return choose_style(own, elsewhere, self.usual, self.dialect.delimiter)

    def _vote(self, name: str) -> Votes:
        if name not in self._votes:
            self._votes[name] = votes(self.data[name])
        return self._votes[name]

    def _elsewhere(self, name: str) -> Sign | None:
        """The decimal sign of the first other column of numbers that shows one."""
        for other in self.data.columns:
            if self._decimals(other) and self.data[other].head(_LOOK).notna().any():
                return "."
            if self._decimals(other):
                continue
            sample = self.data[other].head(_LOOK)
            sample = sample[~sample.isin(MISSING)]
            if other == name or sample.empty or sample.str.fullmatch(r"[-+]?[\d.,]+([eE][-+]?\d+)?").mean() < 0.5:
                continue
            point, comma = self._vote(other).decimal["."], self._vote(other).decimal[","]
            if point != comma:
                return "." if point > comma else ","
        return None

    def _decimals(self, name: str) -> bool:
        """True for a column of a text file that is read as numbers at once."""
        return self.text and self.data[name].dtype == np.float64

    @cached_property
    def _as_written(self) -> pd.DataFrame:
        """The texts of a text file, read again."""
        assert self.dialect is not None
        return textfile.read_text(self.file or Path(self.name), self.dialect, plain=False)[0]

    def row(self, i: int) -> str:
        """Row i (from 0) in words: "row 3", with the line of a text file, or the file of a folder."""
        if self.places is not None:
            return self.places.row(i)
        return f"row {i + 1} (line {self._lines[i + 1]})" if self.text else f"row {i + 1}"

    @cached_property
    def _lines(self) -> list[int]:
        """The line at which each row of a text file begins, the header first; looked up for messages only."""
        assert self.dialect is not None
        return [line for line, _ in records(self.file or Path(self.name), self.dialect)]


def read(source: Any, decimal: Sign | None = None, usual: Sign | None = None) -> Frame:
    """Read CSV (comma, semicolon, tab or bar; BOM; gzip), Parquet (a file, or a folder of files), either of them from
    standard input (-), or take a frame of pandas or Polars, or what was read.

    decimal, usual: as in `Frame`.
    Raises DataError for what is missing, empty, binary or ragged.
    """
    library = type(source).__module__.split(".")[0]
    if isinstance(source, Frame):
        return source
    if isinstance(source, pd.DataFrame | pd.Series):
        frame = Frame(_with_index(pd.DataFrame(source)), "the data frame")
    elif library == "polars":
        whole = source.collect() if hasattr(source, "collect") else source
        frame = Frame(pd.DataFrame(whole.to_pandas()), "the data frame")
    elif isinstance(source, Piped):
        with piped.named(source):
            frame = _read_file(source.path, decimal, usual)
        frame = replace(frame, name=str(source), file=source.path)
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


def framed(data: pd.DataFrame, name: str, places: Places, *, part: bool) -> Frame:
    """Rows of a folder of Parquet files, as `read` gives all of them."""
    return Frame(_with_index(data), name, places=places, part=part)


def read_above(source: str | Path | Piped, problem: LineError, decimal: Sign | None = None) -> Frame:
    """The rows above a line that has too few columns or too many, to look at."""
    path = source.path if isinstance(source, Piped) else Path(source)
    return Frame(problem.before, str(source), sniff(path), None, decimal, file=path)


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
        data, places = parquet.read_folder(path)
        give_back()
        return Frame(_with_index(data), str(path), places=places)
    try:
        with path.open("rb") as file:
            is_text = file.read(4) != b"PAR1"
    except PermissionError:
        raise DataError(f"{path}: may not be read", "check the permissions of the file") from None
    if is_text:
        data, dialect, filled = textfile.read_text(path, sniff(path), plain=decimal != ",")
        return Frame(data, str(path), dialect, filled, decimal, usual)
    data = parquet.read(path)
    give_back()
    return Frame(_with_index(data), str(path))


def give_back() -> None:
    """Give what Arrow has freed back to the system, where its pool would keep it."""
    pa.default_memory_pool().release_unused()
