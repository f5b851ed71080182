"""One matrix from past to future, solved for in closed form: the honest bar for every network.

    W = (Σ x xᵀ + λ I)⁻¹ Σ x yᵀ

over all training windows and targets, where x is the context less its last observed value, y what follows less the
same value, both in units of the window's own deviation. Linear forecasters trained by gradient descent are this
regression, reached more slowly and less exactly (Toner & Darlow 2024, "An Analysis of Linear Time Series Forecasting
Models"). Axes: B batch, L context, H horizon, C targets.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from tsforge.batch import Context, Truth
from tsforge.forecast import Scaling
from tsforge.model.transforms.scaling import last_observed

FAR = 3.0  # deviations of its context: a window whose truth lies farther off counts for less
PENALTY = 1e-3  # λ, of the mean square of an input: keeps the matrix small where inputs repeat each other


class Ridge(nn.Module):
    """One matrix for every target and series; what was not observed reads as the last value."""

    weight: Tensor

    def __init__(self, context: int, horizon: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(context + 1, horizon))

    def forward(self, context: Context, scaling: Scaling) -> Tensor:
        """Context -> the point forecast, (B, H, C) in data units."""
        last = last_observed(context.target, context.observed)
        answer = _inputs(context, last, scaling) @ self.weight  # (B, C, H)
        return last + scaling.scale * answer.transpose(1, 2)

    def fit(self, windows: Iterable[tuple[Context, Truth, Scaling]]) -> None:
        """Solve for the matrix. A step whose truth was not observed counts as no change from the last value."""
        rows = len(self.weight)
        gram = torch.zeros(rows, rows, dtype=torch.float64, device=self.weight.device)
        cross = torch.zeros(*self.weight.shape, dtype=torch.float64, device=self.weight.device)
        for context, truth, scaling in windows:
            last = last_observed(context.target, context.observed)
            x = _inputs(context, last, scaling).flatten(0, 1)
            y = ((truth.target - last) / scaling.scale * truth.observed).transpose(1, 2).flatten(0, 1)
            far = (y.abs().amax(dim=1, keepdim=True) / FAR).clamp(min=1)
            x, y = x / far, y / far
            gram += (x.T @ x).double()
            cross += (x.T @ y).double()
        size = gram.diagonal()[:-1].mean()
        penalty = torch.full((rows,), PENALTY, dtype=torch.float64, device=gram.device) * size.clamp(min=1e-12)
        penalty[-1] = 1e-12 * size.clamp(min=1.0)  # the constant is free
        self.weight.copy_(torch.linalg.solve(gram + penalty.diag(), cross))


def _inputs(context: Context, last: Tensor, scaling: Scaling) -> Tensor:
    """(B, C, L+1): the context about its last value, and a constant."""
    x = ((context.target - last) / scaling.scale * context.observed).transpose(1, 2)
    return torch.cat([x, torch.ones_like(x[..., :1])], dim=-1)
