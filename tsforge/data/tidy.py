"""Forecasts as a tidy frame, in the columns, types and order of the table they came from; and as JSON or a file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsforge.data.panel import Panel
from tsforge.data.schema import Schema
from tsforge.data.table.composing import split
from tsforge.data.table.times import format_times
from tsforge.errors import DataError
from tsforge.runtime import files
from tsforge.runtime.timing import stage

Floats = NDArray[np.floating]
Frame = pd.DataFrame

ENDINGS = (".csv", ".parquet")
MOST_PLACES = 15  # of a number on the screen
SEEN = 10_000  # values whose places are counted, the last ones
LARGE = 1e6  # from which on pandas writes numbers of single precision with an exponent
DIGITS, PLACES = 12, 2  # of a forecast in double precision: so many digits, or more where it has fewer places
MANY = 10_000  # rows from which on pandas is slow to write them
PLAIN = (1e-4, 1e9)  # sizes of numbers that pandas and pyarrow write alike
EXACT = 15  # digits that double precision holds


def quantile_name(level: float) -> str:
    """The column of a quantile, as "q0.1"."""
    return f"q{level:g}"


def forecasts(panel: Panel, point: Floats, quantiles: Floats, levels: tuple[float, ...]) -> pd.DataFrame:
    """Forecasts from the end of each series, one row per series, step and target.

    Columns: ids, time, `target` where there are several, `forecast`, one per level.

    point (n, H, C); quantiles (n, H, C, Q) at levels (Q,).
    """
    n, H, C = point.shape
    schema = panel.schema
    ends = panel.first + panel.lengths
    steps = (ends[:, None] + np.arange(H)).reshape(-1)
    columns: dict[str, object] = {}
    for name, values in zip(schema.id, panel.ids, strict=True):
        columns[name] = np.repeat(values, H * C)
    times = format_times(panel.stamps(np.repeat(np.arange(n), H), steps), schema)
    columns |= time_columns(times.repeat(C).reset_index(drop=True), schema)
    if C > 1:
        columns["target"] = np.tile(np.array(schema.target, dtype=object), n * H)
    columns["forecast"] = _digits(point.reshape(-1))
    for q, level in enumerate(levels):
        columns[quantile_name(level)] = _digits(quantiles[..., q].reshape(-1))
    clash = [c for c in ("forecast", "target") if c in (*schema.id, *schema.time_columns) and c in columns]
    if clash:
        raise DataError(f"the table has a column '{clash[0]}', as the forecast would", "rename it in the data")
    return pd.DataFrame(columns)


def beside(frames: dict[str, pd.DataFrame], column: str) -> pd.DataFrame:
    """Frames of the same columns, one behind the other; their names in a first column.

    Raises DataError where they have a column of that name.
    """
    first = next(iter(frames.values()))
    if column in first:
        raise DataError(f"the table has a column '{column}', as the forecast would", "rename it in the data")
    parts = [frame.assign(**{column: name}) for name, frame in frames.items()]
    return pd.concat(parts, ignore_index=True)[[column, *first.columns]]


def ahead(panel: Panel, steps: int, values: list[Floats]) -> pd.DataFrame:
    """The steps after the end of each series: ids, time and the covariates known in advance, empty where NaN.

    values: of each covariate, (n · steps,): numbers, or codes into the labels of the panel.
    """
    schema, n = panel.schema, len(panel)
    columns: dict[str, object] = {}
    for name, ids in zip(schema.id, panel.ids, strict=True):
        columns[name] = np.repeat(ids, steps)
    ordinals = ((panel.first + panel.lengths)[:, None] + np.arange(steps)).reshape(-1)
    columns |= time_columns(format_times(panel.stamps(np.repeat(np.arange(n), steps), ordinals), schema), schema)
    for j, (covariate, column) in enumerate(zip(schema.future, values, strict=True)):
        columns[covariate.name] = _as_written(column, panel.labels.get(covariate.name, ()), panel.future[:, j])
    return pd.DataFrame(columns)


def _as_written(values: Floats, labels: tuple[str, ...], usual: Floats) -> pd.Series:
    """A covariate as its table has it: labels, whole numbers where all of the usual ones are, or numbers."""
    missing = np.isnan(values)
    if labels:
        names = np.array([*labels, None], dtype=object)
        return pd.Series(names[np.where(missing, -1, values).astype(np.int64)])
    seen = usual[~np.isnan(usual)]
    whole = bool((seen == np.round(seen)).all() and (np.abs(seen) < 2**53).all())
    return pd.Series(values, dtype="Float64" if not whole else "Int64").mask(missing)


def _digits(values: Floats) -> Floats:
    """Single precision as it is; double precision to 12 digits and two places, as far as it holds them."""
    if values.dtype != np.float64:
        return values
    before = np.log10(np.maximum(np.nan_to_num(np.abs(values)), 1)).astype(np.int64) + 1
    count = np.clip(before + PLACES, DIGITS, EXACT)
    written = values.copy()
    for digits in np.unique(count):
        written[count == digits] = np.char.mod(f"%.{digits}g", values[count == digits]).astype(np.float64)
    return written


def time_columns(times: pd.Series, schema: Schema) -> dict[str, pd.Series]:
    """Written times as the columns of the table: one, or each of the parts that make them up."""
    return split(times, schema) if schema.time_parts else {schema.time: times}


def times(panel: Panel, rows: NDArray[np.int64]) -> pd.Series:
    """The times of rows of the first series, as the table writes them; rows before the first are on the grid too."""
    return format_times(panel.stamps(0, rows + panel.first[0]), panel.schema)


def pairs(
    panel: Panel, past: pd.Series, ahead: pd.Series, lag: NDArray[np.int64], values: dict[str, Floats]
) -> pd.DataFrame:
    """One row per forecast step, target and past step of the one series of a panel.

    past, ahead: times, (L,) and (H,).
    lag: steps between them, (H, L).
    values: further columns by name, (H, C, L) each.
    """
    schema = panel.schema
    shape = (len(ahead), len(schema.target), len(past))
    h, c, step = (axis.reshape(-1) for axis in np.indices(shape))
    columns: dict[str, object] = {name: np.repeat(ids, h.size) for name, ids in zip(schema.id, panel.ids, strict=True)}
    columns |= time_columns(ahead.iloc[h].reset_index(drop=True), schema)
    if len(schema.target) > 1:
        columns["target"] = np.array(schema.target, dtype=object)[c]
    before = time_columns(past.iloc[step].reset_index(drop=True), schema)
    own = {"step": h + 1, **{f"past_{name}": part for name, part in before.items()}, "lag": lag[h, step]}
    own |= {name: column.reshape(-1) for name, column in values.items()}
    clash = [name for name in (*own, "target") if name in (*schema.id, *schema.time_columns)]
    if clash:
        raise DataError(f"the table has a column '{clash[0]}', as the explanation would", "rename it in the data")
    return pd.DataFrame(columns | own)


def table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows of plain values as a frame; a column that a row lacks is empty there."""
    return pd.DataFrame(rows)


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the values that its CSV shows, fit for JSON.

    Times are text, float32 is a double with the same few digits, None stands where there is no number.
    """
    shown: dict[Any, pd.Series] = {}
    for name, values in frame.items():
        shown[name] = values
        if pd.api.types.is_datetime64_any_dtype(values):
            shown[name] = values.astype(str)
        elif pd.api.types.is_float_dtype(values):
            numbers = values.to_numpy().astype(str).astype(np.float64)
            gaps = np.isnan(numbers)
            if gaps.any():
                numbers = numbers.astype(object)
                numbers[gaps] = None
            shown[name] = pd.Series(numbers, index=frame.index)
    return pd.DataFrame(shown, index=frame.index)


def texts(frame: pd.DataFrame, places: Mapping[str, int]) -> list[list[str]]:
    """The rows as people read them, thousands grouped; missing values are empty.

    places: of numbers that are not whole, by column; of others seven digits of the largest value are shown.
    """
    columns = []
    for i in range(frame.shape[1]):
        column = frame.iloc[:, i]
        if pd.api.types.is_float_dtype(column.dtype):
            values = column.to_numpy(dtype=np.float64, na_value=np.nan)
            columns.append(_numbers(values, places.get(str(frame.columns[i]))))
        else:
            columns.append(["" if pd.isna(value) else str(value) for value in column])
    return [list(row) for row in zip(*columns, strict=True)]


def _numbers(values: Floats, places: int | None) -> list[str]:
    """Numbers of a column, all to the same place; none where all of them are whole."""
    if places is None:
        largest = np.nanmax(np.abs(values), initial=0.0)
        places = max(0, 6 - int(np.floor(np.log10(largest)))) if largest > 0 else 0
        places = 0 if np.array_equal(values, np.round(values), equal_nan=True) else places
    form = f",.{places}f" if places <= MOST_PLACES else ".6g"
    return ["" if np.isnan(v) else format(v, form) for v in values]


def places_of(observed: Floats, forecast: Floats) -> int:
    """Places with which forecasts are shown: as many as the data have, and three to six digits of a usual forecast.

    Whole numbers, as after rounding, have none.
    """
    size = np.abs(forecast[np.isfinite(forecast) & (forecast != 0)]).astype(np.float64)
    if not size.size or np.array_equal(size, np.round(size)):
        return 0
    digits = int(np.floor(np.log10(np.median(size)))) + 1
    seen = np.unique(observed[np.isfinite(observed)][-SEEN:]).astype(np.float64)
    own = next((d for d in range(7) if np.allclose(np.round(seen, d), seen, rtol=1e-6, atol=0)), 7)
    return max(0, min(max(own, 3 - digits), 6 - digits, MOST_PLACES))


def records(frame: pd.DataFrame) -> list[dict[str, object]]:
    """The rows as plain values for JSON, times as text, None where there is no number."""
    rows: list[dict[str, object]] = plain(frame).to_dict(orient="records")  # type: ignore[assignment]
    return rows


def _without_exponents(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with columns of large single-precision numbers in double precision, of the same digits.

    pandas writes 5000000 in single precision as 5e+06, in double precision as 5000000.0.
    """
    for name in frame.columns[frame.dtypes == np.float32]:
        single = frame[name].to_numpy()
        large = np.abs(single) >= LARGE
        if large.any():
            values = np.round(single.astype(np.float64), 2)  # neighbours from a million on lie 0.06 apart at least
            values[~large] = [float(str(value)) for value in single[~large]]
            frame = frame.assign(**{str(name): values})
    return frame


@stage("saving")
def write(frame: pd.DataFrame, path: Path, decimal: str | None = None) -> None:
    """Write a frame whole or not at all, as CSV or Parquet by the path's ending. Raises ConfigError for any other.

    decimal: the decimal sign of a CSV; with a comma, semicolons stand between its columns.
    """
    files.check_path(path, ENDINGS)
    with files.replacing(path) as draft:
        if path.suffix != ".csv":
            frame.to_parquet(draft, index=False)
        elif decimal == "," or not _write_fast(_without_exponents(frame), draft):
            write_csv(frame, draft, decimal)


def write_csv(frame: pd.DataFrame, to: Any, decimal: str | None = None) -> None:
    """Write a frame as CSV to a path or an open file. decimal: as in `write`."""
    separator, point = (";", ",") if decimal == "," else (",", ".")
    _without_exponents(frame).to_csv(to, index=False, sep=separator, decimal=point)


def _write_fast(frame: pd.DataFrame, path: Path) -> bool:
    """Write a large frame as `to_csv` does, in a seventh of its time; False, and nothing of use, where it cannot."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    if len(frame) < MANY or os.linesep != "\n":
        return False
    try:
        columns = [_as_text(frame.iloc[:, i]) for i in range(frame.shape[1])]
        if any(column is None for column in columns):
            return False
        table = pa.table(dict(zip(map(str, range(len(columns))), columns, strict=True)))
        with path.open("wb") as file:
            file.write(frame.head(0).to_csv(index=False).encode())
            arrow.write_csv(table, file, arrow.WriteOptions(include_header=False, quoting_style="none"))
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # a name with a comma or a quote in it, or names and numbers
        return False
    return True


def _as_text(column: pd.Series) -> Any:
    """A column as pyarrow writes it like pandas; None where they differ, as in numbers with an exponent."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pd.api.types.is_string_dtype(column.dtype) or column.dtype == np.int64:
        names = pa.array(column, from_pandas=True)
        alike = (pa.types.is_integer, pa.types.is_string, pa.types.is_large_string)
        return names if any(test(names.type) for test in alike) else None
    if column.dtype not in (np.float32, np.float64):
        return None
    values = column.to_numpy()
    size = np.abs(values[~np.isnan(values) & (values != 0)])
    if len(size) and not (size.min() >= PLAIN[0] and size.max() < PLAIN[1]):
        return None
    text = pc.cast(pa.array(values, from_pandas=True), pa.string())
    return pc.if_else(pc.match_substring(text, "."), text, pc.binary_join_element_wise(text, ".0", ""))
