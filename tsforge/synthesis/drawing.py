"""Batches of synthetic series from a seed, on the device that trains."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from tsforge.errors import ConfigError
from tsforge.synthesis import augmentation
from tsforge.synthesis.augmentation import within
from tsforge.synthesis.kinds import KINDS
from tsforge.synthesis.mixture import HELD, NAMES, PERIODS, Mixture
from tsforge.synthesis.randomness import Random

RARE = 0.03  # how often a period is drawn that is none of the usual ones
LARGEST = 1e12  # of a value


class Series(NamedTuple):
    """A batch of series. One of n steps stands in the last n columns; before it, nothing is observed.

    values (B, T) float32: finite, and 0 where not observed.
    observed (B, T) bool.
    season (B,) int64: steps of the season, 1 where there is none.
    kind (B,) int64: a place in `NAMES`.
    """

    values: Tensor
    observed: Tensor
    season: Tensor
    kind: Tensor


def draw(mixture: Mixture, size: int, length: int, seed: int, index: int, device: str | torch.device = "cpu") -> Series:
    """The index-th batch of a seed: `size` series of at most `length` steps.

    The same arguments give the same numbers on one machine and device. Kinds have their shares of every batch, to one
    series. Where a drawn series is not finite, or the same at all observed steps, a random walk stands in its place.
    Raises ConfigError for a batch without series, or with fewer steps than the shortest series.
    """
    if size < 1 or length < mixture.shortest:
        text = f"a batch of {size} series of at most {length} steps cannot be drawn"
        raise ConfigError(text, f"at least one series, and {mixture.shortest} steps (the shortest series)")
    rng = Random((seed, index), device)
    steps = _lengths(rng, mixture, size, length)
    season = _seasons(rng, mixture, steps)
    kind = _kinds(rng, mixture, size)
    values = torch.zeros(size, length, device=rng.device)
    for number, name in enumerate(NAMES):
        rows = (kind == number).nonzero()[:, 0]
        if len(rows):
            values[rows], season[rows] = KINDS[name].draw(rng, steps[rows], season[rows], length)
    counts = torch.tensor([KINDS[name].counts for name in NAMES], device=rng.device)[kind]
    values, steps, season = _shaped(rng, mixture, values, steps, season, counts)
    values, observed = _measured(rng, mixture, values, steps, counts)
    values, season = _replaced(rng, values, observed, season)
    return Series(*_right(values, observed, steps), season, kind)


def _lengths(rng: Random, mixture: Mixture, size: int, length: int) -> Tensor:
    """(B,) steps of each series, equal ratios equally likely."""
    low, high = mixture.shortest, min(mixture.longest, length)
    return rng.spread(size, low=low, high=high + 1 - 1e-3).long().clamp(low, high)


def _seasons(rng: Random, mixture: Mixture, steps: Tensor) -> Tensor:
    """(B,) steps of the season of each series, of those that it holds; 1 where it holds none."""
    periods = torch.tensor(mixture.periods, device=rng.device)
    weights = torch.tensor([PERIODS.get(p, RARE) * (1 + p / 48) for p in mixture.periods], device=rng.device)
    fits = (HELD * periods <= steps[:, None]) | (periods == 1)
    weights = torch.cat([weights * fits, (~fits.any(1, keepdim=True)).float()], dim=1)
    chosen = torch.multinomial(weights, 1, generator=rng.generator)[:, 0]
    return torch.cat([periods, periods.new_ones(1)])[chosen]


def _kinds(rng: Random, mixture: Mixture, size: int) -> Tensor:
    """(B,) places in `NAMES`: as evenly as whole numbers allow, in a random order."""
    shares = torch.tensor(mixture.shares, dtype=torch.float64)
    ends = (shares / shares.sum()).cumsum(0).to(rng.device)
    places = (torch.arange(size, device=rng.device, dtype=torch.float64) + rng.uniform(1).double()) / size
    last = int(shares.nonzero()[-1])
    return torch.searchsorted(ends, places[rng.order(size)], right=True).clamp(max=last)


def _shaped(
    rng: Random, mixture: Mixture, values: Tensor, steps: Tensor, season: Tensor, counts: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Mixed, sampled more rarely, upside down, moved, with outliers, clipped; counts stay as they are."""
    rows = _some(rng, ~counts, mixture.mixed)
    if len(rows) > 1:
        values = augmentation.mix(rng, values, steps, season, rows)
    rows = _some(rng, ~counts, mixture.sampled)
    if len(rows):
        values, steps, season = augmentation.sample(rng, values, steps, season, rows)
    rows = _some(rng, ~counts, mixture.flipped)
    values[rows] = -values[rows]
    inside = within(steps, values.shape[1])
    values = augmentation.shift(rng, values, steps, _some(rng, ~counts, mixture.shifted))
    values = augmentation.outliers(rng, values, steps, _some(rng, ~counts, mixture.outliers))
    values = augmentation.clip(rng, values, inside, _some(rng, ~counts, mixture.clipped))
    return values, steps, season


def _measured(rng: Random, mixture: Mixture, values: Tensor, steps: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Levels and scales, rounded, and with gaps -> values, observed."""
    inside = within(steps, values.shape[1])
    values = torch.where(counts[:, None], values, augmentation.level(rng, values, inside))
    values = augmentation.rounding(rng, values, inside, _some(rng, ~counts, mixture.rounded))
    return values, augmentation.gaps(rng, inside, steps, _some(rng, inside[:, 0], mixture.gaps))


def _some(rng: Random, able: Tensor, share: float) -> Tensor:
    """Rows (n,), each of those that are able with probability `share`."""
    return (able & rng.chance(len(able), share=share)).nonzero()[:, 0]


def _replaced(rng: Random, values: Tensor, observed: Tensor, season: Tensor) -> tuple[Tensor, Tensor]:
    """A random walk at the level 100, without a season, for what is not finite, far too large, or nowhere changes."""
    highest = torch.where(observed, values, -torch.inf).max(1).values
    lowest = torch.where(observed, values, torch.inf).min(1).values
    size = torch.maximum(highest.abs(), lowest.abs())
    bad = ~(torch.isfinite(values) | ~observed).all(1) | ~(size < LARGEST) | ~(highest > lowest)
    rows = bad.nonzero()[:, 0]
    values[rows] = 100 + rng.normal(len(rows), values.shape[1]).cumsum(1)
    return torch.where(observed, values, 0.0), torch.where(bad, 1, season)


def _right(values: Tensor, observed: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
    """Rows whose first `steps` count, moved to the end of each row."""
    T = values.shape[1]
    place = torch.arange(T, device=values.device) - (T - steps[:, None])
    observed = observed.gather(1, place.clamp(min=0)) & (place >= 0)
    return torch.where(observed, values.gather(1, place.clamp(min=0)), 0.0), observed
