"""A learned cycle, taken off a window and put back into the forecast."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from tsforge.batch import WindowShape
from tsforge.forecast import Point, Quantiles


class Cycle(nn.Module):
    """A learned value per phase of a cycle and channel, taken from what is normalised, with its inverse.

    What repeats is learned by the table, what does not by the network (Lin et al. 2024, "CycleNet"). The phase is the
    grid position of a step modulo the cycle: all series of a channel share the table, and so do all tables of data.
    """

    def __init__(self, length: int, shape: WindowShape) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(length, shape.targets))
        self.context, self.horizon = shape.context, shape.horizon

    def forward(self, normalised: Tensor, ordinal: Tensor) -> Tensor:
        """normalised (B, L, C), grid position of the first step (B,) -> (B, L, C)."""
        return normalised - self._at(ordinal, self.context)

    def undo(self, forecast: Point | Quantiles, ordinal: Tensor) -> Point | Quantiles:
        """The forecast with the cycle, which goes on behind the context."""
        ahead = self._at(ordinal + self.context, self.horizon)
        quantiles = forecast.normalised.dim() > ahead.dim()
        return replace(forecast, normalised=forecast.normalised + (ahead.unsqueeze(-1) if quantiles else ahead))

    def _at(self, ordinal: Tensor, steps: int) -> Tensor:
        """(B, steps, C) the table from the grid positions (B,) on."""
        phase = (ordinal[:, None] + torch.arange(steps, device=ordinal.device)) % len(self.table)
        return nn.functional.embedding(phase, self.table)  # whose gradient is summed in a fixed order
