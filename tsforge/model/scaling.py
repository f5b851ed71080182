"""Normalisation of each window by its own context, undone by the forecast. Axes: B batch, L context, C targets."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn

from tsforge.batch import WindowShape
from tsforge.forecast import Point, Quantiles, Scaling

ScalingKind = Literal["none", "last", "standard", "change"]
FLOOR = 0.01  # of the smallest series' deviation: a nearly constant context must not blow up what follows it
SLIGHT = 0.003  # of the level: what a window changes by at least, where changes are what it is measured in


class WindowScaler(nn.Module):
    """The affine map for each window, from observed values alone.

    "standard": mean and deviation of the context (RevIN without its affine part; Kim et al. 2022).
    "last": the last observed value, and the training part's typical deviation.
    "change": the last observed value, and how much the context changes from one step to the next: the mean absolute
    difference of neighbours both observed, and a little of the level, so that smooth series are not blown up.
    "none": the training part's mean and typical deviation for every window.
    A context with nothing observed falls back to "none".
    """

    centre: Tensor
    spread: Tensor
    least: Tensor

    def __init__(self, targets: int, kind: ScalingKind) -> None:
        super().__init__()
        self.kind = kind
        self.register_buffer("centre", torch.zeros(targets))
        self.register_buffer("spread", torch.ones(targets))
        self.register_buffer("least", torch.ones(targets))

    def learn(self, centre: Tensor, spread: Tensor, least: Tensor | None = None) -> None:
        """Set the training part's mean, the typical and the smallest deviation of its series, (C,) each.

        Where nothing varies, a thousandth of the level stands in for the deviation (1 at level 0).
        """
        level = torch.where(centre != 0, centre.abs() / 1000, torch.ones_like(centre))
        spread = torch.where(spread > 0, spread, level)
        least = spread if least is None else torch.where(least > 0, least, spread)
        self.centre.copy_(centre)
        self.spread.copy_(spread)
        self.least.copy_(least)

    def forward(self, target: Tensor, observed: Tensor) -> Scaling:
        """target, observed (B, L, C) -> Scaling."""
        centre = self.centre.expand(target.shape[0], 1, -1)
        spread = self.spread.expand_as(centre)
        if self.kind == "none":
            return Scaling(centre, spread)
        some = any_observed(observed)
        last = last_observed(target, observed)
        if self.kind == "last":
            return Scaling(torch.where(some, last, centre), spread)
        if self.kind == "change":
            scale = mean_change(target, observed) + SLIGHT * _mean(target.abs(), observed) + FLOOR * self.least
            return Scaling(torch.where(some, last, centre), torch.where(some, scale, spread))
        # Relative to the last value first: a large level would swallow a small deviation in float32.
        mean, variance = _moments(target - last, observed)
        scale = (variance + (FLOOR * self.least).square()).sqrt()
        return Scaling(torch.where(some, last + mean, centre), torch.where(some, scale, spread))

    def weight(self, target: Tensor, observed: Tensor, scaling: Scaling) -> Tensor:
        """What takes errors from normalised units to shares of each window's level, (B, 1, C).

        The level is the mean absolute value of what was observed of the context; where that is below a hundredth of the
        smallest series' deviation, or nothing was observed, errors stay in normalised units (a weight of 1).
        """
        level = _mean(target.abs(), observed)
        return scaling.scale / torch.where(level > FLOOR * self.least, level, scaling.scale)


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


class Affine(nn.Module):
    """A learned size and shift per channel of what is normalised already, with its inverse (RevIN; Kim et al. 2022).

    Beside `Scaling` and not in it: the loss stays in units of the window, which no size can shrink.
    """

    def __init__(self, targets: int) -> None:
        super().__init__()
        self.size = nn.Parameter(torch.zeros(targets))  # its logarithm: a negative one would turn quantiles round
        self.shift = nn.Parameter(torch.zeros(targets))

    def forward(self, normalised: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        return normalised * self.size.exp() + self.shift

    def undo(self, forecast: Point | Quantiles) -> Point | Quantiles:
        """The forecast before size and shift."""
        channels_last = forecast.normalised.movedim(2, -1)
        undone = (channels_last - self.shift) * (-self.size).exp()
        return replace(forecast, normalised=undone.movedim(-1, 2))


class Cycle(nn.Module):
    """A learned value per phase of a cycle and channel, taken from what is normalised, with its inverse.

    What repeats is learned by the table, what does not by the network (Lin et al. 2024, "CycleNet"). The phase is the
    grid position of a step modulo the cycle: all series of a channel share the table, and so do all tables of data.
    """

    def __init__(self, length: int, shape: WindowShape) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(length, shape.targets))
        self.context, self.horizon = shape.context, shape.horizon

    def forward(self, normalised: Tensor, ordinal: Tensor) -> Tensor:
        """normalised (B, L, C), grid position of the first step (B,) -> (B, L, C)."""
        return normalised - self._at(ordinal, self.context)

    def undo(self, forecast: Point | Quantiles, ordinal: Tensor) -> Point | Quantiles:
        """The forecast with the cycle, which goes on behind the context."""
        ahead = self._at(ordinal + self.context, self.horizon)
        quantiles = forecast.normalised.dim() > ahead.dim()
        return replace(forecast, normalised=forecast.normalised + (ahead.unsqueeze(-1) if quantiles else ahead))

    def _at(self, ordinal: Tensor, steps: int) -> Tensor:
        """(B, steps, C) the table from the grid positions (B,) on."""
        phase = (ordinal[:, None] + torch.arange(steps, device=ordinal.device)) % len(self.table)
        return nn.functional.embedding(phase, self.table)  # whose gradient is summed in a fixed order


def _moments(gap: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of what was observed of gap (B, L, C), (B, 1, C) each."""
    if observed.all():  # mostly, and it takes half the time
        mean = gap.sum(dim=1, keepdim=True) / gap.shape[1]
        return mean, (gap - mean).square().sum(dim=1, keepdim=True) / gap.shape[1]
    mean = _mean(gap, observed)
    return mean, _mean((gap - mean).square(), observed)


def mean_change(values: Tensor, observed: Tensor) -> Tensor:
    """The mean absolute difference of neighbours that were both observed, (B, 1, C); 0 where there are none."""
    return _mean((values[:, 1:] - values[:, :-1]).abs(), observed[:, 1:] & observed[:, :-1])


def _mean(values: Tensor, observed: Tensor) -> Tensor:
    """Over the observed steps of values (B, L, C), (B, 1, C); 0 where there are none."""
    kept = torch.where(observed, values, torch.zeros_like(values)).sum(dim=1, keepdim=True)
    return kept / observed.sum(dim=1, keepdim=True).clamp(min=1)


def any_observed(observed: Tensor) -> Tensor:
    """Whether anything was observed of each window and channel, (B, 1, C)."""
    last = observed[:, -1:]
    return last if last.all() else observed.any(dim=1, keepdim=True)  # mostly the first, at no cost


def last_observed(target: Tensor, observed: Tensor) -> Tensor:
    """The newest observed value of each window and channel, (B, 1, C); 0 where there is none."""
    if observed[:, -1].all():
        return target[:, -1:]
    steps = torch.arange(1, target.shape[1] + 1, device=target.device)[:, None]
    newest = (observed * steps).argmax(dim=1, keepdim=True)
    return target.gather(1, newest)
