"""The partitions of a table: its files, and what their folders say of their rows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from tsforge.data.table.folder import CACHE, NOTHING, WHOLE, hidden, keys_of
from tsforge.errors import ConfigError, DataError
from tsforge.partitions.places import Place

READ = (".parquet", ".pq", ".csv", ".csv.gz", ".tsv")
TEXTS = (".csv", ".csv.gz", ".tsv")  # read where they lie on a disk

Value = str | int | None


@dataclass(frozen=True)
class Part:
    """A file of a table, or those rows of it that have some values; forecast in one piece.

    path: within the folder of the table.
    state: by which a change of the file is seen: its size and its time, in nanoseconds.
    keys: columns that the names of its folders give: region=EU.
    where: the values of the rows, of a file that is split by some columns.
    """

    path: str
    state: str
    keys: dict[str, Value] = field(default_factory=dict)
    where: dict[str, Value] = field(default_factory=dict)

    @property
    def target(self) -> str:
        """The path of its forecasts within the folder of the output, a Parquet file."""
        if self.where:
            folders = "/".join(f"{written(name)}={written(value)}" for name, value in self.where.items())
            return f"{folders}/part-0.parquet"
        return self.path if self.path.endswith((".parquet", ".pq")) else f"{self.path}.parquet"

    @property
    def name(self) -> str:
        """In words: its file, and the values that its rows have."""
        rows = ", ".join(f"{name}={value}" for name, value in self.where.items())
        return f"{self.path} ({rows})" if rows and self.path else rows or self.path


def written(value: Value) -> str:
    """A value in the name of a folder, as Hive and Spark write it."""
    return NOTHING if value is None else quote(str(value), safe=" ")


def find(source: Place) -> list[Part]:
    """The partitions of a folder, by their paths. Raises DataError where there are none, or folders contradict."""
    found = []
    for info in source.list():
        relative = info.path[len(source.path.rstrip("/")) + 1 :]
        if info.is_file and relative.endswith(READ) and not any(map(left_out, relative.split("/"))):
            found.append((relative, _state(info)))
    if not found:
        kinds = "Parquet or CSV files"
        raise DataError(f"{source.address}: a folder without {kinds}", "name a folder of partitions, or one table")
    if not source.local and (texts := [name for name, _ in found if name.endswith(TEXTS)]):
        raise DataError(f"{source.shown(texts[0])}: text files are read from disks only", "write it as Parquet")
    found.sort()
    keys = [dict(keys_of(relative.split("/")[:-1])) for relative, _ in found]
    for (relative, _), own in zip(found, keys, strict=True):
        if list(own) != list(keys[0]):
            message = f"{source.address}: {found[0][0]} and {relative} lie in folders of different columns"
            raise DataError(message, "name the folder of one table")
    whole = {name: all(WHOLE.fullmatch(own[name] or "0") for own in keys) for name in keys[0]}
    typed = [
        {name: int(value) if whole[name] and value is not None else value for name, value in own.items()}
        for own in keys
    ]
    return [Part(relative, state, own) for (relative, state), own in zip(found, typed, strict=True)]


def left_out(name: str) -> bool:
    """Whether a file or a folder is no part of a table: also what was made of tables."""
    return hidden(name) or name.endswith(CACHE)


def single(source: Place) -> Part:
    """A file as one partition."""
    return Part("", _state(source.info()))


def _state(info: Any) -> str:
    return f"{info.size}-{info.mtime_ns}"


@dataclass(frozen=True)
class Shard:
    """One of several shares of the partitions: each machine does its own. number counts from 1."""

    number: int = 1
    of: int = 1

    def take(self, parts: list[Part]) -> list[Part]:
        return parts[self.number - 1 :: self.of]


def shard(text: str | None) -> Shard:
    """The share that a text like 2/8 names; all where None. Raises ConfigError for what is none."""
    if text is None:
        return Shard()
    match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text.strip())
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise ConfigError(f"shard {text} is none", "write it as 1/8, 2/8, ... 8/8")
    return Shard(int(match[1]), int(match[2]))
