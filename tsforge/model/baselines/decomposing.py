"""Seasons of windows by local means of their phases, and windows without them.

    y_t = trend_t + Σ_i s_{i,t} + rest_t

Each season is the mean of y less the other seasons and less a moving average over one period, over the same phase of
the periods around, near ones weighing more (tricube weights, as in LOESS of degree 0); all are taken in turns. What
comes is the newest period of each. Of values above 0 the logarithms are decomposed, unless the values without their
season go up and down less where it is added. (After Bandara, Hyndman & Bergmeir
2021, "MSTL: A seasonal-trend decomposition algorithm for time series with multiple seasonal patterns".)

Axes: B batch, L context, H horizon, C targets; S sequences, K periods, m steps of one season.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tsforge.model.baselines.adjusting import Adjusted
from tsforge.model.transforms.season import LEAST
from tsforge.runtime.threads import threads

PERIODS = 2  # of a season that a window has to hold
TURNS, SPAN = 3, 10  # rounds over all seasons, and the periods that one is the mean of: about as those of STL
CLEAR = 1.05  # times as far as with an added season that values may go up and down with one of shares
CHUNK = 2**19  # values of the sequences that are decomposed at a time


def adjust(target: Tensor, observed: Tensor, horizon: int, lengths: tuple[int, ...]) -> Adjusted:
    """Take the seasons of these lengths, ascending, out of windows (B, L, C), each target by itself."""
    B, L, C = target.shape
    values, seen = (part.transpose(1, 2).reshape(B * C, L) for part in (target, observed))
    values = torch.where(seen, values, torch.zeros_like(values)).double()
    inside = [m for m in lengths if m > 1 and PERIODS * m <= L]
    size = max(1, CHUNK // L)
    pairs = zip(torch.split(values, size), torch.split(seen, size), strict=True)
    with threads(1):  # which several would only wait for each other in
        parts = zip(*(_adjusted(*pair, horizon, inside) for pair in pairs), strict=True)
    return Adjusted(*(torch.cat(part).reshape(B, C, -1).transpose(1, 2) for part in parts))


def _adjusted(values: Tensor, seen: Tensor, horizon: int, lengths: list[int]) -> Adjusted:
    """Of sequences (S, L); the parts are (S, L), (S, H) and (S, H)."""
    mean = (values.sum(dim=1) / seen.sum(dim=1).clamp(min=1))[:, None]
    share = ((values >= LEAST * mean) & (values > 0) | ~seen).all(dim=1, keepdim=True)
    logs = torch.where(seen & share, values, torch.ones_like(values)).log()
    (past, ahead), (factor, further) = (_sum(part, seen, horizon, lengths) for part in (values, logs))
    added, shared = (torch.where(seen, part, 0.0) for part in (values - past, values * (-factor).exp()))
    share &= _path(shared, seen) <= CLEAR * _path(added, seen)
    plain = torch.where(share, shared, added)
    return Adjusted(plain, torch.where(share, further, 0.0).exp(), torch.where(share, 0.0, ahead))


def _sum(values: Tensor, seen: Tensor, horizon: int, lengths: list[int]) -> tuple[Tensor, Tensor]:
    """All seasons together, (S, L) and (S, H)."""
    past, ahead = torch.zeros_like(values), values.new_zeros(len(values), horizon)
    steps = torch.arange(horizon, device=values.device)
    for part, m in zip(decompose(values, seen, lengths), lengths, strict=True):
        past, ahead = past + part, ahead + part[:, values.shape[1] - m + steps % m]
    return past, ahead


def _path(values: Tensor, seen: Tensor) -> Tensor:
    """How far values go up and down, (S, 1)."""
    return ((values[:, 1:] - values[:, :-1]).abs() * (seen[:, 1:] & seen[:, :-1])).sum(dim=1, keepdim=True)


def decompose(values: Tensor, seen: Tensor, lengths: list[int]) -> list[Tensor]:
    """The seasons of sequences (S, L), one of each length, (S, L) each; 0 where too few values show one."""
    parts = [torch.zeros_like(values) for _ in lengths]
    counts = [_around(seen.to(values.dtype), m).clamp(min=1) for m in lengths]
    L = values.shape[1]
    step = torch.arange(L, device=values.device)
    for turn in range(TURNS):
        for i, m in enumerate(lengths):
            inside = m // 2, L - m // 2  # the steps whose moving average lies within the window
            rest = values - sum(part for j, part in enumerate(parts) if j != i)
            trend = _around((rest - parts[i]) * seen, m) / counts[i]
            shown = seen & (step >= inside[0]) & (step < inside[1]) if turn == 0 else seen
            part = _means(rest - trend, shown, m)
            level = _around(part, m)[:, inside[0] : inside[1]] / (2 * m)
            level = F.pad(level[None], (inside[0], L - inside[1]), "replicate")[0]
            shows = seen.sum(dim=1, keepdim=True) >= PERIODS * m
            parts[i] = torch.where(shows, part - level, torch.zeros_like(part))
    return parts


def _means(values: Tensor, seen: Tensor, m: int) -> Tensor:
    """The mean of each phase over the periods around, (S, L) -> (S, L)."""
    S, L = values.shape
    K = -(-L // m)
    y, n = (F.pad(part, (K * m - L, 0)).reshape(S, K, m) for part in (values * seen, seen.to(values.dtype)))
    period = torch.arange(K, dtype=values.dtype, device=values.device)
    away = (period - period[:, None]).abs()
    reach = away.sort(dim=1).values[:, min(SPAN, K) - 1, None] + 1
    weight = (1 - (away / reach).clamp(max=1) ** 3) ** 3
    mean = (weight @ y) / (weight @ n).clamp(min=torch.finfo(n.dtype).tiny)
    return mean.reshape(S, K * m)[:, K * m - L :]


def _around(values: Tensor, m: int) -> Tensor:
    """Twice the sum of the m steps around each, half a step more at each end where m is even, (S, L)."""
    sums = F.pad(values.cumsum(dim=1), (1, 0))
    return _span(sums, m // 2) + _span(sums, (m - 1) // 2)


def _span(sums: Tensor, side: int) -> Tensor:
    """What sums (S, L + 1), from 0 on, grow by from `side` steps before each step to as many after it, (S, L)."""
    ahead = sums[:, side + 1 :]
    span = torch.cat([ahead, sums[:, -1:].expand(-1, side)], dim=1)
    span[:, side:] -= sums[:, : ahead.shape[1]]
    return span
