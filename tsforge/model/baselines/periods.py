"""Windows folded into periods of a season: the level of each, its shape, and whether there is a season at all.

    y_{j,p} = ℓ_j s_{j,p}          ℓ_j + s_{j,p} where a value is at or below 0

Axes: S sequences, L steps, n periods of P steps, the last of which ends at the forecast origin.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

PERIODS, CYCLES = 12, 3  # of a season, and of a second one, that a window has to hold


class Seasons(NamedTuple):
    """Steps of a period, and how many periods a second season has; 1 where there is none."""

    period: int
    cycle: int


class Periods(NamedTuple):
    """Folded sequences, in double precision.

    values, shape: (S, n, P). level, there: (S, n); a period is there if half of it was observed, and what it lacks lies
    on the shape of the others. positive, ends: (S, 1), whether all values are above 0, so that shapes are shares of the
    level; and whether the last step was observed.
    """

    values: Tensor
    level: Tensor
    shape: Tensor
    there: Tensor
    positive: Tensor
    ends: Tensor


def combine(positive: Tensor, level: Tensor, shape: Tensor) -> Tensor:
    """Values (S, n, P) from levels (S, n) and shapes."""
    return torch.where(positive[..., None], level[..., None] * shape, level[..., None] + shape)


def shaped(positive: Tensor, level: Tensor, values: Tensor) -> Tensor:
    """Shapes (S, n, P) from levels (S, n) and values."""
    share = values / torch.where(positive, level, torch.ones_like(level))[..., None]
    return torch.where(positive[..., None], share, values - level[..., None])


def fold(values: Tensor, seen: Tensor, period: int) -> Periods:
    """Sequences (S, L), read where `seen`, in periods; the oldest steps that fill none are left out."""
    n = values.shape[1] // period
    y, o = (part[:, part.shape[1] - n * period :].reshape(-1, n, period) for part in (values, seen))
    there = 2 * o.sum(dim=2) >= period
    positive = (torch.where(o, y, torch.ones_like(y)) > 0).flatten(1).all(dim=1, keepdim=True)
    y = y if o.all() else _filled(torch.where(o, y, torch.zeros_like(y)), o, there, positive)
    level = torch.where(there, y.mean(dim=2), torch.ones_like(y[..., 0]))
    return Periods(y, level, shaped(positive, level, y), there, positive, seen[:, -1:])


def _filled(y: Tensor, o: Tensor, there: Tensor, positive: Tensor) -> Tensor:
    """With values for the steps that are not `o`: the level of what their period has, times the mean shape.

    That is the shape of whole periods, if there is one. Periods that are not there are 0.
    """
    count = o.sum(dim=2)
    whole = o.all(dim=2) | ~o.all(dim=2).any(dim=1, keepdim=True)
    flat = positive.double()[..., None]  # the shape of a flat period: 1, or 0 where it is added
    mean = torch.where(count > 0, y.sum(dim=2) / count.clamp(min=1), torch.ones_like(y[..., 0]))
    read = o & whole[..., None]
    above = torch.where(read, shaped(positive, mean, y) - flat, torch.zeros_like(y))
    shape = above.sum(dim=1, keepdim=True) / read.sum(dim=1, keepdim=True).clamp(min=1) + flat
    part = (shape * o).sum(dim=2)
    share = y.sum(dim=2) / torch.where(positive, part.clamp(min=1e-300), torch.ones_like(part))
    level = torch.where(positive, share, mean - part / count.clamp(min=1))
    return torch.where(o, y, combine(positive, level, shape)) * there[..., None]


def seasons(cycles: tuple[int, ...], steps: int) -> list[Seasons]:
    """The seasons that a window of so many steps holds often enough, the shortest first.

    The second season of each is the shortest of its multiples that the window holds often enough.
    """
    lengths = sorted({m for m in cycles if m > 1 and PERIODS * m <= steps})
    longer = sorted({m for m in cycles if CYCLES * m <= steps})
    return [Seasons(m, next((k // m for k in longer if k > m and k % m == 0), 1)) for m in lengths]


def shows(folded: Periods) -> Tensor:
    """Whether one shape for all periods is worth its P - 1 numbers, by BIC, (S,).

        BIC = N ln(RSS / N) + k ln(N)

    compared with a straight line through every period, whose slope is the same in all: so that a trend is no season.
    """
    values, level, shape, there, positive, _ = folded
    P, weight = values.shape[2], there[..., None].double()
    count = weight.sum(dim=1).clamp(min=1)  # (S, 1)
    mean = (shape * weight).sum(dim=1) / count
    steps = torch.arange(P, dtype=values.dtype, device=values.device) - (P - 1) / 2
    slope = (mean @ steps) / steps.square().sum()
    line = positive.double() + slope[:, None] * steps  # (S, P)
    N = count * P
    tiny = 1e-12 * (values.square() * weight).sum(dim=(1, 2)) + 1e-300  # what rounding leaves
    criterion = []
    for part, numbers in ((mean, P - 1), (line, 1)):
        gap = values - combine(positive, level, part[:, None].expand_as(values))
        rest = (gap.square() * weight).sum(dim=(1, 2)) + tiny
        criterion.append(N[:, 0] * (rest / N[:, 0]).log() + numbers * N[:, 0].log())
    return (criterion[0] < criterion[1]) & (there.sum(dim=1) >= PERIODS)
