"""The rows ahead of a table, in which what a model knows in advance is to be filled in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsforge.data import tidy
from tsforge.data.hierarchy import structure
from tsforge.data.panel import Panel
from tsforge.data.table.times import to_wall
from tsforge.data.time.derived import field_of
from tsforge.errors import ConfigError
from tsforge.fitted import directory, prediction
from tsforge.fitted.model import Model


def rows_ahead(model: Model | str | Path, data: Any = None, horizon: int | None = None) -> tidy.Frame:
    """A row for every series and step to forecast: ids, time, and the covariates known in advance, empty but for what
    the table has and the calendar decides: `tsforge.future` with a model or its directory.

    Of a hierarchy those of the series at the bottom, as its sums are made of them.
    """
    prediction.check_horizon(horizon, prediction.LONGEST)
    model = model if isinstance(model, Model) else directory.load(model)
    if not model.facts.columns.future:
        raise ConfigError("the model knows no covariate in advance: there is nothing to fill in", "tsforge predict")
    steps = horizon or model.shape.horizon
    panel = prediction.read(model, data, steps)
    rows = panel.ends[:, None] + np.arange(steps)
    made = tidy.ahead(panel, steps, [_filled(panel, j, rows.reshape(-1)) for j in range(panel.future.shape[1])])
    if not panel.schema.hierarchy:
        return made
    own = np.repeat(np.isin(np.arange(len(panel)), structure(panel).bottom), steps)
    return made[own].reset_index(drop=True)


def _filled(panel: Panel, j: int, rows: NDArray[np.int64]) -> NDArray[np.floating]:
    """One covariate in some rows: as the table has it, else as the calendar decides; NaN where neither does."""
    schema, values = panel.schema, panel.future[:, j].astype(np.float64)
    if schema.future[j].kind == "number" and schema.time_kind == "datetime":
        wall = to_wall(panel.stamps(panel.row_series(), panel.ordinals()), schema)
        field = field_of(values, wall)
        if field is not None:
            values = np.where(np.isnan(values), field(wall), values)
    return values[rows]


def missing_ahead(panel: Panel, steps: int) -> list[str]:
    """The covariates known in advance that a table lacks for some of the steps after its end."""
    rows = panel.ends[:, None] + np.arange(steps)
    inside = rows < panel.offsets[1:, None]
    values = panel.future[np.where(inside, rows, 0)]  # (n, steps, K)
    lacking = np.any(np.isnan(values) | ~inside[..., None], axis=(0, 1)).tolist()
    return [c.name for c, lacks in zip(panel.schema.future, lacking, strict=True) if lacks]
