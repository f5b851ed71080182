"""Quantiles by what they are made of, so that they need not all lie in memory at once.

    quantile = centre + spread · (offset ± move)

put in order from the middle outwards: a level that would pass its neighbour on the inside stops there.

Axes: W windows, H horizon, C targets, Q levels, P pairs of levels that mirror each other, the widest first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]
Rows = slice | Ints


class Move(NamedTuple):
    """How far the pairs go apart, in units of each window: window w by made()[:, row[w]]."""

    made: Callable[[], Floats]  # (P, T, H, C), which may be computed when it is first asked for
    row: Ints  # (W,)

    @classmethod
    def given(cls, table: Floats, row: Ints) -> Move:
        """With a table that is there."""
        return cls(lambda: table, row)

    def of(self, p: int) -> Floats:
        """One pair, (W, H, C), or (1, H, C) where all windows have the same."""
        table, row = self.made()[p], self.row
        if len(table) == 1:
            found: Floats = table
        elif len(row) and row[-1] - row[0] == len(row) - 1 and (np.diff(row) == 1).all():
            found = table[row[0] : row[-1] + 1]  # in a row, as mostly: nothing is copied
        else:
            found = table[row]
        return found


@dataclass(frozen=True)
class Bands:
    """The quantiles at `levels`, ascending, of W windows.

    centre (W, 1 or H, C) in data units; spread (W, C) one normalised unit of each window in data units;
    offset (Q, W or 1, H, C) and moves, which are summed, in normalised units.
    """

    levels: tuple[float, ...]
    centre: Floats
    spread: Floats
    offset: Floats
    moves: tuple[Move, ...] = ()

    @classmethod
    def given(cls, quantiles: Floats, levels: tuple[float, ...], point: Floats, spread: Floats) -> Bands:
        """From quantiles (W, H, C, Q) in data units; point (W, H, C), spread (W, C)."""
        offset = np.moveaxis(quantiles, -1, 0) - point
        offset /= spread[:, None]
        return cls(levels, point, spread, offset)

    @classmethod
    def flat(cls, levels: tuple[float, ...], point: Floats, spread: Floats) -> Bands:
        """All levels on the point forecast (W, H, C)."""
        return cls(levels, point, spread, np.zeros((len(levels), 1, *point.shape[1:]), dtype=np.float32))

    def part(self, windows: Rows) -> Bands:
        """Some of the windows."""
        moves = tuple(m._replace(row=m.row[windows]) for m in self.moves)
        return Bands(self.levels, self.centre[windows], self.spread[windows], self._offset(windows), moves)

    def _offset(self, windows: Rows) -> Floats:
        return self.offset if self.offset.shape[1] == 1 else self.offset[:, windows]

    def bare(self) -> Bands:
        """Without quantiles."""
        return Bands((), self.centre, self.spread, self.offset[:0])

    def widened(self, move: Move) -> Bands:
        """The same, with each pair moved apart some more."""
        return replace(self, moves=(*self.moves, move))

    def scaled(self, mean: Floats, deviation: Floats) -> Bands:
        """In units of `deviation` about `mean`, (W, C) each."""
        return replace(self, centre=scaled(self.centre, mean, deviation), spread=self.spread / deviation)

    def planes(self) -> Floats:
        """The quantiles, level by level, (Q, W, H, C)."""
        return self.restored(self.ordered(), spread_out(self.spread, self.offset.shape[2]))

    def restored(self, normalised: Floats, unit: Floats) -> Floats:
        """Normalised quantiles (..., W or 1, H, C) in data units, (..., W, H, C); unit (W, H, C): the spread."""
        found = normalised * unit
        found += self.centre
        return found.astype(np.float32, copy=False)

    def ordered(self) -> Floats:
        """The quantiles in normalised units, (Q, W, H, C); (Q, 1, H, C) where all windows have the same."""
        if not self.moves:
            return self.offset
        pairs, shifts = pairs_of(self.levels), [self.shift(p) for p in range(len(pairs_of(self.levels).low))]
        windows = np.broadcast_shapes(self.offset.shape[1:], *(shift.shape for shift in shifts))
        found = np.empty((len(self.levels), *windows), dtype=np.float32)
        for q in pairs.alone:
            found[q] = self.offset[q]
        for a, b, shift in zip(pairs.low, pairs.high, shifts, strict=True):
            np.subtract(self.offset[a], shift, out=found[a])
            np.add(self.offset[b], shift, out=found[b])
        pairs.order(found, self.middle)
        return found

    def shift(self, p: int) -> Floats:
        """How far both levels of a pair are moved outwards, normalised, (W or 1, H, C)."""
        first, *others = (move.of(p) for move in self.moves)
        return sum(others, start=first)

    def pair(self, p: int) -> tuple[Floats, Floats]:
        """(low, high) of a pair as it is moved, normalised and not in order, (W or 1, H, C) each."""
        pairs = pairs_of(self.levels)
        low, high = self.offset[pairs.low[p]], self.offset[pairs.high[p]]
        return (low - self.shift(p), high + self.shift(p)) if self.moves else (low, high)

    @property
    def middle(self) -> Floats:
        """What never moves, normalised, (W or 1, H, C): the level nearest 0.5, or halfway between the two that are."""
        a, b = pairs_of(self.levels).middle
        found: Floats = self.offset[a] if a == b else (self.offset[a] + self.offset[b]) / 2
        return found


class Pairs:
    """Mirror-image levels by position: low[p] and high[p], the widest pair first; `alone` are those without a mirror.

    middle: the level nearest 0.5 and its mirror, itself where it has none. within[p]: those alone between its levels.
    """

    def __init__(self, levels: Sequence[float]) -> None:
        found = [(a, b) for a, x in enumerate(levels) for b, y in enumerate(levels) if a < b and abs(x + y - 1) < 1e-9]
        self.low, self.high = ([pair[side] for pair in found] for side in (0, 1))
        self.alone = [q for q in range(len(levels)) if q not in (*self.low, *self.high)]
        nearest = min(range(len(levels)), key=lambda q: abs(levels[q] - 0.5), default=0)
        self.middle = next((pair for pair in found if nearest in pair), (nearest, nearest))
        self.within = [[q for q in self.alone if a < q < b and q not in self.middle] for a, b in found]
        self.nominal = np.array([levels[b] - levels[a] for a, b in found])  # the coverage that each promises, (P,)

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
    found = values - mean[:, None]
    found /= deviation[:, None]
    return found


def concatenated(parts: list[Bands]) -> Bands:
    """Of the same levels, steps and targets, as one; before any moves."""
    assert not any(part.moves for part in parts)
    shape = parts[0].offset.shape[2:]
    centres = [np.broadcast_to(part.centre, (len(part.centre), *shape)) for part in parts]
    offsets = [np.broadcast_to(part.offset, (len(part.levels), len(part.centre), *shape)) for part in parts]
    return Bands(
        parts[0].levels, np.concatenate(centres), np.concatenate([part.spread for part in parts]),
        np.concatenate(offsets, axis=1),
    )  # fmt: skip
