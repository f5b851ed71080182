"""One matrix from past to future, solved for in closed form: the honest bar for every network.

    W = (Σ x xᵀ + λ I)⁻¹ Σ x yᵀ

over all training windows and targets, where x is the context less its last observed value, y what follows less the
same value, both in units of the window's own deviation. Linear forecasters trained by gradient descent are this
regression, reached more slowly and less exactly (Toner & Darlow 2024, "An Analysis of Linear Time Series Forecasting
Models"). With `adjust` the values are divided by seasonal indices of the whole context first, and the forecast is
multiplied by those that follow; the matrix then needs to read the newest of them alone.
Axes: B batch, L context, H horizon, C targets.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tsforge.batch import Context, Truth, WindowShape
from tsforge.forecast import Scaling
from tsforge.model.shortcut import throughout
from tsforge.model.transforms.scaling import last_observed
from tsforge.model.transforms.season import Season
from tsforge.model.transforms.window import Window

FAR = 3.0  # deviations of its context: a window whose truth lies farther off counts for less
PENALTY = 1e-3  # λ, of the mean square of an input: keeps the matrix small where inputs repeat each other


class Sums(NamedTuple):
    """Σ x xᵀ (L+1, L+1) and Σ x yᵀ (L+1, H), in double precision: all that the matrix is solved from."""

    gram: Tensor
    cross: Tensor


class Ridge(nn.Module):
    """One matrix for every target and series.

    What was not observed between observed values reads as the last value. What is missing behind the last observed
    value is first forecast by the same matrix, as in a roll-out.

    adjust: whether seasonal indices are taken out.
    recent: newest steps that are read; where None all are, or after `adjust` the shortest cycle that the data have.
    """

    weight: Tensor

    def __init__(self, shape: WindowShape, *, adjust: bool = False, recent: int | None = None) -> None:
        super().__init__()
        self.season = Season(shape) if adjust and shape.season > 1 else None
        cycles = [m for m in (shape.season, *shape.lags) if m > 1] if self.season is not None else []
        self.steps = min(recent or min(cycles, default=shape.context), shape.context)
        self.register_buffer("weight", torch.zeros(self.steps + 1, shape.horizon))

    def forward(self, context: Context, scaling: Scaling) -> Tensor:
        """Context -> the point forecast, (B, H, C) in data units."""
        context, index = self._adjusted(context)
        target, observed = context[:2]
        last = last_observed(target, observed)
        if throughout(observed[:, -1]):  # mostly, at no cost
            answer = _inputs(target, observed, last, scaling).to(self.weight.dtype) @ self.weight  # (B, C, H)
        else:
            z = ((target - last) / scaling.scale).to(self.weight.dtype)
            answer = self._rolled(z.transpose(1, 2), observed.transpose(1, 2))
        return (last + scaling.scale * answer.transpose(1, 2)) * index

    def _adjusted(self, context: Context) -> tuple[Context, Tensor]:
        """The steps that are read, without their season, and the season of the horizon, (B, H, C); 1 where none."""
        if self.season is None:
            return context.newest(self.steps), context.target.new_ones(1, 1, 1)
        window, index = self.season(Window.of(context))
        return window.context.newest(self.steps), index

    def _rolled(self, z: Tensor, observed: Tensor) -> Tensor:
        """The answer (B, C, H) to windows z (B, C, L) about their last observed value, once their end is filled."""
        L, H = z.shape[-1], self.weight.shape[1]
        steps = torch.arange(L, device=z.device)
        newest = (observed * (steps + 1)).amax(dim=-1, keepdim=True) - 1  # (B, C, 1)
        gap = torch.where(newest < 0, torch.zeros_like(newest), L - 1 - newest)
        for _ in range(-(-(L - 1) // H)):
            if throughout(gap <= 0):
                break
            earlier = (steps - gap).clamp(min=0)
            there = observed.gather(-1, earlier) & (steps >= gap)
            answer = self._answer(z.gather(-1, earlier), there)
            ahead = steps - (L - 1 - gap)  # steps behind the last value
            fresh = (ahead >= 1) & (ahead <= H)
            z = torch.where(fresh, answer.gather(-1, (ahead - 1).clamp(min=0, max=H - 1)), z)
            observed, gap = observed | fresh, (gap - H).clamp(min=0)
        return self._answer(z, observed)

    def _answer(self, z: Tensor, observed: Tensor) -> Tensor:
        """What follows z (B, C, L), whose newest value is there, in the same units, (B, C, H)."""
        last = z[..., -1:]
        x = (z - last) * observed
        return last + torch.cat([x, torch.ones_like(last)], dim=-1) @ self.weight

    def fit(self, windows: Iterable[tuple[Context, Truth, Scaling]]) -> None:
        """Solve for the matrix. A step whose truth was not observed counts as no change from the last value.

        A window whose newest value is missing does not count: its last value is not where its truth begins.
        """
        sums = self.sums()
        for window in windows:
            self.add(sums, *window)
        self.solve(sums)

    def sums(self) -> Sums:
        """Sums over no window."""
        rows, home = len(self.weight), self.weight.device
        gram = torch.zeros(rows, rows, dtype=torch.float64, device=home)
        return Sums(gram, torch.zeros(*self.weight.shape, dtype=torch.float64, device=home))

    def add(
        self, sums: Sums, context: Context, truth: Truth, scaling: Scaling, times: Tensor | None = None
    ) -> None:  # fmt: skip
        """Add windows to sums.

        times: how often each target counts, (B, C); -1 takes it out, given the scale that it was added with.
        """
        read, index = self._adjusted(context)
        target, observed = read[:2]
        last = last_observed(target, observed)
        x = _inputs(target, observed, last, scaling).flatten(0, 1)
        y = ((truth.target / index - last) / scaling.scale * truth.observed).transpose(1, 2).flatten(0, 1)
        counts = (observed[:, -1] if times is None else observed[:, -1] & (times != 0)).flatten()
        if not counts.all():
            x, y = x[counts], y[counts]
        far = (y.abs().amax(dim=1, keepdim=True) / FAR).clamp(min=1)
        x, y = x / far, y / far
        left = x if times is None else x * times.flatten()[counts, None].to(x)
        sums.gram.add_((left.T @ x).double())
        sums.cross.add_((left.T @ y).double())

    def solve(self, sums: Sums) -> None:
        """Take the matrix that sums ask for."""
        size = sums.gram.diagonal()[:-1].mean()
        penalty = torch.full_like(sums.gram.diagonal(), PENALTY) * size.clamp(min=1e-12)
        penalty[-1] = 1e-12 * size.clamp(min=1.0)  # the constant is free
        self.weight.copy_(torch.linalg.solve(sums.gram + penalty.diag(), sums.cross))


def _inputs(target: Tensor, observed: Tensor, last: Tensor, scaling: Scaling) -> Tensor:
    """(B, C, L+1): the context about its last value, and a constant."""
    x = ((target - last) / scaling.scale * observed).transpose(1, 2)
    return torch.cat([x, torch.ones_like(x[..., :1])], dim=-1)
