"""Exponential smoothing state space models, a form for each series by Akaike's corrected criterion.

    AICc = n log Σ r² + 2 k + 2 k (k + 1) / (n - k - 1)        k: parameters, first states and a variance

(Hyndman, Koehler, Ord & Snyder 2008, "Forecasting with Exponential Smoothing", chapters 5 and 7.) The indices of the
first season are those of classical decomposition. A season of more than 24 steps is taken off before.

Axes: B batch, L context, H horizon, C targets; T steps, S series, m steps of one season.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from tsforge.model.baselines.adjusting import adjust, filled
from tsforge.model.baselines.smoothing import LEVEL, SLOPE, Fit, Form, Series, fit, means, residuals
from tsforge.model.transforms.season import moving_average

MOST = 24  # steps of a season that is a state
CHUNK = 1024  # series at a time
ROUNDS = 6
STARTS = ((0.1, 0.1, 0.9, 0.1), (0.3, 0.05, 0.95, 0.05), (0.6, 0.05, 0.95, 0.05), (0.9, 0.05, 0.95, 0.05))  # α to γ
TREND = 10  # values from which the first level and slope are taken
FORMS = tuple(
    Form(error, trend, season)
    for season, error in (("N", "A"), ("N", "M"), ("A", "A"), ("A", "M"), ("M", "M"))
    for trend in ("N", "A", "Ad")
)


class Choice(NamedTuple):
    """The criterion of the best form so far, (S,), and its forecasts (H, S)."""

    criterion: Tensor
    ahead: Tensor


def forecast(target: Tensor, observed: Tensor, horizon: int, season: int) -> Tensor:
    """Windows (B, L, C) -> their forecasts (B, H, C). A window without a value is forecast as 0."""
    if season > MOST:
        plain = adjust(target, observed, horizon, season)
        return plain.restore(forecast(plain.values, observed, horizon, 1)).to(target.dtype)
    B, L, C = target.shape
    values, seen = (part.transpose(1, 2).reshape(B * C, L) for part in (target, observed))
    ahead = ets(values, seen, horizon, season)
    return ahead.reshape(B, C, horizon).transpose(1, 2).to(target.dtype)


def ets(values: Tensor, seen: Tensor, horizon: int, season: int) -> Tensor:
    """The forecasts (S, H) of sequences (S, L), in double precision; values count where `seen`."""
    length = values.shape[1] - seen.int().argmax(dim=1)
    order = length.argsort()
    values = torch.where(seen, values, torch.zeros_like(values)).double()
    out = values.new_empty(len(values), horizon)
    for rows in order.split(CHUNK):
        out[rows] = _chunk(values[rows], seen[rows], horizon, season)
    return out


def _chunk(values: Tensor, seen: Tensor, horizon: int, m: int) -> Tensor:
    """Sequences that begin at about the same step."""
    S, L = values.shape
    first = seen.int().argmax(dim=1)
    T = int(L - first.min())
    at = first[:, None] + torch.arange(T, device=values.device)
    inside = at < L
    at = at.clamp(max=L - 1)
    seen, values = seen.gather(1, at) & inside, values.gather(1, at)
    values = torch.where(seen, values, torch.zeros_like(values))
    size = values.square().sum(dim=1, keepdim=True).div(seen.sum(dim=1, keepdim=True).clamp(min=1)).sqrt()
    size = torch.where(size > 0, size, torch.ones_like(size))
    ahead = _best((values / size).T.contiguous(), seen.T.contiguous(), (L - first, horizon), m)
    return ahead.T * size


def _best(values: Tensor, seen: Tensor, span: tuple[Tensor, int], m: int) -> Tensor:
    """The forecasts of the best form, (H, S), from the step after each series' own length on."""
    count = seen.sum(dim=0)
    positive = ((values > 0) | ~seen).all(dim=0)
    choice = None
    for name in "NAM":
        if name != "N" and (m == 1 or len(values) < 2 * m):
            continue
        index, usable = indices(values, seen, m, name)
        series = Series(values, seen, index)
        starts = {}
        for form in FORMS:
            if form.season != name:
                continue
            start = starts.get(form.trend)
            if start is None:
                start = first(series, form)
            result = fit(series, start, form, ROUNDS)
            starts[form.trend] = result.parameters
            k = len(form.free) + (m - 1 if name != "N" else 0) + 1
            criterion = count * result.squares.clamp(min=1e-16).log() + 2 * k + 2 * k * (k + 1) / (count - k - 1).clamp(min=1e-3)
            bad = ~usable | (count <= k + 1) | (~positive if "M" in form else torch.zeros_like(positive))
            if choice is not None: criterion = criterion.masked_fill(bad, torch.inf)
            ahead = _ahead(series, result, form, span)
            if choice is None:
                choice = Choice(criterion, ahead)
            else:
                better = criterion < choice.criterion
                choice = Choice(torch.where(better, criterion, choice.criterion), torch.where(better, ahead, choice.ahead))
    return choice.ahead


def first(series: Series, form: Form) -> Tensor:
    """Parameters to begin with, (P, S): the best of a few, with the level and slope of the first values."""
    values, seen = series.values, series.seen
    index = series.season[torch.arange(len(values)) % len(series.season)] if form.season != "N" else None
    plain = values if index is None else values - index if form.season == "A" else values / index
    early = seen & (seen.cumsum(dim=0) <= TREND)
    n = early.sum(dim=0).clamp(min=1)
    t = torch.arange(1.0, len(values) + 1, dtype=values.dtype, device=values.device)[:, None]
    time, value = (t * early).sum(dim=0) / n, (plain * early).sum(dim=0) / n
    spread = ((t - time).square() * early).sum(dim=0).clamp(min=1e-9)
    slope = ((t - time) * (plain - value) * early).sum(dim=0) / spread
    trend = form.trend != "N"
    slope = slope if trend else torch.zeros_like(slope)
    level = value - slope * time
    rows = []
    for alpha, beta, phi, gamma in STARTS:
        phi = phi if form.trend == "Ad" else 1.0
        gamma = gamma if form.season != "N" else 0.0
        one = [torch.full_like(level, v) for v in (alpha, beta if trend else 0.0, phi, gamma)]
        rows.append(torch.stack([*one, level, slope]))
    tried = torch.stack(rows, dim=1)
    which = residuals(series, tried, form).square().sum(dim=0).nan_to_num(nan=torch.inf).argmin(dim=0)
    return tried.gather(1, which[None, None].expand(len(tried), 1, -1))[:, 0]


def _ahead(series: Series, result: Fit, form: Form, span: tuple[Tensor, int]) -> Tensor:
    length, horizon = span
    longer = Series(*(torch.cat([part, part.new_zeros(horizon, part.shape[1])]) for part in series[:2]), series.season)
    mean = means(longer, result.parameters[:, None], form)[:, 0]
    return mean.gather(0, length + torch.arange(horizon, device=mean.device)[:, None])


def indices(values: Tensor, seen: Tensor, m: int, kind: str) -> tuple[Tensor, Tensor]:
    """The classical indices of the first season, (m, S), and whether a series has them, (S,)."""
    T, S = values.shape
    if kind == "N":
        return values.new_empty(0, S), torch.ones(S, dtype=torch.bool, device=values.device)
    whole = filled(values.T[..., None], seen.T[..., None])
    trend = moving_average(whole, m)[..., 0].T
    whole = whole[..., 0].T
    part = whole - trend if kind == "A" else whole / trend
    part = torch.cat([part, part.new_full((-T % m, S), torch.nan)]).reshape(-1, m, S).nanmean(dim=0)
    mean = part.mean(dim=0)
    part = part - mean if kind == "A" else part / mean
    usable = part.isfinite().all(dim=0)
    if kind == "M":
        usable &= (part > 0.01).all(dim=0)
    neutral = torch.zeros_like(part) if kind == "A" else torch.ones_like(part)
    return torch.where(usable, part, neutral), usable & (seen.sum(dim=0) >= 2 * m)
