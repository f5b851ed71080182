"""Partitions of a table: some columns of a Parquet file, with those that the names of its folders give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from tsforge.data.table import folder, parquet, reading, values
from tsforge.data.table.reading import Frame
from tsforge.errors import DataError

Constants = Mapping[str, str | int | None]


def read_part(source: Any, name: str, columns: Iterable[str] | None, constants: Constants, where: Constants) -> Frame:
    """The rows of a Parquet file, or of the CSV file at a path.

    source: an open file of Arrow, or a path.
    name: of the file, for messages.
    columns: that are read; all where None.
    constants: further columns, with the one value that they have.
    where: values that the rows have to have.
    """
    if isinstance(source, Path):
        frame = reading.read(source)
        data = frame.data.copy(deep=False)
        for column, value in constants.items():
            written = "" if value is None else str(value)
            if column in data and (data[column].astype(str) != written).any():
                text = f"column '{column}' holds other values than its folder {column}={written}"
                raise DataError(f"{name}: {text}", "leave the column out of the file, or move the file")
            data[column] = written
        return Frame(data, name, frame.dialect, frame.filled)
    try:
        table = _parquet(source, columns, where)
    except Exception as problem:
        raise DataError(f"{name}: not a readable Parquet file: {problem}", "write the file again") from None
    if not len(table):
        raise DataError(f"{name}: no rows", "remove the file, or fill it")
    given = tuple((column, None if value is None else str(value)) for column, value in constants.items())
    whole = frozenset(column for column, value in constants.items() if isinstance(value, int))
    data = parquet.to_frame(parquet.with_keys(table, folder.Part(Path(name), name, given), whole))
    reading.give_back()
    return Frame(data, name)


def _parquet(source: Any, columns: Iterable[str] | None, where: Constants) -> pa.Table:
    from pyarrow.parquet import ParquetFile

    has = ParquetFile(source).schema_arrow.names
    asked = has if columns is None else dict.fromkeys((*columns, *where))
    wanted = [c for c in asked if c in has]  # what is missing is missed by who needs it
    file = ParquetFile(source, read_dictionary=[c for c in parquet.repeating(source) if c in wanted])
    if not where:
        table = file.read(wanted)
    else:
        groups = [i for i in range(file.num_row_groups) if _may(file, i, where)]
        read = [_where(file.read_row_group(i, wanted), where) for i in groups]
        table = pa.concat_tables(read) if read else file.schema_arrow.empty_table().select(wanted)
    return table if columns is None else table.replace_schema_metadata()  # no index that was not read


def _where(table: pa.Table, where: Constants) -> pa.Table:
    """The rows that have some values."""
    import pyarrow.compute as pc

    for column, value in where.items():
        cells = table[column]
        table = table.filter(
            pc.is_null(cells, nan_is_null=True) if value is None else pc.equal(cells, pa.scalar(value))
        )
    return table


def _may(file: Any, group: int, where: Constants) -> bool:
    """Whether rows of a group may have some values, as its statistics say."""
    chunks = file.metadata.row_group(group)
    places = {chunks.column(j).path_in_schema: j for j in range(chunks.num_columns)}
    for column, value in where.items():
        if column not in places:
            continue
        known = chunks.column(places[column]).statistics
        if value is None or known is None or not known.has_min_max:
            continue
        if not known.min <= value <= known.max:
            return False
    return True


def distinct(frame: Frame, columns: tuple[str, ...]) -> tuple[NDArray[np.integer], list[tuple[Any, ...]]]:
    """The distinct cells of some columns together, in order of appearance, and which of them stand in each row."""
    codes, ids = values.series(frame, columns)
    return codes, [tuple(_plain(v) for v in row) for row in zip(*ids, strict=True)]


def keys(frame: Frame, columns: tuple[str, ...]) -> list[str]:
    """The series of a table, as texts that are different for each; 1 and 1.0, of two files, are one."""
    return [values.key(row) for row in distinct(frame, columns)[1]]


def hashes(texts: list[str]) -> NDArray[np.uint64]:
    """64 bits of each text, the same in every process."""
    return np.asarray(pd.util.hash_array(np.array(texts, dtype=object), categorize=False), dtype=np.uint64)


def _plain(value: Any) -> Any:
    """A cell as a plain value of Python."""
    return value.item() if isinstance(value, np.generic) else value


def rows(source: Any, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    """The distinct cells of some columns of an open Parquet file together, None where there is none.

    As Arrow has them: in pandas, whole numbers among which one is missing are decimals. Decimals that are whole are
    whole numbers, as they were before something wrote them so.
    """
    from pyarrow.parquet import ParquetFile

    table = ParquetFile(source, read_dictionary=[]).read(list(columns))
    found = table.group_by(list(columns), use_threads=False).aggregate([]).select(list(columns))
    return list(dict.fromkeys(tuple(map(_whole, row.values())) for row in found.to_pylist()))


def _whole(cell: Any) -> Any:
    if not isinstance(cell, float) or not (cell.is_integer() or cell != cell):
        return cell
    return int(cell) if cell == cell else None


def of_arrow(table: pa.Table, order: Iterable[str]) -> Frame:
    """An Arrow table in the order of some columns: rows that a cluster has moved about come in any order."""
    table = table.sort_by([(name, "ascending") for name in order])
    return Frame(table.to_pandas(split_blocks=True, self_destruct=True), "the data frame")
