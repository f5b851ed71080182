"""One matrix from past to future, the honest bar for every network.

(Zeng et al. 2023, "Are Transformers Effective for Time Series Forecasting?") Axes: S sequences, N past and
M future tokens, D width.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from tsforge.config import Config
from tsforge.model.tokens import TokenShape


class Linear(Config):
    """Nothing to choose."""

    type: Literal["linear"] = "linear"

    def build(self, shape: TokenShape) -> TimeMix:
        return TimeMix(shape)


class TimeMix(nn.Module):
    """Σ_n W_mn past_n + b_m, the same W for every feature."""

    def __init__(self, shape: TokenShape) -> None:
        super().__init__()
        self.mix = nn.Linear(shape.past, shape.future)

    def forward(self, past: Tensor, _future: Tensor) -> Tensor:
        """past (S, N, D) -> (S, M, D); the future tokens speak for themselves."""
        mixed: Tensor = self.mix(past.transpose(1, 2)).transpose(1, 2)
        return mixed
