"""Exponential smoothing state space models: forms with and without trend and season, weighed by Akaike's criterion.

    AICc = n log Σ r² + 2 k + 2 k (k + 1) / (n - k - 1)        weight of a form: exp(-AICc / 2τ)

with k the parameters, first states and the variance. (Hyndman, Koehler, Ord & Snyder 2008, "Forecasting with
Exponential Smoothing", chapters 5 and 7; Burnham & Anderson 2002, "Model Selection and Multimodel Inference".) τ = 1
would be Akaike's weights, τ → 0 the best form alone; none of the forms is the truth, hence a larger one. Indices of the
first season are those of classical decomposition. A season of more than 24 steps is taken off before.

Axes: B batch, L context, H horizon, C targets; S series, T steps from the first value of the longest, F forms, P
parameters, m steps of one season.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from tsforge.model.baselines.adjusting import filled
from tsforge.model.baselines.decomposing import adjust
from tsforge.model.baselines.smoothing import LEVEL, PHI, SLOPE, Error, Fit, Form, Season, Series, Trend, fit, means
from tsforge.model.transforms.season import LEAST, moving_average
from tsforge.runtime.threads import threads

TRENDS: tuple[Trend, ...] = ("N", "A", "Ad")
ERRORS: dict[Season, tuple[Error, ...]] = {"N": ("A", "M"), "A": ("A",), "M": ("M",)}  # for each season
SIMPLEST = Form("A", "N", "N")  # the answer where there are few values
TAU = 4.0
STATES, SEASONS, NEWEST = 24, 2, 120  # steps of a season that is a state; seasons it needs; steps read without one
STARTS = ((0.1, 0.1, 0.95, 0.1), (0.3, 0.05, 0.95, 0.05), (0.8, 0.05, 0.95, 0.05))  # the parameters α to γ
RACE, ROUNDS = 1, 4  # rounds of search from each start, and from the best of them
EARLY = 10  # values that the first level and slope are taken from
CHUNK = 512  # series whose states fit the processor's cache
EXACT = 1e-16  # squares, as a share of those of the values, that are no better than none


class Window(NamedTuple):
    """Series from their first value on.

    values, seen: (T, S). length: steps up to the forecast origin, (S,). season: the steps m of one.
    """

    values: Tensor
    seen: Tensor
    length: Tensor
    season: int


def forecast(target: Tensor, observed: Tensor, horizon: int, season: int) -> Tensor:
    """Windows (B, L, C) -> their forecasts (B, H, C). A target without a value is forecast as 0."""
    if season > STATES:
        return without(target, observed, horizon, (season,))
    B, L, C = target.shape
    values, seen = (part.transpose(1, 2).reshape(B * C, L) for part in (target, observed))
    return ets(values, seen, horizon, season).reshape(B, C, horizon).transpose(1, 2).to(target.dtype)


def without(target: Tensor, observed: Tensor, horizon: int, lengths: tuple[int, ...]) -> Tensor:
    """Windows -> their forecasts by the forms without a season, the seasons of these lengths being taken off before."""
    plain = adjust(target, observed, horizon, lengths)
    newest = slice(-max(NEWEST, SEASONS * lengths[0]), None)
    return plain.restore(forecast(plain.values[:, newest], observed[:, newest], horizon, 1)).to(target.dtype)


def ets(values: Tensor, seen: Tensor, horizon: int, season: int) -> Tensor:
    """The forecasts (S, H) of sequences (S, L), in double precision; values count where `seen`."""
    values = torch.where(seen, values, torch.zeros_like(values)).double()
    size = values.square().sum(dim=1).div(seen.sum(dim=1).clamp(min=1)).sqrt()
    size = torch.where(size > 0, size, torch.ones_like(size))[:, None]
    first = seen.int().argmax(dim=1)
    ahead = values.new_empty(len(values), horizon)
    scaled = values / size
    with threads(1):  # as many small steps as these only wait for each other
        for rows in torch.split(first.argsort(), CHUNK):  # of about the same length
            ahead[rows] = _weighed(_window(scaled[rows], seen[rows], season), horizon).T
    return ahead * size


def _window(values: Tensor, seen: Tensor, season: int) -> Window:
    """Sequences (S, L), each moved to begin with its first value."""
    L = values.shape[1]
    first = seen.int().argmax(dim=1)
    at = first[:, None] + torch.arange(L - int(first.min()), device=values.device)
    inside, at = at < L, at.clamp(max=L - 1)
    moved = [torch.where(inside, part.gather(1, at), part.new_zeros(())).T.contiguous() for part in (values, seen)]
    return Window(moved[0], moved[1], L - first, season)


def _weighed(window: Window, horizon: int) -> Tensor:
    """The mean of the forms' forecasts, each with its weight, (H, S)."""
    criteria, aheads = [], []
    for season, errors in ERRORS.items():
        if season != "N" and (window.season == 1 or len(window.values) < SEASONS * window.season):
            continue
        series, usable = _series(window, season)
        for trend in TRENDS:
            start = None
            for form in (Form(error, trend, season) for error in errors):
                with torch.no_grad():
                    best = fit(series, _start(series, form) if start is None else start, form, ROUNDS)
                start = best.parameters  # the error of a form changes little
                criteria.append(_criterion(window, best.squares, form).masked_fill(~usable, torch.inf))
                aheads.append(_ahead(window, series, best, form, horizon))
    weight = torch.softmax(torch.stack(criteria).detach() / (-2 * TAU), dim=0)[:, None]  # (F, 1, S)
    ahead = torch.stack(aheads)
    weight = weight * ahead.isfinite()
    return (weight * ahead.nan_to_num(0.0, 0.0, 0.0)).sum(dim=0) / weight.sum(dim=0)


def _criterion(window: Window, squares: Tensor, form: Form) -> Tensor:
    """AICc of a form, (S,); ∞ where there are too few values for it, or some that it cannot have."""
    n = window.seen.sum(dim=0)
    k = len(form.free) + (0 if form.season == "N" else window.season - 1) + 1
    aicc = n * (squares + EXACT).log() + 2 * k + 2 * k * (k + 1) / (n - k - 1).clamp(min=0.1)
    if form == SIMPLEST:
        return aicc.nan_to_num(0.0, 0.0, 0.0)
    impossible = n <= k + 1
    if "M" in (form.error, form.season):
        impossible |= ((window.values <= 0) & window.seen).any(dim=0)
    return aicc.nan_to_num(nan=torch.inf).masked_fill(impossible, torch.inf)


def _ahead(window: Window, series: Series, best: Fit, form: Form, horizon: int) -> Tensor:
    """What comes after the forecast origin, (H, S): steps that are not seen are their own forecasts."""
    longer = [torch.cat([part, part.new_zeros(horizon, part.shape[1])]) for part in series[:2]]
    mean = means(Series(longer[0], longer[1], series.season), best.parameters[:, None], form)[:, 0]
    return mean.gather(0, window.length + torch.arange(horizon, device=mean.device)[:, None])


def _series(window: Window, season: Season) -> tuple[Series, Tensor]:
    """With the classical indices of the first season; and which series have them, (S,)."""
    values, seen, m = window.values, window.seen, window.season
    T, S = values.shape
    if season == "N":
        return Series(values, seen, values.new_empty(0, S)), torch.ones_like(seen[0])
    whole = filled(values.detach().T[..., None], seen.T[..., None])
    trend = moving_average(whole, m)
    rest = (whole - trend if season == "A" else whole / trend)[..., 0].T
    index = torch.cat([rest, rest.new_full((-T % m, S), torch.nan)]).reshape(-1, m, S).nanmean(dim=0)
    index = index - index.mean(dim=0) if season == "A" else index / index.mean(dim=0)
    usable = index.isfinite().all(dim=0) & (seen.sum(dim=0) >= SEASONS * m)
    if season == "M":
        usable &= (index > LEAST).all(dim=0)
    neutral = torch.zeros_like(index) if season == "A" else torch.ones_like(index)
    return Series(values, seen, torch.where(usable, index, neutral)), usable


def _start(series: Series, form: Form) -> Tensor:
    """Parameters (P, S) that are near the best: of a few, those that come off best in a short search."""
    level, slope = _line(series, form)
    S, G = len(level), len(STARTS)
    start = torch.stack([*torch.zeros_like(level).expand(SLOPE - 1, -1), level, slope]).repeat(1, G)
    start[PHI] = 1.0
    for p in set(form.free) - {LEVEL, SLOPE}:
        start[p] = start.new_tensor([s[p] for s in STARTS]).repeat_interleave(S)
    tried = fit(Series(*(part.repeat(1, G) for part in series)), start, form, RACE)
    best = tried.squares.reshape(G, S).argmin(dim=0) * S + torch.arange(S, device=level.device)
    return tried.parameters[:, best]


def _line(series: Series, form: Form) -> tuple[Tensor, Tensor]:
    """The first level and slope, (S,) each: the least-squares line of the first values without their season."""
    seen = series.seen & (series.seen.cumsum(dim=0) <= EARLY)
    steps = torch.arange(1, len(seen) + 1, device=seen.device)
    plain = series.values
    if form.season != "N":
        index = series.season[(steps - 1) % len(series.season)]
        plain = plain - index if form.season == "A" else plain / index
    n = seen.sum(dim=0).clamp(min=1)
    time, mean = (steps[:, None] * seen).sum(dim=0) / n, (plain * seen).sum(dim=0) / n
    if form.trend == "N":
        return mean, torch.zeros_like(mean)
    away = (steps[:, None] - time) * seen
    slope = (away * (plain - mean)).sum(dim=0) / away.square().sum(dim=0).clamp(min=1)
    return mean - slope * time, slope
