"""Levels by ridge regression times shapes: for series with a season or two, as half-hourly ones with a day and a week.

A window is folded into periods of its season. A period is its level times its shape (its level and its shape, where a
value is at or below 0), and both are forecast apart:

- Levels, in logarithms and without the index of their place in the second season, by a ridge regression of their change
  on the change before, on the distance to their mean, and on a constant.
- Shapes by the mean of the last four of the same place in the second season, moved towards those of the last 7 and 28
  periods, and by what the last one and the last 7 differed from theirs; how far, by least squares.
- What the last step of the window lies off, with the same level and shape, fades from step to step as it did before.

After FLAIR (Honda 2026, "Don't Learn the Shape: Forecasting Periodic Time Series by Rank-1 Decomposition",
arXiv:2605.07222), whose levels are forecast by ridge regression averaged over λ, and whose shapes are the mean of the
last two periods. The season is the shortest that shows by BIC; a window that shows none, or holds it less than a dozen
times, is forecast by the theta model.

Axes: S sequences, L steps, n periods of P steps, c periods in the second season, H horizon.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tsforge.model.baselines import theta
from tsforge.model.baselines.adjusting import filled
from tsforge.model.baselines.periods import CYCLES, PERIODS, Periods, Seasons, combine, fold, seasons, shows
from tsforge.model.transforms.season import moving_average

SHORTEST, WEEKS, DAYS, MOST = 120, 8, 7, 2700  # steps by default: eight seasons, or eight times seven up to so many
ROWS = 42  # newest periods that coefficients are taken from
OWN, NEAR, FAR = 4, 7, 28  # periods that shapes are means of
INDEX = 8  # newest second seasons that indices of levels are means of
PENALTIES = 25  # values of λ, from 1e-4 to 1e4 of the mean eigenvalue
FADING = (0.0, 0.3, 0.5, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 1.0)
CHUNK = 2**17  # values that are worked on at a time: with what is made of them they fit the cache
SLIGHT, TINY = 1e-3, 1e-30  # penalties that keep matrices from being singular
LONG = 200  # steps from which a regression of steps is worth more than its errors


def forecast(target: Tensor, observed: Tensor, horizon: int, season: int, cycles: tuple[int, ...]) -> Tensor:
    """Windows (B, L, C) -> their forecasts (B, H, C); season: the main one; cycles: steps of others there may be."""
    B, L, C = target.shape
    values, seen = (part.transpose(1, 2).reshape(B * C, L) for part in (target, observed))
    values = torch.where(seen, values, torch.zeros_like(values)).double()
    size = max(1, CHUNK // max(L, 1))
    rows = [slice(i, i + size) for i in range(0, max(B * C, 1), size)]
    parts = [seasonal(values[part], seen[part], horizon, (season, *cycles)) for part in rows]
    ahead, rest = (torch.cat(part) for part in zip(*parts, strict=True))
    if rest.any():
        ahead[rest] = plain(values[rest], seen[rest], horizon, season)
    return ahead.reshape(B, C, horizon).transpose(1, 2).to(target.dtype)


def least_context(season: int) -> int:
    """The steps of context that it reads by default: eight weeks where the season may be a day."""
    return max(SHORTEST, WEEKS * season, min(WEEKS * DAYS * season, MOST))


def seasonal(values: Tensor, seen: Tensor, horizon: int, cycles: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """The forecasts (S, H) of sequences (S, L), each with the shortest season that shows and the one above it.

    The second result is which of them show none, (S,); their forecast is 0.
    """
    ahead = values.new_zeros(len(values), horizon)
    rest = torch.ones(len(values), dtype=torch.bool, device=values.device)
    for tried in seasons(cycles, values.shape[1]):
        folded = fold(values, seen, tried.period)
        shown = rest & shows(folded)
        enough = folded.there.sum(dim=1) >= CYCLES * tried.cycle
        for rows, season in ((shown & enough, tried), (shown & ~enough, tried._replace(cycle=1))):
            if rows.any():
                ahead[rows] = periodic(Periods(*(part[rows] for part in folded)), season, horizon)
        rest = rest & ~shown
    return ahead, rest


def plain(values: Tensor, seen: Tensor, horizon: int, season: int) -> Tensor:
    """Sequences (S, L) without a season: by the theta model, and long ones by its mean with a regression of steps.

    Long ones are those in which a season would have shown.
    """
    ahead = theta.forecast(values[..., None], seen[..., None], horizon, season)[..., 0]
    whole = filled(values[..., None], seen[..., None])[..., 0]
    there = ~whole.isnan()
    regressed = levels(torch.where(there, whole, 0.0), there, horizon)[1]
    long = seen[:, -1:] & (there.sum(dim=1, keepdim=True) >= max(LONG, PERIODS * season))
    return torch.where(long, (ahead + regressed) / 2, ahead)


def periodic(folded: Periods, season: Seasons, horizon: int) -> Tensor:
    """The forecasts (S, H) of folded sequences."""
    (P, c), there, positive = season, folded.there, folded.positive
    n, steps = there.shape[1], -(-horizon // P)
    place = torch.arange(-n, steps, device=there.device) % c
    level = torch.where(positive, folded.level.clamp(min=TINY).log(), folded.level)
    index = indices(level, there, c)[:, place]  # (S, n + steps)
    fitted, ahead = levels(level - index[:, :n], there, steps)
    shape, shape_ahead = shapes(folded, c, steps)

    def whole(level: Tensor, index: Tensor, shape: Tensor) -> Tensor:
        at = level + index
        return combine(positive, torch.where(positive, at.exp(), at), shape)

    expected = whole(ahead, index[:, n:], shape_ahead).flatten(1)[:, :horizon]
    rows = slice(max(1, n - ROWS), n)
    before = slice(rows.start - 1, n - 1)
    error = folded.values[:, rows] - whole(fitted[:, rows], index[:, rows], shape[:, rows])
    last = folded.values[:, before] - whole(fitted[:, rows], index[:, before], shape[:, before])
    now = folded.values[:, -1:] - whole(ahead[:, :1], index[:, n - 1 : n], shape[:, -1:])
    usable = (error.isfinite().all(dim=2) & last.isfinite().all(dim=2) & there[:, before])[..., None]
    error, last = (torch.where(usable, part, torch.zeros_like(part)) for part in (error, last))
    now = torch.where(folded.ends & there[:, -1:], now[:, 0, -1:], torch.zeros_like(now[:, 0, -1:]))
    return expected + now.nan_to_num(0.0) * fading(error, last[..., -1], horizon)


def indices(level: Tensor, there: Tensor, cycle: int) -> Tensor:
    """What levels (S, n) of each place in the second season lie above the others, drawn towards 0, (S, c).

    By classical decomposition of the newest; drawn as in `transforms.season`. Place 0 is the first period ahead.
    """
    nothing = level.new_zeros(len(level), cycle)
    if cycle == 1:
        return nothing
    level, there = level[:, -INDEX * cycle :], there[:, -INDEX * cycle :]
    n = level.shape[1]
    trend = moving_average(filled(level[..., None], there[..., None]), cycle)[..., 0]
    above = torch.where(there, level - trend, torch.full_like(level, torch.nan))
    place = torch.arange(-n, 0, device=level.device) % cycle
    index = torch.stack([above[:, place == c].nanmean(dim=1) for c in range(cycle)], dim=1)
    index = index - index.mean(dim=1, keepdim=True)
    count = (~above.isnan()).sum(dim=1).double()
    error = (above - index[:, place]).square().nansum(dim=1) / (count - cycle).clamp(min=1)
    noise, spread = error * cycle / count.clamp(min=1), index.square().sum(dim=1) / (cycle - 1)
    share = (1 - noise / spread.clamp(min=TINY)).clamp(min=0, max=1)
    return torch.where(index.isfinite().all(dim=1, keepdim=True), index * share[:, None], nothing)


def levels(level: Tensor, there: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Levels (S, n) as forecast from those before, (S, n), and the next ones, (S, steps).

    NaN where there is no level before. The next ones are kept within what there was, and as far again on either side.
    """
    inside = torch.where(there, level, torch.full_like(level, torch.nan))
    mean = inside.nanmean(dim=1, keepdim=True)
    high, low = level.clone(), level.clone()
    high[~there], low[~there] = -torch.inf, torch.inf
    high, low = high.amax(dim=1), low.amin(dim=1)
    last, earlier = (F.pad(inside, (k, 0), value=torch.nan)[:, : level.shape[1]] for k in (1, 2))
    change = inside - last
    size = change.square().nanmean(dim=1, keepdim=True).sqrt()
    inputs = torch.stack([earlier - last, mean - last, size.expand_as(last)], dim=2)
    usable = (inputs.isfinite().all(dim=2) & change.isfinite())[..., None]
    inputs, change = torch.where(usable, inputs, 0.0), torch.where(usable[..., 0], change, 0.0)
    weight = ridge(inputs, change, usable[..., 0].sum(dim=1))
    fitted = last + (inputs * weight[:, None]).sum(dim=2)
    before, now, ahead = *newest(level, there), []
    for _ in range(steps):
        inputs = torch.stack([before - now, mean[:, 0] - now, size[:, 0]], dim=1)
        before, now = now, (now + (inputs * weight).sum(dim=1)).clamp(2 * low - high, 2 * high - low)
        ahead.append(now)
    return fitted, torch.stack(ahead, dim=1)


def newest(level: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
    """The last level but one of (S, n) and the last, (S,) each; a level that is not there is that before it."""
    steps = torch.arange(level.shape[1], device=level.device).expand_as(level)
    from_ = torch.where(there, steps, torch.zeros_like(steps)).cummax(dim=1).values
    last = level.gather(1, from_)
    return last[:, max(0, level.shape[1] - 2)], last[:, -1]


def ridge(inputs: Tensor, outputs: Tensor, count: Tensor) -> Tensor:
    """Coefficients (S, K) from inputs (S, n, K) to outputs (S, n), averaged over λ by how each leaves one out.

    Rows of 0 do not count; count: (S,) of the others. λ weighs its mean squared error to the power of -count / 2.
    """
    value: Tensor
    vector: Tensor
    value, vector = torch.linalg.eigh(inputs.mT @ inputs)
    value = value.clamp(min=0)
    grid = torch.logspace(-4, 4, PENALTIES, dtype=inputs.dtype, device=inputs.device)
    penalty = grid * (value.mean(dim=1, keepdim=True) + TINY)  # (S, G)
    turned = inputs @ vector  # (S, n, K)
    inverse = 1 / (value[:, None] + penalty[..., None])  # (S, G, K)
    weight = inverse * (turned.mT @ outputs[..., None])[:, None, :, 0]
    leverage = turned.square() @ inverse.mT  # (S, n, G)
    left = (outputs[..., None] - turned @ weight.mT) / (1 - leverage).clamp(min=1e-3)
    error = left.square().sum(dim=1) / count.clamp(min=1)[:, None] + TINY**2
    share = torch.softmax(-count[:, None] / 2 * error.log(), dim=1)
    return (vector * (share[..., None] * weight).sum(dim=1)[:, None]).sum(dim=2)


def shapes(folded: Periods, cycle: int, steps: int) -> tuple[Tensor, Tensor]:
    """Shapes as forecast from those before, (S, n, P), NaN where none of its place is; and the next, (S, steps, P)."""
    shape, there = folded.shape, folded.there
    n = there.shape[1]
    known = torch.arange(n + steps, device=shape.device).clamp(max=n)  # what is ahead is forecast from the same periods
    place = torch.cat([known[:n], n + torch.arange(steps, device=shape.device) % cycle])
    own, near, far = (means(shape, there, *of) for of in ((OWN, cycle), (NEAR, 1), (FAR, 1)))
    gap = shape - own[:, :n]
    usable = there & gap.isfinite().all(dim=2)
    changes = [means(gap, usable, count, 1).nan_to_num(0.0)[:, known] for count in (1, NEAR)]
    mean = (shape * there[..., None]).sum(dim=1, keepdim=True) / there.sum(dim=1)[:, None, None].clamp(min=1)
    own, near, far = (torch.where(part.isnan(), mean, part) for part in (own[:, place], near[:, known], far[:, known]))
    inputs = torch.stack([near - own, far - own, *changes], dim=3)  # (S, n + steps, P, 4)
    rows = slice(max(0, n - ROWS), n)
    x = torch.where(usable[:, rows, None, None], inputs[:, rows], 0.0).flatten(1, 2)
    y = torch.where(usable[:, rows, None], gap[:, rows], 0.0).flatten(1)
    gram = x.mT @ x
    penalty = SLIGHT * gram.diagonal(dim1=1, dim2=2).mean(dim=1) + TINY
    gram = gram + penalty[:, None, None] * torch.eye(gram.shape[1], dtype=gram.dtype, device=gram.device)
    weight = torch.linalg.solve(gram, x.mT @ y[..., None])  # (S, 4, 1)
    forecast = own + (inputs @ weight[:, None])[..., 0]
    return forecast[:, :n].where(usable[..., None], torch.nan), forecast[:, n:]


def means(values: Tensor, there: Tensor, count: int, stride: int) -> Tensor:
    """Means of up to `count` periods, 1, 2, ... strides before each and before the next ones, (S, n + stride, P).

    NaN where none of them was there.
    """
    n = there.shape[1]
    total = values.new_zeros(len(values), n + stride, values.shape[2])
    number = values.new_zeros(len(values), n + stride, 1)
    values = torch.where(there[..., None], values, torch.zeros_like(values))
    for lag in range(stride, min(stride * count, n + stride - 1) + 1, stride):
        total[:, lag:] += values[:, : n + stride - lag]
        number[:, lag:] += there[:, : n + stride - lag, None]
    return total / number


def fading(error: Tensor, last: Tensor, horizon: int) -> Tensor:
    """What share of an error at a window's last step is left at each step of the horizon, (S, H): a·φ^h.

    error: (S, n, P) of periods; last: (S, n), of the step before each. The squares that are left decide.
    """
    P = error.shape[2]
    phi = torch.tensor(FADING, dtype=error.dtype, device=error.device)[:, None]
    power = phi ** torch.arange(1, P + 1, device=error.device)  # (G, P)
    size = last.square().sum(dim=1, keepdim=True) * power.square().sum(dim=1)  # (S, G)
    along = (error * last[..., None]).sum(dim=1) @ power.mT
    share = (along / size.clamp(min=1e-300)).clamp(0, 1)
    best = (2 * share * along - share.square() * size).argmax(dim=1, keepdim=True)
    return share.gather(1, best) * phi[best[:, 0]] ** torch.arange(1, horizon + 1, device=error.device)
