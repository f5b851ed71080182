"""Parquet files as pandas frames: one file, or the files of a folder one below the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tsforge.data.table import folder
from tsforge.data.table.folder import Part, Places
from tsforge.errors import DataError

_LENGTH = 4  # bytes of the length before each text of a Parquet file
_BATCH = 1 << 18  # rows that are read at once
_KINDS = (  # of columns, whatever the width of their numbers and texts
    ("whole numbers", pa.types.is_integer), ("decimals", pa.types.is_floating), ("decimals", pa.types.is_decimal),
    ("texts", pa.types.is_string), ("texts", pa.types.is_large_string), ("times", pa.types.is_timestamp),
    ("dates", pa.types.is_date), ("nothing", pa.types.is_null),
)  # fmt: skip

Result = TypeVar("Result")


def read(path: Path) -> pd.DataFrame:
    """The columns of a Parquet file, those whose texts repeat as categories.

    As `pandas.read_parquet` without Arrow's data sets, whose import and readers take as long as the reading.
    Raises DataError for a file that is damaged.
    """
    return to_frame(guarded(_table, path, guarded(repeating, path)))


def read_folder(path: Path) -> tuple[pd.DataFrame, Places]:
    """The rows of all Parquet files of a folder one below the other, with the columns in the names of its folders.

    Raises DataError for a file that is damaged, and for one whose columns are others than those of the first.
    """
    found = folder.parts(path)
    check_alike(found)
    data, counts = read_parts(found, folder.numbers(found))
    return data, Places(tuple(part.name for part in found), begins(counts))


def read_parts(
    found: Sequence[Part], whole: frozenset[str], most: int | None = None
) -> tuple[pd.DataFrame, list[int]]:  # fmt: skip
    """The rows of some files one below the other, with the columns in the names of their folders; how many each has.

    whole: the columns of whole numbers among these. most: rows of each file that are read at most, the first ones.
    """
    texts = [guarded(repeating, part.path) for part in found]
    shared = sorted(set(texts[0]).intersection(*texts[1:]))
    tables = [with_keys(guarded(_table, part.path, shared, most), part, whole) for part in found]
    table = _joined(tables, found)
    counts = [len(part) for part in tables]
    tables.clear()
    return to_frame(table), counts


def _joined(tables: list[Any], found: Sequence[Part]) -> Any:
    """Tables one below the other; where some code their texts and others do not, none does."""
    try:
        return pa.concat_tables(tables, promote_options="permissive").unify_dictionaries()
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        plain = [_decoded(table) for table in tables]
    try:
        return pa.concat_tables(plain, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as problem:
        text = f"{found[0].path.parent}: its files hold a column in types that do not go together: {problem}"
        raise DataError(text, "write the column in one type, and times in one time zone, in all files") from None


def _decoded(table: Any) -> Any:
    """A table of Arrow whose texts are texts."""
    for j, column in enumerate(table.schema):
        if pa.types.is_dictionary(column.type):
            table = table.set_column(j, column.name, pc.cast(table.column(j), column.type.value_type))
    return table


def begins(counts: Sequence[int]) -> tuple[int, ...]:
    """The row with which each file begins, and the number of rows, as `Places` has them."""
    return tuple(np.r_[0, np.cumsum(counts, dtype=np.int64)].tolist())


def column(part: Part, name: str, whole: frozenset[str]) -> pd.DataFrame:
    """One column of a file, or the one value that the name of its folder gives; whole: as in `with_keys`."""
    if name in dict(part.keys):
        return to_frame(with_keys(pa.table({"": [0]}), part, whole).select([name]))
    return to_frame(guarded(_column, part.path, name))


def _column(path: Path, name: str) -> Any:
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        return file.read([name])


def rows(path: Path) -> int:
    """How many rows a Parquet file has, by its footer."""
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        return int(file.metadata.num_rows)


def check_alike(found: Sequence[Part]) -> None:
    """Raises DataError where a file has other columns than the first, or a column of another kind."""
    first = guarded(schema, found[0].path)
    kinds = {field.name: _kind(field.type) for field in first}
    for part in found[1:]:
        own = guarded(schema, part.path)
        if set(own.names) != set(first.names):
            name = sorted(set(own.names) ^ set(first.names))[0]
            there, lacking = (part, found[0]) if name in own.names else (found[0], part)
            text = f"column '{name}' stands in {there.name} and not in {lacking.name}"
            raise DataError(f"{part.path}: {text}", "write all files with the same columns")
        for field in own:
            kind, usual = _kind(field.type), kinds[field.name]
            if kind != usual and not {kind, usual} <= {"whole numbers", "decimals"} and "nothing" not in (kind, usual):
                text = f"column '{field.name}' holds {kind}, and {usual} in {found[0].name}"
                raise DataError(f"{part.path}: {text}", "write the column alike in all files")
            if usual == "nothing":
                kinds[field.name] = kind


def schema(path: Path) -> Any:
    """The columns of a Parquet file and their types, of Arrow; texts that are coded as texts."""
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        own = file.schema_arrow
    return pa.schema([f.with_type(f.type.value_type) if pa.types.is_dictionary(f.type) else f for f in own])


def _kind(kind: Any) -> str:
    return next((name for name, holds in _KINDS if holds(kind)), str(kind))


def guarded(reader: Callable[..., Result], path: Path, *rest: object) -> Result:
    """What a reader returns of a file, and further arguments. Raises DataError for a file that cannot be read."""
    try:
        return reader(path, *rest)
    except DataError:
        raise
    except Exception as problem:
        raise DataError(f"{path}: not a readable Parquet file: {problem}", "write the file again") from None


def to_frame(table: Any) -> pd.DataFrame:
    """A table of Arrow as a frame of pandas; the table's own memory is given up on the way."""
    data: pd.DataFrame = table.to_pandas(split_blocks=True, self_destruct=True)
    return data


def with_keys(table: Any, part: Part, whole: frozenset[str]) -> Any:
    """A table of Arrow with the columns in the names of its file's folders. whole: those of whole numbers.

    Raises DataError where the file itself has such a column with another value in it.
    """
    for name, value in part.keys:
        if name in table.column_names:
            written = pc.cast(table.column(name), pa.string())
            if value is not None and not pc.all(pc.equal(written, value), min_count=0).as_py():
                text = f"column '{name}' holds other values than its folder {name}={value}"
                raise DataError(f"{part.path}: {text}", "leave the column out of the file, or move the file")
            continue
        if name in whole:
            column = pa.repeat(pa.scalar(None if value is None else int(value), pa.int64()), len(table))
        else:
            codes = pa.repeat(pa.scalar(None if value is None else 0, pa.int32()), len(table))
            column = pa.DictionaryArray.from_arrays(codes, pa.array([value or ""], pa.string()))
        table = table.append_column(name, column)
    return table


def _table(path: Path, repeating: Sequence[str], most: int | None = None) -> Any:
    from pyarrow import parquet

    with parquet.ParquetFile(path, read_dictionary=list(repeating)) as file:
        if most is None or file.metadata.num_rows <= most:
            return file.read()
        batches = []
        for batch in file.iter_batches(min(most, _BATCH)):
            batches.append(batch)
            if sum(map(len, batches)) >= most:
                break
        return pa.Table.from_batches(batches).slice(0, most)


def repeating(path: Any) -> list[str]:
    """The columns of a Parquet file whose texts repeat, as ids do: they take less than the length of a text would.

    path: of the file, or the file, open.

    Sizes are looked at once the first texts of a group were read: where a damaged file says of a column what cannot be,
    Arrow raises an error as it reads, but ends the process where it is asked for the size alone (pyarrow 25).
    """
    from pyarrow import parquet

    kinds = (pa.types.is_string, pa.types.is_large_string)
    with parquet.ParquetFile(path) as file:
        texts = [field.name for field in file.schema_arrow if any(kind(field.type) for kind in kinds)]
        paths = [file.metadata.schema.column(j).path for j in range(file.metadata.num_columns)]
        places = {name: paths.index(name) for name in texts if name in paths}
        sizes = dict.fromkeys(places, 0)
        for i in range(file.metadata.num_row_groups) if places else ():
            next(file.iter_batches(1, row_groups=[i], columns=list(places)), None)
            group = file.metadata.row_group(i)
            for name, j in places.items():
                sizes[name] += group.column(j).total_uncompressed_size
        return [name for name, size in sizes.items() if size < _LENGTH * file.metadata.num_rows]
