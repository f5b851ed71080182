"""Croston's method and TSB, for series with many zeros: how large a demand is and how often there is any, apart.

    Croston    z ← z + α (y - z),  p ← p + α (q - p) where y ≠ 0          forecast (1 - α/2) z / p
    TSB        z ← z + α (y - z)   where y ≠ 0,  π ← π + β ([y ≠ 0] - π) at every step          forecast z π

with q the steps since the demand before. Croston (1972, "Forecasting and stock control for intermittent demands")
divides by a smoothed interval, which forecasts too much: (1 - α/2) is the correction of Syntetos & Boylan (2005, "The
accuracy of intermittent demand estimates", International Journal of Forecasting 21), which was better for them on 3,000
series. TSB (Teunter, Syntetos & Babai 2011, "Intermittent demand: linking forecasting to inventory obsolescence",
European Journal of Operational Research 214) sinks where demand stops. A step that was not observed is no part of a
sequence.

Axes: S sequences, L steps, A and B values of α and β, H horizon.
"""

from __future__ import annotations

import torch
from torch import Tensor

ALPHA = 0.1  # of Croston: what most of the papers take
SIZES = (0.05, 0.1, 0.2, 0.3)  # α of TSB, from which the squared errors of one step choose
CHANCES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3)  # and β


def forecast(kind: str, target: Tensor, observed: Tensor, horizon: int) -> Tensor:
    """Windows (B, L, C) -> their forecasts (B, H, C), the same at every step, by "croston" or "tsb"."""
    B, L, C = target.shape
    values, seen = (part.transpose(1, 2).reshape(B * C, L) for part in (target, observed))
    ahead = croston(values, seen) if kind == "croston" else tsb(values, seen)
    return ahead.reshape(B, 1, C).expand(-1, horizon, -1).to(target.dtype)


def croston(values: Tensor, seen: Tensor, alpha: float = ALPHA) -> Tensor:
    """The demand per step of sequences (S, L), (S,); 0 without any. Both averages begin with the first demand."""
    values = values.double()
    demand = seen & (values != 0)
    steps = seen.cumsum(dim=1)
    before = torch.where(demand, steps, torch.zeros_like(steps)).cummax(dim=1).values.roll(1, dims=1)
    before[:, 0] = 0
    number = demand.cumsum(dim=1)
    count = number[:, -1:]
    weight = alpha ** (number > 1).double() * (1 - alpha) ** (count - number).double() * demand
    size = (weight * torch.where(demand, values, torch.zeros_like(values))).sum(dim=1)
    interval = (weight * (steps - before)).sum(dim=1)
    return torch.where(count[:, 0] > 0, (1 - alpha / 2) * size / interval.clamp(min=1), torch.zeros_like(size))


def tsb(values: Tensor, seen: Tensor) -> Tensor:
    """The demand per step of sequences (S, L), (S,), with the best α and β of each; 0 without any demand.

    Size and chance begin with their means over the sequence.
    """
    values = torch.where(seen, values, torch.zeros_like(values)).double()
    demand = seen & (values != 0)
    count = demand.sum(dim=1).double()
    size = smoothed(values, demand, values.sum(dim=1) / count.clamp(min=1), SIZES)
    chance = smoothed(demand.double(), seen, count / seen.sum(dim=1).clamp(min=1), CHANCES)
    z, p = size[:, :-1], chance[:, :-1] * seen[..., None]
    gaps = (p.square().mT @ z.square()) - 2 * (p.mT @ (z * values[..., None]))  # (S, B, A), less the squares of y
    best = gaps.flatten(1).argmin(dim=1, keepdim=True)
    return (chance[:, -1, :, None] * size[:, -1, None, :]).flatten(1).gather(1, best)[:, 0]


def smoothed(values: Tensor, there: Tensor, start: Tensor, weights: tuple[float, ...]) -> Tensor:
    """Exponential averages (S, L+1, weights) before every step of (S, L) and behind the last, from start (S,).

    A step counts where it is `there`.
    """
    weight = torch.tensor(weights, dtype=values.dtype, device=values.device) * there[..., None]
    level, levels = start[:, None].expand(-1, len(weights)), []
    for t in range(values.shape[1]):
        levels.append(level)
        level = level + weight[:, t] * (values[:, t, None] - level)
    return torch.stack([*levels, level], dim=1)
