"""A network: normalise the window, tokens, backbone, head. Its only argument is a `Context`.

Axes: B batch, L context, H horizon, C targets; S sequences, N past and M future tokens, D width, E features.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal, NamedTuple

import torch
from pydantic import BeforeValidator, Field
from torch import Tensor, nn

from tsforge.batch import Context, WindowShape
from tsforge.config import Config, Range
from tsforge.forecast import Forecast, Point, Quantiles, Scaling
from tsforge.model.backbones.linear import Matrix
from tsforge.model.backbones.minimal import Minimal
from tsforge.model.backbones.recurrent import Recurrent
from tsforge.model.backbones.transformer import Transformer
from tsforge.model.heads import HeadConfig, QuantileHead
from tsforge.model.tokens.patch import PatchTokens
from tsforge.model.tokens.point import PointTokens, cycle_before, lagged
from tsforge.model.tokens.variate import VariateTokens
from tsforge.model.transforms.affine import Affine
from tsforge.model.transforms.cycle import Cycle
from tsforge.model.transforms.growth import Growth
from tsforge.model.transforms.scaling import ScalingKind, WindowScaler
from tsforge.model.transforms.season import Season


def _typed(value: Any) -> Any:
    """Settings of tokens without their type are those of point tokens."""
    return {"type": "point"} | value if isinstance(value, dict) else value


TokenConfig = Annotated[PointTokens | PatchTokens | VariateTokens, Field(discriminator="type"), BeforeValidator(_typed)]
BackboneConfig = Annotated[Recurrent | Minimal | Transformer | Matrix, Field(discriminator="type")]


def _cycle(value: Any) -> Any:
    if value in ("none", "season") or (isinstance(value, int) and not isinstance(value, bool) and value > 1):
        return value
    raise ValueError('must be "none", "season" or a number of steps, 2 or more')


class Neural(Config):
    """tokens × backbone × head.

    width: D, the size of every token and hidden state. recent: how many of the newest steps of the context are read,
    all where None; `adjust` always looks at the whole context. base: what the network's answer is added to, "seasonal"
    for the value one season before, weighted per step by a learned gate that begins at 1; "linear" for a learned map
    from each channel's context to its horizon, shared by all channels, which begins at 0 (as the linear forecast that a
    recurrent net refines in Kraus et al. 2024, "xLSTM-Mixer").

    What is done to a window before its tokens, and undone in its forecast: adjust, "season" for division by the
    seasonal indices of its own past (`seasonal.Season`); growth, whether it works in logarithms of the ratio to the
    window's level, where all is above 0, and is told how much these change from step to step (`scaling.Growth`),
    and a relative loss is relative to that level; affine, whether each channel has a learned size and shift; cycle,
    steps of a cycle of which each channel has a learned table (`scaling.Cycle`), "season" for the main season.
    """

    kind: Literal[
        "rnn", "lstm", "gru", "min-gru", "min-lstm", "transformer", "transformer-encoder", "transformer-decoder",
        "patch-rnn", "patch-lstm", "patch-gru", "growth-gru", "patch-transformer", "inverted-transformer", "nlinear",
        "cyclenet",
    ]  # fmt: skip
    width: Annotated[int, Field(ge=2), Range(16, 128, step=16)] = 64  # multiples of every number of heads
    recent: Annotated[int, Field(ge=1)] | None = None
    scaling: ScalingKind = "standard"
    affine: bool = False
    adjust: Literal["none", "season"] = "none"
    growth: bool = False
    cycle: Annotated[int | Literal["none", "season"], BeforeValidator(_cycle)] = "none"
    base: Literal["none", "seasonal", "linear"] = "seasonal"
    tokens: TokenConfig = PointTokens()
    backbone: BackboneConfig = Recurrent()
    head: HeadConfig = QuantileHead()

    @property
    def levels(self) -> tuple[float, ...]:
        """The quantile levels it forecasts, ascending; empty for a point forecast."""
        return self.head.levels

    @property
    def long_context(self) -> bool:
        """Whether a context of more than a few seasons is wanted where nobody says: tokens are not single steps."""
        return not isinstance(self.tokens, PointTokens)

    def build(self, shape: WindowShape) -> Network:
        return Network(self, shape)

    def least_context(self, season: int) -> int:
        """Any context will do, but for the seasons that indices are taken from."""
        return 2 * season + 1 if self.adjust == "season" and season > 1 else 1


class Embedded(NamedTuple):
    """What a backbone sees of a context: past (S, N, D), future (S, M, D); target (B, L, C) as normalised.

    weight (B, 1, C): of each window in the loss, None for 1. ordinal (B,): grid position of the first step.
    pattern (B, H, C): of the season, None where it is not taken out. rate (B, 1, C): r of `Growth`, None without it.
    """

    past: Tensor
    future: Tensor
    target: Tensor
    scaling: Scaling
    weight: Tensor | None
    ordinal: Tensor
    pattern: Tensor | None
    rate: Tensor | None


class Network(nn.Module):
    """Maps a `Context` to a `Forecast`."""

    before: Tensor

    def __init__(self, config: Neural, shape: WindowShape) -> None:
        super().__init__()
        self.season = Season(shape) if config.adjust == "season" else None
        shape = shape._replace(context=min(config.recent or shape.context, shape.context))
        self.recent = shape.context
        self.scaler = WindowScaler(shape.targets, config.scaling)
        self.growth = Growth() if config.growth else None
        self.affine = Affine(shape.targets) if config.affine else None
        length = shape.season if config.cycle == "season" else config.cycle
        self.cycle = Cycle(length, shape) if isinstance(length, int) else None
        seen = shape._replace(static=shape.static + shape.targets) if config.growth else shape
        self.tokens = config.tokens.build(seen, config.width)
        self.backbone = config.backbone.build(self.tokens.shape)
        self.head = config.head.build(self.tokens.features)
        self.relative = config.head.relative
        self.line = _zeroed(nn.Linear(shape.context, shape.horizon)) if config.base == "linear" else None
        self.gate = nn.Parameter(torch.ones(shape.horizon, 1)) if config.base == "seasonal" else None
        self.register_buffer("before", cycle_before(shape, shape.season)[shape.context :], persistent=False)

    def forward(self, context: Context) -> Forecast:
        """Context -> Forecast over (B, H, C).

        1. Take the season out of the targets of each window, leave its oldest steps out, normalise the targets by what
           is left, take logarithms, give them the learned size and shift, and take the learned cycle from them, each
           where it is asked for; what was not observed reads 0.
        2. Embed into past and future tokens.
        3. Backbone: what the past adds to each future token.
        4. Read out features per step and channel; the head sets them on top of the base, and the forecast
           undoes step 1.
        """
        seen = self.embed(context)
        return self.answer(seen, self.backbone(seen.past, seen.future))

    def embed(self, context: Context) -> Embedded:
        """Steps 1 and 2."""
        pattern, rate = None, None
        if self.season is not None:
            given, pattern = self.season(context.target, context.observed)
            context = context._replace(target=given)
        context = context.newest(self.recent)
        given, observed, static = context.target, context.observed, context.static
        scaling = self.scaler(given, observed)
        target = scaling.normalise(given)
        if self.growth is not None:
            target, rate = self.growth(target, observed, scaling)
            static = torch.cat([static, self.growth.told(rate)], dim=-1)
        if self.affine is not None:
            target = self.affine(target)
        if self.cycle is not None:
            target = self.cycle(target, context.ordinal)
        target = target * observed
        weight = self.scaler.weight(given, observed, scaling) if self.relative else None
        if weight is not None and rate is not None:
            weight = torch.where(rate > 0, scaling.scale / scaling.loc, weight)  # not positive: not taken
        past, future = self.tokens.embed(context._replace(target=target, static=static))
        return Embedded(past, future, target, scaling, weight, context.ordinal, pattern, rate)

    def answer(self, seen: Embedded, more: Tensor) -> Forecast:
        """Step 4, from what the backbone says (S, M, D)."""
        base = self._base(seen.target)
        features = self.tokens.readout(seen.future + more)
        forecast: Point | Quantiles = replace(self.head(features, base, seen.scaling), weight=seen.weight)
        if self.cycle is not None:
            forecast = self.cycle.undo(forecast, seen.ordinal)
        if self.affine is not None:
            forecast = self.affine.undo(forecast)
        if self.growth is not None and seen.rate is not None:
            forecast = self.growth.undo(forecast, seen.rate)
        if self.season is not None and seen.pattern is not None:
            forecast = self.season.undo(forecast, seen.pattern)
        return forecast

    def _base(self, target: Tensor) -> Tensor:
        """What the answer is added to, (B, H, C), from the context as normalised (B, L, C)."""
        if self.line is not None:
            base: Tensor = self.line(target.transpose(1, 2)).transpose(1, 2)
            return base
        if self.gate is not None:
            return lagged(target, self.before) * self.gate
        return target.new_zeros(len(target), len(self.before), target.shape[-1])


def _zeroed(linear: nn.Linear) -> nn.Linear:
    """A map that says nothing until it has learned something."""
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear


def parameters(network: nn.Module) -> int:
    """How many numbers training can change."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
