"""Quantiles by what they are made of, so that they need not all lie in memory at once.

    quantile = centre + spread · (offset ± widening)

put in order from the middle outwards: a level that would pass its neighbour on the inside stops there.

Axes: W windows, H horizon, C targets, Q levels, P pairs of levels that mirror each other, the widest first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]
Rows = slice | Ints


class Widening(NamedTuple):
    """How far the pairs are moved apart, in units of each window: window w by table[:, row[w]].

    table (P, T, H, C), where T corrections serve all windows; row (W,).
    """

    table: Floats
    row: Ints

    def of(self, p: int) -> Floats:
        """One pair, (W, H, C), or (1, H, C) where all windows have the same."""
        table, row = np.asarray(self.table[p]), self.row
        if len(table) == 1:
            return table
        consecutive = len(row) and row[-1] - row[0] == len(row) - 1 and (np.diff(row) == 1).all()
        rows: Rows = slice(row[0], row[-1] + 1) if consecutive else row  # mostly a slice: nothing is copied
        return np.asarray(table[rows])


@dataclass(frozen=True)
class Distribution:
    """The quantiles at `levels`, ascending, of W windows.

    centre: (W, 1 or H, C), in data units.
    spread: (W, C), one normalised unit of each window in data units.
    offset: (Q, W or 1, H, C), in normalised units.
    widenings: in normalised units, summed.
    low, high: (W, C), in data units, what all quantiles are kept within; None where nothing limits them.
    """

    levels: tuple[float, ...]
    centre: Floats
    spread: Floats
    offset: Floats
    widenings: tuple[Widening, ...] = ()
    low: Floats | None = None
    high: Floats | None = None

    @classmethod
    def of_values(cls, values: Floats, levels: tuple[float, ...], point: Floats, spread: Floats) -> Distribution:
        """From values (W, H, C, Q) in data units; point (W, H, C), spread (W, C)."""
        offset = np.moveaxis(values, -1, 0) - point
        offset /= spread[:, None]
        return cls(levels, point, spread, offset)

    @classmethod
    def of_point(cls, levels: tuple[float, ...], point: Floats, spread: Floats) -> Distribution:
        """All levels on the point forecast (W, H, C)."""
        return cls(levels, point, spread, np.zeros((len(levels), 1, *point.shape[1:]), dtype=np.float32))

    def part(self, windows: Rows) -> Distribution:
        """Some of the windows."""
        offset = self.offset if self.offset.shape[1] == 1 else self.offset[:, windows]
        widenings = tuple(w._replace(row=w.row[windows]) for w in self.widenings)
        low, high = (None if side is None else side[windows] for side in (self.low, self.high))
        return Distribution(self.levels, self.centre[windows], self.spread[windows], offset, widenings, low, high)

    def without_levels(self) -> Distribution:
        """Those of a point forecast: none."""
        return Distribution((), self.centre, self.spread, self.offset[:0], low=self.low, high=self.high)

    def widened(self, widening: Widening) -> Distribution:
        """With each pair moved further apart."""
        return replace(self, widenings=(*self.widenings, widening))

    def scaled(self, mean: Floats, deviation: Floats) -> Distribution:
        """In units of `deviation` about `mean`, (W, C) each."""
        low, high = (None if side is None else (side - mean) / deviation for side in (self.low, self.high))
        centre, spread = scaled(self.centre, mean, deviation), self.spread / deviation
        return replace(self, centre=centre, spread=spread, low=low, high=high)

    def values(self) -> Floats:
        """In data units, level by level, (Q, W, H, C)."""
        return self.in_data_units(self.ordered(), spread_out(self.spread, self.offset.shape[2]))

    def in_data_units(self, normalised: Floats, unit: Floats) -> Floats:
        """Normalised quantiles (..., W or 1, H, C) in data units, (..., W, H, C); unit (W, H, C): the spread."""
        values = normalised * unit
        values += self.centre
        values = values.astype(self.centre.dtype, copy=False)
        if self.low is not None and self.high is not None:  # once more, for what rounding adds
            np.clip(values, self.low[:, None].astype(values.dtype), self.high[:, None].astype(values.dtype), out=values)
        return values

    def ordered(self) -> Floats:
        """In normalised units, (Q, W, H, C); (Q, 1, H, C) where all windows have the same."""
        planes = self._widened()
        if self.low is None or self.high is None:
            return planes
        unit = self.spread[:, None]
        low, high = ((side[:, None] - self.centre) / unit for side in (self.low, self.high))
        return np.clip(planes, low.astype(planes.dtype), high.astype(planes.dtype))

    def _widened(self) -> Floats:
        """In order and with each pair moved apart, as `ordered`, beyond what they are kept within."""
        if not self.widenings:
            return self.offset
        pairs = pairs_of(self.levels)
        shifts = [self.shift(p) for p in range(len(pairs.low))]
        windows = np.broadcast_shapes(self.offset.shape[1:], *(shift.shape for shift in shifts))
        planes = np.empty((len(self.levels), *windows), dtype=np.float32)
        for q in pairs.alone:
            planes[q] = self.offset[q]
        for a, b, shift in zip(pairs.low, pairs.high, shifts, strict=True):
            np.subtract(self.offset[a], shift, out=planes[a])
            np.add(self.offset[b], shift, out=planes[b])
        pairs.order(planes, self.middle)
        return planes

    def shift(self, p: int) -> Floats:
        """How far both levels of a pair are moved outwards, normalised, (W or 1, H, C)."""
        first, *others = (widening.of(p) for widening in self.widenings)
        return sum(others, start=first)

    def pair(self, p: int) -> tuple[Floats, Floats]:
        """(low, high) of a pair as it is moved, normalised and not in order, (W or 1, H, C) each."""
        pairs = pairs_of(self.levels)
        low, high = self.offset[pairs.low[p]], self.offset[pairs.high[p]]
        return (low - self.shift(p), high + self.shift(p)) if self.widenings else (low, high)

    @property
    def middle(self) -> Floats:
        """What never moves, normalised, (W or 1, H, C): the level nearest 0.5, or halfway between the two that are."""
        a, b = pairs_of(self.levels).middle
        return np.asarray(self.offset[a] if a == b else (self.offset[a] + self.offset[b]) / 2)


class Pairs:
    """Mirror-image levels by position, the widest pair first.

    low, high: the two positions of each pair.
    alone: the levels without a mirror image.
    middle: the level nearest 0.5 and its mirror image, or twice itself where it has none.
    within: for each pair, the levels alone that lie between its two.
    nominal: (P,), the coverage that each pair promises.
    """

    def __init__(self, levels: Sequence[float]) -> None:
        pairs = [(a, b) for a, x in enumerate(levels) for b, y in enumerate(levels) if a < b and abs(x + y - 1) < 1e-9]
        self.low, self.high = ([pair[side] for pair in pairs] for side in (0, 1))
        self.alone = [q for q in range(len(levels)) if q not in (*self.low, *self.high)]
        nearest = min(range(len(levels)), key=lambda q: abs(levels[q] - 0.5), default=0)
        self.middle = next((pair for pair in pairs if nearest in pair), (nearest, nearest))
        self.within = [[q for q in self.alone if a < q < b and q not in self.middle] for a, b in pairs]
        self.nominal = np.array([levels[b] - levels[a] for a, b in pairs])

    def order(self, planes: Floats, middle: Floats) -> None:
        """Put planes (Q, ...) in order, in place, from the middle outwards.

        Plane by plane: numpy's accumulate takes ten times as long.
        """
        below, above = self.middle
        last = middle
        for q in range(below if above > below else below - 1, -1, -1):
            last = np.minimum(planes[q], last, out=planes[q])
        last = middle
        for q in range(above if above > below else above + 1, len(planes)):
            last = np.maximum(planes[q], last, out=planes[q])


@lru_cache
def pairs_of(levels: tuple[float, ...]) -> Pairs:
    """The pairs of some levels."""
    return Pairs(levels)


def spread_out(values: Floats, steps: int) -> Floats:
    """What windows and targets have, (W, C), at every step, (W, H, C): products of equal shapes run faster."""
    return np.repeat(values[:, None], steps, axis=1)


def scaled(values: Floats, mean: Floats, deviation: Floats) -> Floats:
    """Values (W, H, C) in units of `deviation` about `mean`, (W, C) each."""
    result = values - mean[:, None]
    result /= deviation[:, None]
    return result


def concatenated(parts: list[Distribution]) -> Distribution:
    """Those of the same levels, steps and targets as one; before they are widened."""
    assert not any(part.widenings for part in parts)
    shape = parts[0].offset.shape[2:]
    centres = [np.broadcast_to(part.centre, (len(part.centre), *shape)) for part in parts]
    offsets = [np.broadcast_to(part.offset, (len(part.levels), len(part.centre), *shape)) for part in parts]
    sides = [[part.low for part in parts], [part.high for part in parts]]
    low, high = (np.concatenate([s for s in side if s is not None]) if side[0] is not None else None for side in sides)
    return Distribution(
        parts[0].levels, np.concatenate(centres), np.concatenate([part.spread for part in parts]),
        np.concatenate(offsets, axis=1), low=low, high=high,
    )  # fmt: skip
