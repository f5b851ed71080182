"""Seasonal adjustment of windows for models that know no season: by classical indices, where a season shows.

A season counts where the autocorrelation after it is beyond what chance gives (90 %, as for Naive2). Values above 0 are
divided by their index; others, or indices below 0.01, have it taken off. (Hyndman & Athanasopoulos 2021, "Forecasting:
Principles and Practice", section 3.4)
Axes: B batch, L context, H horizon, C targets; m steps of one season.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from tsforge.model.baselines.naive2 import is_seasonal
from tsforge.model.shortcut import throughout
from tsforge.model.transforms.season import LEAST, classical, moving_average, phases

SEASONS = 2  # at least, in the values observed


class Adjusted(NamedTuple):
    """Windows without their season, in double precision, and the season of the horizon.

    values: (B, L, C), 0 where nothing was observed. factor, offset: (B, H, C), for a forecast of the values.
    """

    values: Tensor
    factor: Tensor
    offset: Tensor

    def restore(self, forecast: Tensor) -> Tensor:
        """The forecast (B, H, C) with its season."""
        return forecast * self.factor + self.offset


def adjust(target: Tensor, observed: Tensor, horizon: int, m: int) -> Adjusted:
    """Take the season out of windows (B, L, C), each target by itself."""
    values = torch.where(observed, target, torch.zeros_like(target)).double()
    B, L, C = values.shape
    factor, offset = values.new_ones(B, horizon, C), values.new_zeros(B, horizon, C)
    if m == 1 or SEASONS * m > L:
        return Adjusted(values, factor, offset)
    share, above = _indices(values.detach(), observed, m)
    past, ahead = (torch.arange(*span, device=target.device) % m for span in ((-L, 0), (0, horizon)))
    plain = torch.where(observed, (values - above[:, past]) / share[:, past], torch.zeros_like(values))
    return Adjusted(plain, share[:, ahead], above[:, ahead])


def _indices(values: Tensor, observed: Tensor, m: int) -> tuple[Tensor, Tensor]:
    """What each phase is divided by, and what is taken off it then, (B, m, C) each; 1 and 0 where no season shows.

    Constants for gradients, as a window's scaling is.
    """
    whole = filled(values, observed)
    seasonal = is_seasonal(whole, m) & ((~whole.isnan()).sum(dim=1) >= SEASONS * m)
    trend = moving_average(whole, m)
    share = classical(phases(whole / trend, m))
    above = phases(whole - trend, m).nanmean(dim=1)
    above = above - above.mean(dim=1, keepdim=True)
    positive = (whole.nan_to_num(nan=1.0) > 0).all(dim=1) & share.isfinite().all(dim=1) & (share > LEAST).all(dim=1)
    usable = seasonal & above.isfinite().all(dim=1)
    share = torch.where((usable & positive)[:, None], share, torch.ones_like(share))
    above = torch.where((usable & ~positive)[:, None], above, torch.zeros_like(above))
    return share, above


def filled(values: Tensor, observed: Tensor) -> Tensor:
    """Windows (B, L, C) with straight lines over what is missing between observed values, and NaN before and behind."""
    nothing = values.new_full((), torch.nan)
    if throughout(observed):
        return values
    steps = torch.arange(values.shape[1], device=values.device)[:, None].expand_as(values)
    before = _largest_so_far(torch.where(observed, steps, torch.full_like(steps, -1)))
    far = values.shape[1]
    after = -_largest_so_far(torch.where(observed, -steps, torch.full_like(steps, -far)).flip(1)).flip(1)
    inside = (before >= 0) & (after < far)
    a, b = values.gather(1, before.clamp(min=0)), values.gather(1, after.clamp(max=far - 1))
    share = (steps - before) / (after - before).clamp(min=1)
    return torch.where(inside, a + (b - a) * share, nothing)


def _largest_so_far(values: Tensor) -> Tensor:
    """The largest value up to each step of (B, L, C), in log2 L passes: ONNX knows no cumulative maximum."""
    apart = 1
    while apart < values.shape[1]:
        values = torch.maximum(values, torch.cat([values[:, :apart], values[:, :-apart]], dim=1))
        apart *= 2
    return values
