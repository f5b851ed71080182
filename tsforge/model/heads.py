"""Heads: features of each step and channel to a forecast. Axes: B batch, H horizon, C targets, E features."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from torch import Tensor, nn

from tsforge.config import Config
from tsforge.forecast import Point, Quantiles, Scaling, ascending, middle


def _levels(levels: tuple[float, ...]) -> tuple[float, ...]:
    if not levels or any(not 0 < q < 1 for q in levels):
        raise ValueError("quantile levels lie between 0 and 1")
    return tuple(sorted(set(levels)))


Levels = Annotated[tuple[float, ...], AfterValidator(_levels)]
LEVELS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)  # deciles, and the bounds of 90 %


class QuantileHead(Config):
    """Quantiles at fixed levels that never cross; trained with the pinball loss."""

    type: Literal["quantile"] = "quantile"
    levels: Levels = LEVELS

    def build(self, features: int) -> QuantileProjection:
        return QuantileProjection(self, features)


class QuantileProjection(nn.Module):
    """Linear to one value per level, then made ascending."""

    def __init__(self, config: QuantileHead, features: int) -> None:
        super().__init__()
        self.levels = config.levels
        self.out = nn.Linear(features, len(self.levels))
        # Start with levels about a quarter of a deviation apart, as the deciles of a normal are.
        nn.init.constant_(self.out.bias, -1.25)
        nn.init.zeros_(self.out.bias[middle(self.levels)])

    def forward(self, features: Tensor, base: Tensor, scaling: Scaling) -> Quantiles:
        """features (B, H, C, E), base (B, H, C) -> Quantiles around the base."""
        around = ascending(self.out(features), self.levels)
        return Quantiles(base.unsqueeze(-1) + around, scaling, self.levels)


class PointHead(Config):
    """One value per step; the loss decides whether it is a mean ("mse") or a median ("mae")."""

    type: Literal["point"] = "point"
    loss: Literal["mse", "mae"] = "mse"

    @property
    def levels(self) -> tuple[float, ...]:
        return ()

    def build(self, features: int) -> PointProjection:
        return PointProjection(self, features)


class PointProjection(nn.Module):
    """Linear to one value."""

    def __init__(self, config: PointHead, features: int) -> None:
        super().__init__()
        self.loss = config.loss
        self.out = nn.Linear(features, 1)

    def forward(self, features: Tensor, base: Tensor, scaling: Scaling) -> Point:
        """features (B, H, C, E), base (B, H, C) -> Point relative to the base."""
        return Point(base + self.out(features).squeeze(-1), scaling, self.loss)


def _typed(value: Any) -> Any:
    """A head's settings without its type are those of a quantile head."""
    return {"type": "quantile"} | value if isinstance(value, dict) else value


HeadConfig = Annotated[QuantileHead | PointHead, Field(discriminator="type"), BeforeValidator(_typed)]
__all__ = ["LEVELS", "HeadConfig", "Levels", "PointHead", "QuantileHead"]
