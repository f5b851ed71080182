"""ARIMA and seasonal ARIMA of stable forms, whose coefficients come from partial autocorrelations."""

from __future__ import annotations

import torch
from torch import Tensor

from tsforge.synthesis.randomness import Random
from tsforge.synthesis.recursion import autoregression, seasonal
from tsforge.synthesis.waves import pattern

ORDER = 3  # of the regular polynomials at most
BURN = 100  # steps before the first, after which an autoregression has forgotten its zeros
CLOSEST = 0.95  # of a partial autocorrelation to one


def coefficients(partial: Tensor) -> Tensor:
    """(B, p) partial autocorrelations in (-1, 1) -> (B, p) coefficients of a stationary autoregression.

        φ_kk = r_k    φ_kj = φ_(k-1)j - r_k φ_(k-1)(k-j)

    Every stationary autoregression, and no other, has such numbers; with the sign turned they are those of an
    invertible moving average. (Barndorff-Nielsen & Schou 1973; Monahan 1984, "A note on enforcing stationarity")
    """
    phi = partial[:, :0]
    for k in range(partial.shape[1]):
        r = partial[:, k : k + 1]
        phi = torch.cat([phi - r * phi.flip(1), r], dim=1)
    return phi


def moving_average(theta: Tensor, errors: Tensor) -> Tensor:
    """e_t + Σ_j θ_j e_{t-j}: θ (B, q), e (B, q + T) -> (B, T)."""
    q, T = theta.shape[1], errors.shape[1] - theta.shape[1]
    return errors[:, q:] + sum(theta[:, j : j + 1] * errors[:, q - 1 - j : q - 1 - j + T] for j in range(q))


def arma(phi: Tensor, theta: Tensor, errors: Tensor) -> Tensor:
    """φ(B) x_t = θ(B) e_t: φ (B, p), θ (B, q), e (B, `BURN` + q + T) -> x (B, T), `BURN` steps after zeros."""
    return autoregression(phi, moving_average(theta, errors))[:, BURN:]


def arima(rng: Random, steps: Tensor, season: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """ARIMA(p, d, q) with p, q of at most three, d of at most two, and some times a drift.

    steps (B,) -> values (B, T), a season of 1 each. Errors are normal, Student-t or log-normal.
    """
    B = len(steps)
    d = rng.choice(B, (0.35, 0.55, 0.1))[:, None]
    x = _short(rng, d, length) + _drift(rng, steps)
    return _summed(rng, x, d, steps), torch.ones_like(season)


def sarima(rng: Random, steps: Tensor, season: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Seasonal ARIMA(p, d, q)(P, D, Q)_m with d, P, D, Q of at most one, and D one for three in four:

        Φ(B^m) (1 - B^m)^D φ(B) (1 - B)^d y_t = θ(B) Θ(B^m) e_t

    A random pattern lies before the first step. Where D is one, Θ is mostly far below zero, as it is where seasons
    change slowly. steps, season (B,) -> values (B, T), the season of each.
    """
    B, m = len(steps), season
    M = min(int(m.max()), length)
    D, d = rng.chance(B, share=0.75), rng.choice(B, (0.5, 0.5))
    low = torch.where(rng.chance(B, share=0.85), rng.uniform(B, low=-0.97, high=-0.3), 0.0)
    Theta = torch.where(D, low, rng.uniform(B, low=-0.4, high=0.6) * rng.chance(B, share=0.4))
    weak = rng.uniform(B, low=-0.5, high=0.5) * rng.chance(B, share=0.3)
    Phi = torch.where(D, weak, rng.uniform(B, low=0.6, high=0.97))
    x = _short(rng, d[:, None], M + length)
    lagged = x.gather(1, torch.arange(M, M + length, device=rng.device) - m[:, None])
    x = x[:, M:] + torch.where(m > 1, Theta, 0.0)[:, None] * lagged
    x = torch.where(D[:, None], x, x + _drift(rng, steps))
    cycle = pattern(rng, m, M)  # (B, M), of which the first m count
    before = torch.arange(-2 * M, 0, device=rng.device)
    past = cycle.gather(1, before % m[:, None])
    past = torch.where(d[:, None] > 0, past - cycle.gather(1, (before - 1) % m[:, None]), past)
    # As large as stationary where it is; of any size where it goes on for ever
    size = torch.where(D, rng.spread(B, low=0.2, high=7.0) * (1 + d), (1 - Phi**2) ** -0.5)
    past = past * (size * x[:, :M].std(1, correction=0).clamp(1, 4))[:, None]
    both = torch.stack([torch.where(D, 1 + Phi, Phi), torch.where(D, -Phi, 0.0)], dim=1)
    y = seasonal(torch.where(m[:, None] > 1, both, 0.0), m, past, x)
    return _summed(rng, y, d[:, None], steps), season


def _short(rng: Random, d: Tensor, length: int) -> Tensor:
    """(B, T) of random ARMA(p, q) with p and q from none to `ORDER`, mean 0 and errors of variance 1.

    What is to be summed d (B, 1) times leans to smaller φ and to θ below zero, as differences of tables do.
    """
    B, used = len(d), torch.arange(ORDER, device=rng.device)
    p, q = rng.choice(B, (0.25, 0.4, 0.25, 0.1)), rng.choice(B, (0.4, 0.4, 0.15, 0.05))
    first, summed = (used == 0).float(), (d > 0).float()
    of_phi = rng.uniform(B, ORDER, low=-0.8, high=0.8) + first * (0.3 - 0.3 * summed)
    of_theta = rng.uniform(B, ORDER, low=-0.8, high=0.8) + first * 0.15 * summed
    phi = coefficients(of_phi.clamp(-CLOSEST, CLOSEST) * (used < p[:, None]))
    theta = -coefficients(of_theta.clamp(-CLOSEST, CLOSEST) * (used < q[:, None]))
    return arma(phi, theta, rng.noise(B, BURN + ORDER + length))


def _drift(rng: Random, steps: Tensor) -> Tensor:
    """(B, 1) a constant of sums, for half of them: over a series, up to a few times what a random walk moves."""
    return rng.upward(len(steps), 1) * 2 / steps[:, None].sqrt() * rng.chance(len(steps), 1, share=0.5)


def _summed(rng: Random, x: Tensor, d: Tensor, steps: Tensor) -> Tensor:
    """x (B, T) summed d (B, 1) times, at most twice."""
    once = x.cumsum(1)
    # What is summed twice drifts by the square of time: less of it, and a first slope of its own
    twice = (x * (10 / steps[:, None]).clamp(max=1)).cumsum(1).add(rng.normal(len(x), 1)).cumsum(1)
    return torch.where(d == 0, x, torch.where(d == 1, once, twice))
