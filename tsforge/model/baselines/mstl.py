"""Exponential smoothing of what is left when several seasons are taken off: of hourly data, the day and the week.

A season of at least 24 steps may be that of a day, and has a week of it beside; a week has its day. A week that does
not show is nearly 0. (After Bandara, Hyndman & Bergmeir 2021, "MSTL: A seasonal-trend decomposition algorithm for time
series with multiple seasonal patterns"; the decomposition is that of `decomposing`.)

Axes: B batch, L context, H horizon, C targets; m steps of one season.
"""

from __future__ import annotations

from torch import Tensor

from tsforge.model.baselines import ets

DAY, WEEK = 24, 7  # the least steps of a day that has a week beside it; days of one
SEASONS, WEEKS, SHORTEST = 10, 8, 120  # of which at least as many are read by default, and steps


def forecast(target: Tensor, observed: Tensor, horizon: int, season: int) -> Tensor:
    """Windows (B, L, C) -> their forecasts (B, H, C), each target by itself. Without a value it is 0."""
    return ets.without(target, observed, horizon, seasons(season))


def least_context(season: int) -> int:
    """The steps of context that it reads by default."""
    lengths = seasons(season)
    return WEEKS * lengths[-1] if len(lengths) > 1 else max(SHORTEST, SEASONS * season)


def seasons(season: int) -> tuple[int, ...]:
    """The steps of all seasons, ascending."""
    if season % WEEK == 0 and season // WEEK >= DAY:
        return season // WEEK, season
    return (season, WEEK * season) if season >= DAY else (season,)
