"""What a network returns. A forecast knows its own loss and quantiles, so nobody asks which head made it.

A network works with normalised values; `Scaling` takes them back to data units.
Axes: B batch, H horizon, C targets, Q quantile levels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, Self

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from tsforge.batch import Truth
from tsforge.errors import ConfigError
from tsforge.runtime import plugins


class Scaling(NamedTuple):
    """The affine map of each window between data units and normalised units: data = loc + scale · normalised."""

    loc: Tensor  # (B, 1, C); (B, H, C) where it moves with the step
    scale: Tensor  # (B, 1, C), positive

    def normalise(self, data: Tensor) -> Tensor:
        return (data - self.loc) / self.scale

    def part(self, here: slice) -> Scaling:
        """Of some of its windows."""
        return Scaling(self.loc[here], self.scale[here])

    def restore(self, normalised: Tensor) -> Tensor:
        return self.loc + self.scale * normalised


def huber(gap: Tensor) -> Tensor:
    """Half the square up to 1, linear beyond it: outliers pull no harder than 1. (Huber 1964, with k = 1)"""
    return F.huber_loss(gap, torch.zeros_like(gap), reduction="none", delta=1.0)


PointLoss = Literal["mse", "mae", "huber"]
Loss = Callable[[Tensor], Tensor]  # of forecast less truth in normalised units (B, H, C), step by step
POINT_LOSSES: dict[str, Loss] = {"mse": torch.square, "mae": torch.abs, "huber": huber}


def point_loss(name: str) -> Loss:
    """A loss of point forecasts, ours or one that is registered."""
    return POINT_LOSSES.get(name) or plugins.find("loss", name, check_loss)


def check_loss(name: str, thing: Any) -> Loss:
    """A loss that a user has registered. Raises ConfigError where it is none."""
    gap = torch.tensor([[[-1.5]], [[0.0]], [[0.5]]], requires_grad=True)  # 0 too: a forecast may be right
    loss = thing(gap) if callable(thing) else None
    if not isinstance(loss, Tensor) or loss.shape != gap.shape:
        what = f"the loss '{name}' gives no tensor as large as what it is given"
        raise ConfigError(what, "a function of forecast less truth, (B, H, C), to the loss of each step, (B, H, C)")
    slope = torch.autograd.grad(loss.sum(), gap)[0] if loss.requires_grad else None
    if slope is None or not (loss.isfinite() & slope.isfinite()).all():
        what = f"the loss '{name}' has no finite value and gradient everywhere"
        raise ConfigError(what, "compute it with torch alone, and see that it is smooth enough where the gap is 0")
    found: Loss = thing
    return found


class Forecast(Protocol):
    """What every forecast can do."""

    @property
    def levels(self) -> tuple[float, ...]:
        """The quantile levels it holds, ascending; empty for a point forecast."""

    @property
    def normalised(self) -> Tensor:
        """(B, H, C) its values in normalised units; of quantiles (B, H, C, Q), or (H, C, Q) equal in all windows."""

    @property
    def scaling(self) -> Scaling:
        """From normalised units to data units."""

    @property
    def point(self) -> Tensor:
        """(B, H, C) the single best value, in data units."""

    def quantiles(self) -> Tensor:
        """(B, H, C, Q) the quantiles at `levels`, in data units."""

    def loss(self, truth: Truth) -> Tensor:
        """Scalar: the mean over observed steps, in normalised units, times the weight of each window if it has one."""

    def part(self, here: slice) -> Self:
        """Of some of its windows, without their weights in the loss."""

    def mapped(self, change: Callable[..., Tensor], *given: Tensor) -> Point | Quantiles:
        """With change(normalised, *given), step by step, for its normalised values; given (B, H, C) or broadcast."""


@dataclass(frozen=True)
class Point:
    """One value per step: the mean if trained with "mse", the median with "mae", between the two with "huber"."""

    normalised: Tensor  # (B, H, C)
    scaling: Scaling
    kind: str = "mse"  # of POINT_LOSSES, or registered
    weight: Tensor | None = None  # (B, 1, C), of each window in the loss; 1 where None
    levels: ClassVar[tuple[float, ...]] = ()

    @property
    def point(self) -> Tensor:
        return self.scaling.restore(self.normalised)

    def quantiles(self) -> Tensor:
        return self.point.unsqueeze(-1)[..., :0]

    def loss(self, truth: Truth) -> Tensor:
        gap = self.normalised - self.scaling.normalise(truth.target)
        return masked_mean(point_loss(self.kind)(gap), truth.observed, self.weight)

    def part(self, here: slice) -> Point:
        return replace(self, normalised=self.normalised[here], scaling=self.scaling.part(here), weight=None)

    def mapped(self, change: Callable[..., Tensor], *given: Tensor) -> Point:
        return replace(self, normalised=change(self.normalised, *given))


@dataclass(frozen=True)
class Quantiles:
    """Quantiles at ascending levels; the point forecast is the one at `centre`, interpolated where that is no level."""

    normalised: Tensor  # (B, H, C, Q) or (H, C, Q), ascending along Q
    scaling: Scaling
    levels: tuple[float, ...]
    weight: Tensor | None = None  # (B, 1, C), of each window in the loss; 1 where None
    centre: float = 0.5
    own: Tensor | None = None  # (B, H, C), the point forecast in normalised units where it is none of the quantiles

    @property
    def middle(self) -> Tensor:
        """(B, H, C) or (H, C) the point forecast, in normalised units."""
        return _interpolate(self.normalised, self.levels, self.centre) if self.own is None else self.own

    @property
    def point(self) -> Tensor:
        return self.scaling.restore(self.middle)

    def quantiles(self) -> Tensor:
        loc, scale = self.scaling
        return loc.unsqueeze(-1) + scale.unsqueeze(-1) * self.normalised

    def loss(self, truth: Truth) -> Tensor:
        """The mean pinball loss over steps and levels."""
        gap = self.scaling.normalise(truth.target).unsqueeze(-1) - self.normalised
        return masked_mean(pinball(gap, self.levels).mean(-1), truth.observed, self.weight)

    def part(self, here: slice) -> Quantiles:
        values = self.normalised[here] if self.normalised.ndim == 4 else self.normalised
        own = None if self.own is None else self.own[here]
        return replace(self, normalised=values, scaling=self.scaling.part(here), weight=None, own=own)

    def mapped(self, change: Callable[..., Tensor], *given: Tensor) -> Quantiles:
        own = None if self.own is None else change(self.own, *given)
        return replace(self, normalised=change(self.normalised, *(part.unsqueeze(-1) for part in given)), own=own)


def pinball(gap: Tensor, levels: tuple[float, ...]) -> Tensor:
    """Twice the pinball loss, so that at level 0.5 it is the absolute error; gap: truth less quantile, (..., Q).

    (Koenker & Bassett 1978, "Regression Quantiles")
    """
    level = torch.tensor(levels, dtype=gap.dtype, device=gap.device)
    return 2 * (gap * torch.where(gap.detach() < 0, level - 1, level))


def ascending(raw: Tensor, levels: tuple[float, ...]) -> Tensor:
    """Unconstrained features (..., Q) to values that ascend along Q.

    The level nearest 0.5 is taken as it is; the others lie at softplus distances on either side, so that
    quantiles can never cross, whatever the features are.
    """
    m = middle(levels)
    if torch.is_grad_enabled() and raw.requires_grad:
        values: Tensor = _Ascending.apply(raw, m)  # type: ignore[no-untyped-call]
        return values
    return _around(raw[..., m : m + 1], F.softplus(raw[..., :m]), F.softplus(raw[..., m + 1 :]))


def _around(centre: Tensor, below: Tensor, above: Tensor) -> Tensor:
    """Values at so many distances from each other below and above the centre."""
    return torch.cat([centre - below.flip(-1).cumsum(-1).flip(-1), centre, centre + above.cumsum(-1)], dim=-1)


class _Ascending(torch.autograd.Function):
    """`ascending` in training, but for rounding: softplus of all features in one call, and a gradient in one product.

    A feature moves its own value and all beyond it.
    """

    @staticmethod
    def forward(ctx: Any, raw: Tensor, m: int) -> Tensor:
        ctx.save_for_backward(raw)
        ctx.middle, distances = m, F.softplus(raw)
        return _around(raw[..., m : m + 1], distances[..., :m], distances[..., m + 1 :])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (raw,), m = ctx.saved_tensors, ctx.middle
        Q = raw.shape[-1]
        moves = grad.new_zeros(Q, Q)  # [value, feature]
        moves[m + 1 :, m + 1 :] = grad.new_ones(Q - m - 1, Q - m - 1).tril()
        moves[:m, :m] = -grad.new_ones(m, m).triu()
        moves[:, m] = 1
        slope = raw.sigmoid()
        slope[..., m] = 1
        return (grad @ moves).mul_(slope), None


def middle(levels: tuple[float, ...]) -> int:
    """The position of the level nearest 0.5."""
    return min(range(len(levels)), key=lambda i: abs(levels[i] - 0.5))


def masked_mean(values: Tensor, observed: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean over the observed entries, times their weight; 0, with a gradient of 0, where nothing was observed."""
    values = values if weight is None else values * weight
    return torch.where(observed, values, torch.zeros_like(values)).sum() / observed.sum().clamp(min=1)


def _interpolate(quantiles: Tensor, levels: tuple[float, ...], level: float) -> Tensor:
    """The quantile at `level`, linear between the two nearest levels; the nearest one outside their range."""
    above = next((i for i, upper in enumerate(levels) if upper >= level), len(levels) - 1)
    below = max(0, above - 1)
    if levels[above] <= level or above == 0:
        return quantiles[..., above]
    share = (level - levels[below]) / (levels[above] - levels[below])
    return torch.lerp(quantiles[..., below], quantiles[..., above], share)
