"""What covariates known in advance add to a sequence: an effect linear in them, in units of the sequence's level.

    y_t = g_t + u Σ_k b_k (x_tk - r_k)      u: the mean of |y| in the window; g: what the network forecasts

The effect is taken out of what the network reads and added to what it says: else a promotion of last week would be read
as the level. The coefficients b, one for each target and column, come from a regression of forecast errors by the
network alone on the columns less what the network carries on of them from the context,

    e_h = b (x_h - Σ_s ∂ŷ_h/∂y_s x_s) + noise,

a ridge regression in closed form, of errors that are freed from their correlation along the horizon (Cochrane & Orcutt
1949, "Application of Least Squares Regression to Relationships Containing Auto-Correlated Error Terms"). Its penalty is
the one with the smallest squares left over in windows that were left out; none better than no effect: no effect. What
remains of a column is drawn towards 0 by twice the share of its square that is noise, as leaving windows out tells.
Axes: B batch, L context, H horizon, C targets, K columns; W windows, n groups of them that are left out together.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from tsforge.batch import Context

PENALTIES = 16  # values of λ, from 1e-3 to 1e2 of a column's sum of squares
GROUPS = 40  # of windows that are left out together, at most
DRAWN = 2.0  # times its noise that a column is drawn towards 0
ROUNDS = 2  # the correlation of errors is first that of errors without any effect


class Response(nn.Module):
    """The effect of the first K columns that are known in advance. weight: b, (C, K). reference: r, (K,)."""

    weight: Tensor
    reference: Tensor

    def __init__(self, targets: int, columns: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(targets, columns, dtype=torch.float64))
        self.register_buffer("reference", torch.zeros(columns, dtype=torch.float64))

    def forward(self, context: Context) -> tuple[Context, Tensor]:
        """The context without the effect, and the effect over the horizon, (B, H, C) in data units."""
        L = context.target.shape[1]
        x = self.columns(context) - self.reference
        effect = (level(context) * (x @ self.weight.T)).to(context.target.dtype)
        rest = torch.where(context.observed, context.target - effect[:, :L], context.target)
        return context._replace(target=rest), effect[:, L:]

    def columns(self, context: Context) -> Tensor:
        """What it reads of a context, (B, L+H, K)."""
        return context.known[..., : len(self.reference)].double()


def level(context: Context) -> Tensor:
    """The mean size of what was observed, (B, 1, C); 0 without any."""
    size = torch.where(context.observed, context.target, torch.zeros_like(context.target)).double().abs()
    return size.sum(dim=1, keepdim=True) / context.observed.sum(dim=1, keepdim=True).clamp(min=1)


class Errors(NamedTuple):
    """Forecast errors of one target over windows, in units of what the network expects of them.

    error: (W, H). inputs: (W, H, K), in the same units per b. there: (W, H) bool, which of them count.
    """

    error: Tensor
    inputs: Tensor
    there: Tensor


def solve(sample: Errors, widths: tuple[int, ...]) -> Tensor:
    """The coefficients (K,) of one target. widths: of the columns that belong together, as those of one category."""
    weight = sample.inputs.new_zeros(sample.inputs.shape[-1])
    for _ in range(ROUNDS):
        rho = correlation(sample.error - sample.inputs @ weight, sample.there)
        weight = ridge(*sums(whitened(sample, rho)), widths)
    return weight


def correlation(error: Tensor, there: Tensor) -> Tensor:
    """Of errors (W, H) with those one step before, within [0, 1]; 0 without any."""
    error, both = error * there, there[:, 1:] & there[:, :-1]
    before = (error[:, :-1].square() * both).sum()
    return ((error[:, 1:] * error[:, :-1] * both).sum() / before.clamp(min=1e-300)).clamp(0, 1)


def whitened(sample: Errors, rho: Tensor) -> Errors:
    """Each step less rho times the one before it, where that counts; steps that do not count are 0."""
    there = sample.there[..., None]
    both = torch.cat([sample.error[..., None], sample.inputs], dim=-1) * there
    before = torch.cat([torch.zeros_like(both[:, :1]), both[:, :-1]], dim=1)
    both = (both - rho * before) * there
    return Errors(both[..., 0], both[..., 1:], sample.there)


def sums(sample: Errors) -> tuple[Tensor, Tensor]:
    """Σ x xᵀ (n, K, K) and Σ x e (n, K) of each group of neighbouring windows."""
    W, n = len(sample.error), min(GROUPS, len(sample.error))
    parts = zip(*(part.tensor_split([W * i // n for i in range(1, n)]) for part in sample[:2]), strict=True)
    pairs = [(x.flatten(0, 1), e.flatten()) for e, x in parts]
    return torch.stack([x.T @ x for x, _ in pairs]), torch.stack([x.T @ e for x, e in pairs])


def ridge(gram: Tensor, cross: Tensor, widths: tuple[int, ...]) -> Tensor:
    """Coefficients (K,) from sums over groups: the penalty by leaving each out, and what remains drawn towards 0.

    A column is penalised in proportion to its sum of squares; those of one category alike, so that rare ones are
    penalised the most.
    """
    n, (whole, total) = len(gram), (gram.sum(dim=0), cross.sum(dim=0))
    square, own = whole.diagonal(), together(widths, whole)
    size = own @ square / own.sum(dim=0)
    size = torch.where(size > 0, size, torch.ones_like(size)).diag()
    best, least, chosen = None, 0.0, 0.0
    for penalty in torch.logspace(-3, 2, PENALTIES, dtype=gram.dtype).tolist():
        left = torch.linalg.solve(whole - gram + penalty * size, total - cross)  # (n, K), without each group
        more = ((left[:, None] @ gram)[:, 0] * left - 2 * left * cross).sum()  # squares left over, beyond those of none
        if float(more) < least:
            best, least, chosen = left, float(more), penalty
    if best is None:
        return torch.zeros_like(total)
    weight = torch.linalg.solve(whole + chosen * size, total)
    noise = (n - 1) / n * (best - best.mean(dim=0)).square().sum(dim=0)  # the jackknife's variance
    share = DRAWN * (own @ (square * noise)) / (own @ (square * weight.square())).clamp(min=1e-300)
    kept: Tensor = weight * (1 - share).clamp(min=0)
    return kept


def together(widths: tuple[int, ...], like: Tensor) -> Tensor:
    """Which columns belong together, (K, K): 1 where two do."""
    of = torch.arange(len(widths)).repeat_interleave(torch.tensor(widths))
    return (of[:, None] == of).to(like)
