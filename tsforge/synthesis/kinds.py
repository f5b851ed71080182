"""The kinds of synthetic series by name: each one function of the same signature, and a sentence for `--help`."""

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
    """How a kind is drawn, what it is, and whether its values are counts, whose level and scale are their own."""

    draw: Draw
    sentence: str
    counts: bool = False


KINDS: dict[str, Kind] = {
    "ets": Kind(smoothing, "exponential smoothing: level, trend (damped or not) and season, added or multiplied"),
    "arima": Kind(arima, "ARIMA up to (3, 2, 3)"),
    "sarima": Kind(sarima, "seasonal ARIMA up to (3, 1, 3)(1, 1, 1)"),
    "trend": Kind(trend, "short trends: drift, logistic, exponential, power, one break"),
    "walk": Kind(walk, "random walks and nearly so, in values or in logarithms"),
    "garch": Kind(garch, "returns whose variance comes in clusters, and the prices they make"),
    "gp": Kind(gaussian, "Gaussian processes of sums and products of kernels"),
    "calendar": Kind(calendar, "trend times week, month and year times Weibull noise"),
    "regimes": Kind(regimes, "mean reverting processes that switch between regimes"),
    "counts": Kind(counts, "negative binomial counts with trend and season", counts=True),
    "intermittent": Kind(intermittent, "demand at some steps, zero at all others", counts=True),
    "pulses": Kind(pulses, "saw-teeth, pulses, triangles, steps and spikes"),
    "seasons": Kind(seasons, "two seasons at once, whose amplitudes change"),
}
