"""Counts, and demand that comes now and then."""

from __future__ import annotations

import torch
from torch import Tensor

from tsforge.synthesis.randomness import Random
from tsforge.synthesis.recursion import first_order
from tsforge.synthesis.waves import pattern

HIGHEST = 1e5  # mean of a count


def negative_binomial(rng: Random, mean: Tensor, dispersion: Tensor) -> Tensor:
    """Counts of the given means μ (B, T) and variance μ + μ² / r, dispersion r (B, 1): Poisson of a gamma variable."""
    r = dispersion.expand_as(mean).contiguous()
    return rng.poisson((mean * rng.gamma(r) / r).clamp(max=10 * HIGHEST))


def counts(rng: Random, steps: Tensor, season: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Negative binomial counts whose mean has a level, a trend, a season and a slow walk, all in logarithms.

    steps, season (B,) -> values (B, T) whole numbers, the season of each: 1 where the mean has none.
    """
    B = len(steps)
    wavy = rng.chance(B, share=0.7) & (season > 1)
    period = torch.where(wavy, season, 1)
    log_mean = _log_mean(rng, steps, period, length) + rng.spread(B, 1, low=0.5, high=1000.0).log()
    mean = log_mean.clamp(max=torch.tensor(HIGHEST).log().item()).exp()
    return negative_binomial(rng, mean, rng.spread(B, 1, low=1.0, high=300.0)), period


def intermittent(rng: Random, steps: Tensor, season: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Demand at some steps, with a size of its own, and zero at all others.

        y_t = o_t (1 + c_t)    o_t is 1 with probability p_t, c_t negative binomial

    p_t has a level from 0.04 (three times in a short series) to 0.7, and a season, a trend or neither; some sizes come
    in packs. steps, season (B,) -> values (B, T) whole numbers, the season of each.
    (Croston 1972, "Forecasting and stock control for intermittent demands")
    """
    B = len(steps)
    wavy = rng.chance(B, share=0.3) & (season > 1)
    period = torch.where(wavy, season, 1)
    least = (3 / steps[:, None]).clamp(min=0.04, max=0.5)
    share = least * (0.7 / least) ** rng.uniform(B, 1)
    p = torch.sigmoid(torch.logit(share) + _log_mean(rng, steps, period, length))
    size = 1 + negative_binomial(
        rng, rng.spread(B, 1, low=0.1, high=30.0).expand(B, length), rng.spread(B, 1, low=0.5, high=20.0)
    )
    pack = torch.tensor([1.0, 2.0, 5.0, 6.0, 10.0, 12.0, 100.0], device=rng.device)
    pack = pack[rng.choice(B, (0.75, 0.05, 0.05, 0.04, 0.05, 0.03, 0.03))][:, None]
    return (rng.uniform(B, length) < p) * size * pack, period


def _log_mean(rng: Random, steps: Tensor, period: Tensor, length: int) -> Tensor:
    """(B, T) the logarithm of a mean about its level: a trend, a season, a walk that returns."""
    B = len(steps)
    u = (torch.arange(length, device=rng.device) / steps[:, None]).clamp(max=1.5)
    trend = rng.upward(B, 1) * rng.chance(B, 1, share=0.5) * (u - 0.5)
    wave = rng.spread(B, 1, low=0.1, high=1.2) * pattern(rng, period, length)
    keep = 1 - rng.spread(B, 1, low=0.005, high=0.2)
    width = rng.uniform(B, 1) ** 2 * 0.6 * (1 - keep**2).sqrt()
    walk = first_order(keep, width * rng.normal(B, length), torch.zeros(B, device=rng.device))
    return trend + wave + walk
