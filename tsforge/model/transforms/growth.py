"""Logarithms around a network, for series that grow by a rate.

    z = log(y / loc) / r        y = loc exp(r z)        r = mean |log y_t - log y_{t-1}| + 0.003

so that growth by a tenth is the same step wherever the series is, and a forecast is never below 0.
Axes: B batch, L context, H horizon, C targets.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tsforge.batch import WindowShape
from tsforge.forecast import Forecast
from tsforge.model.transforms.scaling import SLIGHT, mean_change
from tsforge.model.transforms.window import Transform, Window

LEAST = 0.0003  # mean change from step to step of a window that grows
MOST = 5.0  # a forecast is at most exp(5) = 148 times the level: that of an untrained network may be infinite


class Growth(Transform):
    """Logarithms of the ratio of a window to its level `loc`, in units r of how much they change from step to step.

    A window whose loc or any observed value is at or below 0 keeps its normalised values, as does one that changes, but
    by less than 0.0003 of itself from step to step; r is 0 there. The network reads log r, which z hides from it, as
    one more static feature per target. Where a window has a weight in the loss, errors count relative to loc.
    """

    def shape(self, given: WindowShape) -> WindowShape:
        return given._replace(static=given.static + given.targets)

    def forward(self, window: Window) -> tuple[Window, Tensor]:
        """Normalised values to z, 0 where not observed. State: r, (B, 1, C)."""
        (context, (loc, scale), weight), observed = window, window.context.observed
        above = loc > 0
        ratio = 1 + context.target * scale / torch.where(above, loc, torch.ones_like(loc))
        ratio = torch.where(observed, ratio, torch.ones_like(ratio))
        curved = above & (ratio > 0).all(dim=1, keepdim=True)
        logs = torch.where(curved, ratio, torch.ones_like(ratio)).log()
        r = mean_change(logs, observed)
        curved, r = curved & ((r == 0) | (r >= LEAST)), r + SLIGHT
        z, r = torch.where(curved, logs / r, context.target), torch.where(curved, r, torch.zeros_like(r))
        rate = torch.where(r > 0, r, torch.ones_like(r)).log()[:, 0]  # (B, C)
        static = torch.cat([context.static, rate.to(context.static.dtype)], dim=-1)
        if weight is not None:
            weight = torch.where(r > 0, scale / loc, weight)
        return Window(context._replace(target=z, static=static), window.scaling, weight), r

    def ahead(self, values: Tensor, window: Window, r: Tensor) -> Tensor:
        """z of normalised values, of those within exp(-5) and exp(5) times the level; the values where r is 0."""
        loc, scale = window.scaling
        grows = r > 0
        ratio = 1 + values * scale / torch.where(grows, loc, torch.ones_like(loc))
        logs = ratio.clamp(math.exp(-MOST), math.exp(MOST)).log()
        return torch.where(grows, logs / torch.where(grows, r, torch.ones_like(r)), values)

    def undo(self, forecast: Forecast, r: Tensor) -> Forecast:
        """What was forecast of z, as normalised values; quantiles that ascend stay so."""
        return forecast.mapped(_grown, r, *forecast.scaling)


def _grown(z: Tensor, r: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """y = loc exp(r z) in normalised units; z itself where r is 0."""
    return torch.where(r > 0, (r * z).clamp(-MOST, MOST).expm1() * (loc / scale), z)
