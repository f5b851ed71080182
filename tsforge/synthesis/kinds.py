"""The kinds of synthetic series by name: each one function of the same signature."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from tsforge.synthesis.arima import arima, sarima
from tsforge.synthesis.calendar import calendar
from tsforge.synthesis.counts import counts, intermittent
from tsforge.synthesis.gaussian import gaussian
from tsforge.synthesis.pulses import pulses
from tsforge.synthesis.randomness import Random
from tsforge.synthesis.regimes import regimes
from tsforge.synthesis.seasons import seasons
from tsforge.synthesis.smoothing import smoothing
from tsforge.synthesis.trends import garch, trend, walk

# (random numbers, steps (B,), season (B,), length T) -> values (B, T) of which the first `steps` count, season (B,)
Draw = Callable[[Random, Tensor, Tensor, int], tuple[Tensor, Tensor]]


class Kind(NamedTuple):
    """How a kind is drawn, and whether its values are counts, whose level and scale are their own."""

    draw: Draw
    counts: bool = False


KINDS: dict[str, Kind] = {
    "ets": Kind(smoothing),
    "arima": Kind(arima),
    "sarima": Kind(sarima),
    "trend": Kind(trend),
    "walk": Kind(walk),
    "garch": Kind(garch),
    "gp": Kind(gaussian),
    "calendar": Kind(calendar),
    "regimes": Kind(regimes),
    "counts": Kind(counts, counts=True),
    "intermittent": Kind(intermittent, counts=True),
    "pulses": Kind(pulses),
    "seasons": Kind(seasons),
}
