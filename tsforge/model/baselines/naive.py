"""Forecasts that learn nothing: the last value, the last season, and the straight line from first to last value.

Axes: B batch, L context, H horizon, C targets.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from tsforge.batch import Context
from tsforge.model.baselines import ets, intermittent, mstl, shape_ridge, theta
from tsforge.model.baselines.naive2 import naive2
from tsforge.model.shortcut import throughout
from tsforge.model.transforms.scaling import last_observed

ClosedKind = Literal[
    "naive", "seasonal-naive", "drift", "naive2", "theta", "ets", "mstl", "shape-ridge", "croston", "tsb",
]  # fmt: skip
BaselineKind = Literal[ClosedKind, "linear"]
HISTORY = 32  # seasons that Naive2 takes its indices from: as many as the competitions have


def baseline(kind: ClosedKind, context: Context, horizon: int, season: int, cycles: tuple[int, ...] = ()) -> Tensor:
    """The point forecast of a window, (B, H, C).

    cycles: steps of other seasons that there may be.
    """
    target, observed = context[:2]
    if kind == "seasonal-naive":
        return seasonal_naive(target, observed, horizon, season)
    if kind == "naive2":
        return naive2(target, observed, horizon, season)
    if kind == "theta":
        return theta.forecast(target, observed, horizon, season)
    if kind == "ets":
        return ets.forecast(target, observed, horizon, season)
    if kind == "mstl":
        return mstl.forecast(target, observed, horizon, season)
    if kind == "shape-ridge":
        return shape_ridge.forecast(target, observed, horizon, season, cycles)
    if kind in ("croston", "tsb"):
        return intermittent.forecast(kind, target, observed, horizon)
    last = last_observed(target, observed).expand(-1, horizon, -1)
    return last if kind == "naive" else last + drift(target, observed, horizon)


def seasonal_naive(target: Tensor, observed: Tensor, horizon: int, season: int) -> Tensor:
    """The value one season before, repeated: the newest observed one of the same phase.

    A phase without any observed value falls back to the last observed value of the window.
    """
    L, times = target.shape[1], -(-horizon // season)
    if season <= L and throughout(observed[:, -season:]):  # mostly, at no cost
        return target[:, -season:].repeat(1, times, 1)[:, :horizon]
    newest = last_observed(target, observed).expand(-1, season, -1).clone()
    for start in range(L % season - season, L, season):  # oldest season first; newer ones overwrite
        a = max(start, 0)
        phase = slice(a - start, a - start + min(start + season, L) - a)
        newest[:, phase] = torch.where(observed[:, a : start + season], target[:, a : start + season], newest[:, phase])
    return newest.repeat(1, times, 1)[:, :horizon]


def drift(target: Tensor, observed: Tensor, horizon: int) -> Tensor:
    """What the line through the first and the last observed value adds to the last one at each step, (B, H, C).

    Steps count from the last observed value, which may lie before the forecast origin.
    """
    ahead = torch.arange(1, horizon + 1, device=target.device)[:, None]
    L = target.shape[1]
    if throughout(observed[:, 0]) and throughout(observed[:, -1]):  # mostly, at no cost
        return (target[:, -1:] - target[:, :1]) / max(L - 1, 1) * ahead
    steps = torch.arange(L, device=target.device)[:, None]
    newest = (observed * (steps + 1)).argmax(dim=1, keepdim=True)
    oldest = (observed * (L - steps)).argmax(dim=1, keepdim=True)
    rise = target.gather(1, newest) - target.gather(1, oldest)
    slope = rise / (newest - oldest).clamp(min=1)
    return slope * (ahead + (L - 1 - newest))
