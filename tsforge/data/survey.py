"""The survey of a table as plain values: columns and roles, frequency, series, gaps, season."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tsforge.data.panel import Panel, build
from tsforge.data.schema import DataConfig
from tsforge.data.season import detect_season
from tsforge.data.split import default_horizon
from tsforge.data.table.reading import Frame, read
from tsforge.data.table.roles import Roles, detect
from tsforge.data.table.table import Table, arrange


def survey(source: Any, config: DataConfig) -> dict[str, Any]:
    """The survey that `inspect` shows of a table. Where several columns could be the target, all of them are looked at.

    Raises DataError for what would stop a fit.
    """
    frame = read(source, config.decimal)
    roles = detect(frame, config, lenient=True)
    asked = tuple(config.target) or (roles.target if len(roles.target) == 1 else ())
    table = arrange(frame, roles, config)
    panel = build(table)
    return {
        "name": frame.name,
        "rows": len(frame.data),
        "time": roles.time,
        "id": list(roles.id),
        "target": list(asked),
        "could_be_target": [] if asked else list(roles.target),
        "frequency": table.schema.frequency.name,
        "timezone": table.schema.timezone,
        "start": table.time(int(panel.first.min())),
        "end": table.time(int((panel.first + panel.lengths).max()) - 1),
        "season": detect_season(panel, panel.ends),
        "horizon": default_horizon(panel),
        "series": _series(panel, table),
        "columns": [_column(frame, roles, str(name)) for name in frame.data.columns],
    }


def _series(panel: Panel, table: Table) -> dict[str, Any]:
    lengths = panel.lengths
    seen = np.flatnonzero(panel.observed.any(axis=1))
    inside = np.diff(panel.row_series()[seen]) == 0
    return {
        "count": len(panel),
        "shortest": int(lengths.min()),
        "median": float(np.median(lengths)),
        "longest": int(lengths.max()),
        "ends_differ": bool(np.ptp(panel.first + lengths) > 0),
        "missing_steps": int(lengths.sum() * panel.observed.shape[1] - panel.observed.sum()),
        "steps": int(lengths.sum()),
        "longest_gap": int((np.diff(seen)[inside] - 1).max(initial=0)),  # steps without any target
        "rows_ahead": int((panel.offsets[1:] - panel.ends).max(initial=0)),
        "names": [panel.label(i) for i in range(min(5, len(panel)))] if panel.ids else [],
        "empty": len(table.ids[0]) - len(panel) if table.ids else 0,  # left out: none of their targets is observed
        "never_observed": int(panel.never.sum()),  # targets that single series do not have
    }


def _column(frame: Frame, roles: Roles, name: str) -> dict[str, Any]:
    cells = frame.cells(name)
    number = cells.number
    column = pd.Series(cells.values) if number else frame.categories(name)
    if name == roles.time:
        role, kind = "time", "time"
    else:
        role = next((r for r in ("id", "target", "past", "future", "static") if name in getattr(roles, r)), "unused")
        kind = "number" if number else "category"
    values = f"{column.nunique():,} different"
    if number and kind == "number":
        values = f"{column.min():g} to {column.max():g}"
    elif kind == "time":
        values = f"{column.iloc[0]} ..."
    return {"name": name, "role": role, "kind": kind, "missing": int(column.isna().sum()), "values": values}
