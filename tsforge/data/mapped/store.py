"""A panel as a folder of files: its long arrays as they lie in memory, to be mapped, and the rest as JSON and Arrow.

    values.bin observed.bin past.bin future.bin      a row for each step of each series
    static.bin offsets.bin first.bin ends.bin phase.bin
    ids.arrow                                        a column for each id column
    panel.json                                       schema, labels, shapes, checks; written last

Panels are written in one pass over parts of them, each of whole series, so that no more than one part is in memory.
"""

from __future__ import annotations

import hashlib
import json
import sys
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tsforge.data.panel import Panel
from tsforge.data.room import Room
from tsforge.data.schema import Schema
from tsforge.runtime import files

FORMAT = 1
LONG = ("values", "observed", "past", "future")
SHORT = ("static", "offsets", "first", "ends", "phase")
CHUNK = 1 << 22  # bytes with one check
MOST_CHECKED = 1 << 28  # bytes of an array that are checked whole; of a longer one so many, evenly spaced


class DamagedError(Exception):
    """A folder that holds no whole panel."""


class ArrayFile:
    """An array that is written a part at a time, with checks of its bytes."""

    def __init__(self, path: Path, dtype: Any, columns: int | None) -> None:
        self.dtype, self.columns, self.rows = np.dtype(dtype), columns, 0
        self._file, self._checks, self._open, self._left = path.open("wb"), list[int](), 0, CHUNK

    def append(self, part: NDArray[Any]) -> None:
        content = np.ascontiguousarray(part, dtype=self.dtype).reshape(-1).view(np.uint8).data
        self._file.write(content)
        self.rows += len(part)
        begin = 0
        while begin < len(content):
            piece = content[begin : begin + self._left]
            self._open, self._left, begin = zlib.crc32(piece, self._open), self._left - len(piece), begin + len(piece)
            if not self._left:
                self._checks.append(self._open)
                self._open, self._left = 0, CHUNK

    def close(self) -> dict[str, Any]:
        """What reading it back needs."""
        self._file.close()
        shape = [self.rows] if self.columns is None else [self.rows, self.columns]
        checks = [*self._checks, self._open] if self._left < CHUNK else self._checks
        return {"dtype": self.dtype.str, "shape": shape, "checks": checks}


def write(
    folder: Path, parts: Iterable[Panel], whole: Panel, about: dict[str, Any], then: Callable[[int], None] | None = None
) -> None:  # fmt: skip
    """Write a panel whose series come in parts.

    whole: the panel, of whose long arrays only types and widths count; all else is written of it.
    about: kept with it. then: called with the rows of each part once it is written.
    """
    arrays = {name: ArrayFile(folder / f"{name}.bin", *_layout(getattr(whole, name))) for name in (*LONG, *SHORT)}
    for part in parts:
        for name in LONG:
            arrays[name].append(getattr(part, name))
        if then is not None:
            then(len(part.values))
    for name in SHORT:
        arrays[name].append(getattr(whole, name))
    ids = [pa.array(column.tolist() if column.dtype == object else column) for column in whole.ids]
    table = pa.table(dict(zip(map(str, range(len(ids))), ids, strict=True)))
    with pa.OSFile(str(folder / "ids.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    facts = {
        "format": FORMAT, "byteorder": sys.byteorder, "about": about, "name": whole.name,
        "schema": whole.schema.model_dump(mode="json"), "labels": {n: list(v) for n, v in whole.labels.items()},
        "label_rows": {n: v.tolist() for n, v in whole.label_rows.items()},
        "ids": [column.dtype.str for column in whole.ids],
        "id_check": zlib.crc32((folder / "ids.arrow").read_bytes()),
        "arrays": {name: file.close() for name, file in arrays.items()},
    }  # fmt: skip
    _write_json(folder / "panel.json", facts)


def _layout(array: NDArray[Any]) -> tuple[Any, int | None]:
    return array.dtype, array.shape[1] if array.ndim > 1 else None


def _write_json(path: Path, facts: dict[str, Any]) -> None:
    text = json.dumps(facts)
    files.write(path, json.dumps({"check": hashlib.sha256(text.encode()).hexdigest(), "facts": text}))


def about(folder: Path) -> dict[str, Any]:
    """What was kept with a panel. Raises DamagedError where there is none that can be read."""
    kept: dict[str, Any] = _facts(folder)["about"]
    return kept


def rewrite(folder: Path, about: dict[str, Any]) -> None:
    """Keep other facts with a panel."""
    _write_json(folder / "panel.json", _facts(folder) | {"about": about})


def _facts(folder: Path) -> dict[str, Any]:
    try:
        sealed = json.loads((folder / "panel.json").read_text(encoding="utf-8"))
        text: str = sealed["facts"]
        if hashlib.sha256(text.encode()).hexdigest() != sealed["check"]:
            raise DamagedError("panel.json is not what was written")
        facts: dict[str, Any] = json.loads(text)
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise DamagedError(f"panel.json cannot be read: {problem}") from None
    if (facts["format"], facts["byteorder"]) != (FORMAT, sys.byteorder):
        raise DamagedError("written by another version, or on another kind of machine")
    return facts


def read(folder: Path) -> Panel:
    """The panel of a folder, mapped into memory. Raises DamagedError where a file is not what was written."""
    facts = _facts(folder)
    arrays = {name: _mapped(folder / f"{name}.bin", said) for name, said in facts["arrays"].items()}
    return Panel(
        schema=Schema.model_validate(facts["schema"]), name=facts["name"], **arrays,
        ids=_ids(folder / "ids.arrow", facts["ids"], facts["id_check"]),
        labels={name: tuple(labels) for name, labels in facts["labels"].items()},
        label_rows={name: np.array(rows, dtype=np.int64) for name, rows in facts["label_rows"].items()},
        room=Room(folder),
    )  # fmt: skip


def _ids(path: Path, dtypes: Sequence[str], check: int) -> tuple[NDArray[Any], ...]:
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise DamagedError(f"{path.name} cannot be read: {problem.strerror}") from None
    if zlib.crc32(content) != check:
        raise DamagedError(f"{path.name} is not what was written")
    columns = pa.ipc.open_file(pa.BufferReader(content)).read_all().columns
    kinds = [np.dtype(text) for text in dtypes]
    return tuple(
        np.array(column.to_pylist(), dtype=object) if kind.hasobject else np.array(column.to_numpy(), dtype=kind)
        for column, kind in zip(columns, kinds, strict=True)
    )


def _mapped(path: Path, said: dict[str, Any]) -> NDArray[Any]:
    """An array of a file, mapped to be read alone where it is long."""
    dtype, shape = np.dtype(said["dtype"]), tuple(said["shape"])
    size = int(np.prod(shape)) * dtype.itemsize
    try:
        if path.stat().st_size != size:
            raise DamagedError(f"{path.name} has {path.stat().st_size:,} bytes, {size:,} were written")
        if not size:
            return np.zeros(shape, dtype=dtype)
        array = np.memmap(path, dtype=dtype, mode="r", shape=shape)
    except OSError as problem:
        raise DamagedError(f"{path.name} cannot be read: {problem.strerror}") from None
    content = np.asarray(array).reshape(-1).view(np.uint8)
    step = max(1, size // MOST_CHECKED)
    for k in range(0, len(said["checks"]), step):
        if zlib.crc32(content[k * CHUNK : (k + 1) * CHUNK].data) != said["checks"][k]:
            raise DamagedError(f"{path.name} is not what was written, from byte {k * CHUNK:,} on")
    return np.array(array) if path.stem in SHORT else np.asarray(array)
