"""Heads: features of each step and channel to a forecast. Axes: B batch, H horizon, C targets, E features."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import AfterValidator, BeforeValidator, Field
from torch import Tensor, nn

from tsforge.batch import Truth
from tsforge.config import Config, Parts, Words
from tsforge.errors import ConfigError
from tsforge.forecast import POINT_LOSSES, Point, Quantiles, Scaling, ascending, check_loss, middle
from tsforge.model.counts import NegativeBinomial, Tweedie
from tsforge.runtime import plugins
from tsforge.runtime.seeds import seeded


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
Support = Literal["real", "positive", "whole"]  # what a head can be trained on: all numbers, those from 0 on, counts
QUANTILE_LOSSES = ("pinball", "scaled-pinball")
OF_POINTS = Words("loss", (*POINT_LOSSES, "scaled-mae"), check_loss)  # the losses of a point head
LEVELS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)  # deciles, and the bounds of 90 %


class QuantileHead(Config):
    """Quantiles at fixed levels that never cross.

    centre: the level of the point forecast. The median has the least absolute error; the least percentage error (MAPE)
        has a lower level, Φ(-σ) for a lognormal with deviation σ. (Gneiting 2011, "Making and Evaluating Point
        Forecasts")
    """

    type: Literal["quantile"] = "quantile"
    support: ClassVar[Support] = "real"
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
        (`WindowScaler.weight`), as sMAPE, MAPE and WAPE have it: a median. Or one that is registered.
    """

    type: Literal["point"] = "point"
    support: ClassVar[Support] = "real"
    loss: Annotated[str, OF_POINTS] = "mse"
    levels: ClassVar[tuple[float, ...]] = ()

    def build(self, features: int) -> PointProjection:
        return PointProjection(self, features)


class PointProjection(nn.Module):
    """Linear to one value."""

    def __init__(self, config: PointHead, features: int) -> None:
        super().__init__()
        self.loss = "mae" if config.loss == "scaled-mae" else config.loss
        self.out = nn.Linear(features, 1)

    def begin_at_base(self) -> None:
        """Begin with the base."""
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, features: Tensor, base: Tensor, scaling: Scaling) -> Point:
        """features (B, H, C, E), base (B, H, C) -> Point relative to the base."""
        return Point(base + self.out(features).squeeze(-1), scaling, self.loss)


LINKED = math.log(math.expm1(1)) - 1  # what a value of 1 is moved by, so that its softplus is 1
DISPERSED = math.log(math.expm1(0.5))  # softplus of it is the dispersion that training begins with
LEAST_MEAN, LEAST_DISPERSION = 1e-6, 1e-8  # of the window's level; with the latter, r is 10⁸


class NegativeBinomialHead(Config):
    """A negative binomial distribution of counts, trained by its likelihood.

    point: the point forecast, "median" as of other heads, which has the least absolute error and is 0 where more than
        half of the steps are, or "mean", which sums and stocks need and which has the least squared error.
    """

    type: Literal["negative-binomial"] = "negative-binomial"
    support: ClassVar[Support] = "whole"
    levels: Levels = LEVELS
    point: Literal["median", "mean"] = "median"
    loss: ClassVar[str] = "likelihood"

    def build(self, features: int) -> NegativeBinomialProjection:
        return NegativeBinomialProjection(self, features)


class NegativeBinomialProjection(nn.Module):
    """Linear to a mean, in units of the window's level, and to a dispersion; softplus keeps both above 0."""

    def __init__(self, config: NegativeBinomialHead, features: int) -> None:
        super().__init__()
        self.levels, self.by_mean = config.levels, config.point == "mean"
        self.out = nn.Linear(features, 2)
        nn.init.constant_(self.out.bias[:1], LINKED)
        nn.init.constant_(self.out.bias[1:], DISPERSED)

    def begin_at_base(self) -> None:
        """Begin with the level where the base is there."""
        nn.init.zeros_(self.out.weight)

    def forward(self, features: Tensor, base: Tensor, scaling: Scaling) -> NegativeBinomial:
        """features (B, H, C, E), base (B, H, C) -> NegativeBinomial with a mean about the base."""
        mean, dispersion = self.out(features).float().unbind(-1)
        mean = (F.softplus(base.float() + mean) + LEAST_MEAN) * scaling.scale.float()
        return NegativeBinomial(mean, F.softplus(dispersion) + LEAST_DISPERSION, scaling, self.levels, self.by_mean)


class TweedieHead(Config):
    """A mean above 0, trained by Tweedie's deviance; its intervals come from held-out windows alone.

    power: of the mean that the variance grows with, between 1 (Poisson) and 2 (gamma).
    """

    type: Literal["tweedie"] = "tweedie"
    support: ClassVar[Support] = "positive"
    power: Annotated[float, Field(gt=1, lt=2)] = 1.5  # no range: it changes the units of the loss
    loss: ClassVar[str] = "deviance"
    levels: ClassVar[tuple[float, ...]] = ()

    def build(self, features: int) -> TweedieProjection:
        return TweedieProjection(self, features)


class TweedieProjection(nn.Module):
    """Linear to one value, whose softplus is the mean in units of the window's level."""

    def __init__(self, config: TweedieHead, features: int) -> None:
        super().__init__()
        self.power = config.power
        self.out = nn.Linear(features, 1)
        nn.init.constant_(self.out.bias, LINKED)

    def begin_at_base(self) -> None:
        """Begin with the level where the base is there."""
        nn.init.zeros_(self.out.weight)

    def forward(self, features: Tensor, base: Tensor, scaling: Scaling) -> Tweedie:
        """features (B, H, C, E), base (B, H, C) -> Tweedie with a mean about the base."""
        mean = F.softplus((base + self.out(features).squeeze(-1)).float()) + LEAST_MEAN
        return Tweedie(mean, scaling, self.power)


def _typed(value: Any) -> Any:
    """A head's settings without its type are those of a quantile head, but for a loss that only a point head has.

    A word alone is the type. Raises ConfigError for a loss that no head has.
    """
    if isinstance(value, str):
        return {"type": value}
    if not isinstance(value, dict):
        return value
    loss = value.get("loss", "pinball")
    if "type" in value or loss in QUANTILE_LOSSES or not isinstance(loss, str):
        return {"type": "quantile"} | value
    if loss not in OF_POINTS.own and loss not in plugins.names("loss"):
        raise plugins.unknown("loss", loss, (*QUANTILE_LOSSES, *OF_POINTS.own))
    return {"type": "point"} | value


def check_head(name: str, thing: Any) -> type[Config]:
    """A head that a user has registered, tried on numbers. Raises ConfigError where it is none."""
    cls = of_type("head", name, thing)
    config: Any = cls()
    if lacks := [field for field in ("levels", "loss", "support") if not hasattr(config, field)]:
        what = f"the head '{name}' does not say its {lacks[0]}"
        raise ConfigError(what, f"add a field or a ClassVar {lacks[0]}, as the heads of tsforge/model/heads.py have it")
    with seeded(0):
        units = Scaling(torch.zeros(2, 1, 1), torch.ones(2, 1, 1))
        forecast = config.build(8)(torch.randn(2, 3, 1, 8), torch.ones(2, 3, 1), units)
        truth = Truth(torch.ones(2, 3, 1), torch.ones(2, 3, 1, dtype=torch.bool))
        shapes = {
            "point": (forecast.point, (2, 3, 1)), "quantiles()": (forecast.quantiles(), (2, 3, 1, len(config.levels))),
            "loss(truth)": (forecast.loss(truth), ()),
        }  # fmt: skip
    for what, (value, shape) in shapes.items():
        if tuple(value.shape) != shape:
            problem = f"the forecast of the head '{name}' has a {what} of shape {tuple(value.shape)}, not {shape}"
            raise ConfigError(problem, "see tsforge.forecast.Forecast; axes are windows, steps, targets, levels")
    return cls


def of_type(kind: plugins.Kind, name: str, thing: Any) -> type[Config]:
    """A class of settings that says its name and builds a part of a network. Raises ConfigError for anything else."""
    if not (isinstance(thing, type) and issubclass(thing, Config) and callable(getattr(thing, "build", None))):
        what = f"the {kind} '{name}' is no class of settings with a method `build`"
        raise ConfigError(what, f"class Mine(Config): type: Literal['{name}'] = '{name}'; def build(self, ...)")
    field = thing.model_fields.get("type")
    if field is None or field.default != name:
        what = f"the {kind} '{name}' does not say its name"
        raise ConfigError(what, f"add the line type: Literal['{name}'] = '{name}'")
    return thing


HEADS = Parts("head", ("quantile", "point", "negative-binomial", "tweedie"), check_head)
HeadConfig = Annotated[
    QuantileHead | PointHead | NegativeBinomialHead | TweedieHead, Field(discriminator="type"), HEADS,
    BeforeValidator(_typed),
]  # fmt: skip


def of_counts(head: object) -> bool:
    """Whether settings of a head, or its word, are those of one for counts."""
    word = head.get("type") if isinstance(head, dict) else getattr(head, "type", head)
    return word in ("negative-binomial", "tweedie")
