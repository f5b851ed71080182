"""Forecasts of a window from its own values alone, as a part of what is built for windows of one shape.

They stand behind a baseline's name, and under a network that adds to them (`model.base`).
Axes: B batch, H horizon, C targets.
"""

from __future__ import annotations

from torch import Tensor, nn

from tsforge.batch import Context, WindowShape
from tsforge.model.baselines.naive import ClosedKind, baseline

STEADY = ("naive", "seasonal-naive", "drift", "naive2")  # whose steps do not depend on the values


def searching(network: nn.Module) -> list[str]:
    """The kinds of closed forms in a network that search anew in every window, so that their steps depend on it."""
    kinds = {part.kind for part in network.modules() if isinstance(part, ClosedForm)}
    return sorted(kinds - set(STEADY))


class ClosedForm(nn.Module):
    """The point forecast of a window by one kind. It has no weights."""

    def __init__(self, kind: ClosedKind, shape: WindowShape) -> None:
        super().__init__()
        self.kind = kind
        self.horizon, self.cycles = shape.horizon, shape.lags
        self.season = shape.naive_season if kind == "seasonal-naive" else shape.season

    def forward(self, context: Context) -> Tensor:
        """Context -> (B, H, C), in data units and the precision of the data."""
        return baseline(self.kind, context, self.horizon, self.season, self.cycles)
