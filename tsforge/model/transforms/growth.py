"""Logarithms around a network, for series that grow by a rate."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from tsforge.forecast import Point, Quantiles, Scaling
from tsforge.model.transforms.scaling import SLIGHT, mean_change


class Growth(nn.Module):
    """Logarithms of the ratio of a window to its level, in units of how much they change; with their inverse.

        z = log(y / loc) / r        y = loc exp(r z)        r = mean |log y_t - log y_{t-1}| + 0.003

    so that growth by a tenth is the same step wherever the series is, and a forecast is never below 0. A window whose
    loc or any observed value is at or below 0 keeps its normalised values (r is 0 there).

    A forecast is cut at 148 times the level, exp(5), and a 148th of it: the exponential of what an untrained network
    says may be infinite.
    """

    MOST = 5.0

    def forward(self, normalised: Tensor, observed: Tensor, scaling: Scaling) -> tuple[Tensor, Tensor]:
        """normalised, observed (B, L, C) -> z (B, L, C), 0 where not observed; r (B, 1, C)."""
        above = scaling.loc > 0
        ratio = 1 + normalised * scaling.scale / torch.where(above, scaling.loc, torch.ones_like(scaling.loc))
        ratio = torch.where(observed, ratio, torch.ones_like(ratio))
        curved = above & (ratio > 0).all(dim=1, keepdim=True)
        logs = torch.where(curved, ratio, torch.ones_like(ratio)).log()
        r = mean_change(logs, observed) + SLIGHT
        return torch.where(curved, logs / r, normalised), torch.where(curved, r, torch.zeros_like(r))

    @staticmethod
    def told(r: Tensor) -> Tensor:
        """What the network is told of r (B, 1, C), which z hides from it: its logarithm, 0 where r is 0; (B, C)."""
        return torch.where(r > 0, r, torch.ones_like(r)).log()[:, 0]

    def undo(self, forecast: Point | Quantiles, r: Tensor) -> Point | Quantiles:
        """What was forecast of z as normalised values; quantiles that ascend stay so."""
        loc, scale = forecast.scaling
        if isinstance(forecast, Quantiles):
            loc, scale, r = loc.unsqueeze(-1), scale.unsqueeze(-1), r.unsqueeze(-1)
        z = forecast.normalised
        grown = (r * z).clamp(-self.MOST, self.MOST).expm1() * (loc / scale)
        return replace(forecast, normalised=torch.where(r > 0, grown, z))
