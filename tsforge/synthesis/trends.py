"""Short trending series, near random walks, and walks of changing variance."""

from __future__ import annotations

import torch
from torch import Tensor

from tsforge.synthesis.randomness import Random
from tsforge.synthesis.recursion import first_order

BEYOND = 1.5  # lengths of a series after which its trend stands still


def trend(rng: Random, steps: Tensor, season: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """A trend and a little noise, as in yearly tables; with u = t / n, in units of the rise over the series:

        walk with drift  logistic 1/(1 + exp(-k (u - c)))  exponential (exp(gu) - 1)/(exp(g) - 1)  power u^p
        one break: two slopes that meet at c, some with a jump

    steps (B,) -> values (B, T), a season of 1 each. The noise is white, or an autoregression of order one, or a walk.
    """
    B = len(steps)
    u = (torch.arange(length, device=rng.device) / steps[:, None]).clamp(max=BEYOND)
    centre, form = rng.uniform(B, 1, low=-0.2, high=1.2), rng.choice(B, (0.3, 0.15, 0.25, 0.1, 0.2))[:, None]
    k = rng.spread(B, 1, low=2.0, high=25.0)
    logistic = torch.sigmoid(k * (u - centre))
    logistic = (logistic - torch.sigmoid(-k * centre)) / (torch.sigmoid(k * (1 - centre)) - torch.sigmoid(-k * centre))
    g = rng.spread(B, 1, low=0.3, high=5.0) * (1 - 2 * rng.chance(B, 1, share=0.3).float())
    exponential = torch.expm1(g * u) / torch.expm1(g)
    power = u ** rng.spread(B, 1, low=0.3, high=3.0)
    jump = rng.normal(B, 1) * rng.chance(B, 1, share=0.4) * (u > centre)
    broken = u + rng.normal(B, 1) * 1.5 * (u - centre).clamp(min=0) + jump
    shapes = torch.stack([u, logistic, exponential, power, broken])
    shape = shapes.gather(0, form.expand(B, length)[None])[0]
    sizes = rng.spread(B, 1, low=0.008, high=0.6)
    factor = torch.where((form == 0) | rng.chance(B, 1, share=0.25), 1.0, rng.uniform(B, 1))
    unit = torch.where(factor > 0.9, (6 / steps[:, None]).sqrt().clamp(max=1.0), (1 - factor**2).clamp(min=0.05).sqrt())
    noise = first_order(factor, rng.noise(B, length) * unit, torch.zeros(B, device=rng.device))
    growing = torch.where(rng.chance(B, 1, share=0.3), 0.3 + shape.abs(), 1.0)
    side = 1 - 2 * rng.chance(B, 1, share=0.2).float()
    return side * shape + sizes * growing * noise, torch.ones_like(season)


def walk(rng: Random, steps: Tensor, season: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """x_t = c + φ x_{t-1} + e_t with φ one (for half of them) or a little less; for half of them y = exp(s x).

    steps (B,) -> values (B, T), a season of 1 each.
    """
    B = len(steps)
    phi = torch.where(rng.chance(B, 1, share=0.5), 1.0, 1 - rng.spread(B, 1, low=0.001, high=0.15))
    drift = rng.upward(B, 1) * 1.5 / steps[:, None].sqrt() * rng.chance(B, 1, share=0.6)
    x = first_order(phi, drift + rng.noise(B, length), rng.normal(B) * 3)
    size = rng.spread(B, 1, low=0.002, high=0.1)
    return torch.where(rng.chance(B, 1, share=0.5), (size * x).clamp(-20, 20).exp(), x), torch.ones_like(season)


def garch(rng: Random, steps: Tensor, season: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """GARCH(1, 1) returns, and for three in four the price that they make:

        e_t = √h_t z_t    h_t = 1 - a - b + a e²_{t-1} + b h_{t-1}    r_t = s (c + e_t)    p_t = exp(Σ r)

    steps (B,) -> values (B, T), a season of 1 each. The variance of e is 1. (Bollerslev 1986)
    """
    B = len(steps)
    persistence, share = rng.uniform(B, low=0.7, high=0.99), rng.uniform(B, low=0.05, high=0.35)
    a, b = persistence * share, persistence * (1 - share)
    z = rng.noise(B, length).T.contiguous()
    h, returns = torch.ones(B, device=rng.device), torch.empty_like(z)
    rest = 1 - persistence
    for z_t, e in zip(z.unbind(), returns.unbind(), strict=True):
        torch.mul(h.sqrt(), z_t, out=e)
        h = torch.addcmul(torch.addcmul(rest, a, e.square()), b, h)
    returns = (returns.T + rng.normal(B, 1) * 0.05) * rng.spread(B, 1, low=0.002, high=0.05)
    price = returns.cumsum(1).clamp(-20, 20).exp()
    return torch.where(rng.chance(B, 1, share=0.75), price, returns), torch.ones_like(season)
