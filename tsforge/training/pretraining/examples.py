"""Series, cut at random places into what the network reads and what follows.

Axes: S sequences, L context, K steps ahead; T stretches ahead, Q quantile levels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from tsforge.forecast import pinball
from tsforge.model.zero.network import ZeroNetwork
from tsforge.model.zero.pooling import ahead, stretch
from tsforge.model.zero.reading import MOST, Reading, join, lengths, read
from tsforge.model.zero.tokens import BLOCK
from tsforge.synthesis import Series

SHORTEST, NEAREST = 4, 2  # steps of a context, and stretches of a horizon, at least
FAR = 300.0  # normalised units from the last value, beyond which nothing is to be learned from what follows


class Examples(NamedTuple):
    """Sequences to read, and what follows each, in its normalised units.

    truth, seen: (S, T), T = 48 at most; seen: what was observed of a horizon of random length. weight: (S,), of the
    errors: to units of MASE.
    """

    reading: Reading
    truth: Tensor
    seen: Tensor
    weight: Tensor

    def __len__(self) -> int:
        return len(self.weight)

    def chunks(self, count: int) -> Iterator[Examples]:
        """In parts of like length, the shortest first, each no longer than it has to be."""
        order = self.reading.lengths.argsort(stable=True)
        for rows in order.chunk(count):
            reading = self.reading.rows(rows)
            longest = int(reading.lengths.max())
            yield Examples(reading.newest(longest), self.truth[rows], self.seen[rows], self.weight[rows])

    def loss(self, network: ZeroNetwork) -> Tensor:
        """The sum over sequences of their mean pinball loss."""
        answer = network.answer(self.reading, BLOCK)
        errors = pinball(self.truth.unsqueeze(-1) - answer, network.levels).mean(dim=-1)
        count = self.seen.sum(dim=1).clamp(min=1)
        by_row = torch.where(self.seen, errors, torch.zeros_like(errors)).sum(dim=1) / count
        return (self.weight * by_row).sum()


def examples(series: Series, cuts: int, generator: torch.Generator) -> Examples:
    """Several cuts of each series; those with nothing to read, or with nothing that follows or far more
    than was to be seen, are left out.

    generator: on the CPU. Contexts have any length from 4 steps to the series' own, and lie anywhere in it; horizons
    have 2 to 48 stretches, equal ratios equally likely.
    """
    parts = [part for _ in range(cuts) for part in _cut(series, generator)]
    reading = join([part.reading for part in parts])
    return Examples(reading, *(torch.cat(column) for column in list(zip(*parts, strict=True))[1:]))


def _cut(series: Series, generator: torch.Generator) -> Iterator[Examples]:
    """One cut of each series, those of one season together."""
    T, device = series.values.shape[1], series.values.device
    begin = T - lengths(series.observed)
    u = torch.rand(3, len(begin), generator=generator).to(device)
    span = (T - begin).clamp(min=SHORTEST + 1)
    context = SHORTEST + (u[0] * (span - SHORTEST)).long()
    origin = T - span + context + (u[1] * (span - context)).long()
    horizon = (NEAREST * ((BLOCK + 1) / NEAREST) ** u[2]).long()
    for season in sorted(set(series.season.tolist())):
        rows = (series.season == season).nonzero().squeeze(1)
        k = stretch(season)
        length = context[rows].clamp(max=MOST * k)
        yield from _read(series, rows, (origin[rows], length, horizon[rows] * k), season)


def _read(series: Series, rows: Tensor, places: tuple[Tensor, Tensor, Tensor], season: int) -> Iterator[Examples]:
    """The examples of some series of one season. places: origins, and steps before and behind them, (S,) each."""
    origin, before, behind = places
    k = stretch(season)
    past, future = (torch.arange(*span, device=rows.device) for span in ((-int(before.max()), 0), (0, BLOCK * k)))
    target, observed = _gather(series, rows, origin, past, past >= -before[:, None])
    truth, known = _gather(series, rows, origin, future, future < behind[:, None])
    some = observed.any(dim=1) & known.any(dim=1)
    if not some.any():
        return
    window = read(target[some], observed[some], season, BLOCK * k)
    values, seen = ahead(window.season.remove(truth[some].double()), known[some], k)
    loc, scale, error = window.units
    values = torch.where(seen, (values - loc[:, None]) / scale[:, None], 0.0)
    near = values.abs().amax(dim=1) < FAR
    weight = ZeroNetwork.weight(scale, error).float()
    yield Examples(window.reading.rows(near), values[near].float(), seen[near], weight[near])


def _gather(series: Series, rows: Tensor, origin: Tensor, steps: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Values and whether observed of steps counted from each origin, (S, steps); 0 where not wanted or not observed."""
    T = series.values.shape[1]
    columns = origin[:, None] + steps
    inside = wanted & (columns >= 0) & (columns < T)
    columns = columns.clamp(0, T - 1)
    observed = inside & series.observed[rows].gather(1, columns)
    return torch.where(observed, series.values[rows].gather(1, columns), 0.0), observed
