"""Trend times calendar times Weibull noise, as ForecastPFN has it."""

from __future__ import annotations

import torch
from torch import Tensor

from tsforge.synthesis.randomness import TINY, Random
from tsforge.synthesis.waves import waves

# Steps of the longer cycles of the calendar, for the season that stands for a sampling rate.
CYCLES = {
    5: (21.0, 261.0), 7: (30.44, 365.25), 24: (168.0, 8766.0), 48: (336.0, 17532.0), 96: (672.0, 35064.0),
    168: (24.0, 8766.0), 288: (2016.0, 105192.0), 336: (48.0, 17532.0), 52: (13.0, 4.35),
}  # fmt: skip
HARMONICS = 6


def calendar(rng: Random, steps: Tensor, season: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """y_t = trend(t) · calendar(t) · (1 + s (w_t - 1)):

        trend(t) = (1 + a t / n) b^(t / n)    calendar(t) = Π_p (1 + Σ_k c_k sin(2πkt/p) + d_k cos(2πkt/p))
        w_t a Weibull number of mean one

    over the season and the longer cycles of its calendar: a week, a month, a year. Amplitudes of the k-th harmonic fall
    by 1/k. steps, season (B,) -> values (B, T), the season of each.
    (Dooley et al. 2023, "ForecastPFN: Synthetically-Trained Zero-Shot Forecasting", section 3)
    """
    B = len(steps)
    u = (torch.arange(length, device=rng.device) / steps[:, None]).clamp(max=1.5)
    slope, growth = rng.upward(B, 1) * 0.4 * rng.chance(B, 1, share=0.6), rng.upward(B, 1) * 0.4
    trend = (1 + slope * u) * (growth * u).exp()
    longer = torch.tensor([CYCLES.get(int(m), (0.0, 0.0)) for m in season.tolist()], device=rng.device).reshape(B, 2)
    width = rng.spread(B, 1, low=0.01, high=0.4)
    size = (width * rng.spread(B, 1, low=0.2, high=8.0)).clamp(max=0.6)
    product = 1 + size * _cycle(rng, season.float(), length)
    for j in range(longer.shape[1]):
        size = (width * rng.spread(B, 1, low=0.2, high=6.0)).clamp(max=0.5) * rng.chance(B, 1, share=0.6)
        product = product * (1 + size * _cycle(rng, longer[:, j], length))
    shape = rng.uniform(B, 1, low=1.0, high=5.0)
    noise = weibull(rng, shape, length) - 1
    return trend * product * (1 + width * noise), season


def weibull(rng: Random, shape: Tensor, length: int) -> Tensor:
    """(B, 1) shapes k -> (B, T) Weibull numbers of mean one: (-log u)^(1/k) / Γ(1 + 1/k)."""
    exponential = -rng.uniform(len(shape), length).clamp(min=TINY).log()
    return exponential ** (1 / shape) / torch.lgamma(1 + 1 / shape).exp()


def _cycle(rng: Random, period: Tensor, length: int) -> Tensor:
    """(B,) steps of a cycle -> (B, T) its waves, mean square 1 on average; 0 where the period is below two steps."""
    k = torch.arange(1, HARMONICS + 1, device=rng.device)
    used = (k <= period[:, None] / 2) / k
    size = used / used.square().sum(1, keepdim=True).sqrt().clamp(min=1e-6)
    B = len(period)
    frequency = 2 * torch.pi * k / period.clamp(min=1.0)[:, None]
    return waves(frequency, rng.normal(B, HARMONICS) * size, rng.normal(B, HARMONICS) * size, length)
