"""Heads: features of each step and channel to a forecast. Axes: B batch, H horizon, C targets, E features."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field
from torch import Tensor, nn

from tsforge.config import Config
from tsforge.forecast import Point, PointLoss, Quantiles, Scaling, ascending, middle


def _levels(levels: tuple[float, ...]) -> tuple[float, ...]:
    if not levels or any(not 0 < q < 1 for q in levels):
        raise ValueError("quantile levels lie between 0 and 1")
    return tuple(sorted(set(levels)))


Levels = Annotated[tuple[float, ...], AfterValidator(_levels)]


def _bounds(bounds: Literal["auto", "none"] | tuple[float, float]) -> Literal["auto", "none"] | tuple[float, float]:
    if not isinstance(bounds, str) and not bounds[0] < bounds[1]:
        raise ValueError("the lower bound lies below the upper one, as in [0, 100]; inf where there is none")
    return bounds


# What forecasts are kept within: "auto" for 0 or more where no training row is negative, "none", or [low, high].
Bounds = Annotated[Literal["auto", "none"] | tuple[float, float], AfterValidator(_bounds)]
RELATIVE = ("scaled-pinball", "scaled-mae")  # losses relative to the level of each window
LEVELS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)  # deciles, and the bounds of 90 %


class QuantileHead(Config):
    """Quantiles at fixed levels that never cross.

    centre: the level of the point forecast. The median has the least absolute error; the least percentage error (MAPE)
        has a lower level, Φ(-σ) for a lognormal with deviation σ. (Gneiting 2011, "Making and Evaluating Point
        Forecasts")
    """

    type: Literal["quantile"] = "quantile"
    levels: Levels = LEVELS
    loss: Literal["pinball", "scaled-pinball"] = "pinball"  # "scaled": relative to the level of each window
    centre: Annotated[float, Field(gt=0, lt=1)] = 0.5

    def build(self, features: int) -> QuantileProjection:
        return QuantileProjection(self, features)


class QuantileProjection(nn.Module):
    """Linear to one value per level, then made ascending."""

    def __init__(self, config: QuantileHead, features: int) -> None:
        super().__init__()
        self.levels, self.centre = config.levels, config.centre
        self.out = nn.Linear(features, len(self.levels))
        # Start with levels about a quarter of a deviation apart, as the deciles of a normal are.
        nn.init.constant_(self.out.bias, -1.25)
        nn.init.zeros_(self.out.bias[middle(self.levels)])

    def begin_at_base(self) -> None:
        """Begin with the same quantiles around the base for every window."""
        nn.init.zeros_(self.out.weight)

    def forward(self, features: Tensor, base: Tensor, scaling: Scaling) -> Quantiles:
        """features (B, H, C, E), base (B, H, C) -> Quantiles around the base."""
        around = ascending(self.out(features), self.levels)
        return Quantiles(base.unsqueeze(-1) + around, scaling, self.levels, centre=self.centre)


class PointHead(Config):
    """One value per step; the loss decides what it is, and in which units errors count.

    loss: in normalised units "mse" (a mean), "mae" (a median) or "huber" (squared up to 1, absolute beyond: a mean that
        outliers do not move); "scaled-mae" is the absolute error relative to the level of each window
        (`WindowScaler.weight`), as sMAPE, MAPE and WAPE have it: a median.
    """

    type: Literal["point"] = "point"
    loss: Literal["mse", "mae", "huber", "scaled-mae"] = "mse"
    levels: ClassVar[tuple[float, ...]] = ()

    def build(self, features: int) -> PointProjection:
        return PointProjection(self, features)


class PointProjection(nn.Module):
    """Linear to one value."""

    def __init__(self, config: PointHead, features: int) -> None:
        super().__init__()
        self.loss: PointLoss = "mae" if config.loss == "scaled-mae" else config.loss
        self.out = nn.Linear(features, 1)

    def begin_at_base(self) -> None:
        """Begin with the base."""
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, features: Tensor, base: Tensor, scaling: Scaling) -> Point:
        """features (B, H, C, E), base (B, H, C) -> Point relative to the base."""
        return Point(base + self.out(features).squeeze(-1), scaling, self.loss)


def _typed(value: Any) -> Any:
    """A head's settings without its type are those of a quantile head, but for a loss that only a point head has."""
    if not isinstance(value, dict):
        return value
    point = value.get("loss") in get_args(PointHead.model_fields["loss"].annotation)
    return {"type": "point" if point else "quantile"} | value


HeadConfig = Annotated[QuantileHead | PointHead, Field(discriminator="type"), BeforeValidator(_typed)]
