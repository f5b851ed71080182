"""Tokens of single steps: a context to two streams of vectors, past and future, and the answers back to channels.

A backbone only reads the past tokens; it answers each future token, and the answers are read out. Tokens of several
steps are in `patch.py`, those of whole channels in `variate.py`.

Past tokens are the features of their step, as they are ("step": the x_t of a recurrent net, whose own first matrix
embeds them), or linearly at width D beside a position ("point"). Future tokens, to which an answer is added, always
are at width.

Axes: B batch, L context, H horizon, C targets, P past covariates, K known covariates, F static features;
S sequences (B, or B·C where channels share weights), N past tokens, M future tokens, D width, E features.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from tsforge.batch import Context, WindowShape
from tsforge.config import Config
from tsforge.model.shortcut import throughout

FEATURES = 16  # E: what the head sees of each step and channel, but for steps of a single channel
# Adam moves a weight by the rate, however small its input: few features reach a cell slowly, where 64 that embed them
# do not. So features as they are, and what a direct decoder reads, count times this, and their weights begin as much
# smaller: the same network, whose first matrices learn at so many times the rate (as in Yang et al. 2022, "Tensor
# Programs V", rates go with the inverse of a matrix's inputs). At most:
GAIN = 4.0


def gain(features: int, width: int) -> float:
    """What features as they are count times: how many times fewer they are than the width."""
    return min(GAIN, max(1.0, width / features))


class TokenShape(NamedTuple):
    """What a backbone is built for."""

    past: int  # N, 0 where all tokens are answered
    future: int  # M
    width: int  # D
    features: int | None = None  # of a past token as it is; None where it is embedded

    @property
    def inputs(self) -> int:
        """The length of the vector that a past token is."""
        return self.width if self.features is None else self.features


class PointTokens(Config):
    """One token per time step, of all targets ("mixed"), or of each in a sequence of its own through shared weights."""

    type: Literal["point", "step"] = "point"  # past tokens embedded beside a position, or their features as they are
    channels: Literal["mixed", "shared"] = "mixed"  # all targets in one token, or each a sequence with the same weights
    seasonal: bool = True  # whether each token also sees the values one season, one day, one week before (the lags)

    def build(self, shape: WindowShape, width: int) -> PointEmbedding:
        return PointEmbedding(self, shape, width)


class PointEmbedding(nn.Module):
    """Values, masks and covariates of a step: linearly to width D, plus sinusoidal positions, or as they are.

    A past token sees the (normalised) targets, which of them were observed, and all covariates of its step;
    a future token sees what is known in advance: covariates, its position, and the value one cycle before
    (or as many cycles as it takes to get behind the forecast origin).
    """

    positions: Tensor
    before: Tensor  # (lags, L+H)

    def __init__(self, config: PointTokens, shape: WindowShape, width: int) -> None:
        super().__init__()
        self.shared, steps = config.channels == "shared", config.type == "step"
        self.window = shape
        per_token = 1 if self.shared else shape.targets
        lags = shape.lags if config.seasonal else ()
        ahead = shape.known + shape.static + 2 * per_token * len(lags)
        behind = 2 * per_token + shape.past + ahead
        self.past = None if steps else nn.Linear(behind, width)
        self.gain = gain(behind, width)
        self.future = nn.Linear(ahead, width) if ahead else None
        self.start = nn.Parameter(torch.randn(width) * 0.02)  # what a future token is before anything is known
        direct = steps and per_token == 1
        self.features = width if direct else FEATURES
        self.out = None if direct else nn.Linear(width, per_token * FEATURES)
        self.register_buffer("positions", sinusoids(shape.context + shape.horizon, width), persistent=False)
        before = [cycle_before(shape, m) for m in lags]
        self.register_buffer("before", torch.stack(before) if lags else torch.zeros(0, 0), persistent=False)
        self.shape = TokenShape(shape.context, shape.horizon, width, behind if steps else None)

    def embed(self, context: Context) -> tuple[Tensor, Tensor]:
        """Context with normalised targets -> past (S, L, D), or (S, L, .) as it is, and future (S, H, D)."""
        L = self.window.context
        target, seen = context.target, context.observed.to(context.target.dtype)
        known, past = context.known, context.past
        if context.static.shape[1]:
            known = torch.cat([known, along(context.static, known.shape[1])], dim=-1)
        if self.shared:
            C = self.window.targets
            target, seen = _split(target), _split(seen)  # (B·C, L, 1)
            known, past = known.repeat_interleave(C, 0), past.repeat_interleave(C, 0)
        values = torch.cat([target, seen], dim=-1)
        known = torch.cat([lagged(values, before) for before in self.before] + [known], dim=-1)
        behind = torch.cat([values, past, known[:, :L]], dim=-1)
        ahead = self.start.expand(known.shape[0], self.window.horizon, -1)
        if self.future is not None:
            ahead = ahead + self.future(known[:, L:])
        behind = self.gain * behind if self.past is None else self.past(behind) + self.positions[:L]
        return behind, ahead + self.positions[L:]

    def readout(self, h: Tensor) -> Tensor:
        """(S, H, D) -> (B, H, C, E)."""
        features: Tensor = h if self.out is None else self.out(h)
        S, H, _ = features.shape
        if self.shared:
            return features.view(-1, self.window.targets, H, self.features).transpose(1, 2)
        return features.view(S, H, self.window.targets, self.features)


def cycle_before(shape: WindowShape, cycle: int) -> Tensor:
    """(L+H,) for each step of a window, the newest step of the context that lies whole cycles before it; -1 if none."""
    step = torch.arange(shape.context + shape.horizon)
    times = ((step - shape.context) // cycle + 1).clamp(min=1)
    return (step - times * cycle).clamp(min=-1)


def lagged(x: Tensor, before: Tensor) -> Tensor:
    """x (S, L, C) at the steps `before` (T,); 0 where that is -1: (S, T, C)."""
    shifted = x.index_select(1, before.clamp(min=0))
    return shifted if throughout(before >= 0) else shifted * (before >= 0)[:, None]


def sinusoids(length: int, width: int) -> Tensor:
    """PE(pos, 2i) = sin(pos / 10000^(2i/D)), PE(pos, 2i+1) = cos(pos / 10000^(2i/D)); (length, D).

    (Vaswani et al. 2017, "Attention Is All You Need", section 3.5)
    """
    pos = torch.arange(length, dtype=torch.float64)[:, None]
    rate = torch.exp(-math.log(10_000.0) * torch.arange(0, width, 2, dtype=torch.float64) / width)
    table = torch.zeros(length, width, dtype=torch.float64)
    table[:, 0::2] = torch.sin(pos * rate)
    table[:, 1::2] = torch.cos(pos * rate)[:, : width // 2]
    return table.float()


def along(static: Tensor, steps: int) -> Tensor:
    """(B, F) -> (B, steps, F)."""
    return static.unsqueeze(1).expand(-1, steps, -1)


def _split(x: Tensor) -> Tensor:
    """(B, L, C) -> (B·C, L, 1)."""
    return x.transpose(1, 2).flatten(0, 1).unsqueeze(-1)
