"""Division of a window by its classical seasonal indices, by which the forecast is multiplied again.

    r_t = y_t / M_t        M: the moving average over one season, centred, (2×m where m is even)
    s_p = mean of r_t over the steps of phase p, divided by the mean of all s

(Makridakis, Wheelwright & Hyndman 1998, "Forecasting: Methods and Applications", section 3/4.) A window has few
seasons, so that its indices are also noise: they are drawn towards 1 by the share of their variance that is noise,

    s_p ← 1 + w (s_p - 1)        w = max(0, 1 - V / T),  T = Σ_p (s_p - 1)² / (m - 1),  V = σ² · mean_p(1 / n_p)

with σ² the variance of r_t about its phase's index and n_p its count: a window without a season keeps its values, with
no test. (Positive-part James & Stein 1961; for seasonal factors Miller & Williams 2003.)

Axes: B batch, L context, H horizon, C targets; m steps of one season.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tsforge.batch import WindowShape
from tsforge.forecast import Forecast
from tsforge.model.transforms.window import Transform, Window

LEAST = 0.01  # the smallest index that is divided by: below it, values are a hundredth of the season's mean


class Season(Transform):
    """Divides a window by the seasonal indices of its own past, and multiplies the forecast by those that follow.

    All indices of a window are 1 where m is 1, where fewer than two seasons and a step were observed, where a value is
    at or below 0, where a value is missing between observed ones, and where an index is below 0.01.
    """

    def __init__(self, shape: WindowShape) -> None:
        super().__init__()
        self.season, self.horizon = shape.season, shape.horizon

    def forward(self, window: Window) -> tuple[Window, Tensor]:
        """Values divided by their indices. State: the indices of the horizon, (B, H, C)."""
        target = window.context.target
        if 2 * self.season + 1 > target.shape[1]:
            return window, target.new_ones(target.shape[0], self.horizon, target.shape[2])
        with torch.no_grad():
            index = shrunken(target, window.context.observed, self.season)
        L, m = target.shape[1], self.season
        past = index[:, torch.arange(-L, 0, device=target.device) % m]
        return window.with_target(target / past), index[:, torch.arange(self.horizon, device=target.device) % m]

    def ahead(self, values: Tensor, _window: Window, index: Tensor) -> Tensor:
        """Divided by the indices of the horizon."""
        return values / index

    def undo(self, forecast: Forecast, index: Tensor) -> Forecast:
        """What was forecast of the divided series, times the indices (B, H, C), in the units of its scaling.

        y = s (loc + scale n) is loc + scale n' with n' = s n + (s - 1) loc / scale.
        """
        loc, scale = forecast.scaling
        return forecast.mapped(lambda n, s, shift: s * n + shift, index, (index - 1) * loc / scale)


def shrunken(target: Tensor, observed: Tensor, m: int) -> Tensor:
    """Indices drawn towards 1, by the phase counted from the forecast origin, (B, m, C)."""
    B, L, C = target.shape
    ones = torch.ones(B, m, C, dtype=target.dtype, device=target.device)
    if m == 1 or 2 * m + 1 > L:
        return ones
    values, whole = unbroken(target, observed, 2 * m + 1)
    ratio = phases(values / moving_average(values, m), m)  # (B, seasons, m, C)
    index = classical(ratio)
    count = (~ratio.isnan()).sum(dim=1)  # (B, m, C)
    error = (ratio - index[:, None]).square().nan_to_num(0.0).sum(dim=(1, 2))
    noise = error / (count.sum(dim=1) - m).clamp(min=1) * count.clamp(min=1).double().reciprocal().mean(dim=1)
    spread = (index - 1).square().sum(dim=1) / (m - 1)
    share = (1 - noise / spread.clamp(min=torch.finfo(spread.dtype).tiny)).clamp(min=0, max=1)
    index = 1 + (index - 1) * share[:, None]
    usable = whole & (index > LEAST).all(dim=1)  # a comparison with NaN is false
    return torch.where(usable[:, None], index.to(target.dtype), ones)


def unbroken(target: Tensor, observed: Tensor, least: int) -> tuple[Tensor, Tensor]:
    """The newest values without a gap (B, L, C), in double precision and NaN before; whether they give indices (B, C).

    They do where they are at least `least` steps, all above 0, and nothing was observed before them.
    """
    newest = (~observed).flip(1).cumsum(1).flip(1) == 0
    positive = (torch.where(newest, target, torch.ones_like(target)) > 0).all(dim=1)
    alone = (~observed | newest).all(dim=1)
    values = torch.where(newest, target, torch.full_like(target, torch.nan)).double()
    return values, (newest.sum(dim=1) >= least) & positive & alone


def moving_average(values: Tensor, m: int) -> Tensor:
    """Centred over m steps (2×m where m is even); NaN at the ends. (B, L, C)"""
    smooth = sums(values, m) / m
    if m % 2 == 0:
        smooth = (smooth[:, :-1] + smooth[:, 1:]) / 2
    return F.pad(smooth, (0, 0, m // 2, m // 2), value=torch.nan)


def sums(values: Tensor, m: int) -> Tensor:
    """Sums over every m neighbouring steps, (B, L, C) -> (B, L - m + 1, C), put together from sums over 1, 2, 4, 8, ...

    A few passes over the values; and unlike the differences of cumulative sums, each sum is of its own values alone.
    """
    count = values.shape[1] - m + 1
    part, size, begin, total = values, 1, 0, torch.zeros_like(values[:, :count])
    while size <= m:
        if m & size:
            total = total + part[:, begin : begin + count]
            begin += size
        part, size = part[:, :-size] + part[:, size:], 2 * size
    return total


def phases(ratio: Tensor, m: int) -> Tensor:
    """(B, L, C) by season and phase, the last phase being that of the last step: (B, seasons, m, C), NaN before all."""
    B, L, C = ratio.shape
    return F.pad(ratio, (0, 0, -L % m, 0), value=torch.nan).reshape(B, -1, m, C)


def classical(ratio: Tensor) -> Tensor:
    """The mean of each phase, divided by the mean of all: (B, seasons, m, C) -> (B, m, C)."""
    index = ratio.nanmean(dim=1)
    return index / index.mean(dim=1, keepdim=True)
