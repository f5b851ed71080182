"""What a survey says of a table's rows on their grid: frequency, series, gaps, season."""

from __future__ import annotations

from typing import Any

import numpy as np

from tsforge.data import ways
from tsforge.data.occasions import choosing
from tsforge.data.panel import Ints, Panel, build
from tsforge.data.schema import DataConfig
from tsforge.data.season import detect_season, fallback
from tsforge.data.split import default_horizon, sizes, split
from tsforge.data.table.reading import Frame
from tsforge.data.table.roles import Roles
from tsforge.data.table.table import arrange, head
from tsforge.errors import DataError


def of_rows(frame: Frame, roles: Roles, config: DataConfig) -> dict[str, Any]:
    """What can be said once the rows lie on their grid."""
    table = arrange(frame, roles, config)
    panel = build(table if config.rows is None else head(table, config.rows))
    return of_panel(panel, len(table.ids[0]) - len(panel) if table.ids else 0, config)


def of_panel(panel: Panel, empty: int, config: DataConfig) -> dict[str, Any]:
    """Grid, series, gaps and season of a panel. empty: series that are left out: none of their targets is observed."""
    train = _train(panel, config)
    season, back = _season(panel, config, train)
    return {
        "occasions": [o.name for o in choosing.choose(panel, choosing.located(config), train)],
        "frequency": panel.schema.frequency.name,
        "timezone": panel.schema.timezone,
        "start": panel.time(int(panel.first.min())),
        "end": panel.time(int((panel.first + panel.lengths).max()) - 1),
        "season": season,
        "naive_season": max(season, back),
        "horizon": _horizon(panel, config),
        "series": _series(panel, empty),
    }


def _horizon(panel: Panel, config: DataConfig) -> int:
    """One that leaves windows to train on, where there is one."""
    try:
        return ways.forecastable(panel, config)
    except DataError:  # a fit says what is missing
        return config.horizon or default_horizon(panel)


def _train(panel: Panel, config: DataConfig) -> Ints:
    """The row of each series up to which a fit trains."""
    horizon = config.horizon or default_horizon(panel)
    return split(panel, *sizes(panel, horizon, config.validation, config.test)).train


def _season(panel: Panel, config: DataConfig, train: Ints) -> tuple[int, int]:
    """The season that a fit takes from its training part; and what seasonal naive goes back where there is none."""
    season = config.season or detect_season(panel, train)
    return season, fallback(panel, train) if season == 1 else 0


def _series(panel: Panel, empty: int) -> dict[str, Any]:
    lengths = panel.lengths
    parts = [(int(part.observed.sum()), _longest_gap(part), _late(part)) for part, _ in panel.blocks()]
    late = np.concatenate([part[2] for part in parts])
    return {
        "count": len(panel),
        "shortest": int(lengths.min()),
        "median": float(np.median(lengths)),
        "longest": int(lengths.max()),
        "ends_differ": bool(np.ptp(panel.first + lengths) > 0),
        "missing_steps": int(lengths.sum()) * panel.observed.shape[1] - sum(part[0] for part in parts),
        "steps": int(lengths.sum()),
        "longest_gap": max(part[1] for part in parts),  # steps without any target
        "late": int(np.count_nonzero(late)),  # series that a target is missing from at the start
        "late_by": int(late.max(initial=0)),
        "rows_ahead": int((panel.offsets[1:] - panel.ends).max(initial=0)),
        "names": [panel.label(i) for i in range(min(5, len(panel)))] if panel.ids else [],
        "empty": empty,
        "never_observed": int(panel.never.sum()),  # targets that single series do not have
    }


def _longest_gap(panel: Panel) -> int:
    """Steps of the longest stretch of a series, between two that are observed, without any target."""
    seen = np.flatnonzero(panel.observed.any(axis=1))
    inside = np.diff(panel.row_series()[seen]) == 0
    return int((np.diff(seen)[inside] - 1).max(initial=0))


def _late(panel: Panel) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Steps before the first value of each series, (n,): of the target that begins last; 0 for what has no value."""
    late = np.zeros(len(panel), dtype=np.int64)
    series = panel.row_series()
    for c in range(panel.observed.shape[1]):
        rows = np.flatnonzero(panel.observed[:, c])
        which, first = np.unique(series[rows], return_index=True)
        late[which] = np.maximum(late[which], rows[first] - panel.offsets[which])
    return late
