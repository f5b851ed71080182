"""Several networks that answer as one: seeds of one model, or a blend of different ones.

Axes: B batch, H horizon, C targets, Q quantile levels, M members.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from tsforge.batch import Context, WindowShape
from tsforge.config import Config
from tsforge.forecast import Forecast, Point, Quantiles, Scaling
from tsforge.model.heads import Bounds
from tsforge.model.zoo import ModelConfig


class Member(Config):
    """One model of a blend, and how it is trained; what is None is as the experiment has it."""

    model: ModelConfig
    weight: Annotated[float, Field(gt=0)] = 1.0  # in the mean, divided by the sum over all members
    seed: Annotated[int, Field(ge=0, lt=2**32)] | None = None
    steps: Annotated[int, Field(ge=1)] | None = None  # its `train.max_steps`
    until: Annotated[int, Field(ge=1)] | None = None  # its `train.until`
    context: Annotated[int, Field(ge=1)] | None = None  # newest steps of the blend's context that it reads; None: all


class Blend(Config):
    """Different models, each trained by itself; the forecast is the weighted mean of their quantiles."""

    kind: Literal["blend"] = "blend"
    members: Annotated[tuple[Member, ...], Field(min_length=1, max_length=1000)]
    bounds: Bounds = "auto"  # of the blend, whatever its members have

    @field_validator("members")
    @classmethod
    def _of_one_kind(cls, members: tuple[Member, ...]) -> tuple[Member, ...]:
        if len({member.model.levels for member in members}) > 1:
            raise ValueError("all members of a blend forecast quantiles at the same levels")
        return members

    @property
    def levels(self) -> tuple[float, ...]:
        """The quantile levels of its forecasts, ascending; empty for point forecasts."""
        return self.members[0].model.levels

    @property
    def weights(self) -> tuple[float, ...]:
        """The weights of the members; they sum to 1."""
        total = sum(member.weight for member in self.members)
        return tuple(member.weight / total for member in self.members)

    @property
    def any_history(self) -> bool:
        """Whether windows may be shorter than the context, by default: for all members."""
        return all(member.model.any_history for member in self.members)

    @property
    def long_context(self) -> bool:
        """Whether a context of more than a few seasons is better for some member, by default."""
        return any(member.model.long_context for member in self.members)

    @property
    def contexts(self) -> tuple[int | None, ...]:
        """Steps of the shared context that each member reads; None for all."""
        return tuple(member.context for member in self.members)

    def build(self, shape: WindowShape) -> Ensemble:
        members = [member.model.build(shape.narrowed(member.context)) for member in self.members]
        return Ensemble(members, self.weights, self.contexts)

    def roomy_context(self, season: int) -> int:
        """Steps of context that some member reads where nobody says; 0 for no more than any model."""
        return max(member.model.roomy_context(season) for member in self.members)

    def least_context(self, season: int, fallback: int = 0) -> int:
        """Steps of context that all members need."""
        return max(member.model.least_context(season, fallback) for member in self.members)


class Ensemble(nn.Module):
    """Combines its members' forecasts of one context, quantile by quantile.

    weights: of a mean over members (an average of quantile functions; Vincent 1912, Lichtendahl et al. 2013), which
        sum to 1; the median over members where None. Either way quantiles that ascend in every member ascend.
    contexts: newest steps of the context that each member reads; None, of one or of all, for the whole.
    """

    def __init__(
        self, members: Sequence[nn.Module], weights: Sequence[float] | None = None,
        contexts: Sequence[int | None] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.members = nn.ModuleList(members)
        self.weights = None if weights is None else tuple(weights)
        self.contexts = (None,) * len(members) if contexts is None else tuple(contexts)

    def forward(self, context: Context) -> Forecast:
        """Context -> Forecast over (B, H, C), in the normalised units of the first member's forecast."""
        forecasts: list[Forecast] = [
            member(context if steps is None else context.newest(steps))
            for member, steps in zip(self.members, self.contexts, strict=True)
        ]
        scaling = forecasts[0].scaling
        alike = [_in_units_of(scaling, forecast) for forecast in forecasts]
        combined = self._combined([forecast.normalised for forecast in alike])  # (B, H, C[, Q])
        first: Point | Quantiles = replace(alike[0], normalised=combined, scaling=scaling, weight=None)
        points = [forecast for forecast in alike if isinstance(forecast, Quantiles)]
        if isinstance(first, Quantiles) and any(forecast.own is not None for forecast in points):
            return replace(first, own=self._combined([forecast.middle for forecast in points]))
        return first

    def _combined(self, values: Sequence[Tensor]) -> Tensor:
        """Values of every member as one."""
        stacked = torch.stack(list(values))
        return _median(stacked) if self.weights is None else _mean(stacked, self.weights)


def _in_units_of(scaling: Scaling, forecast: Forecast) -> Point | Quantiles:
    """A forecast whose normalised values are in the units of another scaling.

    The difference of the levels is taken first: a large level would swallow small deviations in float32.
    """
    loc, scale = forecast.scaling
    shift, factor = (loc - scaling.loc) / scaling.scale, scale / scaling.scale
    return forecast.mapped(lambda n, shift, factor: shift + factor * n, shift, factor)


def _median(values: Tensor) -> Tensor:
    """Over the first axis; halfway between the two in the middle of an even number."""
    ordered, count = values.sort(dim=0).values, len(values)
    return (ordered[(count - 1) // 2] + ordered[count // 2]) / 2


def _mean(values: Tensor, weights: Sequence[float]) -> Tensor:
    """Over the first axis, member by member in their order, so that quantiles in order stay so when rounded."""
    parts = (weight * value for value, weight in zip(values, weights, strict=True))
    return sum(parts, start=torch.zeros_like(values[0]))
