"""Gaussian processes of composed kernels, by random Fourier features.

A stationary kernel is the mean of cos(w (s - t)) over frequencies w from its spectral measure (Rahimi & Recht 2007,
"Random Features for Large-Scale Kernel Machines"), and the measure of a product of kernels is that of the sum of
independent frequencies: so sums and products of the whole bank (KernelSynth: Ansari et al. 2024, "Chronos", appendix A)
cost one sum of waves, and the covariance over draws is exact.

    RBF                 exp(-d²/2ℓ²)                    w normal, deviation 1/ℓ
    rational quadratic  (1 + d²/2aℓ²)^(-a)              w normal, its variance a gamma variable of shape a, mean 1/ℓ²
    Matérn ν            ν = 1/2, 3/2, 5/2               w Student-t with 2ν degrees of freedom, over ℓ
    periodic            exp(-2 sin²(πd/p)/ℓ²)           w = 2πk/p, k the difference of two Poisson numbers of mean 1/2ℓ²
    linear              (s - c)(t - c)                  the process of its other factor, times t - c
    white               [s = t]                         noise
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from tsforge.synthesis.randomness import NORMAL, Random
from tsforge.synthesis.waves import waves

FEATURES = 32  # waves of a term
TERMS = 3  # of a sum
SMOOTH, STUDENT, PERIODIC = range(3)


class Kernel(NamedTuple):
    """One stationary kernel for each series.

    form (B,): `SMOOTH` (RBF, or rational quadratic), `STUDENT` (Matérn) or `PERIODIC`.
    scale (B,): ℓ, in steps but for the periodic kernel.
    shape (B,): a of a rational quadratic kernel, infinite for RBF; 2ν of a Matérn kernel; p of a periodic one.
    """

    form: Tensor
    scale: Tensor
    shape: Tensor


def frequencies(rng: Random, kernel: Kernel, count: int) -> Tensor:
    """(B, R) radians a step, drawn from the spectral measure of each series' kernel."""
    form, scale, shape = (x[:, None] for x in kernel)
    B = len(form)
    plain = torch.where(torch.isfinite(shape), shape, NORMAL)
    mixed = torch.where((form == SMOOTH) & (plain < NORMAL), plain, torch.where(form == STUDENT, plain / 2, 1.0))
    gamma = rng.gamma(mixed.expand(B, count).contiguous()) / mixed
    normal = rng.normal(B, count) / scale
    rate = torch.where(form == PERIODIC, 0.5 / scale.square(), 0.0).clamp(max=200).expand(B, count)
    wave = rng.poisson(rate) - rng.poisson(rate)
    smooth = normal * torch.where(plain < NORMAL, gamma.sqrt(), 1.0)
    return torch.where(
        form == PERIODIC, 2 * torch.pi * wave / plain, torch.where(form == STUDENT, normal / gamma.sqrt(), smooth)
    )


def process(rng: Random, frequency: Tensor, length: int) -> Tensor:
    """(B, R) frequencies -> (B, T) Σ_r (z_r cos w_r t + z'_r sin w_r t) / √R with normal z: variance 1."""
    B, R = frequency.shape
    return waves(frequency, rng.normal(B, R) / R**0.5, rng.normal(B, R) / R**0.5, length)


def gaussian(rng: Random, steps: Tensor, season: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """A sum of one to three terms, each a product of one or two kernels, some times a line; and white noise.

    steps, season (B,) -> values (B, T), the season of each: 1 where no term is periodic alone.
    """
    B = len(steps)
    time = (torch.arange(length, device=rng.device) / steps[:, None]).clamp(max=1.5)
    values = rng.spread(B, 1, low=0.01, high=0.6) * rng.chance(B, 1, share=0.8) * rng.noise(B, length)
    count = rng.choice(B, (0.35, 0.4, 0.25)) + 1
    has_season = torch.zeros(B, dtype=torch.bool, device=rng.device)
    for term in range(TERMS):
        rows = (count > term).nonzero()[:, 0]
        first, second = _kernel(rng, steps[rows], season[rows]), _kernel(rng, steps[rows], season[rows])
        product = rng.chance(len(rows), share=0.4)
        w = frequencies(rng, first, FEATURES) + frequencies(rng, second, FEATURES) * product[:, None]
        line = torch.where(rng.chance(len(rows), 1, share=0.15), time[rows] - rng.uniform(len(rows), 1), 1.0)
        size = rng.spread(len(rows), 1, low=0.3, high=1.5)
        values[rows] += size * line * process(rng, w, length)
        slow = ~product | (second.form == PERIODIC) | (second.scale > season[rows])
        has_season[rows] |= (first.form == PERIODIC) & slow & (season[rows] > 1)
    slope = rng.normal(B, 1) * rng.spread(B, 1, low=0.3, high=4.0) * rng.chance(B, 1, share=0.3)
    return values + slope * time, torch.where(has_season, season, 1)


def _kernel(rng: Random, steps: Tensor, season: Tensor) -> Kernel:
    """A random kernel for each series, with lengths between two steps and twice the series."""
    B = len(steps)
    kind = rng.choice(B, (0.25, 0.15, 0.25, 0.35))
    kind = torch.where((kind == 3) & (season == 1), 0, kind)
    reach = 2.0 * (steps.clamp(min=4) / 1.5) ** rng.uniform(B)
    matern = torch.tensor([1.0, 3.0, 5.0], device=rng.device)[rng.choice(B, (1, 1, 1))]
    heavy = rng.spread(B, low=0.3, high=5.0)
    infinite = torch.full_like(reach, torch.inf)
    shape = torch.stack([infinite, heavy, matern, season.float()], dim=1).gather(1, kind[:, None])[:, 0]
    form = torch.tensor([SMOOTH, SMOOTH, STUDENT, PERIODIC], device=rng.device)[kind]
    return Kernel(form, torch.where(kind == 3, rng.spread(B, low=0.3, high=2.0), reach), shape)
