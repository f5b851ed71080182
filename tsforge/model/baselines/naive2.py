"""Naive2, the reference of the forecasting competitions: the last value of the seasonally adjusted series.

A series counts as seasonal if its autocorrelation after one season is beyond what chance gives (90 %), and is then
divided by classical multiplicative indices. (Makridakis & Hibon 2000; the test as in the M4 competition)
Axes: B batch, L context, H horizon, C targets; m steps of one season.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tsforge.model.transforms.scaling import last_observed
from tsforge.model.transforms.season import classical, moving_average, phases, unbroken

CLEAR = 1.645  # standard errors: the two-sided 90 %


def naive2(target: Tensor, observed: Tensor, horizon: int, season: int) -> Tensor:
    """The last value, divided by the index of its phase and multiplied by those that follow, (B, H, C).

    Plain naive where m is 1, where the context is shorter than three seasons, has a value at or below 0 or a hole,
    and where it shows no seasonality.
    """
    last = last_observed(target, observed)
    if season == 1 or target.shape[1] < 3 * season:
        return last.expand(-1, horizon, -1)
    index = _indices(target, observed, season)  # (B, m, C), by the phase counted from the end
    steps = torch.arange(horizon, device=target.device) % season
    return last / index[:, -1:] * index[:, steps]


def _indices(target: Tensor, observed: Tensor, m: int) -> Tensor:
    """Seasonal indices whose mean is 1, phase 0 being the first step to forecast; 1 where not seasonal."""
    values, whole = unbroken(target, observed, 3 * m)
    index = classical(phases(values / moving_average(values, m), m))
    seasonal = is_seasonal(values, m) & whole & index.isfinite().all(dim=1) & (index > 0).all(dim=1)
    return torch.where(seasonal[:, None], index, torch.ones_like(index)).to(target.dtype)


def is_seasonal(values: Tensor, m: int) -> Tensor:
    """Whether windows (B, L, C), NaN where nothing is, show a season, (B, C).

    |r_m| > 1.645 sqrt((1 + 2 Σ_{k<m} r_k²) / n)
    """
    count = (~values.isnan()).sum(dim=1)
    gap = (values - values.nanmean(dim=1, keepdim=True)).nan_to_num(0.0)
    power = gap.square().sum(dim=1)
    r = [(gap[:, k:] * gap[:, :-k]).sum(dim=1) / power for k in range(1, m + 1)]
    earlier = torch.stack(r[:-1]).square().sum(dim=0)
    limit = CLEAR * ((1 + 2 * earlier) / count.clamp(min=1)).sqrt()
    return r[-1].abs() > limit
