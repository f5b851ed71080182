"""Patch tokens: one for several steps in a row. Every channel is a sequence of its own, and all share the weights.

(Lin et al. 2023, "SegRNN"; Nie et al. 2023, "A Time Series is Worth 64 Words")
Axes: B batch, L context, H horizon, C targets, P past covariates, K known covariates, F static features, I values of
a step; S = B·C sequences, N past tokens, M future tokens, D width, E features, w steps of a patch.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from tsforge.batch import Context, WindowShape
from tsforge.config import Choice, Config, Range
from tsforge.model.tokens.point import TokenShape, along, sinusoids


class PatchTokens(Config):
    """One token per `length` steps, which "season" sets to a season and at least two; a new one every `stride` steps.

    readout: "future" has one token for each `length` steps of the horizon, read out to these; "flatten" reads the whole
        horizon out of all past tokens together, by one matrix.
    """

    type: Literal["patch"] = "patch"
    length: Annotated[
        Annotated[int, Field(ge=1, le=100_000)] | Literal["season"], Choice((8, 12, 16, 24, 48, "season"))
    ] = 24  # steps of a segment
    stride: Annotated[int, Field(ge=1, le=100_000)] | None = None  # `length` where None
    readout: Literal["future", "flatten"] = "future"
    activation: Literal["none", "relu"] = "none"  # of the past tokens
    channel_embedding: bool = False  # whether each channel has a learned vector, in all its tokens
    features: Annotated[int, Field(ge=1, le=1024), Choice((1, 2, 4, 8))] = 4  # E, of each step and channel for the head
    dropout: Annotated[float, Field(ge=0, lt=1), Range(0.0, 0.5)] = 0.0  # of what is read out

    @model_validator(mode="after")
    def _no_step_is_left_out(self) -> PatchTokens:
        if self.stride is not None and self.length != "season" and self.stride > self.length:
            raise ValueError(f"a stride of {self.stride} leaves out steps between patches of {self.length}")
        return self

    def build(self, shape: WindowShape, width: int) -> PatchEmbedding:
        return PatchEmbedding(self, shape, width)


class PatchEmbedding(nn.Module):
    """Everything of a patch, linearly to width D, plus sinusoidal positions.

    A past token sees the (normalised) values of its steps, which of them were observed, all covariates of its steps,
    and the static features; a future token the covariates known in advance of its steps, and the static features.
    Where the context is no whole number of patches, the oldest one begins with steps that read as not observed. A
    patch is never longer than the context, nor a future one than the horizon.

    With "flatten" every token is answered: those of the past, and where covariates are known in advance future ones,
    whose own steps are then the sum of both readings.
    """

    positions: Tensor

    def __init__(self, config: PatchTokens, shape: WindowShape, width: int) -> None:
        super().__init__()
        L, H, C, past, known, static, *_ = shape
        self.window, self.features = shape, config.features
        self.flat, self.relu = config.readout == "flatten", config.activation == "relu"
        length = max(2, shape.season) if config.length == "season" else config.length
        self.length, self.ahead = min(length, L), min(length, H)
        self.stride = min(config.stride or self.length, self.length)
        N = -(-(L - self.length) // self.stride) + 1
        self.segments = M = 0 if self.flat and not known else -(-H // self.ahead)
        beside = self.length * (past + known) + static
        before = self.ahead * known + static
        self.values = nn.Linear(2 * self.length, width)
        self.past = nn.Linear(beside, width, bias=False) if beside else None
        self.future = nn.Linear(before, width, bias=False) if before and M else None
        self.start = nn.Parameter(torch.randn(width) * 0.02) if M else None  # a future token before anything is known
        self.channel = nn.Parameter(torch.randn(C, 1, width) * 0.02) if config.channel_embedding else None
        self.drop = nn.Dropout(config.dropout)
        self.all = nn.Linear(N * width, H * config.features) if self.flat else None
        self.own = nn.Linear(width, self.ahead * config.features, bias=not self.flat) if M else None
        self.register_buffer("positions", sinusoids(N + M, width), persistent=False)
        self.shape = TokenShape(0, N + M, width) if self.flat else TokenShape(N, M, width)

    def embed(self, context: Context) -> tuple[Tensor, Tensor]:
        """Context with normalised targets -> past (S, N, D), future (S, M, D); with "flatten" all are future."""
        tokens = self._behind(context)
        if self.start is not None:
            ahead = self._ahead(context, self.start)
            tokens = torch.cat([tokens, ahead.expand(tokens.shape[0], -1, -1)], dim=1)
        tokens = tokens + self.positions
        if self.channel is not None:
            tokens = tokens + self.channel.repeat(context.target.shape[0], 1, 1)
        N = self.shape.past
        return tokens[:, :N], tokens[:, N:]

    def _behind(self, context: Context) -> Tensor:
        """(S, N, D): the patches of the context."""
        _, L, C = context.target.shape
        values = torch.stack([context.target, context.observed.to(context.target.dtype)], dim=-1)
        behind: Tensor = self.values(patches(values.transpose(1, 2).flatten(0, 1), self.length, self.stride))
        if self.past is not None:
            beside = patches(torch.cat([context.past, context.known[:, :L]], dim=-1), self.length, self.stride)
            beside = self.past(torch.cat([beside, along(context.static, beside.shape[1])], dim=-1))
            behind = behind + beside.repeat_interleave(C, 0)
        return behind.relu() if self.relu else behind

    def _ahead(self, context: Context, start: Tensor) -> Tensor:
        """(S, M, D), or (1, M, D) without known covariates: the patches of the horizon; what lies beyond it reads 0."""
        _, L, C = context.target.shape
        ahead: Tensor = start.expand(1, self.segments, -1)
        if self.future is None:
            return ahead
        beyond = self.segments * self.ahead - self.window.horizon
        known = patches(F.pad(context.known[:, L:], (0, 0, 0, beyond)), self.ahead, self.ahead)
        before: Tensor = self.future(torch.cat([known, along(context.static, self.segments)], dim=-1))
        return ahead + before.repeat_interleave(C, 0)

    def readout(self, h: Tensor) -> Tensor:
        """(S, M, D) -> (B, H, C, E)."""
        _, H, C, *_ = self.window
        h, N = self.drop(h), h.shape[1] - self.segments
        parts = []
        if self.all is not None:
            parts.append(self.all(h[:, :N].flatten(1)).view(-1, H, self.features))
        if self.own is not None:
            parts.append(self.own(h[:, N:]).view(h.shape[0], -1, self.features)[:, :H])
        steps: Tensor = sum(parts[1:], parts[0])  # (S, H, E)
        return steps.reshape(-1, C, H, self.features).transpose(1, 2)


def patches(x: Tensor, length: int, stride: int) -> Tensor:
    """x (S, T, I) -> (S, N, I·length): the last patch ends with x, the first begins with as many 0 as it lacks."""
    lacking = -(x.shape[1] - length) % stride
    return F.pad(x, (0, 0, lacking, 0)).unfold(1, length, stride).flatten(2)
