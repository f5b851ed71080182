"""A folder of Parquet files as one table: which files belong to it, and what the names of its folders say.

sales/store=4/year=2023/part-0.parquet      the columns store and year, as Hive and Spark write them
sales/part-0.parquet                        plain files
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from tsforge.errors import DataError, listing

log = logging.getLogger("tsforge")

CACHE = ".tsforge"  # the ending of folders that hold what was made of tables
_MAGIC = b"PAR1"  # the first four bytes of a Parquet file
_ENDINGS = (".parquet", ".parq", ".pq")
NOTHING = "__HIVE_DEFAULT_PARTITION__"  # in the name of a folder: no value
WHOLE = re.compile(r"0|-?[1-9]\d{0,17}")  # numbers as they are written back the same
_KEY = re.compile(r"([^=]+)=(.*)")


@dataclass(frozen=True)
class Part:
    """One file of a folder.

    name: its path inside the folder, with slashes.
    keys: the columns that the names of its folders hold, the outermost first, as texts; None for no value.
    """

    path: Path
    name: str
    keys: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True)
class Places:
    """Where each row of a table that was read of several files stands.

    names: of the files. begins: the row of the table that each begins with, and the number of rows, ascending.
    first: the row in all files of the table's first.
    rows: the row in all files of each row of the table; None where they stand below each other.
    """

    names: tuple[str, ...]
    begins: tuple[int, ...]
    first: int = 0
    rows: NDArray[np.int64] | None = None

    def place(self, i: int) -> int:
        """The row in all files of row i, from 0 both."""
        return int(self.first + i if self.rows is None else self.rows[i])

    def row(self, i: int) -> str:
        """Row i (from 0) in words: "row 3 of part-1.parquet"."""
        place = self.place(i)
        which = int(np.searchsorted(self.begins, place, side="right")) - 1
        return f"row {place - self.begins[which] + 1} of {self.names[which]}"


def parts(folder: Path) -> tuple[Part, ...]:
    """The Parquet files of a folder and of the folders in it, sorted by their paths.

    Names that begin with a dot or an underscore are left out, as marks of those who wrote the folder; other files that
    are no Parquet are left out with a warning.
    Raises DataError where there is none, for one that is damaged, and where the names of folders hold other columns
    for one file than for another.
    """
    found: list[Part] = []
    others: list[str] = []
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        if _is_parquet(path):
            found.append(Part(path, name, keys_of(path.relative_to(folder).parts[:-1])))
        elif path.suffix.lower() in _ENDINGS:
            raise DataError(
                f"{path}: not a readable Parquet file", "write the file again, or take it out of the folder"
            )
        else:
            others.append(name)
    if not found:
        what = f"a directory without a Parquet file; it holds {listing(others)}" if others else "an empty directory"
        raise DataError(f"{folder}: {what}", "name a CSV or Parquet file, or a folder of Parquet files")
    if others:
        log.warning("%s: files that are no Parquet are not read: %s", folder, listing(others))
    first = found[0]
    for part in found:
        if _names(part) != _names(first):
            theirs = [f"{p.name} ({listing(_names(p)) or 'none'})" for p in (first, part)]
            message = f"the names of the folders hold other columns for one file than for another: {', '.join(theirs)}"
            raise DataError(f"{folder}: {message}", "name the folders alike, as store=4/year=2023")
    return tuple(found)


def numbers(found: Sequence[Part]) -> frozenset[str]:
    """The columns in the names of folders whose values are whole numbers in all of them, so that they are read so."""
    names = _names(found[0])
    values = {name: {dict(part.keys)[name] for part in found} - {None} for name in names}
    return frozenset(n for n in names if values[n] and all(WHOLE.fullmatch(str(value)) for value in values[n]))


def _names(part: Part) -> tuple[str, ...]:
    return tuple(name for name, _ in part.keys)


def _files(folder: Path) -> list[Path]:
    """All files under a folder, sorted; without what hides, and what was made of tables."""
    paths: list[Path] = []
    for here, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not hidden(name) and not name.endswith(CACHE)]
        paths += [Path(here, name) for name in files if not hidden(name)]
    return sorted(paths, key=lambda path: path.relative_to(folder).parts)


def hidden(name: str) -> bool:
    """Whether a file or a folder is no part of a table: a mark, or a draft; _store=4 holds a column."""
    return name.startswith(".") or (name.startswith("_") and "=" not in name)


def _is_parquet(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == _MAGIC
    except OSError as problem:
        raise DataError(f"{path}: may not be read: {problem.strerror}", "check the permissions of the file") from None


def keys_of(folders: Sequence[str]) -> tuple[tuple[str, str | None], ...]:
    """Names and values of folders as store=4; other folders say nothing."""
    found = [match.groups() for match in map(_KEY.fullmatch, folders) if match]
    return tuple((unquote(name), None if value == NOTHING else unquote(value)) for name, value in found)
