"""Linear recursions over time, of all series of a batch at once."""

from __future__ import annotations

import torch
from torch import Tensor


def first_order(factor: Tensor, added: Tensor, start: Tensor) -> Tensor:
    """x_t = a_t x_{t-1} + b_t from x_{-1} = start: a (B, T) or (B, 1), b (B, T), start (B,) -> (B, T)."""
    a, b = factor.expand_as(added).T.contiguous(), added.T.clone(memory_format=torch.contiguous_format)
    x = start
    for a_t, b_t in zip(a.unbind(), b.unbind(), strict=True):
        x = torch.addcmul(b_t, a_t, x, out=b_t)  # in place
    return b.T


def autoregression(coefficients: Tensor, added: Tensor) -> Tensor:
    """x_t = Σ_j φ_j x_{t-j} + b_t from zeros: φ (B, p), b (B, T) -> (B, T)."""
    p = coefficients.shape[1]
    x = torch.cat([added.new_zeros(p, len(added)), added.T])
    phi = coefficients.T.flip(0).contiguous()  # of x_{t-p}, ..., x_{t-1}
    for t, x_t in enumerate(x[p:].unbind()):
        x_t.add_((x[t : p + t] * phi).sum(0))
    return x[p:].T


def seasonal(coefficients: Tensor, season: Tensor, past: Tensor, added: Tensor) -> Tensor:
    """x_t = Σ_j Φ_j x_{t-jm} + b_t with a season of m steps each: Φ (B, P), m (B,), b (B, T) -> (B, T).

    past (B, P·M), M the longest season: what lies before the first step, newest last.
    """
    B, T = added.shape
    before = past.shape[1]
    x = torch.cat([past.T, added.T]).contiguous()
    flat = x.view(-1)
    lags = torch.arange(1, coefficients.shape[1] + 1, device=added.device)[:, None] * season  # (P, B)
    steps = torch.arange(T, device=added.device)[:, None, None]
    places = (before + steps - lags) * B + torch.arange(B, device=added.device)  # (T, P, B)
    phi = coefficients.T.contiguous()
    for place, x_t in zip(places.unbind(), x[before:].unbind(), strict=True):
        x_t.add_((flat.take(place) * phi).sum(0))
    return x[before:].T
