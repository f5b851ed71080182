"""The network `zero`: trained once, on series from formulas; it forecasts any series of any length, season and horizon.

    season out -> stretches -> units of its own -> patches -> residual blocks -> quantiles -> and all of it undone

A closed form does what a formula can do (season, level, scale), the network the rest. Its weights know no length of a
context, horizon or season, nor how many targets there are: every target is a sequence of its own.
Axes: B batch, L context, H horizon, C targets; S = B·C sequences, T stretches ahead, Q quantile levels.
"""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from tsforge.batch import Context, WindowShape
from tsforge.config import Config
from tsforge.forecast import Quantiles, Scaling, ascending
from tsforge.model.backbones.residual import Mixer, ResidualStack
from tsforge.model.heads import LEVELS, Bounds
from tsforge.model.zero.pooling import joined, middle, spread, stretch
from tsforge.model.zero.reading import MOST, Read, Reading, read
from tsforge.model.zero.response import Response
from tsforge.model.zero.tokens import BLOCK, LENGTH, ZeroTokens

DAMPING = 0.9  # of the drift that forecasts begin at, per stretch
LEAST, MOST_WEIGHT = 0.1, 10.0  # of a window in the loss


class Zero(Config):
    """A pretrained network. mixer: of tokens. bounds: what forecasts are kept within."""

    kind: Literal["zero"] = "zero"
    mixer: Mixer = "gru"
    layers: Annotated[int, Field(ge=1, le=100)] = 2  # of the mixer
    width: Annotated[int, Field(ge=32, le=16_384, multiple_of=32)] = 192  # D
    bounds: Bounds = "auto"
    levels: ClassVar[tuple[float, ...]] = LEVELS
    any_history: ClassVar[bool] = True  # whether windows may be shorter than the context, by default
    long_context: ClassVar[bool] = True  # whether a context of more than a few seasons is better, by default

    def build(self, shape: WindowShape) -> ZeroNetwork:
        return ZeroNetwork(self, shape)

    def roomy_context(self, season: int) -> int:
        """Steps of context that it reads where nobody says."""
        return MOST * stretch(season)

    def least_context(self, season: int, fallback: int = 0) -> int:  # noqa: ARG002
        """Steps of context that it needs: with less than two seasons and a step it has no indices of one."""
        return 1


class ZeroNetwork(nn.Module):
    """Maps a `Context` to a `Forecast`.

    normal: distances of a normal's quantiles from its median, in deviations.
    """

    base: ClassVar[None] = None  # it adds to no other model's forecast
    normal: Tensor
    damped: Tensor
    grown: Tensor

    def __init__(self, config: Zero, shape: WindowShape) -> None:
        super().__init__()
        self.season, self.horizon = shape.season, shape.horizon
        self.levels = config.levels
        self.response = Response(shape.targets, shape.covariates) if shape.covariates else None
        self.tokens = ZeroTokens(config.width)
        self.backbone = ResidualStack(config.mixer, config.layers, config.width)
        self.out = nn.Linear(config.width, LENGTH * len(self.levels))
        nn.init.zeros_(self.out.weight)  # it begins with the same quantiles around the drift for every sequence
        nn.init.constant_(self.out.bias, -1.25)
        with torch.no_grad():
            middle(self.out.bias.view(LENGTH, -1)).zero_()
        # By Python: where a network is built without memory, some operations of torch take half a second to import.
        ahead, normal = range(1, BLOCK + 1), NormalDist()
        damped = [DAMPING * (1 - DAMPING**h) / (1 - DAMPING) for h in ahead]  # the sum of as many powers
        self.register_buffer("normal", torch.tensor([normal.inv_cdf(level) for level in self.levels]), persistent=False)
        self.register_buffer("damped", torch.tensor([[value] for value in damped]), persistent=False)
        self.register_buffer("grown", torch.tensor([[math.sqrt(h)] for h in ahead]), persistent=False)

    def forward(self, context: Context) -> Quantiles:
        """Context -> Quantiles over (B, H, C): of what is left without the effect of covariates, plus the effect."""
        if self.response is None:
            return self.alone(context, self.horizon)
        rest, effect = self.response(context)
        forecast = self.alone(rest, self.horizon)
        loc, scale = forecast.scaling
        return replace(forecast, scaling=Scaling(loc + effect, scale))

    def alone(self, context: Context, horizon: int) -> Quantiles:
        """The forecast of so many steps from the targets alone.

        1. Every target is a sequence of its own; take its season out, and read it in units of its own.
        2. Answer, stretch by stretch.
        3. Give the stretches their steps, these their season and units.
        """
        B, L, C = context.target.shape
        target, observed = (part.transpose(1, 2).reshape(B * C, L) for part in context[:2])
        window = read(target, observed, self.season, horizon)
        answer = self.answer(window.reading, -(-horizon // window.stretch))
        return self.undo(answer, window, (B, C), context.target.dtype)

    def answer(self, reading: Reading, ahead: int) -> Tensor:
        """Quantiles of the next stretches in normalised units, (S, ahead, Q), block by block.

        A later block reads the medians before it as if they had been seen; its distances from the median are joined
        with those of the step that it goes on from.
        """
        blocks, level, before = [], reading.drift.new_zeros(reading.drift.shape[0], 1, 1), None
        for done in range(0, ahead, BLOCK):
            block = self.block(reading)
            median = middle(block)
            apart = block - median
            apart = apart if before is None else joined(apart, before)
            blocks.append(level + median + apart)
            if done + BLOCK < ahead:
                reading = reading.rolled(median.squeeze(-1))
                level, before = level + median[:, -1:], apart[:, -1:]
        return torch.cat(blocks, dim=1)[:, :ahead]

    def block(self, reading: Reading) -> Tensor:
        """The next 48 stretches, (S, 48, Q); but while training the mean of what is said of the sequence and of what is
        said of it upside down, turned round."""
        answer = self.one_sided(reading)
        if self.training:
            return answer
        return (answer - self.one_sided(reading.flipped()).flip(-1)) / 2

    def one_sided(self, reading: Reading) -> Tensor:
        """(S, 48, Q): damped drift, and around it what is read out of the future tokens, times the root of the step."""
        features = self.out(self.backbone(*self.tokens(reading)))
        around = ascending(features.reshape(features.shape[0], BLOCK, -1), self.levels)
        return self.damped * reading.drift[:, None, None] + self.grown * around

    def undo(self, answer: Tensor, window: Read, size: tuple[int, int], precision: torch.dtype) -> Quantiles:
        """Step 3: normalised units are those of the sequence without its season, as one deviates from its last value.

        y = f (loc + scale n) + o is loc + scale n' with n' = f n + ((f - 1) loc + o) / scale.
        """
        _, (loc, scale, error), season, k, detail = window
        horizon = season.factor.shape[1]
        steps = spread(answer.to(scale.dtype), k, horizon, self.normal, detail)
        shift = ((season.factor - 1) * loc[:, None] + season.offset) / scale[:, None]
        steps = season.factor.unsqueeze(-1) * steps + shift.unsqueeze(-1)  # (S, H, Q)
        steps = steps.reshape(*size, *steps.shape[1:]).transpose(1, 2)  # (B, H, C, Q)
        units = (part.view(size).unsqueeze(1) for part in (loc, scale, self.weight(scale, error)))
        loc, scale, weight = (part.to(precision) for part in units)
        return Quantiles(steps.to(torch.float32), Scaling(loc, scale), self.levels, weight=weight)

    @staticmethod
    def weight(scale: Tensor, error: Tensor) -> Tensor:
        """What takes errors from normalised units to those of MASE, within reason."""
        return (scale / torch.where(error > 0, error, scale)).clamp(LEAST, MOST_WEIGHT)
