"""Ornstein-Uhlenbeck processes that switch between regimes."""

from __future__ import annotations

import torch
from torch import Tensor

from tsforge.synthesis.randomness import Random
from tsforge.synthesis.recursion import first_order
from tsforge.synthesis.waves import pattern

REGIMES = 3


def regimes(rng: Random, steps: Tensor, season: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """A mean reverting process, exact at whole steps, whose mean μ, speed θ and variance σ² depend on the regime r:

        x_{t+1} = μ_r + (x_t - μ_r) exp(-θ_r) + σ_r √(1 - exp(-2θ_r)) z_t        σ_r the deviation in the long run

    One to three regimes, each left with a probability of its own at every step; some with a trend, and a third of them
    with a season whose size is that of the regime's own. steps, season (B,) -> values (B, T), the season of each.
    """
    B = len(steps)
    leaves = (rng.spread(B, 1, low=0.5, high=8.0) / steps[:, None]).clamp(max=0.3)
    which = (rng.uniform(B, length) < leaves).long().cumsum(1)
    state = which % rng.integer(B, 1, low=1, high=REGIMES)
    mean = (rng.normal(B, REGIMES) * rng.spread(B, 1, low=0.3, high=4.0)).gather(1, state)
    slow = (3 / steps[:, None]).clamp(max=0.5)
    speed = (slow.log() * rng.uniform(B, REGIMES)).exp().gather(1, state)
    size = rng.spread(B, REGIMES, low=0.2, high=1.5).gather(1, state)
    x = reverting(torch.exp(-speed), mean, size, rng.noise(B, length))
    u = (torch.arange(length, device=rng.device) / steps[:, None]).clamp(max=1.5)
    x = x + u * rng.normal(B, 1) * 2 * rng.chance(B, 1, share=0.3)
    wavy = rng.chance(B, share=0.35) & (season > 1)
    period = torch.where(wavy, season, 1)
    amplitude = rng.spread(B, REGIMES, low=0.15, high=2.5).gather(1, state)
    return x + amplitude * pattern(rng, period, length), period


def reverting(keep: Tensor, mean: Tensor, size: Tensor, noise: Tensor) -> Tensor:
    """exp(-θ), μ and σ at each step, noise of variance 1, all (B, T) -> the process (B, T), from the first mean.

    Where all three stand still, it has variance σ² and the autocorrelation exp(-θk) after k steps.
    """
    return first_order(keep, (1 - keep) * mean + size * (1 - keep**2).sqrt() * noise, mean[:, 0])
