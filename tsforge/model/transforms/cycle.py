"""A learned cycle, such as the week of hourly data: taken off the context, and put back into the forecast.

What repeats is learned by a table, and what does not by the network. (Lin et al. 2024, "CycleNet")
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tsforge.batch import WindowShape
from tsforge.forecast import Forecast
from tsforge.model.transforms.window import Transform, Window


class Cycle(Transform):
    """A learned value for each phase of a cycle and each channel, in normalised units.

    The phase of a step is its grid position modulo the length of the cycle. All series of a channel share the table,
    and the same time has the same phase in every table of data.
    """

    def __init__(self, length: int, shape: WindowShape) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(length, shape.targets))
        self.horizon = shape.horizon

    def forward(self, window: Window) -> tuple[Window, Tensor]:
        """Less the cycle. State: the cycle of the horizon, (B, H, C)."""
        target, first = window.context.target, window.context.ordinal
        window = window.with_target(target - self._at(first, target.shape[1]))
        return window, self._at(first + target.shape[1], self.horizon)

    def ahead(self, values: Tensor, _window: Window, ahead: Tensor) -> Tensor:
        """Less the cycle of the horizon."""
        return values - ahead

    def undo(self, forecast: Forecast, ahead: Tensor) -> Forecast:
        """Plus the cycle of the horizon."""
        return forecast.mapped(torch.add, ahead)

    def _at(self, first: Tensor, steps: int) -> Tensor:
        """(B, steps, C): the table from the grid positions `first` (B,) on."""
        phase = (first[:, None] + torch.arange(steps, device=first.device)) % len(self.table)
        return nn.functional.embedding(phase, self.table)  # whose gradient is summed in a fixed order
