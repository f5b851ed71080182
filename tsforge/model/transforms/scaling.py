"""Normalisation of each window by its own context, undone by the forecast. Axes: B batch, L context, C targets."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from tsforge.batch import UNKNOWN, WindowShape
from tsforge.forecast import Scaling
from tsforge.model.shortcut import throughout
from tsforge.model.transforms.window import Transform, Window

ScalingKind = Literal["none", "last", "local", "standard", "change", "level"]
FLOOR = 0.01  # of the smallest series' deviation: a nearly constant context must not blow up what follows it
SHARE = 0.5  # of what windows of the series usually vary by: what any window is taken to vary by at least
SLIGHT = 0.003  # of the level: what a window changes by at least, where changes are what it is measured in


class WindowScaler(Transform):
    """The affine map for each window, from observed values alone. Forecasts carry it: there is nothing to undo.

    "standard": mean and deviation of the context (RevIN without its affine part; Kim et al. 2022). Where columns known
    ahead tell the level (`WindowShape.known_level`), networks take "none" in its place: it would hide what they tell.
    "local": the last observed value, and the deviation of the context.
    "last": the last observed value, and the training part's typical deviation: for series of one size.
    "change": the last observed value, and how much the context changes from one step to the next: the mean absolute
    difference of neighbours both observed, and a little of the level, so that smooth series are not blown up.
    "level": no shift; the power of two next to the mean absolute value of the context, for counts: 0 stays 0, and whole
    numbers are normalised and restored without rounding. Of zeros alone, in a series that has nothing else, the one of
    the training part. The network reads its logarithm, which normalised values hide, as one more static feature per
    target (as in Salinas et al. 2020, "DeepAR").
    "none": the training part's mean and typical deviation for every window.
    A context with nothing observed falls back to "none". One that varies by less than half of what windows of its
    series usually do, as thirty days of zeros, counts as if it varied by that half.

    relative: whether errors of a window count relative to its level.
    """

    centre: Tensor
    spread: Tensor
    least: Tensor

    def __init__(self, targets: int, kind: ScalingKind, *, relative: bool = False) -> None:
        super().__init__()
        self.kind, self.relative = kind, relative
        self.register_buffer("centre", torch.zeros(targets))
        self.register_buffer("spread", torch.ones(targets))
        self.register_buffer("least", torch.ones(targets))

    def fit(self, centre: Tensor, spread: Tensor, least: Tensor | None = None) -> None:
        """Set the training part's mean, the typical and the smallest deviation of its series, (C,) each.

        Where nothing varies, a thousandth of the level stands in for the deviation (1 at level 0).
        """
        level = torch.where(centre != 0, centre.abs() / 1000, torch.ones_like(centre))
        spread = torch.where(spread > 0, spread, level)
        least = spread if least is None else torch.where(least > 0, least, spread)
        self.centre.copy_(centre)
        self.spread.copy_(spread)
        self.least.copy_(least)

    def shape(self, given: WindowShape) -> WindowShape:
        return given._replace(static=given.static + len(self.centre)) if self.kind == "level" else given

    def forward(self, window: Window) -> tuple[Window, None]:
        """Data units to normalised units."""
        target, observed = window.context[:2]
        scaling = self.scaling(target, observed, window.context.usual)
        weight = self.weight(target, observed, scaling) if self.relative else None
        window = window.with_target(scaling.normalise(target))._replace(scaling=scaling, weight=weight)
        if self.kind != "level":
            return window, None
        usually = torch.where(self.centre != 0, self.centre.abs(), self.spread)
        size = (scaling.scale / usually).log()[:, 0].to(window.context.static.dtype)
        static = torch.cat([window.context.static, size], dim=-1)
        return window._replace(context=window.context._replace(static=static)), None

    def ahead(self, values: Tensor, window: Window, _state: None) -> Tensor:
        """In the units of the window."""
        return window.scaling.normalise(values)

    @torch.no_grad()
    def scaling(self, target: Tensor, observed: Tensor, usual: Tensor = UNKNOWN) -> Scaling:
        """target, observed (B, L, C), usual (B, 2, C) -> Scaling, a constant for gradients."""
        centre = self.centre.to(target.dtype).expand(target.shape[0], 1, -1)
        spread, least = self.spread.to(target.dtype).expand_as(centre), self.least.to(target.dtype)
        if self.kind == "none":
            return Scaling(centre, spread)
        some = any_observed(observed)
        if self.kind == "level":
            level = torch.maximum(_mean(target.abs(), observed), SHARE * usual[:, :1])
            usually = torch.where(centre != 0, centre.abs(), spread)
            level = torch.where(some & (level > 0), level, usually)
            return Scaling(torch.zeros_like(level), torch.exp2(torch.log2(level).round()))
        last = last_observed(target, observed)
        if self.kind == "last":
            return Scaling(torch.where(some, last, centre), spread)
        if self.kind == "change":
            slight, most = SLIGHT * _mean(target.abs(), observed), usual[:, 1:]
            slight = torch.where(most > 0, torch.minimum(slight, most), slight)
            scale = mean_change(target, observed) + slight + FLOOR * least
            scale = torch.maximum(scale, SHARE * usual[:, 1:])
            return Scaling(torch.where(some, last, centre), torch.where(some, scale, spread))
        # Relative to the last value first: a large level would swallow a small deviation in float32.
        mean, variance = _moments(target - last, observed)
        scale = standard_unit(variance, least, usual[:, :1])
        loc = last if self.kind == "local" else last + mean
        return Scaling(torch.where(some, loc, centre), torch.where(some, scale, spread))

    def weight(self, target: Tensor, observed: Tensor, scaling: Scaling) -> Tensor:
        """What takes errors from normalised units to shares of each window's level, (B, 1, C).

        The level is the mean absolute value of what was observed of the context; where that is below a hundredth of the
        smallest series' deviation, or nothing was observed, errors stay in normalised units (a weight of 1).
        """
        level = _mean(target.abs(), observed)
        return scaling.scale / torch.where(level > FLOOR * self.least, level, scaling.scale)


def window_variance(target: Tensor, observed: Tensor) -> Tensor:
    """The variance of what was observed of windows (B, L, C), (B, 1, C); 0 without any."""
    return _moments(target - last_observed(target, observed), observed)[1]


def standard_unit(variance: Tensor, least: Tensor, usual: Tensor) -> Tensor:
    """The deviation that a window is measured in: its own, but not nearly 0, and at least half the usual one.

    variance: of what was observed. least: the smallest deviation of a series. usual: of windows of this series.
    """
    return torch.maximum((variance + (FLOOR * least).square()).sqrt(), SHARE * usual)


def _moments(gap: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of what was observed of gap (B, L, C), (B, 1, C) each."""
    if throughout(observed):  # mostly, and it takes half the time
        mean = gap.sum(dim=1, keepdim=True) / gap.shape[1]
        return mean, (gap - mean).square().sum(dim=1, keepdim=True) / gap.shape[1]
    mean = _mean(gap, observed)
    return mean, _mean((gap - mean).square(), observed)


def mean_change(values: Tensor, observed: Tensor) -> Tensor:
    """The mean absolute difference of neighbours that were both observed, (B, 1, C); 0 without any."""
    return _mean((values[:, 1:] - values[:, :-1]).abs(), observed[:, 1:] & observed[:, :-1])


def _mean(values: Tensor, observed: Tensor) -> Tensor:
    """Mean over the observed steps of values (B, L, C), (B, 1, C); 0 without any."""
    total = torch.where(observed, values, torch.zeros_like(values)).sum(dim=1, keepdim=True)
    return total / observed.sum(dim=1, keepdim=True).clamp(min=1)


def any_observed(observed: Tensor) -> Tensor:
    """Whether anything was observed of each window and channel, (B, 1, C)."""
    last = observed[:, -1:]
    return last if throughout(last) else observed.any(dim=1, keepdim=True)  # mostly the first, at no cost


def last_observed(target: Tensor, observed: Tensor) -> Tensor:
    """The newest observed value of each window and channel, (B, 1, C); 0 without any."""
    if throughout(observed[:, -1]):
        return target[:, -1:]
    steps = torch.arange(1, target.shape[1] + 1, device=target.device)[:, None]
    newest = (observed * steps).argmax(dim=1, keepdim=True)
    return target.gather(1, newest)
