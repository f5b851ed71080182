"""The leaderboard of a sweep on the terminal: its trials in order, with the settings in which they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tsforge.api.summary import best_marked
from tsforge.cli.output import echo, print_table
from tsforge.runtime.numbers import figure, figures, grouped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tsforge.sweeping.leaderboard import Row
    from tsforge.sweeping.running import Sweep

ROWS = 15  # of the leaderboard


def leaderboard(done: Sweep) -> None:
    """Print the first rows: the best objective is bold, and what all trials share is left out."""
    rows = done.rows[:ROWS]
    if rows:
        columns = _columns(done, rows)
        print_table(list(columns), [list(line) for line in zip(*columns.values(), strict=True)], _left(columns, rows))
    if len(done.rows) > len(rows):
        echo(f"  {len(done.rows) - len(rows):,} more in {done.folder / 'leaderboard.csv'}")


def _columns(done: Sweep, rows: Sequence[Row]) -> dict[str, list[str]]:
    """Cells by the title of their column."""
    sweep = done.plan.sweep
    columns = {"trial": [f"{row.number}{' (default)' if row.default else ''}" for row in rows]}
    if len({row.model for row in rows}) > 1:
        columns["model"] = [row.model for row in rows]
    for k, name in enumerate(sweep.objectives):
        values = [row.values[k] if row.values else row.scores.get(name) for row in rows]
        won = [value if row.good else None for row, value in zip(rows, values, strict=True)]
        columns[name] = best_marked(figures(values, ""), won)
    for name in differing(rows):
        columns[name] = [_setting(row.params.get(name)) for row in rows]
    columns["parameters"] = [grouped(row.scores.get("parameters")) for row in rows]
    columns["seconds"] = ["" if row.seconds is None else f"{row.seconds:.1f}" for row in rows]
    states = [row.state.lower() if row.kept else f"{row.state.lower()} (constraint)" for row in rows]
    if set(states) != {"complete"}:
        columns["state"] = states
    if len(sweep.objectives) > 1:
        columns["front"] = ["yes" if row.front else "" for row in rows]
    return {name: cells for name, cells in columns.items() if any(cells)}


def differing(rows: Sequence[Row]) -> list[str]:
    """Settings that the trials do not all have alike; the kind of the model has a column of its own."""
    from tsforge.sweeping.space import KIND

    names = dict.fromkeys(name for row in rows for name in row.params if name != KIND)
    return [name for name in names if len({str(row.params.get(name)) for row in rows}) > 1]


def _setting(value: Any) -> str:
    return "" if value is None else figure(value) if isinstance(value, float) else str(value)


def _left(columns: dict[str, list[str]], rows: Sequence[Row]) -> tuple[int, ...]:
    """Columns of words stand on the left."""
    words = {name for row in rows for name, value in row.params.items() if isinstance(value, str)}
    return tuple(j for j, name in enumerate(columns) if name in ("trial", "model", "state", *words))
