"""Sample paths and what is made of them as tidy frames, in the columns, types and order of the table they came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsforge.data.panel import Floats, Ints, Panel
from tsforge.data.table.times import format_times
from tsforge.data.tidy import quantile_name, time_columns
from tsforge.errors import DataError

__all__ = ["Rows", "paths", "quantile_name", "steps", "totals"]


class Rows(NamedTuple):
    """What is summed: steps [start, stop) ahead of a series, by the name of the period, (R,) each."""

    series: Ints
    start: Ints
    stop: Ints
    names: tuple[str, ...]


def paths(panel: Panel, values: Floats) -> pd.DataFrame:
    """One row per series, sample, step and target. values: (S, n, H, C)."""
    S, n, H, C = values.shape
    series, sample, step = (axis.reshape(-1).repeat(C) for axis in np.indices((n, S, H)))
    columns = _columns(panel, series, {"sample": sample + 1})
    columns |= _times(panel, series, step) | _targets(panel, n * S * H)
    return _frame(panel, columns | {"value": np.moveaxis(values, 0, 1).reshape(-1)})


def steps(panel: Panel, values: Mapping[str, Floats]) -> pd.DataFrame:
    """One row per series, step and target. values: further columns by name, (n, H, C) each."""
    n, H, C = next(iter(values.values())).shape
    series, step = (axis.reshape(-1).repeat(C) for axis in np.indices((n, H)))
    columns = _columns(panel, series, _times(panel, series, step)) | _targets(panel, n * H)
    return _frame(panel, columns | {name: column.reshape(-1) for name, column in values.items()})


def totals(panel: Panel, rows: Rows, values: Mapping[str, Floats]) -> pd.DataFrame:
    """One row per sum and target. values: further columns by name, (R, C) each."""
    C = len(panel.schema.target)
    series = rows.series.repeat(C)
    own: dict[str, object] = {"period": np.array(rows.names, dtype=object).repeat(C)} if any(rows.names) else {}
    own["from"] = _written(panel, series, rows.start.repeat(C))
    own["to"] = _written(panel, series, rows.stop.repeat(C) - 1)
    own["steps"] = (rows.stop - rows.start).repeat(C)
    columns = _columns(panel, series, {}) | _targets(panel, len(rows.series)) | own
    return _frame(panel, columns | {name: column.reshape(-1) for name, column in values.items()})


def _columns(panel: Panel, series: Ints, more: dict[str, object]) -> dict[str, object]:
    """The ids of rows, and further columns behind them."""
    return {name: ids[series] for name, ids in zip(panel.schema.id, panel.ids, strict=True)} | more


def _targets(panel: Panel, rows: int) -> dict[str, object]:
    """The target of rows, where there are several."""
    names = panel.schema.target
    return {"target": np.tile(np.array(names, dtype=object), rows)} if len(names) > 1 else {}


def _times(panel: Panel, series: Ints, step: Ints) -> dict[str, object]:
    """The time of steps ahead of series, as the table writes it."""
    return dict(time_columns(_written(panel, series, step), panel.schema))


def _written(panel: Panel, series: Ints, step: NDArray[np.int64]) -> pd.Series:
    """Times of steps ahead of series in one column."""
    ordinals = (panel.first + panel.lengths)[series] + step
    return format_times(panel.stamps(series, ordinals), panel.schema).reset_index(drop=True)


def _frame(panel: Panel, columns: dict[str, object]) -> pd.DataFrame:
    """The columns as a frame. Raises DataError where the table has one of that name among its ids and times."""
    schema = panel.schema
    own = [name for name in columns if name not in (*schema.id, *schema.time_columns)]
    given = [*schema.id, *(name for name in schema.time_columns if name in columns)]
    if len(own) + len(given) != len(columns) or len(set(own) & set(schema.id)):
        raise DataError(f"{panel.name}: a column has the name of one of {', '.join(own)}", "rename it in the data")
    return pd.DataFrame(columns)
