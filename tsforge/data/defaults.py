"""Horizon and context where the user names none: from the grid and the length of the data."""

from __future__ import annotations

from tsforge.data.panel import Panel

MOST_CONTEXT = 512  # steps of a context that nobody asked for

LONG_CONTEXT, LONG_SEASONS = 336, 14  # steps and seasons of a context that models of patches and channels want

_HORIZONS = {"D": 14, "B": 10, "W": 13, "MS": 12, "ME": 12, "QS": 8, "QE": 8, "YS": 4, "YE": 4}


def default_horizon(panel: Panel) -> int:
    """One short cycle of the calendar: a day of hours, two weeks of days, a year of months; at most 1/8."""
    frequency = panel.schema.frequency
    longest = int((panel.ends - panel.offsets[:-1]).max(initial=0))
    usual = _HORIZONS.get(frequency.name) or next((s for s in frequency.seasons() if s >= 8), 24)
    return max(1, min(usual, longest // 8))


def default_context(horizon: int, season: int) -> int:
    """Two horizons and at least one season, within reason."""
    return min(max(2 * horizon, season, 16), max(MOST_CONTEXT, horizon))


def long_context(usual: int, season: int, history: int) -> int:
    """For tokens of stretches or channels: 14 seasons, 336 steps at most.

    usual: what a model of single steps has by default, and the least. history: steps of the median training part, of
    which a context takes a quarter at most.
    """
    return max(usual, min(LONG_CONTEXT, LONG_SEASONS * season, history // 4))
