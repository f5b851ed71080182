"""Forecasts from rolling origins as a tidy frame: a row for each model, series, origin, step and target.

Axes: W windows, H horizon, C targets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsforge.data import tidy
from tsforge.data.panel import Panel
from tsforge.data.table.times import format_times
from tsforge.errors import DataError
from tsforge.runtime import drafts, files
from tsforge.runtime.timing import stage

Ints = NDArray[np.int64]

OWN = ("model", "origin", "step", "target", "forecast", "truth")


def check(panel: Panel) -> None:
    """Raises DataError where a column of the table has the name of one of the frame's own."""
    several = len(panel.schema.target) > 1
    taken = (*panel.schema.id, *panel.schema.time_columns)
    if clash := [name for name in OWN if name in taken and (several or name != "target")]:
        raise DataError(f"the table has a column '{clash[0]}', as its forecasts would", "rename it in the data")


def frame(panel: Panel, model: str, series: Ints, time: Ints, values: dict[str, NDArray[Any]]) -> pd.DataFrame:
    """The forecasts of one model.

    Columns: ids, `model`, `origin` (the last time that was there to forecast from), the time, `step` (1 to H), `target`
    where there are several, and one for each of `values`.

    series, time: of each window, (W,): which series, and the grid position of its first forecast step.
    values: (W, H, C) by column.
    """
    W, H, C = next(iter(values.values())).shape
    schema, each = panel.schema, np.repeat(series, H)
    steps = (time[:, None] + np.arange(H)).reshape(-1)
    columns: dict[str, object] = {}
    for name, ids in zip(schema.id, panel.ids, strict=True):
        columns[name] = ids[np.repeat(series, H * C)]
    columns["model"] = pd.Categorical.from_codes(np.zeros(W * H * C, dtype=np.int8), categories=pd.Index([model]))
    origins = format_times(panel.stamps(series, time - 1), schema)
    columns["origin"] = origins.repeat(H * C).reset_index(drop=True)
    times = format_times(panel.stamps(each, steps), schema)
    columns |= tidy.time_columns(times.repeat(C).reset_index(drop=True), schema)
    columns["step"] = np.tile(np.repeat(np.arange(1, H + 1), C), W)
    if C > 1:
        columns["target"] = np.tile(np.array(schema.target, dtype=object), W * H)
    return pd.DataFrame(columns | {name: column.reshape(-1) for name, column in values.items()})


def cells(
    panel: Panel, at: tuple[Ints, Ints, Ints], values: dict[str, NDArray[Any]], times: dict[str, Ints]
) -> pd.DataFrame:  # fmt: skip
    """Single values of a panel, a row for each: ids, time, `target` where there are several, and what is said of them.

    at: series, row of the panel and target of each, (R,). values: (R,) by column. times: (R,) rows by column, to be
    written as times. Raises DataError where a column of the table has the name of one of these.
    """
    (series, rows, targets), schema = at, panel.schema
    several = {"target": np.array(schema.target, dtype=object)[targets]} if len(schema.target) > 1 else {}
    taken = (*schema.id, *schema.time_columns)
    if clash := [name for name in (*several, *values, *times) if name in taken]:
        raise DataError(f"the table has a column '{clash[0]}', as the result would", "rename it in the data")

    def written(rows: Ints) -> pd.Series:
        ordinals = panel.first[series] + rows - panel.offsets[series]
        return format_times(panel.stamps(series, ordinals), schema).reset_index(drop=True)

    columns: dict[str, object] = {name: ids[series] for name, ids in zip(schema.id, panel.ids, strict=True)}
    columns |= tidy.time_columns(written(rows), schema)
    return pd.DataFrame(columns | several | values | {name: written(rows) for name, rows in times.items()})


def joined(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """All parts as one frame; models as plain text."""
    return pd.concat([part.assign(model=part["model"].astype(str)) for part in parts], ignore_index=True)


@stage("saving")
def write(parts: Iterator[pd.DataFrame], path: Path) -> int:
    """Write a file whole or not at all: Parquet part by part, CSV in one. The number of rows.

    Raises ConfigError for an ending other than .parquet and .csv.
    """
    import pyarrow as pa
    from pyarrow import parquet

    files.check_path(path, tidy.ENDINGS)
    if path.suffix == ".csv":
        whole = joined(parts)
        tidy.write(whole, path)
        return len(whole)
    with files.replacing(path) as draft, drafts.beside(path) as folder:
        alike, rows = _stretches(parts, folder)
        schema = _common([parquet.read_schema(file) for file in alike])
        if len(alike) == 1:
            alike[0].replace(draft)
            return rows
        with parquet.ParquetWriter(draft, schema) as out:
            for file in alike:
                for batch in parquet.ParquetFile(file).iter_batches():
                    out.write_table(_with_types(pa.Table.from_batches([batch]), schema))
    return rows


def _stretches(parts: Iterable[pd.DataFrame], folder: Path) -> tuple[list[Path], int]:
    """Files of neighbouring parts whose columns have the same types, and how many rows there are in all.

    Groups of a protocol may differ: one needs double precision, another has texts for ids.
    """
    import pyarrow as pa
    from pyarrow import parquet

    found: list[Path] = []
    rows = 0
    with ExitStack() as stack:
        writer = None
        for part in parts:
            table = pa.Table.from_pandas(part, preserve_index=False)
            if writer is None or not table.schema.equals(writer.schema):
                stack.close()
                found.append(folder / f"{len(found)}.parquet")
                writer = stack.enter_context(parquet.ParquetWriter(found[-1], table.schema))
            writer.write_table(table)
            rows += len(table)
    return found, rows


def _common(schemas: Sequence[Any]) -> Any:
    """The columns of all, in types that hold what each has: numbers in the wider one, beside texts as texts."""
    import pyarrow as pa

    texts = {field.name for schema in schemas for field in schema if _is_text(field.type)}
    plain = [
        pa.schema([f.with_type(pa.large_string()) if f.name in texts else f for f in schema]) for schema in schemas
    ]
    return pa.unify_schemas(plain, promote_options="permissive")


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _with_types(table: Any, schema: Any) -> Any:
    """A table with the columns of a schema; those that it lacks without a value."""
    import pyarrow as pa

    columns = [
        table[f.name].cast(f.type) if f.name in table.column_names else pa.nulls(len(table), f.type) for f in schema
    ]
    return pa.table(columns, schema=schema)
