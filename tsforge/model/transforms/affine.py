"""A learned size and shift of each channel, undone in the forecast."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from tsforge.forecast import Point, Quantiles


class Affine(nn.Module):
    """A learned size and shift per channel of what is normalised already, with its inverse (RevIN; Kim et al. 2022).

    Beside `Scaling` and not in it: the loss stays in units of the window, which no size can shrink.
    """

    def __init__(self, targets: int) -> None:
        super().__init__()
        self.size = nn.Parameter(torch.zeros(targets))  # its logarithm: a negative one would turn quantiles round
        self.shift = nn.Parameter(torch.zeros(targets))

    def forward(self, normalised: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        return normalised * self.size.exp() + self.shift

    def undo(self, forecast: Point | Quantiles) -> Point | Quantiles:
        """The forecast before size and shift."""
        channels_last = forecast.normalised.movedim(2, -1)
        undone = (channels_last - self.shift) * (-self.size).exp()
        return replace(forecast, normalised=undone.movedim(-1, 2))
