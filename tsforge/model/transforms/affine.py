"""A learned size and shift of each channel: y = x exp(size) + shift, and back."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tsforge.forecast import Forecast
from tsforge.model.transforms.window import Transform, Window


class Affine(Transform):
    """The learned part of reversible instance normalisation, after the scaling of each window (RevIN; Kim et al. 2022).

    Beside `Scaling` and not in it: the loss stays in units of the window, which no size can shrink.
    """

    def __init__(self, targets: int) -> None:
        super().__init__()
        self.size = nn.Parameter(torch.zeros(targets))  # its logarithm: a negative one would turn quantiles round
        self.shift = nn.Parameter(torch.zeros(targets))

    def forward(self, window: Window) -> tuple[Window, None]:
        """Every value times the size of its channel, plus its shift."""
        return window.with_target(self._changed(window.context.target)), None

    def ahead(self, values: Tensor, _window: Window, _state: None) -> Tensor:
        """As the context is changed."""
        return self._changed(values)

    def undo(self, forecast: Forecast, _state: None) -> Forecast:
        """Less the shift of its channel, divided by its size."""
        return forecast.mapped(lambda y, shift, size: (y - shift) * size, self.shift, (-self.size).exp())

    def _changed(self, values: Tensor) -> Tensor:
        return values * self.size.exp() + self.shift
