"""Rows of files brought together by series: files that hold all rows of some series each, in the order they had.

Needed where a series lies in several files, as in folders by day, and where one file is too large for memory. Two
passes over the files, of which the first reads the ids alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tsforge.data.table.folder import Part, Places
from tsforge.data.table.parquet import guarded, schema, to_frame, with_keys

ROW = "__tsforge_row"  # the column of the row in all files
BATCH = 1 << 20  # rows that are read at once


def spread(
    found: Sequence[Part], whole: frozenset[str], ids: Sequence[str], to: tuple[Path, int], then: Callable[[int], None]
) -> list[int]:  # fmt: skip
    """Write files in which every series is whole, and return how many rows each has.

    whole: columns of whole numbers in the names of folders. ids: the columns that tell series apart.
    to: the folder, and about how many rows a file has at least; more where one series has more.
    then: called with the rows of each batch in both passes.
    Series come in the order of their first rows, and rows in that of the files.
    """
    folder, least = to
    codes = _Codes()
    counts = np.zeros(0, dtype=np.int64)
    for batch in _batches(found, whole, list(ids)):
        own = codes.of(batch, ids)
        counts = np.bincount(own, minlength=len(codes)) + np.pad(counts, (0, len(codes) - len(counts)))
        then(len(batch))
    bucket_of = (np.cumsum(counts) - counts) // least  # of each series, by the rows before it
    _, bucket_of = np.unique(bucket_of, return_inverse=True)
    common = _schema(found, whole)
    writers: dict[int, Any] = {}
    sizes: list[int] = np.bincount(bucket_of, weights=counts).astype(np.int64).tolist()
    begin = 0
    try:
        for batch in _batches(found, whole, None):
            buckets = bucket_of[codes.of(batch, ids)]
            batch = batch.select(common.names).cast(common)
            batch = batch.append_column(ROW, pa.array(np.arange(begin, begin + len(batch))))
            begin += len(batch)
            for k in np.unique(buckets).tolist():
                if k not in writers:
                    writers[k] = _writer(folder / name(k), batch.schema)
                writers[k].write_table(batch.filter(pa.array(buckets == k)))
            then(len(batch))
    finally:
        for writer in writers.values():
            writer.close()
    return sizes


def name(k: int) -> str:
    """The file of bucket k."""
    return f"rows-{k:05d}.parquet"


def read(path: Path, names: tuple[str, ...], begins: tuple[int, ...]) -> tuple[pd.DataFrame, Places]:
    """The rows of such a file. names, begins: of the files that they come from, as in `Places`."""
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        texts = [f.name for f in file.schema_arrow if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
        table = file.read()
    rows = table.column(ROW).to_numpy()
    for text in texts:
        if pc.count_distinct(table.column(text)).as_py() < len(table) / 4:
            table = table.set_column(table.column_names.index(text), text, table.column(text).dictionary_encode())
    return to_frame(table.drop_columns(ROW).unify_dictionaries()), Places(names, begins, rows=rows)


class _Codes:
    """Series to numbers, in the order of their first rows."""

    def __init__(self) -> None:
        self._known: dict[Any, int] = {}

    def __len__(self) -> int:
        return len(self._known)

    def of(self, table: Any, ids: Sequence[str]) -> NDArray[np.int64]:
        """The number of the series of each row."""
        if not ids:
            self._known.setdefault((), 0)
            return np.zeros(len(table), dtype=np.int64)
        where, values = zip(*(_coded(table.column(name)) for name in ids), strict=True)
        both = where[0]
        for own in where[1:]:
            both = pd.factorize(both * (int(own.max()) + 1) + own)[0].astype(np.int64)
        first = np.unique(both, return_index=True)[1]  # `both` counts first appearances
        keys = zip(*(texts[own[first]] for own, texts in zip(where, values, strict=True)), strict=True)
        numbers = np.array([self._known.setdefault(key, len(self._known)) for key in keys], dtype=np.int64)
        return np.asarray(numbers[both])


def _coded(column: Any) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Which distinct value each row of a column of Arrow has, counted by first appearance; and these."""
    plain = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
    coded = plain.combine_chunks().dictionary_encode("encode")
    coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
    return coded.indices.to_numpy(zero_copy_only=False).astype(np.int64), np.array(coded.dictionary.to_pylist(), object)


def _batches(found: Sequence[Part], whole: frozenset[str], columns: list[str] | None) -> Iterator[Any]:
    """Tables of some rows of all files in turn. columns: those that are read; None for all."""
    from pyarrow import parquet

    for part in found:
        file = guarded(parquet.ParquetFile, part.path)
        with file:
            stored = None if columns is None else [c for c in columns if c in file.schema_arrow.names]
            batches = guarded(lambda _, f=file, s=stored: f.iter_batches(BATCH, columns=s), part.path)
            while (batch := guarded(lambda _, b=batches: next(b, None), part.path)) is not None:
                yield with_keys(pa.Table.from_batches([batch]), part, whole)


def _schema(found: Sequence[Part], whole: frozenset[str]) -> Any:
    """The columns of all files, each in a type that holds those of all."""
    own = [schema(part.path) for part in found]
    common = pa.unify_schemas(own, promote_options="permissive")
    empty = with_keys(common.empty_table(), found[0], whole)
    plain = [f.with_type(f.type.value_type) if pa.types.is_dictionary(f.type) else f for f in empty.schema]
    return pa.schema(plain, metadata=common.metadata)


def _writer(path: Path, columns: Any) -> Any:
    from pyarrow import parquet

    return parquet.ParquetWriter(path, columns, compression="lz4")
