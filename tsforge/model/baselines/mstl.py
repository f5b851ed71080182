"""Exponential smoothing of what is left when several seasons are taken off: of hourly data, the day and the week.

A season of 24 steps or of a multiple, as 48 or 288, is a day where such days are whole minutes, and has a week beside
it; a week has its day. A week that does not show is nearly 0. (After Bandara, Hyndman & Bergmeir 2021, "MSTL: A
seasonal-trend decomposition algorithm for time series with multiple seasonal patterns"; the decomposition is that of
`decomposing`.)

Axes: B batch, L context, H horizon, C targets; m steps of one season.
"""

from __future__ import annotations

from torch import Tensor

from tsforge.model.baselines import ets
from tsforge.model.baselines.decomposing import PERIODS

DAY, MINUTES, WEEK = 24, 1440, 7  # a day has a multiple of so many steps, which divides its minutes; days of a week
SEASONS, WEEKS, SHORTEST = 10, 8, 120  # of which at least as many are read by default, and steps
MOST = 2700  # steps that are read by default, unless two of the longest season are more


def forecast(target: Tensor, observed: Tensor, horizon: int, season: int) -> Tensor:
    """Windows (B, L, C) -> their forecasts (B, H, C), each target by itself. Without a value it is 0."""
    return ets.without(target, observed, horizon, seasons(season))


def least_context(season: int) -> int:
    """The steps of context that it reads by default."""
    lengths = seasons(season)
    wanted = WEEKS * lengths[-1] if len(lengths) > 1 else max(SHORTEST, SEASONS * season)
    return max(PERIODS * lengths[-1], min(wanted, MOST))


def seasons(season: int) -> tuple[int, ...]:
    """The steps of all seasons, ascending."""
    if season % WEEK == 0 and _is_day(season // WEEK):
        return season // WEEK, season
    return (season, WEEK * season) if _is_day(season) else (season,)


def _is_day(steps: int) -> bool:
    return steps > 0 and steps % DAY == 0 and MINUTES % steps == 0
