"""Exponential smoothing in state space form: all 19 stable forms, as ETS(error, trend, season).

Additive errors with trends N, A, Ad and seasons N, A; multiplicative errors with trends N, A, Ad and seasons N, A, M,
and with trends M, Md and seasons N, M. (Hyndman, Koehler, Ord & Snyder 2008, "Forecasting with Exponential Smoothing",
chapters 2, 10 and 11: the other eleven divide by what may be zero.)
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from tsforge.synthesis.randomness import Random
from tsforge.synthesis.waves import pattern

LEAST = -0.9  # a relative error: a level never passes zero in one step


class Form(NamedTuple):
    """What is multiplicative, each (B,) bool."""

    error: Tensor
    trend: Tensor
    season: Tensor


class Weights(NamedTuple):
    """Smoothing weights of level, trend and season, and the damping, each (B,)."""

    alpha: Tensor
    beta: Tensor
    gamma: Tensor
    phi: Tensor


class Start(NamedTuple):
    """The first states: level and trend (B,), the season of the steps before the first (M, B), newest last.

    A multiplicative trend is the logarithm of its factor.
    """

    level: Tensor
    trend: Tensor
    season: Tensor


def simulate(form: Form, weights: Weights, start: Start, period: Tensor, errors: Tensor) -> Tensor:
    """errors (T, B), period (B,) steps of the season -> values (T, B).

        q_t = l + φ b                   or  l exp(φ b)
        y_t = q_t + s + e_t             or  (q_t + s)(1 + e_t)      or  q_t s (1 + e_t)
        l' = q_t + α u    b' = φ b + β u    s' = s + γ w

    where u = w = e_t for additive errors, (q_t + s) e_t for multiplicative ones, u = q_t e_t and w = s e_t for
    multiplicative seasons; a multiplicative trend adds log(1 + β e_t) to φ b.
    """
    T, B = errors.shape
    M = len(start.season)
    states = torch.cat([start.season, errors.new_empty(T, B)])
    steps = torch.arange(T, device=errors.device)[:, None]
    flat, places = states.view(-1), (M + steps - period) * B + torch.arange(B, device=errors.device)  # (T, B)
    relative, trend, season = form
    growth = torch.log1p((weights.beta * errors).clamp(min=LEAST))
    level, slope, values = start.level, start.trend, torch.empty_like(errors)
    alpha, beta, gamma, phi = weights
    rows = zip(*(x.unbind() for x in (errors, growth, places, values, states[M:])), strict=True)
    for e, grown, place, y, state in rows:
        s = flat.take(place)
        step = phi * slope
        q = torch.where(trend, level * step.exp(), level + step)
        sum_, product = q + s, q * s
        mean = torch.where(season, product, sum_)
        torch.addcmul(mean, torch.where(relative, mean, 1.0), e, out=y)
        u = torch.where(relative, torch.where(season, q, sum_), 1.0) * e
        w = torch.where(season, s * e, u)
        level = torch.addcmul(q, alpha, u)
        slope = step + torch.where(trend, grown, beta * u)
        torch.addcmul(s, gamma, w, out=state)
    return values


def smoothing(rng: Random, steps: Tensor, season: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """ETS of a random form and random weights, errors normal, Student-t or log-normal.

    steps, season (B,) -> values (B, T), the season of each: 1 where the form has none.
    """
    B = len(steps)
    error, form = rng.chance(B, share=0.5), _forms(rng, B)
    trended, damped = form[:, 0] > 0, rng.chance(B, share=0.4)
    multiplied = (form[:, 0] == 2) & error & (form[:, 1] != 1)
    seasonal = (form[:, 1] > 0) & (season > 1)
    factors = (form[:, 1] == 2) & error & seasonal
    period = torch.where(seasonal, season, 1)
    weights = _weights(rng, steps, trended, damped, seasonal)
    weights = weights._replace(beta=torch.where(multiplied, weights.beta * (10 / steps).clamp(max=1), weights.beta))
    size = torch.where(error, rng.spread(B, low=0.005, high=0.25), 1.0)
    errors = rng.noise(B, length) * size[:, None]
    errors = torch.where(error[:, None], errors.clamp(min=LEAST), errors).T.contiguous()
    unit = torch.where(error, 1.0, 0.0)
    drift = rng.upward(B) * rng.spread(B, low=0.3, high=4.0) * trended
    total = torch.where(error, drift.clamp(-0.8, 3), drift * steps.sqrt())
    shape = pattern(rng, period, int(period.max()) if B else 1)
    amplitude = (size * rng.spread(B, low=0.2, high=7.0)).clamp(max=torch.where(error, 0.7, torch.inf)) * seasonal
    table = shape * amplitude[:, None]
    table = torch.where(factors[:, None], table.exp(), table)
    start = Start(unit, total / steps, _before(table, period))
    return simulate(Form(error, multiplied, factors), weights, start, period, errors).T, period


def _forms(rng: Random, size: int) -> Tensor:
    """(B, 2): trend and season, each 0 none, 1 additive, 2 multiplicative."""
    return torch.stack([rng.choice(size, (0.3, 0.5, 0.2)), rng.choice(size, (0.25, 0.35, 0.4))], dim=1)


def _weights(rng: Random, steps: Tensor, trended: Tensor, damped: Tensor, seasonal: Tensor) -> Weights:
    """0 < α < 1, mostly near one, 0 < β < α, less the longer a series is, 0 < γ < 1 - α, mostly small."""
    B = len(steps)
    alpha = rng.uniform(B) ** rng.spread(B, low=0.1, high=3.0)
    beta = alpha * rng.uniform(B) ** 2 * (30 / steps).clamp(max=1) ** 0.75 * trended
    gamma = (1 - alpha) * rng.uniform(B) ** 3 * seasonal
    return Weights(alpha, beta, gamma, torch.where(damped, rng.uniform(B, low=0.8, high=0.98), 1.0))


def _before(table: Tensor, period: Tensor) -> Tensor:
    """A pattern (B, M) whose first m steps count -> (M, B) so that what lies m steps before step t is its step t."""
    M = table.shape[1]
    place = torch.arange(M, device=table.device) - (M - period[:, None])  # 0 at the oldest of the last m
    return torch.gather(table, 1, place % period[:, None]).T.contiguous()
