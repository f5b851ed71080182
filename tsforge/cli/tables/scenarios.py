"""Several futures of one table, by target: means over series and steps, and by how much they differ from the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tsforge.cli.output import grid
from tsforge.runtime.numbers import figure, percent

if TYPE_CHECKING:
    from tsforge.fitted.scenarios import Scenarios


class Row(NamedTuple):
    """Means over all series and steps of one future and target."""

    scenario: str
    target: str
    forecast: float
    difference: float
    difference_low: float
    difference_high: float


def rows(result: Scenarios) -> list[Row]:
    """The planned future first."""
    from tsforge.fitted.scenarios import PLANNED

    found = []
    for name, made in {PLANNED: result.planned, **result.others}.items():
        parts = (made.point, made.point - result.planned.point, *result.spread(made))
        for c, target in enumerate(made.panel.schema.target):
            found.append(Row(name, target, *(float(np.nanmean(part[..., c])) for part in parts)))
    return found


def document(result: Scenarios) -> list[dict[str, object]]:
    """As JSON has it."""
    return [row._asdict() for row in rows(result)]


def lines(result: Scenarios) -> list[str]:
    """For the terminal."""
    several = len(result.planned.panel.schema.target) > 1
    n, H, _ = result.planned.point.shape
    table: list[list[str]] = []
    for row in rows(result):
        cells = [figure(row.forecast), "", "", ""]
        if table and row.scenario != table[0][0]:
            spread = f"{figure(row.difference_low)} to {figure(row.difference_high)}"
            planned = row.forecast - row.difference
            share = percent(100 * row.difference / abs(planned)) if planned else ""
            cells = [figure(row.forecast), figure(row.difference), share, spread]
        table.append([row.scenario, *([row.target] if several else []), *cells])
    header = ["scenario", *(["target"] if several else []), "forecast", "difference", "", "over the quantiles"]
    where = f"means of {n:,} series x {H} steps" if n > 1 else f"means of {H} steps"
    note = f"{where}; what the model has learned of these columns, which need not be their cause"
    return [*grid(header, table, left=(0, 1) if several else (0,)), note]
