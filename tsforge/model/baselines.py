"""Forecasts that need no gradient: naive, seasonal naive, drift, Naive2, linear. Every score stands beside them.

Axes: B batch, L context, H horizon, C targets, Q quantile levels.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor, nn

from tsforge.batch import Batch, Context, WindowShape
from tsforge.config import Config
from tsforge.forecast import Quantiles, Scaling
from tsforge.model.heads import LEVELS, Levels
from tsforge.model.linear import Ridge
from tsforge.model.naive2 import naive2
from tsforge.model.scaling import WindowScaler, any_observed, last_observed

BaselineKind = Literal["naive", "seasonal-naive", "drift", "naive2", "linear"]

HISTORY = 32  # seasons that Naive2 takes its indices from: all there are in the competitions


class Baseline(Config):
    """A baseline with intervals: its point forecast, and the quantiles of its errors on the training part."""

    kind: BaselineKind
    levels: Levels = LEVELS

    def build(self, shape: WindowShape) -> BaselineForecaster:
        return BaselineForecaster(self, shape)

    @property
    def long_context(self) -> bool:
        """Whether more than a few seasons of context are wanted where nobody says."""
        return False

    def reading(self, shape: WindowShape) -> WindowShape:
        """The shape of the windows it reads beside a model: with a context that is long enough for it."""
        return shape._replace(context=max(shape.context, self.least_context(shape.season)))

    def least_context(self, season: int) -> int:
        """Steps of context without which it is not itself."""
        return {"seasonal-naive": season, "naive2": HISTORY * season}.get(self.kind, 1)


class BaselineForecaster(nn.Module):
    """The point forecast plus centred error quantiles per horizon step, scaled by each window's deviation."""

    errors: Tensor

    def __init__(self, config: Baseline, shape: WindowShape) -> None:
        super().__init__()
        self.kind: BaselineKind = config.kind
        self.levels = config.levels
        self.shape = shape
        self.scaler = WindowScaler(shape.targets, "standard")
        self.ridge = Ridge(shape.context, shape.horizon) if config.kind == "linear" else None
        self.register_buffer("errors", torch.zeros(shape.horizon, shape.targets, len(config.levels)))

    def forward(self, context: Context) -> Quantiles:
        """Context -> Quantiles over (B, H, C)."""
        scaling, point = self._parts(context)
        return Quantiles(self.errors, Scaling(point, scaling.scale), self.levels)

    def learn(self, batches: Iterable[Batch]) -> None:
        """Take the matrix of the linear one, and the error quantiles, from training windows.

        batches: iterated once or twice. The quantiles are centred, so that the median stays the baseline itself.
        """
        if self.ridge is not None:
            self.ridge.learn((context, truth, self.scaler(*context[:2])) for context, truth in batches)
        found = []
        for context, truth in batches:
            scaling, point = self._parts(context)
            gap = (truth.target - point) / scaling.scale
            found.append(torch.where(truth.observed, gap, torch.full_like(gap, torch.nan)))
        level = torch.tensor([*self.levels, 0.5], device=self.errors.device)
        quantiles = _quantiles(torch.cat(found), level)
        self.errors.copy_(quantiles[..., :-1] - quantiles[..., -1:])

    def _parts(self, context: Context) -> tuple[Scaling, Tensor]:
        """The units of each window, and its point forecast; the training level where nothing was observed."""
        scaling = self.scaler(context.target, context.observed)
        if self.ridge is not None:
            point = self.ridge(context, scaling)
        else:
            point = baseline(self.kind, context, self.shape.horizon, self.shape.season)
        return scaling, torch.where(any_observed(context.observed), point, scaling.loc)


def _quantiles(values: Tensor, level: Tensor) -> Tensor:
    """values (W, H, C) with NaN -> (H, C, Q), linear between neighbours; 0 where all are NaN.

    One sort of everything: torch.nanquantile takes forty times as long and refuses more than 16 million values.
    """
    ordered = values.movedim(0, -1).sort(dim=-1).values  # NaN last
    count = (~ordered.isnan()).sum(dim=-1, keepdim=True)
    position = (level * (count - 1)).clamp(min=0)
    low = position.floor().long()
    high = torch.minimum(low + 1, (count - 1).clamp(min=0))
    below, above = ordered.gather(-1, low), ordered.gather(-1, high)
    return torch.lerp(below, above, position - low).nan_to_num(0.0)


def baseline(kind: BaselineKind, context: Context, horizon: int, season: int) -> Tensor:
    """The point forecast of a baseline that learns nothing, (B, H, C)."""
    target, observed = context[:2]
    if kind == "seasonal-naive":
        return seasonal_naive(target, observed, horizon, season)
    if kind == "naive2":
        return naive2(target, observed, horizon, season)
    last = last_observed(target, observed).expand(-1, horizon, -1)
    return last if kind == "naive" else last + drift(target, observed, horizon)


def seasonal_naive(target: Tensor, observed: Tensor, horizon: int, season: int) -> Tensor:
    """The value one season before, repeated: the newest observed one of the same phase.

    A phase without any observed value falls back to the last observed value of the window.
    """
    L = target.shape[1]
    if season <= L and observed[:, -season:].all():  # mostly, at no cost
        newest = target[:, -season:]
        return newest.repeat(1, -(-horizon // season), 1)[:, :horizon]
    newest = last_observed(target, observed).expand(-1, season, -1).clone()
    for start in range(L % season - season, L, season):  # oldest season first; newer ones overwrite
        a = max(start, 0)
        phase = slice(a - start, a - start + min(start + season, L) - a)
        newest[:, phase] = torch.where(observed[:, a : start + season], target[:, a : start + season], newest[:, phase])
    times = -(-horizon // season)
    return newest.repeat(1, times, 1)[:, :horizon]


def drift(target: Tensor, observed: Tensor, horizon: int) -> Tensor:
    """What the straight line through the first and the last observed value adds at each step, (B, H, C)."""
    ahead = torch.arange(1, horizon + 1, device=target.device)[:, None]
    if observed[:, 0].all() and observed[:, -1].all():  # mostly, at no cost
        return (target[:, -1:] - target[:, :1]) / max(target.shape[1] - 1, 1) * ahead
    steps = torch.arange(target.shape[1], device=target.device)[:, None]
    newest = (observed * (steps + 1)).argmax(dim=1, keepdim=True)
    oldest = (observed * (target.shape[1] - steps)).argmax(dim=1, keepdim=True)
    rise = target.gather(1, newest) - target.gather(1, oldest)
    slope = rise / (newest - oldest).clamp(min=1)
    return slope * ahead
