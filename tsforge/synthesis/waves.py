"""Sums of waves and the patterns of a season, whole batches at once."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tsforge.synthesis.randomness import Random

HARMONICS = 8  # waves of a smooth pattern at most


def waves(frequency: Tensor, cosine: Tensor, sine: Tensor, length: int) -> Tensor:
    """(B, R) radians a step and two amplitudes of each wave -> their sums (B, T).

        y_t = Σ_r c_r cos(w_r t) + s_r sin(w_r t)

    A time is t = K a + b with K about √T: by the addition theorem the sum is one product of matrices (B, A, 2R) and
    (B, 2R, K), so that sines are needed at A + K times and not at T.
    """
    K = math.ceil(math.sqrt(length))
    times = torch.arange(K, device=frequency.device, dtype=torch.float32)
    far = frequency[:, None, :] * (times[: -(-length // K)] * K)[None, :, None]  # (B, A, R)
    near = frequency[:, :, None] * times  # (B, R, K)
    c, s = cosine[:, None, :], sine[:, None, :]
    cos, sin = far.cos(), far.sin()
    left = torch.cat([c * cos + s * sin, s * cos - c * sin], dim=2)
    right = torch.cat([near.cos(), near.sin()], dim=1)
    return torch.bmm(left, right).flatten(1)[:, :length]


def pattern(rng: Random, season: Tensor, length: int) -> Tensor:
    """(B,) steps of a season -> (B, T) the same pattern again and again, mean 0 and mean square 1 over a season.

    Half are smooth (a few harmonics, amplitudes falling by a power), a third have a level of their own at each step,
    the others have both. 0 for a season of one step.
    """
    B, M = len(season), min(int(season.max()), length) if len(season) else 1
    k = torch.arange(1, HARMONICS + 1, device=rng.device)
    fall = k ** -rng.uniform(B, 1, low=0.5, high=2.5)
    used = fall * (k <= season[:, None] / 2) * (k <= rng.integer(B, 1, low=1, high=HARMONICS))
    smooth = waves(
        2 * torch.pi * k / season[:, None], rng.normal(B, HARMONICS) * used, rng.normal(B, HARMONICS) * used, M
    )
    rough = rng.normal(B, M)
    form = rng.uniform(B, 1)
    weight = torch.where(form < 0.5, 0.0, torch.where(form < 0.7, rng.uniform(B, 1) * 0.5, 1.0))
    within = torch.arange(M, device=rng.device) < season[:, None]
    table = standard(smooth, within) * (1 - weight) + standard(rough, within) * weight
    table = standard(table, within)
    phase = torch.arange(length, device=rng.device) % season[:, None]
    return torch.gather(table, 1, phase.clamp_(max=M - 1))


def standard(values: Tensor, within: Tensor) -> Tensor:
    """(B, T) values less their mean, over their deviation, of what is `within`; 0 elsewhere, and where constant."""
    count = within.sum(1, keepdim=True).clamp(min=1)
    centred = (values - (values * within).sum(1, keepdim=True) / count) * within
    deviation = (centred.square().sum(1, keepdim=True) / count).sqrt()
    return torch.where(deviation > 1e-6, centred / deviation.clamp(min=1e-6), 0.0)
