"""What a sequence is to the network: steps in units of its own, and what these units hide as features.

    x_t = (z_t - z_T) / scale     z: the sequence without its season, in stretches; z_T: its last value
    scale = mean |z_t - z_(t-1)| + 0.003 mean |z|

Everything is told as it is for x too when x is upside down ("even"), or has the opposite sign then ("odd"): a sequence
is turned upside down by signs alone. Axes: S sequences, L steps, T stretches; m steps of a season, k of a stretch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from tsforge.model.transforms.scaling import SLIGHT
from tsforge.model.zero.pooling import Detail, detail, newest, pooled, stretch
from tsforge.model.zero.season import Seasonless, without_season

CHANNELS, EVEN, ODD = 3, 15, 4  # of each step; features of each sequence
MOST = 512  # stretches that are read
SPANS = (2, 4, 8)  # steps over which changes are set beside those of one step


class Reading(NamedTuple):
    """Sequences in normalised units, left-padded.

    steps: (S, T, 3) odd: the value, its seasonal part, its change; 0 where not seen. seen: (S, T) bool.
    even: (S, 15). odd: (S, 4), of which the first two are values: those of 0 and of the mean.
    drift: (S,) odd: the mean change per stretch. period: (S,) stretches of a season, 1 for none.
    """

    steps: Tensor
    seen: Tensor
    even: Tensor
    odd: Tensor
    drift: Tensor
    period: Tensor

    def flipped(self) -> Reading:
        """The same sequences upside down."""
        return self._replace(steps=-self.steps, odd=-self.odd, drift=-self.drift)

    def newest(self, count: int) -> Reading:
        """With no more than so many stretches."""
        return self._replace(steps=self.steps[:, -count:], seen=self.seen[:, -count:])

    def rows(self, chosen: Tensor) -> Reading:
        """Some of the sequences."""
        return Reading(*(part[chosen] for part in self))

    @property
    def lengths(self) -> Tensor:
        """Stretches from the first that was seen on, (S,)."""
        return lengths(self.seen)

    def rolled(self, values: Tensor) -> Reading:
        """With values (S, M) as if seen behind it, the last of which is what the others are then counted from.

        The seasonal part of a new step is that of one season before.
        """
        S, M = values.shape
        last = values[:, -1:]
        before = torch.cat([self.steps[:, -1:, 0], values], dim=1)
        steps = torch.arange(M, device=values.device)
        T, period = self.seen.shape[1], self.period.round().long()[:, None]
        back = (T + steps % period - period).clamp(min=0)
        seasonal = torch.where(period > 1, self.steps[..., 1].gather(1, back), torch.zeros_like(values))
        ahead = torch.stack([values, seasonal, before.diff(dim=1)], dim=-1)
        joined = torch.cat([self.steps, ahead], dim=1)
        seen = torch.cat([self.seen, self.seen.new_ones(S, M)], dim=1)
        shifted = torch.where(seen, joined[..., 0] - last, torch.zeros_like(joined[..., 0]))
        joined = torch.cat([shifted.unsqueeze(-1), joined[..., 1:]], dim=-1)
        odd = torch.cat([self.odd[:, :2] - last, self.odd[:, 2:]], dim=1)
        return self._replace(steps=joined, seen=seen, odd=odd).newest(MOST)


def lengths(seen: Tensor) -> Tensor:
    """Steps from the first that was seen on (S, T), (S,)."""
    return (seen * torch.arange(seen.shape[1], 0, -1, device=seen.device)).amax(dim=1)


def join(readings: Sequence[Reading]) -> Reading:
    """Several as one, left-padded to the longest."""
    T = max(reading.seen.shape[1] for reading in readings)

    def padded(reading: Reading) -> Reading:
        lacking = T - reading.seen.shape[1]
        steps, seen = F.pad(reading.steps, (0, 0, lacking, 0)), F.pad(reading.seen, (lacking, 0))
        return reading._replace(steps=steps, seen=seen)

    return Reading(*(torch.cat(parts) for parts in zip(*map(padded, readings), strict=True)))


class Units(NamedTuple):
    """From normalised units to those of the data, (S,) each, in double precision.

    loc, scale: of x. error: the mean absolute seasonal difference of the sequence, by which MASE divides; that of
    neighbours where it has no season's length.
    """

    loc: Tensor
    scale: Tensor
    error: Tensor


class Read(NamedTuple):
    """A sequence as the network reads it, and what its answer is undone with."""

    reading: Reading
    units: Units
    season: Seasonless
    stretch: int
    steps: Detail  # in normalised units


def read(target: Tensor, observed: Tensor, m: int, horizon: int) -> Read:
    """Sequences (S, L) with a season of m steps each, of which `horizon` steps are to follow.

    Units and features are constants for gradients, as what `WindowScaler` takes from a window.
    """
    season, k = without_season(target, observed, m, horizon), stretch(m)
    values = torch.where(observed, target, torch.zeros_like(target)).double()
    (z, seen), (raw, _) = pooled(season.values, observed, k), pooled(values, observed, k)
    loc, scale, error = units = _units(z, seen, values, observed, m)
    steps = detail(season.values, observed, z, seen, k)
    steps = steps._replace(last=(steps.last - loc) / scale, noise=steps.noise / scale)
    x, seasonal = (_hidden(part / scale[:, None], seen) for part in (z - loc[:, None], raw - z))
    span, drift = _span(x, seen)
    negative, zero, positive = (_share(sign, observed) for sign in (values < 0, values == 0, values > 0))
    even = torch.stack([
        zero, 1 - seen.sum(dim=1) / span.clamp(min=1), _log(mean_change(raw, seen, 1) / scale), (span + 1).log() / 3,
        *_period(m / k, span), season.share, ((positive == 1) & (season.share > 0)).double(),
        torch.full_like(span, math.log(k)), _turning(x, seen), _log(error / scale), steps.noise.log1p(),
        *_spans(x, seen),
    ], dim=-1).detach()  # fmt: skip
    one_sided = (negative == 0).double() - (positive == 0).double()
    odd = torch.stack([-loc / scale, _mean(x, seen), drift, one_sided], dim=-1).detach()
    channels = torch.stack([x, seasonal, changes(x, seen)], dim=-1)
    parts = (part.float() for part in (even, odd, drift, torch.full_like(span, m / k)))
    return Read(Reading(channels.float(), seen, *parts).newest(MOST), units, season, k, steps)


@torch.no_grad()
def _units(z: Tensor, seen: Tensor, values: Tensor, observed: Tensor, m: int) -> Units:
    """Of sequences in stretches (S, T) without their season, and in steps (S, L) with it."""
    scale = mean_change(z, seen, 1) + SLIGHT * _mean(z.abs(), seen)
    error, single = mean_change(values, observed, m), mean_change(values, observed, 1)
    return Units(
        _last(z, seen), torch.where(scale > 0, scale, torch.ones_like(scale)), torch.where(error > 0, error, single)
    )


def _share(sign: Tensor, observed: Tensor) -> Tensor:
    """The share of what was observed where something holds, (S,)."""
    return (sign & observed).sum(dim=1).double() / observed.sum(dim=1).clamp(min=1)


def _log(ratio: Tensor) -> Tensor:
    """Its logarithm, within a thousand times either way."""
    return ratio.clamp(1e-3, 1e3).log()


def mean_change(values: Tensor, seen: Tensor, lag: int) -> Tensor:
    """The mean absolute difference of values (S, T) that lie `lag` apart, both seen, (S,); 0 without any."""
    if lag >= values.shape[1]:
        return values.new_zeros(values.shape[0])
    return _mean((values[:, lag:] - values[:, :-lag]).abs(), seen[:, lag:] & seen[:, :-lag])


def changes(values: Tensor, seen: Tensor) -> Tensor:
    """Differences of neighbours, (S, T); 0 where either was not seen."""
    both = F.pad(seen[:, 1:] & seen[:, :-1], (1, 0))
    return _hidden(F.pad(values.diff(dim=1), (1, 0)), both)


def _hidden(values: Tensor, seen: Tensor) -> Tensor:
    """0 where not seen."""
    return torch.where(seen, values, torch.zeros_like(values))


def _mean(values: Tensor, seen: Tensor) -> Tensor:
    return _hidden(values, seen).sum(dim=1) / seen.sum(dim=1).clamp(min=1)


def _last(values: Tensor, seen: Tensor) -> Tensor:
    """The newest value that was seen, (S,); 0 without any."""
    return _hidden(values, seen).gather(1, newest(seen)[:, None]).squeeze(1)


def _span(x: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Steps from the first to the last that was seen, and the mean change per step between them, (S,) each."""
    steps = torch.arange(x.shape[1], device=x.device)
    first = torch.where(seen, steps, x.shape[1]).amin(dim=1)
    last = torch.where(seen, steps, -1).amax(dim=1)
    begin = x.gather(1, first.clamp(max=x.shape[1] - 1)[:, None]).squeeze(1)
    end = x.gather(1, last.clamp(min=0)[:, None]).squeeze(1)
    between = (last - first).clamp(min=1)
    return (last - first + 1).clamp(min=0).double(), (end - begin) / between


def _period(period: float, like: Tensor) -> tuple[Tensor, Tensor]:
    """A season's length as a point on half a circle: 1 at one end, 64 at the other."""
    angle = math.pi * math.log2(period) / 6
    return torch.full_like(like, math.sin(angle)), torch.full_like(like, math.cos(angle))


def _turning(x: Tensor, seen: Tensor) -> Tensor:
    """How neighbouring changes go together, from -1 to 1: a half of -1 for noise, 0 for a random walk, 1 for a line."""
    steps = changes(x, seen)
    square = steps.square().sum(dim=1)
    return (steps[:, 1:] * steps[:, :-1]).sum(dim=1) / square.clamp(min=1e-12)


def _spans(x: Tensor, seen: Tensor) -> list[Tensor]:
    """Logarithms of changes over some steps beside those over one; 0 where there are none."""
    single = mean_change(x, seen, 1).clamp(min=1e-6)
    ratios = [mean_change(x, seen, lag) / single for lag in SPANS]
    return [torch.where(ratio > 0, _log(ratio), torch.zeros_like(ratio)) for ratio in ratios]
