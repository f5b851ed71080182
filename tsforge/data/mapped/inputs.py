"""The files of a table that is too large for memory: how large, whether they have changed, where its panel lies."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tsforge.data.schema import DataConfig, Schema
from tsforge.data.table import folder, parquet
from tsforge.data.table.folder import Part
from tsforge.runtime import home
from tsforge.runtime.memory import free
from tsforge.version import __version__

ROW, CELL = 24, 12  # bytes that a row takes while a table is read into memory, and each of its cells
SHARE = 4  # of the memory that is free, a table may take one part in so many
PANELS = "panels"  # the folder in what tsforge keeps
SMALLEST = 400  # bytes in memory of one in a file, at most: texts and numbers that repeat


@dataclass(frozen=True)
class Input:
    """The files of a table.

    source: the folder, or the one file. rows: of each file. begins: the row in all files with which each begins.
    """

    source: Path
    parts: tuple[Part, ...]
    rows: tuple[int, ...]
    columns: int

    @property
    def whole(self) -> frozenset[str]:
        """The columns in the names of folders that are whole numbers."""
        return folder.numbers(self.parts)

    @property
    def total(self) -> int:
        return sum(self.rows)

    @property
    def memory(self) -> int:
        """Bytes that it takes about to read all of it into memory."""
        return self.total * (ROW + CELL * self.columns)

    def files(self, kept: Sequence[dict[str, Any]] = ()) -> list[dict[str, Any]]:
        """Name, size, time of the last change and sha256 of each file.

        kept: what was known of them; a file of the same size and time is taken to be the same.
        """
        known = {(f["name"], f["size"], f["changed"]): f["sha256"] for f in kept}
        facts = []
        for part in self.parts:
            state = part.path.stat()
            key = (part.name, state.st_size, state.st_mtime_ns)
            facts.append({
                "name": part.name, "size": state.st_size, "changed": state.st_mtime_ns,
                "sha256": known.get(key) or parquet.guarded(digest, part.path),
            })  # fmt: skip
        return facts


def digest(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def of(source: Path) -> Input:
    """The files of a folder of Parquet files, or of one such file. Raises DataError where they are no table."""
    parts = folder.parts(source) if source.is_dir() else (Part(source, source.name),)
    parquet.check_alike(parts)
    columns = len(parquet.guarded(parquet.schema, parts[0].path).names) + len(parts[0].keys)
    return Input(source, parts, tuple(parquet.guarded(parquet.rows, part.path) for part in parts), columns)


def is_large(source: Path) -> bool:
    """Whether a table of Parquet files takes more than a quarter of the memory that is free."""
    if not is_parquet(source):
        return False
    paths = [part.path for part in folder.parts(source)] if source.is_dir() else [source]
    room = free() // SHARE
    return sum(path.stat().st_size for path in paths) * SMALLEST > room and of(source).memory > room


def is_parquet(source: Path) -> bool:
    """Whether a path is a folder, or a Parquet file."""
    if source.is_dir():
        return True
    if not source.is_file():
        return False
    with source.open("rb") as file:
        return file.read(4) == b"PAR1"


def place(source: Path, config: DataConfig) -> Path:
    """The folder for what is made of a table: the one named, or one in what tsforge keeps where it runs, or the user's.

    One that an earlier version began beside the table, as sales.tsforge, stays in use.
    """
    if config.cache is not None:
        return Path(config.cache).absolute()
    beside = source.absolute().with_name(f"{source.name}{folder.CACHE}")
    if beside.is_dir() and os.access(beside, os.W_OK):
        return beside
    name = f"{source.name}-{hashlib.sha256(str(source.absolute()).encode()).hexdigest()[:8]}"
    here = home.place().absolute()
    if os.access(here if here.is_dir() else here.parent, os.W_OK):
        return here / PANELS / name
    import platformdirs

    return Path(platformdirs.user_cache_dir("tsforge")) / PANELS / f"{name}{folder.CACHE}"


def key(source: Path, schema: Schema, config: DataConfig) -> str:
    """The name of the panel that a table becomes, read with a schema: that of another reading is another."""
    plain = schema.model_dump(mode="json") | {"dense": None}
    facts = json.dumps([str(source.absolute()), plain, config.rows, __version__])
    return "panel-" + hashlib.sha256(facts.encode()).hexdigest()[:12]
