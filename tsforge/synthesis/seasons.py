"""Several seasons at once, whose amplitudes change."""

from __future__ import annotations

import torch
from torch import Tensor

from tsforge.synthesis.randomness import Random
from tsforge.synthesis.recursion import first_order
from tsforge.synthesis.waves import pattern, waves


def seasons(rng: Random, steps: Tensor, season: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """y_t = level(t) + A(t) s(t) + A'(t) s'(t) + noise, added or, for half of them, as exp(w y).

    s has the season of the series; s' a multiple of it (2 to 8 times, as days make a week) or, for a third of them, a
    cycle that is no whole number of steps. A(t) = exp(a + b sin(wt + c)) rises and falls by up to twice; levels are
    walks that return. steps, season (B,) -> values (B, T), the season of each.
    """
    B = len(steps)
    size = rng.spread(B, 1, low=0.2, high=3.0) * (season > 1)[:, None]
    own = size * _amplitude(rng, steps, length) * pattern(rng, season, length)
    period = season * torch.tensor([2, 4, 7, 7, 8], device=rng.device)[rng.integer(B, low=0, high=4)]
    longer = pattern(rng, period, length)
    odd = rng.chance(B, 1, share=0.35) | (season == 1)[:, None]
    w = 2 * torch.pi / (season[:, None].clamp(min=3) * rng.spread(B, 1, low=1.3, high=9.0))
    wave = 1.4 * waves(w, torch.ones_like(w), torch.zeros_like(w), length)
    second = rng.spread(B, 1, low=0.2, high=1.5) * _amplitude(rng, steps, length) * torch.where(odd, wave, longer)
    keep = 1 - rng.spread(B, 1, low=0.003, high=0.1)
    noise = rng.noise(B, length)
    level = first_order(keep, noise * rng.spread(B, 1, low=0.01, high=0.3), torch.zeros(B, device=rng.device))
    u = (torch.arange(length, device=rng.device) / steps[:, None]).clamp(max=1.5)
    values = level + own + second + u * rng.normal(B, 1) * rng.chance(B, 1, share=0.5)
    values = values + rng.noise(B, length) * rng.spread(B, 1, low=0.03, high=0.6)
    grown = (values * rng.spread(B, 1, low=0.05, high=0.4)).clamp(-20, 20).exp()
    return torch.where(rng.chance(B, 1, share=0.5), grown, values), season


def _amplitude(rng: Random, steps: Tensor, length: int) -> Tensor:
    """(B, T) a positive factor that rises and falls slowly, one for half of them."""
    B = len(steps)
    w = 2 * torch.pi / steps[:, None] * rng.spread(B, 1, low=0.2, high=2.5)
    size = rng.uniform(B, 1, high=0.7) * rng.chance(B, 1, share=0.5)
    return waves(w, size * rng.normal(B, 1), size * rng.normal(B, 1), length).clamp(-2, 2).exp()
