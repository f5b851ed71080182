"""What covariates are worth to a model, for the terminal and as a document."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tsforge.cli.output import grid
from tsforge.runtime.numbers import figure

if TYPE_CHECKING:
    from tsforge.backtesting.importance import Effect, Importances


def document(result: Importances) -> dict[str, Any]:
    """As JSON has it."""
    return {
        "metric": result.metric, "error": result.error, "windows": result.windows, "refit": result.refit,
        "covariates": [row.plain() for row in result.covariates],
    }  # fmt: skip


def lines(result: Importances) -> list[str]:
    """For the terminal."""
    table = []
    for row in result.covariates:
        share = "" if math.isnan(row.gradient) else f"{row.gradient:.0f} %"
        table.append([row.name, share, *_cells(row.moved), str(row.verdict)])
    name, most = result.metric.upper(), max(row.moved.count for row in result.covariates)
    shown = grid(["covariate", "gradient", f"{name} moved", "range", ""], table, left=(0, 4))
    words = [
        f"{name} {figure(result.error)} over {result.windows:,} held-out windows, and what it is more with a column",
        f"moved in time (static: among series), {most} times otherwise. Of a column that",
        f"means nothing, the range leaves out 0 by chance in {2 / (most + 1):.0%} of cases.",
    ]
    return [*shown, "", *words, *_refits(result)]


def _refits(result: Importances) -> list[str]:
    """What fits without each column have shown, where there were any."""
    rows = [[row.name, *_cells(row.ablated)] for row in result.covariates if row.ablated is not None]
    if not rows:
        return []
    name, count = result.metric.upper(), max(row.ablated.count for row in result.covariates if row.ablated)
    words = [
        f"{name} {figure(result.refit)} of {count} fits with all covariates, and what it is more of",
        f"{count} without one. The range is what the luck of seeds gives in 95 % of cases.",
    ]
    return ["", *grid(["covariate", f"{name} refit", "range"], rows), "", *words]


def _cells(effect: Effect) -> list[str]:
    """The change with a sign, and its range."""
    if not effect.count:
        return ["", ""]
    signed = [f"{'+' if value > 0 else ''}{figure(value)}" for value in (effect.change, effect.low, effect.high)]
    return [signed[0], "" if math.isnan(effect.low) else f"{signed[1]} to {signed[2]}"]
