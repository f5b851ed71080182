"""What passes through the transforms of a network, and what every transform can do. Axes: B batch, C targets."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn

from tsforge.batch import Context, WindowShape
from tsforge.forecast import Forecast, Scaling


class Window(NamedTuple):
    """A context on its way to the tokens, with the units that its targets are in."""

    context: Context
    scaling: Scaling  # from the units of its targets to data units
    weight: Tensor | None = None  # (B, 1, C), of each window in the loss; 1 where None

    @classmethod
    def of(cls, context: Context) -> Window:
        """A context as it comes, in data units."""
        return cls(context, Scaling(context.target.new_zeros(1, 1, 1), context.target.new_ones(1, 1, 1)))

    def with_target(self, target: Tensor) -> Window:
        """The window with other values (B, L, C) of its targets."""
        return self._replace(context=self.context._replace(target=target))


class Transform(nn.Module):
    """One step from data to what tokens read: transform(window) -> (window, state), and its inverse for the forecast.

    state: what the inverse needs to know of each window. No transform looks at values that were not observed.
    """

    def shape(self, given: WindowShape) -> WindowShape:
        """The sizes of a window that had the sizes `given` before."""
        return given

    def forward(self, window: Window) -> tuple[Window, Any]:
        raise NotImplementedError

    def ahead(self, values: Tensor, _window: Window, _state: Any) -> Tensor:
        """Values of the horizon (B, H, C) as the transformed series has them: what `undo` gives back.

        window, state: what `forward` gave.
        """
        return values

    def undo(self, forecast: Forecast, _state: Any) -> Forecast:
        """What was forecast of the transformed series, as a forecast of the series before."""
        return forecast
