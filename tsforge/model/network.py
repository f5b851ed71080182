"""A network: transforms × tokens × backbone × head. Its only argument is a `Context`.

Axes: B batch, L context, H horizon, C targets; S sequences, N past and M future tokens, D width, E features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal, cast

import torch
from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from torch import Tensor, nn

from tsforge.batch import Context, WindowShape
from tsforge.config import Config, Parts, Range
from tsforge.errors import ConfigError, listing
from tsforge.forecast import Forecast, Point, Quantiles
from tsforge.model.backbones.linear import Matrix
from tsforge.model.backbones.minimal import Minimal
from tsforge.model.backbones.recurrent import Recurrent
from tsforge.model.backbones.transformer import Transformer
from tsforge.model.baselines.closed_form import ClosedForm
from tsforge.model.baselines.forecaster import Baseline
from tsforge.model.baselines.naive import ClosedKind
from tsforge.model.counts import NegativeBinomial, Tweedie
from tsforge.model.heads import RELATIVE, Bounds, HeadConfig, QuantileHead, of_type
from tsforge.model.tokens.patch import PatchTokens
from tsforge.model.tokens.point import PointTokens, TokenShape, cycle_before, lagged
from tsforge.model.tokens.variate import VariateTokens
from tsforge.model.transforms.affine import Affine
from tsforge.model.transforms.cycle import Cycle
from tsforge.model.transforms.growth import Growth
from tsforge.model.transforms.recent import Recent
from tsforge.model.transforms.scaling import ScalingKind, WindowScaler, any_observed
from tsforge.model.transforms.season import Season
from tsforge.model.transforms.window import Transform, Window
from tsforge.runtime import plugins
from tsforge.runtime.seeds import seeded


def _typed(value: Any) -> Any:
    """Settings of tokens without their type are those of point tokens."""
    return {"type": "point"} | value if isinstance(value, dict) else value


TokenConfig = Annotated[PointTokens | PatchTokens | VariateTokens, Field(discriminator="type"), BeforeValidator(_typed)]


def check_backbone(name: str, thing: Any) -> type[Config]:
    """A backbone that a user has registered, tried on noise. Raises ConfigError where it is none."""
    cls, shape = of_type("backbone", name, thing), TokenShape(5, 3, 64)
    with seeded(0):
        backbone = cls().build(shape)  # type: ignore[attr-defined]
        answer = backbone(torch.randn(2, 5, 64), torch.randn(2, 3, 64))
    if getattr(answer, "shape", None) != (2, 3, 64):
        given = tuple(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
        what = f"the backbone '{name}' answers past tokens (2, 5, 64) and future ones (2, 3, 64) with {given}"
        raise ConfigError(what, "the answer to each future token is as wide as the token: (S, M, D)")
    return cls


BACKBONES = Parts("backbone", ("recurrent", "minimal", "transformer", "matrix"), check_backbone)
BackboneConfig = Annotated[Recurrent | Minimal | Transformer | Matrix, Field(discriminator="type"), BACKBONES]
KINDS = (
    "rnn", "lstm", "gru", "min-gru", "min-lstm", "transformer", "transformer-encoder", "transformer-decoder",
    "patch-rnn", "patch-lstm", "patch-gru", "growth-gru", "patch-transformer", "inverted-transformer", "nlinear",
    "cyclenet",
)  # fmt: skip


def _kind(name: str) -> str:
    """A name of a network: a row of the zoo, or a backbone that is registered."""
    if name not in KINDS and plugins.find("backbone", name, check_backbone) is None:
        raise plugins.unknown("backbone", name, KINDS)
    return name


def _cycle(value: Any) -> Any:
    if value in ("none", "season") or (
        isinstance(value, int) and not isinstance(value, bool) and 2 <= value <= 1_000_000
    ):
        return value
    raise ValueError('must be "none", "season" or a number of steps, from 2 to 1000000')


class Neural(Config):
    """transforms × tokens × backbone × head.

    base: what the network's answer is added to. "seasonal" for the value one season before, weighted per step by a
        learned gate that begins at 1; "linear" for a learned map from each channel's context to its horizon, shared by
        all channels, which begins at 0 (as the linear forecast that a recurrent net refines in Kraus et al. 2024,
        "xLSTM-Mixer"); or a closed form, as "theta", of each window's whole context, as it comes (Smyl 2020, "A hybrid
        method of exponential smoothing and recurrent neural networks for time series forecasting").
    """

    kind: Annotated[str, AfterValidator(_kind)]
    width: Annotated[int, Field(ge=2, le=16_384), Range(16, 128, step=16)] = (
        64  # D, in multiples of every number of heads
    )
    recent: Annotated[int, Field(ge=1, le=100_000)] | None = (
        None  # newest steps of the context that are read; None: all, or all but what a closed form below it reads more
    )
    scaling: ScalingKind = "standard"  # what a window is centred at and divided by before anything else
    affine: bool = False  # a learned size and shift of each channel
    adjust: Literal["none", "season"] = "none"  # division by seasonal indices, which are taken from the whole context
    growth: bool = False  # logarithms of the ratio to the window's level, to which a relative loss is then relative
    cycle: Annotated[int | Literal["none", "season"], BeforeValidator(_cycle)] = "none"  # steps of a learned table
    base: Literal["none", "seasonal", "linear", ClosedKind] = "seasonal"
    tokens: TokenConfig = PointTokens()
    backbone: BackboneConfig = Recurrent()
    head: HeadConfig = QuantileHead()
    bounds: Bounds = "auto"  # what forecasts are kept within: 0 or more where no training row is negative

    @model_validator(mode="after")
    def _steps_are_embedded(self) -> Neural:
        if self.tokens.type == "step" and not isinstance(self.backbone, Recurrent):
            raise ValueError(
                f"tokens of type 'step' are read by recurrent backbones, not by '{self.backbone.type}'; "
                "take model.tokens.type=point"
            )
        return self

    @model_validator(mode="after")
    def _counts_keep_their_units(self) -> Neural:
        if self.head.support == "real":
            return self
        wrong = {"scaling": self.scaling != "level", "adjust": self.adjust != "none", "growth": self.growth,
                 "affine": self.affine, "cycle": self.cycle != "none"}  # fmt: skip
        if names := [f"model.{name}" for name, is_ in wrong.items() if is_]:
            raise ValueError(
                f"the head '{self.head.type}' forecasts values in their own units, and {listing(names)} "
                "would change them; model.scaling is level, the others are off"
            )
        return self

    @property
    def levels(self) -> tuple[float, ...]:
        """The quantile levels it forecasts, ascending; empty for a point forecast."""
        return self.head.levels

    @property
    def closed(self) -> ClosedKind | None:
        """The closed form that its answer is added to, if any."""
        return None if self.base in ("none", "seasonal", "linear") else cast("ClosedKind", self.base)

    @property
    def _below(self) -> Baseline | None:
        """The closed form as a model of its own, whose context it needs too."""
        return Baseline(kind=self.closed) if self.closed else None

    @property
    def any_history(self) -> bool:
        """Whether windows may be shorter than the context, by default: where what it adds to reads any."""
        return self._below is not None and self._below.any_history

    @property
    def long_context(self) -> bool:
        """Whether a context of more than a few seasons is better, by default: tokens are not single steps."""
        return not isinstance(self.tokens, PointTokens)

    def build(self, shape: WindowShape) -> Network:
        return Network(self, shape)

    def roomy_context(self, season: int) -> int:
        """Steps of context that it reads where nobody says: those of what it adds to; 0 for no more than any model."""
        return self._below.roomy_context(season) if self._below else 0

    def least_context(self, season: int, fallback: int = 0) -> int:
        """Steps of context that it needs: two seasons and a step for seasonal indices, or those of what it adds to."""
        own = 2 * season + 1 if self.adjust == "season" and season > 1 else 1
        return max(own, self._below.least_context(season, fallback)) if self._below else own

    def reading(self, steps: int) -> Neural:
        """With so many newest steps to read, where nobody says and its context is that of what it adds to."""
        settled = self.recent is not None or self.closed is None or not steps
        return self if settled else self.model_copy(update={"recent": steps})


def transforms(config: Neural, shape: WindowShape) -> dict[str, Transform]:
    """What is done to a window, in this order, by the name that its weights have; undone in the opposite order."""
    cycle = shape.season if config.cycle == "season" else config.cycle
    scaling = "none" if config.scaling == "standard" and shape.known_level else config.scaling
    steps: dict[str, Transform | None] = {
        "season": Season(shape) if config.adjust == "season" else None,
        "recent": Recent(config.recent or shape.context),
        "scaler": WindowScaler(shape.targets, scaling, relative=config.head.loss in RELATIVE),
        "growth": Growth() if config.growth else None,
        "affine": Affine(shape.targets) if config.affine else None,
        "cycle": Cycle(cycle, shape) if isinstance(cycle, int) else None,
    }
    return {name: step for name, step in steps.items() if step is not None}


class Network(nn.Module):
    """Maps a `Context` to a `Forecast`."""

    scaler: WindowScaler
    before: Tensor

    def __init__(self, config: Neural, shape: WindowShape) -> None:
        super().__init__()
        self.base = ClosedForm(config.closed, shape) if config.closed else None
        self.transforms = transforms(config, shape)
        for name, transform in self.transforms.items():
            self.add_module(name, transform)
            shape = transform.shape(shape)
        self.context = shape.context  # steps that are read
        self.tokens = config.tokens.build(shape, config.width)
        self.backbone = config.backbone.build(self.tokens.shape)
        self.head = config.head.build(self.tokens.features)
        if self.base is not None:
            self.head.begin_at_base()
        self.line = nn.Linear(shape.context, shape.horizon) if config.base == "linear" else None
        for parameter in self.line.parameters() if self.line is not None else ():
            nn.init.zeros_(parameter)
        self.gate = nn.Parameter(torch.ones(shape.horizon, 1)) if config.base == "seasonal" else None
        self.register_buffer("before", cycle_before(shape, shape.season)[shape.context :], persistent=False)

    def forward(self, context: Context) -> Forecast:
        """Context -> Forecast over (B, H, C).

        1. Transform the window, one transform after the other; what was not observed reads 0.
        2. Embed it into past and future tokens.
        3. Backbone: what the past adds to each future token.
        4. Read out features of each step and channel; the head sets them on top of the base.
        5. Undo the transforms in the forecast, the last one first.
        """
        window, states = self.transform(context)
        past, future = self.tokens.embed(window.context)
        answer = future + self.backbone(past, future)
        return self.undo(self.read(window, answer), states)

    def transform(self, context: Context) -> tuple[Window, list[Any]]:
        """Step 1. The window that tokens read, in the network's precision, and the state of each transform.

        Transforms compute in the precision of the data, and so does what undoes them in the forecast.
        """
        window, states, precision = Window.of(context), [], self.scaler.centre.dtype
        base = self._closed(context)
        for transform in self.transforms.values():
            window, state = transform(window)
            states.append(state)
            base = base if base is None else transform.ahead(base, window, state)
        if base is not None:
            base = torch.where(any_observed(context.observed), base, torch.zeros_like(base)).to(precision)
            window = window._replace(context=window.context._replace(base=base))
        target = window.context.target * window.context.observed
        return window.with_target(target.to(precision)), states

    def read(self, window: Window, answer: Tensor) -> Forecast:
        """Step 4, from the answer to each future token (S, M, D)."""
        base = window.context.base if self.base is not None else self._learned(window.context.target)
        forecast: Point | Quantiles | NegativeBinomial | Tweedie = self.head(
            self.tokens.readout(answer), base, window.scaling
        )
        return replace(forecast, weight=window.weight)

    def undo(self, forecast: Forecast, states: Sequence[Any]) -> Forecast:
        """Step 5."""
        for transform, state in zip(reversed(self.transforms.values()), reversed(states), strict=True):
            forecast = transform.undo(forecast, state)
        return forecast

    def _closed(self, context: Context) -> Tensor | None:
        """The closed form that the answer is added to, (B, H, C), in data units; as computed before, if it was."""
        if self.base is None:
            return None
        return context.base if context.base.shape[1] else self.base(context)

    def _learned(self, target: Tensor) -> Tensor:
        """What else the answer is added to, (B, H, C), from the context as normalised (B, L, C)."""
        if self.line is not None:
            base: Tensor = self.line(target.transpose(1, 2)).transpose(1, 2)
            return base
        if self.gate is not None:
            return lagged(target, self.before) * self.gate
        return target.new_zeros(target.shape[0], len(self.before), target.shape[-1])


def parameters(network: nn.Module) -> int:
    """The count of trainable numbers."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
