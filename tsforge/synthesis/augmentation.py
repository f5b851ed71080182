"""What is done to series once they are drawn: shapes first, then levels, then what spoils a measurement.

All take and give values (B, T) of which the first `steps` (B,) count, and leave the others of a row to chance.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tsforge.synthesis.randomness import Random
from tsforge.synthesis.waves import standard

FEWEST = 6  # steps left after sampling more rarely


def within(steps: Tensor, length: int) -> Tensor:
    """(B, T): whether a step is one of the first `steps`."""
    return torch.arange(length, device=steps.device) < steps[:, None]


def mix(rng: Random, values: Tensor, steps: Tensor, season: Tensor, rows: Tensor) -> Tensor:
    """Some rows (n,) as sums of themselves and one or two others, in standard units with weights that sum to one.

    The row keeps the greatest weight, and so its season. (TSMixup: Ansari et al. 2024, "Chronos")
    """
    inside = within(steps, values.shape[1])
    unit = standard(values[rows], inside[rows])
    n = len(rows)
    weights = -rng.uniform(n, 3).clamp(min=1e-6).log()
    weights[:, 2] *= rng.chance(n, share=0.4)
    weights = (weights / weights.sum(1, keepdim=True)).sort(1, descending=True).values
    mixed = unit * weights[:, :1]
    for j in (1, 2):
        other = rows[rng.order(n)]
        apart = ((season[other] == season[rows]) | (season[other] == 1))[:, None]
        shape = standard(values[other], inside[rows] & inside[other])
        mixed += shape * weights[:, j : j + 1] * apart
    out = values.clone()
    out[rows] = mixed
    return out


def sample(rng: Random, values: Tensor, steps: Tensor, season: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Some rows (n,) with one step for every k: each k-th value, or the mean of k; -> values, steps, season.

    k divides the season where there is one, and leaves at least `FEWEST` steps.
    """
    T = values.shape[1]
    values, steps, season = values.clone(), steps.clone(), season.clone()
    k = torch.tensor([2, 3, 4, 6, 7, 12], device=rng.device)[rng.choice(len(rows), (4, 3, 2, 1, 1, 1))]
    fits = ((season[rows] == 1) | (season[rows] % k == 0)) & (steps[rows] // k >= FEWEST)
    rows, k = rows[fits], k[fits]
    sums = torch.nn.functional.pad(values[rows].double().cumsum(1), (1, 0))
    first = (torch.arange(T, device=rng.device) * k[:, None]).clamp(max=T - 1)
    last = (first + k[:, None]).clamp(max=T)
    means = ((sums.gather(1, last) - sums.gather(1, first)) / k[:, None]).float()
    picked = values[rows].gather(1, first)
    values[rows] = torch.where(rng.chance(len(rows), 1, share=0.5), means, picked)
    steps[rows] = steps[rows] // k
    season[rows] = (season[rows] // k).clamp(min=1)
    return values, steps, season


def level(rng: Random, values: Tensor, inside: Tensor) -> Tensor:
    """Series at the levels and scales of tables: a mean size from 0.01 to a million, equal ratios equally likely.

    What is nowhere negative stays in proportion. Four in five of the others are lifted above zero, by a seventh of
    their deviation to fifty times that; the rest stand around zero.
    """
    B = len(values)
    unit = standard(values, inside)
    low = torch.where(inside, unit, torch.inf).min(1, keepdim=True).values
    above = rng.spread(B, 1, low=0.15, high=50.0)
    centred = rng.normal(B, 1) * (rng.uniform(B, 1) < 0.5)
    free = unit + torch.where(rng.chance(B, 1, share=0.8), above - low, centred)
    positive = (torch.where(inside, values, torch.inf).min(1, keepdim=True).values >= 0) & (values.abs() < 1e30)
    chosen = torch.where(positive.all(1, keepdim=True), values, free)
    size = (chosen.abs() * inside).sum(1, keepdim=True) / inside.sum(1, keepdim=True)
    return chosen / size.clamp(min=1e-30) * rng.spread(B, 1, low=1e-2, high=1e6)


def clip(rng: Random, values: Tensor, inside: Tensor, rows: Tensor) -> Tensor:
    """Some rows (n,) less a value from their lower half, and zero where that is negative, as the sun at night."""
    unit = standard(values[rows], inside[rows])
    out = values.clone()
    out[rows] = (unit - rng.uniform(len(rows), 1, low=-1.0, high=0.3)).clamp(min=0)
    return out


def shift(rng: Random, values: Tensor, steps: Tensor, rows: Tensor) -> Tensor:
    """Some rows (n,) moved by up to a few deviations from a random step on, half of them back again later."""
    inside = within(steps, values.shape[1])
    place = torch.arange(values.shape[1], device=rng.device) / steps[rows][:, None]
    first, span = rng.uniform(len(rows), 1, low=0.1, high=0.95), rng.uniform(len(rows), 1, low=0.05, high=0.5)
    last = first + torch.where(rng.chance(len(rows), 1, share=0.5), span, 1.0)
    move = rng.normal(len(rows), 1) * rng.spread(len(rows), 1, low=0.5, high=2.0)
    out = values.clone()
    out[rows] = standard(values[rows], inside[rows]) + move * ((place >= first) & (place < last))
    return out


def outliers(rng: Random, values: Tensor, steps: Tensor, rows: Tensor) -> Tensor:
    """Some rows (n,) with one to a few steps, and at most one in twenty, off by three to twelve deviations."""
    inside = within(steps, values.shape[1])
    count, T = len(rows), values.shape[1]
    share = (rng.spread(count, 1, low=1.0, high=6.0) / steps[rows][:, None]).clamp(max=0.05)
    hit = rng.uniform(count, T) < share
    both = torch.where(rng.chance(count, 1, share=0.4), (rng.uniform(count, T) < 0.5) * 2.0 - 1, 1.0)
    out = values.clone()
    out[rows] = standard(values[rows], inside[rows]) + hit * both * rng.spread(count, T, low=3.0, high=12.0)
    return out


def rounding(rng: Random, values: Tensor, inside: Tensor, rows: Tensor) -> Tensor:
    """Some rows (n,) rounded to 1, 2 or 5 times a power of ten, a thousandth to all of their deviation."""
    some, within_ = values[rows], inside[rows]
    count = within_.sum(1, keepdim=True)
    mean = (some * within_).sum(1, keepdim=True) / count
    deviation = (((some - mean) * within_).square().sum(1, keepdim=True) / count).sqrt().clamp(min=1e-20)
    unit = torch.tensor([1.0, 2.0, 5.0], device=rng.device)[rng.choice(len(rows), (0.7, 0.1, 0.2))][:, None]
    power = (deviation * rng.spread(len(rows), 1, low=0.01, high=1.0) / unit).log10().floor()
    quantum = unit * 10.0**power
    out = values.clone()
    out[rows] = (some / quantum).round() * quantum
    return out


def gaps(rng: Random, inside: Tensor, steps: Tensor, rows: Tensor) -> Tensor:
    """(B, T) what is observed: some rows (n,) without one or two stretches, or without steps here and there.

    The first and the last step stay, and the longest stretch is a third of a series.
    """
    n, T = len(rows), inside.shape[1]
    length = steps[rows][:, None]
    place = torch.arange(T, device=rng.device)
    missing = torch.zeros(n, T, dtype=torch.bool, device=rng.device)
    for share in (1.0, 0.4):
        long = (length * rng.spread(n, 1, low=0.01, high=0.33)).ceil()
        first = rng.uniform(n, 1) * (length - long)
        missing |= (place >= first) & (place < first + long) & rng.chance(n, 1, share=share)
    scattered = rng.uniform(n, T) < rng.spread(n, 1, low=0.01, high=0.3)
    missing = torch.where(rng.chance(n, 1, share=0.6), missing, scattered)
    observed = inside.clone()
    observed[rows] &= ~missing | (place == 0) | (place == length - 1)
    return observed
