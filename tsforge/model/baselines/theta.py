"""The dynamic optimised theta model: exponential smoothing beside a line that is drawn anew at every step.

    μ_t = ℓ_{t-1} + w [(1 - α)^(t-1) A_{t-1} + (1 - (1 - α)^t) / α · B_{t-1}]        w = 1 - 1/θ
    ℓ_t = α y_t + (1 - α) ℓ_{t-1}

with A_t and B_t the intercept and the slope of the least-squares line through y_1 ... y_t. (DOTM of Fiorucci,
Pellegrini, Louzada, Petropoulos & Koehler 2016, "Models for optimising the theta method and their relationship to
state space models", International Journal of Forecasting 32.) α, θ >= 1 and ℓ_0 minimise the squared errors of one step
from y_4 on. Given α these errors are linear in ℓ_0 and w, so that only α is searched for, on a grid refined twice.

Axes: S sequences, L steps, G values of α, H horizon.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from tsforge.model.baselines.adjusting import adjust

LEAST, MOST = 0.1, 0.99  # α
GRID, FINER, TIMES = 12, 7, 2  # values of α at first, and between the neighbours of the best, so many times
FIRST = 4  # the first step whose error counts
NEWEST = 240  # steps that a forecast is smoothed from, of a longer context: older ones are there for the season
TIGHT = 1e-6  # pull of ℓ_0 towards the first value, where the data leave it open


class Line(NamedTuple):
    """Sums over the values so far, from which a least-squares line follows; (S,) each."""

    number: Tensor
    time: Tensor
    square: Tensor
    value: Tensor
    product: Tensor

    def plus(self, time: Tensor, value: Tensor, seen: Tensor) -> Line:
        """With one more value where `seen`."""
        t, y = time * seen, torch.where(seen, value, torch.zeros_like(value))
        return Line(self.number + seen, self.time + t, self.square + t * t, self.value + y, self.product + t * y)

    def coefficients(self) -> tuple[Tensor, Tensor]:
        """Intercept and slope, (S,) each; no slope through less than two values."""
        n, several = self.number.clamp(min=1), self.number > 1
        spread = torch.where(several, self.square - self.time.square() / n, torch.ones_like(n))
        slope = torch.where(several, (self.product - self.time * self.value / n) / spread, torch.zeros_like(n))
        return (self.value - slope * self.time) / n, slope


class Smoothing(NamedTuple):
    """What a pass over the values leaves for each α: ℓ = fixed + share · ℓ_0 + rise · w, (S, G) each.

    start, weight, error: the best ℓ_0 and w, and the squared errors they leave, (S, G).
    line, time: of all values, and the last step, (S,).
    """

    fixed: Tensor
    share: Tensor
    rise: Tensor
    start: Tensor
    weight: Tensor
    error: Tensor
    line: Line
    time: Tensor


def theta(values: Tensor, seen: Tensor, horizon: int) -> Tensor:
    """The forecast of sequences without a season.

    values: (S, L); read where `seen`, a mask of the same shape. What lies before the first value seen is no part of a
    sequence; a step that is missing later is filled by its own forecast, and its error does not count.
    Returns (S, H), in double precision. A sequence without a value is forecast as 0.
    """
    values = torch.where(seen, values, torch.zeros_like(values)).double()
    first = values.gather(1, seen.int().argmax(dim=1, keepdim=True))
    centred = torch.where(seen, values - first, torch.zeros_like(values))
    size = centred.detach().square().sum(dim=1, keepdim=True).div(seen.sum(dim=1, keepdim=True).clamp(min=1)).sqrt()
    size = torch.where(size > 0, size, torch.ones_like(size))
    begun = int(seen.any(dim=0).int().argmax()) if seen.numel() else 0  # before it, no sequence has a value
    alpha, found = _search((centred / size)[:, begun:], seen[:, begun:])
    return first + size * _ahead(alpha, found, horizon)


def forecast(target: Tensor, observed: Tensor, horizon: int, season: int) -> Tensor:
    """Windows (B, L, C) -> their forecasts (B, H, C), adjusted for a season where one shows."""
    B, _, C = target.shape
    plain = adjust(target, observed, horizon, season)
    values, seen = (part[:, -NEWEST:].transpose(1, 2).reshape(B * C, -1) for part in (plain.values, observed))
    ahead = theta(values, seen, horizon).reshape(B, C, horizon).transpose(1, 2)
    return plain.restore(ahead).to(target.dtype)


def _search(values: Tensor, seen: Tensor) -> tuple[Tensor, Smoothing]:
    """The best α of each sequence, (S, 1), and what it leaves."""
    steps = torch.linspace(LEAST, MOST, GRID, dtype=values.dtype, device=values.device)
    alpha, width = steps.expand(len(values), -1), (MOST - LEAST) / (GRID - 1)
    for _ in range(TIMES):
        best = alpha.gather(1, smooth(values, seen, alpha).error.argmin(dim=1, keepdim=True))
        around = torch.linspace(-width, width, FINER, dtype=values.dtype, device=values.device)
        alpha, width = (best + around).clamp(LEAST, MOST), 2 * width / (FINER - 1)
    passed = smooth(values, seen, alpha)
    best = passed.error.argmin(dim=1, keepdim=True)
    fixed, share, rise, start, weight, error = (
        part.gather(1, best)
        for part in (passed.fixed, passed.share, passed.rise, passed.start, passed.weight, passed.error)
    )
    return alpha.gather(1, best), Smoothing(fixed, share, rise, start, weight, error, passed.line, passed.time)


def smooth(values: Tensor, seen: Tensor, alpha: Tensor) -> Smoothing:
    """One pass over sequences (S, L) with the values of α (S, G): the best ℓ_0 and w for each, and what they leave."""
    S, L = values.shape
    zeros = torch.zeros_like(alpha)
    fixed, share, rise = zeros, torch.ones_like(alpha), zeros
    nothing = torch.zeros(S, dtype=values.dtype, device=values.device)
    line, time = Line(nothing, nothing, nothing, nothing, nothing), nothing
    sums = [zeros] * 5  # of share², share·slope, slope², share·gap, slope·gap
    power = torch.ones_like(alpha)  # (1 - α)^(t-1)
    squares = zeros
    for t in range(L):
        y, there = values[:, t : t + 1], seen[:, t]
        begun = there | (line.number > 0)
        time = time + begun
        intercept, slope = line.coefficients()
        g = power * intercept[:, None] + (1 - power * (1 - alpha)) / alpha * slope[:, None]
        g = torch.where((line.number > 0)[:, None], g, zeros)
        counts = (there & (line.number >= FIRST - 1))[:, None]
        gap, along = (y - fixed) * counts, (rise + g) * counts
        own = share * counts
        sums = [
            s + a * b
            for s, (a, b) in zip(
                sums, ((own, own), (own, along), (along, along), (own, gap), (along, gap)), strict=True
            )
        ]
        squares = squares + gap.square()
        here, begun = there[:, None], begun[:, None]
        fixed = torch.where(here, alpha * y + (1 - alpha) * fixed, fixed)
        rise = torch.where(here, (1 - alpha) * rise, torch.where(begun, rise + alpha * g, rise))
        share = torch.where(here, (1 - alpha) * share, share)
        power = torch.where(begun, power * (1 - alpha), power)
        line = line.plus(time, values[:, t], there)
    start, weight, error = _least(sums, squares)
    return Smoothing(fixed, share, rise, start, weight, error, line, time)


def _least(sums: list[Tensor], squares: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """ℓ_0, w in [0, 1] and the squared errors they leave, from the sums of products; (S, G) each."""
    aa, ab, bb, ag, bg = sums
    aa = aa + TIGHT
    within = bb - ab.square() / aa
    weight = torch.where(within > TIGHT, (bg - ab * ag / aa) / within.clamp(min=TIGHT), torch.zeros_like(bb)).clamp(
        0, 1
    )
    start = (ag - ab * weight) / aa
    error = squares + aa * start.square() + bb * weight.square() + 2 * (ab * start * weight - ag * start - bg * weight)
    return start, weight, error


def _ahead(alpha: Tensor, state: Smoothing, horizon: int) -> Tensor:
    """The forecasts (S, H): each step is taken for its value by the next."""
    alpha, weight = alpha[:, 0], state.weight[:, 0]
    level = (state.fixed + state.share * state.start + state.rise * state.weight)[:, 0]
    line, time, steps = state.line, state.time, []
    seen = torch.ones_like(time, dtype=torch.bool)
    for _ in range(horizon):
        time = time + 1
        intercept, slope = line.coefficients()
        decay = (1 - alpha) ** (time - 1)
        mean = level + weight * (decay * intercept + (1 - decay * (1 - alpha)) / alpha * slope)
        level = alpha * mean + (1 - alpha) * level
        line = line.plus(time, mean, seen)
        steps.append(mean)
    return torch.stack(steps, dim=1)
