"""One form of exponential smoothing, fitted to many series at once: its recursion, and its parameters by least squares.

    q_t = ℓ_{t-1} + φ b_{t-1}        μ_t = q_t,  q_t + s_{t-m},  or q_t s_{t-m}        e_t = y_t - μ_t
    ℓ_t = q_t + α e_t / d,    b_t = φ b_{t-1} + β e_t / d,    s_t = s_{t-m} + γ e_t / d'

with d = d' = 1, or d = s_{t-m} and d' = q_t where the season multiplies. The error of a form is additive, e_t, or
multiplicative, e_t / μ_t; that changes the likelihood alone. (Hyndman, Koehler, Ord & Snyder 2008, "Forecasting with
Exponential Smoothing", tables 2.2 and 2.3.) Its maximum is the least Σ r_t², r_t being e_t, or e_t / μ_t times the
geometric mean of all μ; Levenberg & Marquardt's method finds it from differences of r.

Axes: T steps, S series, G sets of parameters of each series, P parameters, m steps of one season. The first step is
the first value of each series. A step that is not seen is taken to be its own forecast.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

ALPHA, BETA, PHI, GAMMA, LEVEL, SLOPE = range(6)  # the parameters α, β / α, φ, γ / (1 - α), ℓ_0, b_0
LOW = (1e-4, 1e-4, 0.8, 1e-4, -torch.inf, -torch.inf)
HIGH = (0.9999, 0.9999, 0.98, 0.9999, torch.inf, torch.inf)
STEP = (1e-5, 1e-5, 1e-5, 1e-5, 1e-3, 1e-3)  # of a difference
DAMPING = (0.1, 1.0, 10.0)  # shares of a series' damping that are tried at once
SMALL = 1e-12


Error = Literal["A", "M"]
Trend = Literal["N", "A", "Ad"]
Season = Literal["N", "A", "M"]


class Form(NamedTuple):
    """Error, trend and season: none, additive, multiplicative, or additive and damped."""

    error: Error
    trend: Trend
    season: Season

    @property
    def free(self) -> tuple[int, ...]:
        """The parameters that it has."""
        trend = {"N": (), "A": (BETA, SLOPE), "Ad": (BETA, PHI, SLOPE)}[self.trend]
        return tuple(sorted((ALPHA, LEVEL, *trend, *(() if self.season == "N" else (GAMMA,)))))


class Series(NamedTuple):
    """Values (T, S), 0 where not seen; which were seen, (T, S); and the indices of the first season, (m, S)."""

    values: Tensor
    seen: Tensor
    season: Tensor


class Fit(NamedTuple):
    """Parameters (P, S), and the squares that they leave, (S,)."""

    parameters: Tensor
    squares: Tensor


def means(series: Series, parameters: Tensor, form: Form) -> Tensor:
    """What each step is forecast to be by the step before; parameters (P, G, S) -> (T, G, S)."""
    alpha, share, phi, rest, level, slope = parameters
    beta, gamma = alpha * share, (1 - alpha) * rest
    seasons = [index.expand_as(level) for index in series.season]
    whole = series.seen.all(dim=1).tolist()
    out = []
    for t, y in enumerate(series.values):
        base = level if form.trend == "N" else torch.addcmul(level, phi, slope)
        index = seasons[t % len(seasons)] if seasons else level
        mean = {"N": base, "A": base + index, "M": base * index}[form.season] if seasons else base
        out.append(mean)
        error = y - mean
        if not whole[t]:
            error *= series.seen[t]
        pull = error / index if form.season == "M" else error
        level = torch.addcmul(base, alpha, pull)
        if form.trend != "N":
            slope = torch.addcmul(phi * slope, beta, pull)
        if form.season != "N":
            seasons[t % len(seasons)] = torch.addcmul(index, gamma, error / base if form.season == "M" else error)
    return torch.stack(out)


def residuals(series: Series, parameters: Tensor, form: Form) -> Tensor:
    """r_t, whose squares are least where the likelihood is greatest, (T, G, S); 0 where nothing was seen."""
    mean = means(series, parameters, form)
    seen = series.seen[:, None]
    error = (series.values[:, None] - mean).mul_(seen)
    if form.error == "A":
        return error
    mean = torch.where(seen, mean, torch.ones_like(mean))
    count = seen.sum(dim=0).clamp(min=1)
    possible = (mean > 0).all(dim=0)
    mean.clamp_(min=SMALL)
    size = mean.log().sum(dim=0).div_(count).exp_()
    return error.div_(mean).mul_(torch.where(possible, size, torch.full_like(size, torch.inf)))


def fit(series: Series, start: Tensor, form: Form, rounds: int) -> Fit:
    """The parameters of each series, from `start` (P, S)."""
    low, high = (start.new_tensor(bound)[:, None] for bound in (LOW, HIGH))
    free = list(form.free)
    best = start
    rest = residuals(series, start[:, None], form)[:, 0]
    squares = _squares(rest)
    damping = torch.full_like(squares, 0.1)
    for _ in range(rounds):
        slopes = _slopes(series, best, form, rest, high)
        step = _steps(slopes, rest, best[free], (low[free], high[free]), damping)
        tried = best[:, None].expand(-1, len(DAMPING), -1).clone()
        tried[free] = torch.minimum(torch.maximum(tried[free] + step, low[free, None]), high[free, None])
        left = residuals(series, tried, form)
        trial = _squares(left)
        least, which = trial.min(dim=0)
        better = least < squares
        pick = which[None, None]
        best = torch.where(better, tried.gather(1, pick.expand(len(tried), 1, -1))[:, 0], best)
        rest = torch.where(better, left.gather(1, pick.expand(len(left), 1, -1))[:, 0], rest)
        squares = torch.where(better, least, squares)
        factor = damping.new_tensor(DAMPING)[which]
        damping = (damping * torch.where(better, factor, factor.new_full((), 1e3))).clamp(1e-6, 1e6)
    return Fit(best, squares)


def _squares(rest: Tensor) -> Tensor:
    squares: Tensor = rest.square().sum(dim=0)
    return torch.where(squares.isnan(), torch.inf, squares)


def _slopes(series: Series, at: Tensor, form: Form, rest: Tensor, high: Tensor) -> Tensor:
    """How r changes with each free parameter, (T, P, S): from a small step, backwards at the upper bound."""
    free = list(form.free)
    step = at.new_tensor(STEP)[:, None].expand_as(at)
    step = torch.where(at + step > high, -step, step)[free]
    moved = at[:, None].expand(-1, len(free), -1).clone()
    moved[free, range(len(free))] += step
    slopes = (residuals(series, moved, form) - rest[:, None]) / step
    return slopes.nan_to_num(0.0, 0.0, 0.0)


def _steps(slopes: Tensor, rest: Tensor, at: Tensor, bounds: tuple[Tensor, Tensor], damping: Tensor) -> Tensor:
    """The step of each free parameter, (P, G, S), for each share of the damping."""
    P = slopes.shape[1]
    gradient = torch.einsum("tps,ts->ps", slopes, rest.nan_to_num(0.0, 0.0, 0.0))
    product = slopes.new_zeros(P, P, slopes.shape[2])
    for slope in slopes:
        product.addcmul_(slope[:, None], slope[None])
    stuck = ((at <= bounds[0]) & (gradient > 0)) | ((at >= bounds[1]) & (gradient < 0))
    gradient = gradient.masked_fill(stuck, 0.0)
    product = product.masked_fill(stuck[:, None] | stuck[None], 0.0)
    diagonal = product.diagonal(dim1=0, dim2=1).T.clamp(min=SMALL)  # (P, S)
    system = product[:, :, None].expand(-1, -1, len(DAMPING), -1).clone()
    for p in range(P):
        system[p, p] += diagonal[p] * damping * damping.new_tensor(DAMPING)[:, None] + SMALL
    return -_solve(system, gradient[:, None].expand(-1, len(DAMPING), -1).clone())


def _solve(matrix: Tensor, right: Tensor) -> Tensor:
    """x of A x = b for many small positive definite A, (P, P, ...), and b (P, ...); both are written over."""
    P = len(right)
    for k in range(P - 1):
        factor = matrix[k + 1 :, k] / matrix[k, k]
        right[k + 1 :] -= factor * right[k]
        matrix[k + 1 :, k + 1 :] -= factor[:, None] * matrix[k, k + 1 :]
    for k in reversed(range(P)):
        right[k] = (right[k] - (matrix[k, k + 1 :] * right[k + 1 :]).sum(dim=0)) / matrix[k, k]
    return right
