"""One matrix from past to future tokens, the linear model among the backbones: h_m = Σ_n A_mn x_n + b_m.

Without past tokens it adds nothing, and the answer to a token is the token. Axes: S sequences, N past and M future
tokens, D width.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from tsforge.config import Config
from tsforge.model.tokens.point import TokenShape


class Matrix(Config):
    """One matrix; there is nothing to set."""

    type: Literal["matrix"] = "matrix"

    def build(self, shape: TokenShape) -> Mixing:
        return Mixing(shape)


class Mixing(nn.Module):
    """One matrix over tokens, shared by all their dimensions."""

    def __init__(self, shape: TokenShape) -> None:
        super().__init__()
        self.mix = nn.Linear(shape.past, shape.future) if shape.past else None

    def forward(self, past: Tensor, future: Tensor) -> Tensor:
        """past (S, N, D), future (S, M, D) -> (S, M, D)."""
        if self.mix is None:
            return torch.zeros_like(future)
        mixed: Tensor = self.mix(past.transpose(1, 2)).transpose(1, 2)
        return mixed
