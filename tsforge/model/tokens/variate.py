"""Variate tokens: one for each channel, of its whole context; a backbone then relates channels, not steps.

(Liu et al. 2024, "iTransformer")
Axes: B batch, L context, H horizon, C targets, P past covariates, K known covariates, F static features; N past
tokens (covariates), M = C future tokens (targets), D width, E features.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from tsforge.batch import Context, WindowShape
from tsforge.config import Choice, Config, Range
from tsforge.model.tokens.point import TokenShape


class VariateTokens(Config):
    """One token per channel."""

    type: Literal["variate"] = "variate"
    channel_embedding: bool = False  # whether each target has a learned vector
    features: Annotated[int, Field(ge=1, le=1024), Choice((1, 2, 4, 8))] = 4  # E, of each step and channel for the head
    dropout: Annotated[float, Field(ge=0, lt=1), Range(0.0, 0.5)] = 0.0  # of what is read out

    def build(self, shape: WindowShape, width: int) -> VariateEmbedding:
        return VariateEmbedding(self, shape, width)


class VariateEmbedding(nn.Module):
    """All steps of a channel, linearly to width D; no positions, as channels have no order.

    The future tokens, which are answered, are the targets: their (normalised) values and which of them were observed.
    The past tokens are the covariates: one for each past covariate (of L steps), one for each covariate known in
    advance (of L+H steps), one for all static features. Each covariate has a learned vector that tells which it is.
    """

    def __init__(self, config: VariateTokens, shape: WindowShape, width: int) -> None:
        super().__init__()
        L, H, C, past, known, static, *_ = shape
        self.window, self.features = shape, config.features
        self.target = nn.Linear(2 * L, width)
        self.past = nn.Linear(L, width, bias=False) if past else None
        self.known = nn.Linear(L + H, width, bias=False) if known else None
        self.static = nn.Linear(static, width, bias=False) if static else None
        N = past + known + (1 if static else 0)
        self.which = nn.Parameter(torch.randn(N, width) * 0.02) if N else None
        self.channel = nn.Parameter(torch.randn(C, width) * 0.02) if config.channel_embedding else None
        self.drop = nn.Dropout(config.dropout)
        self.out = nn.Linear(width, H * config.features)
        self.shape = TokenShape(N, C, width)

    def embed(self, context: Context) -> tuple[Tensor, Tensor]:
        """Context with normalised targets -> past (B, N, D), future (B, C, D)."""
        seen = context.observed.to(context.target.dtype)
        targets = self.target(torch.cat([context.target, seen], dim=1).transpose(1, 2))
        if self.channel is not None:
            targets = targets + self.channel
        if self.which is None:
            return targets[:, :0], targets
        maps = (self.past, self.known, self.static)
        values = (context.past.transpose(1, 2), context.known.transpose(1, 2), context.static.unsqueeze(1))
        beside = [embed(x) for embed, x in zip(maps, values, strict=True) if embed is not None]
        return torch.cat(beside, dim=1) + self.which, targets

    def readout(self, h: Tensor) -> Tensor:
        """(B, C, D) -> (B, H, C, E)."""
        steps: Tensor = self.out(self.drop(h))
        return steps.view(*h.shape[:2], self.window.horizon, self.features).transpose(1, 2)
