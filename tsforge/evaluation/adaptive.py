"""Intervals that move after every origin, with the truths that have come by then.

The corrections of `calibration`, moved after every origin whose truth has come (Gibbs & Candès 2021, "Adaptive
Conformal Inference"), by γ · unit · (missed - 2τ), where `missed` says whether the interval as issued missed it. The
step is in the units of the scores (as in Angelopoulos, Candès & Tibshirani 2023, "Conformal PID Control") and not in
those of τ: that reaches beyond the largest held-out score without infinite intervals. The long-run share of misses
tends to 2τ, whatever the data do, unless the interval is closed and still never missed (a constant series): from a
closed interval that was hit nothing is taken back, as it would only be saved up.

No interval has to be computed for it. On the truth's side of the middle of a forecast, a score says by how much a pair
would have to be moved to reach the truth; a pair as issued is never narrower than those inside it, so it missed where
every score from its own inwards is larger than the move of its pair. A closed interval can only be hit by a truth on
the middle itself: with minus the distance of the pair as its score, the same comparison says that it is closed.

The moves of all models over all origins are large, and memory that nobody wrote to before is dear: so they can be
looked at piece by piece, in the order of time; a table of all of them is made for who asks.

Axes: M models, W windows in the order of time, T origins, H horizon, C targets, P pairs of levels, the widest first.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsforge.evaluation.conformal import GAMMA, Calibration, with_levels
from tsforge.evaluation.outcome import BLOCK, Outcome
from tsforge.evaluation.quantiles import Floats, Ints, Move, Rows, pairs_of
from tsforge.runtime.threads import blank


def adapt(o: Outcome, start: Calibration, gamma: float = GAMMA) -> Outcome:
    """Quantiles corrected origin by origin, in the order of time, moved only by truths that had come by then.

    o: uncorrected forecasts. Windows of several series at one origin count as one observation, their mean: the
    corrections are shared by all series.
    """
    return adapt_all([o], [start], gamma).moved[0]


def adapt_all(outcomes: list[Outcome], starts: list[Calibration], gamma: float = GAMMA) -> Adapted:
    """The same for several forecasts of the same windows at the same levels, each by itself, in one pass over time."""
    outcomes = [with_levels(o, start.levels) for o, start in zip(outcomes, starts, strict=True)]
    return Adapted(outcomes, starts, gamma, _Clock(outcomes[0].time, outcomes[0].truth.shape[1]))


@dataclass(frozen=True)
class Adapted:
    """Several forecasts of the same windows, uncorrected, with intervals that move."""

    outcomes: list[Outcome]
    starts: list[Calibration]
    gamma: float
    clock: _Clock

    @cached_property
    def moved(self) -> list[Outcome]:
        """With the moves of all origins, which are computed when somebody looks at them."""
        return [
            replace(o, bands=o.bands.widened(Move(partial(self._moves, m), self.clock.origin)))
            for m, o in enumerate(self.outcomes)
        ]

    def pieces(self) -> Iterator[tuple[Rows, list[Outcome]]]:
        """(which windows, their forecasts with the moves of their origins), to be done with before the next piece."""
        moving = _Moving(self.starts, self.gamma, self.clock)
        memory = _Memory()
        for origins, windows in self._pieces():
            parts = [o.part(windows) for o in self.outcomes]
            table = memory.of(moving.shape(len(origins)))
            moving.roll(origins, parts, table)
            row = self.clock.origin[windows] - origins.start
            moves = [Move.given(table[:, m], row) for m in range(len(parts))]
            yield windows, [replace(o, bands=o.bands.widened(m)) for o, m in zip(parts, moves, strict=True)]

    def _moves(self, m: int) -> Floats:
        return self._table[:, m]

    @cached_property
    def _table(self) -> Floats:
        """The moves of all origins, (P, M, T, H, C)."""
        moving = _Moving(self.starts, self.gamma, self.clock)
        table = blank(moving.shape(self.clock.count))
        for origins, windows in self._pieces():
            moving.roll(origins, [o.part(windows) for o in self.outcomes], table[:, :, origins.start : origins.stop])
        return table

    def _pieces(self) -> Iterator[tuple[range, Rows]]:
        points = self.outcomes[0].truth[0].size if self.clock.count else 1
        for origins in self.clock.pieces(BLOCK // points):
            yield origins, self.clock.windows(origins.start, origins.stop)


class _Clock:
    """When windows begin and when truths come. origin (W,): which of `count` origins each window has.

    due (T, H): before each origin, of how many origins the truth of a step has come.
    """

    def __init__(self, time: Ints, horizon: int) -> None:
        times, self.origin = np.unique(time, return_inverse=True)
        self.count = len(times)
        self.due = np.searchsorted(times, times[:, None] - np.arange(horizon), side="left")
        self._order = None if (np.diff(time) >= 0).all() else np.argsort(self.origin, kind="stable")
        self._bounds = np.r_[0, np.cumsum(np.bincount(self.origin))].tolist()  # in that order, where an origin begins

    def pieces(self, windows: int) -> Iterator[range]:
        """All origins, a few at a time: as many as have so many windows, or a single one."""
        first = 0
        while first < self.count:
            last = bisect_right(self._bounds, self._bounds[first] + windows) - 1
            yield range(first, first := max(last, first + 1))

    def windows(self, first: int, stop: int) -> Rows:
        """Those of some origins, by time."""
        here = slice(self._bounds[first], self._bounds[stop])
        return here if self._order is None else self._order[here]

    def among(self, t: int, first: int) -> slice:
        """Where the windows of one origin are among those from origin `first` on."""
        return slice(self._bounds[t] - self._bounds[first], self._bounds[t + 1] - self._bounds[first])


class _Memory:
    """One piece of memory for many arrays, of which only the last is needed."""

    def __init__(self) -> None:
        self._all = np.empty(0, dtype=np.float32)

    def of(self, shape: tuple[int, ...]) -> Floats:
        """An array that overwrites the one before."""
        size = math.prod(shape)
        if self._all.size < size:
            self._all = np.empty(size, dtype=np.float32)
        return self._all[:size].reshape(shape)


class _Seen(NamedTuple):
    """Scores of some windows (P, M, W, H, C), in units of the window; which truths were observed (M, W, H, C).

    idle (M, W, H, C): where a miss changes nothing, as the truth is the middle of the forecast or was not observed.
    """

    score: Floats
    observed: NDArray[np.bool_]
    idle: NDArray[np.bool_]

    def part(self, windows: slice) -> _Seen:
        """Some of the windows."""
        return _Seen(self.score[:, :, windows], self.observed[:, windows], self.idle[:, windows])


def _see(outcomes: list[Outcome], memory: _Memory) -> _Seen:
    (W, H, C), P, M = outcomes[0].truth.shape, len(pairs_of(outcomes[0].levels).low), len(outcomes)
    observed = np.stack([o.observed for o in outcomes])
    seen = _Seen(memory.of((P, M, W, H, C)), observed, ~observed)
    for m, o in enumerate(outcomes):
        _score(o, seen.score[:, m], seen.idle[m])
    return seen


def _score(o: Outcome, scores: Floats, idle: NDArray[np.bool_]) -> None:
    """Fill in the scores (P, W, H, C), and add to `idle` (W, H, C) where the truth is the middle.

    What was not observed has missed every pair, which then changes nothing.
    """
    pairs, middle, offset, place = pairs_of(o.levels), o.bands.middle, o.bands.offset, o.place
    above = place - middle
    hit = above == 0
    side = np.copysign(np.float32(np.inf), above)
    over, under = np.minimum(place, side), np.maximum(place, side)
    closed = hit.any()
    for p in range(len(pairs.low)):
        low, high = o.bands.pair(p)
        score = np.subtract(over, high, out=scores[p])
        np.maximum(score, low - under, out=score)
        for q in pairs.within[p]:  # levels that stand still
            score[(middle <= place) & (place <= offset[q]) | (offset[q] <= place) & (place <= middle)] = -np.inf
        if closed:
            np.copyto(score, -np.maximum(high - middle, middle - low), where=hit)
        if not o.complete:
            np.copyto(score, np.inf, where=~o.observed)
    idle |= hit


class _Moving:
    """How far the pairs are apart, from origin to origin.

    known (P, M, R, H, C): with the truths of so many origins, of t at t % R. The last R = H states are enough: when an
    interval is issued, its step's truths of earlier than H origins before have come.
    """

    def __init__(self, starts: list[Calibration], gamma: float, clock: _Clock) -> None:
        begin = np.array([s.widening for s in starts], dtype=np.float32).transpose(3, 0, 1, 2)
        P, M, H, C = begin.shape
        nominal = pairs_of(starts[0].levels).nominal
        unit = np.array([s.unit for s in starts], dtype=np.float32)[:, None]
        self.step_up = np.repeat(gamma * unit[None], P, axis=0)  # the same of every pair, in the shape of the misses
        self.step_down = (1 - nominal).astype(np.float32)[:, None, None, None, None] * self.step_up
        R = min(H, max(1, clock.count))
        self.known = np.empty((P, M, R, H, C), dtype=np.float32)
        self.known[:, :, 0] = begin
        self.clock, self.place = clock, clock.due % R * H + np.arange(H)
        self.memory = _Memory()

    def shape(self, origins: int) -> tuple[int, ...]:
        """That of the moves of some origins."""
        P, M, _, H, C = self.known.shape
        return P, M, origins, H, C

    def roll(self, origins: range, outcomes: list[Outcome], into: Floats) -> None:
        """Issue the intervals of the next origins, into (P, M, T, H, C), and learn from the truths of their windows."""
        seen = _see(outcomes, self.memory)
        for k, t in enumerate(origins):
            into[:, :, k] = self._step(t, seen.part(self.clock.among(t, origins.start)))

    def _step(self, t: int, seen: _Seen) -> Floats:
        """Issue the intervals of an origin, and see what its truths change, for those who will know them."""
        P, M, R, H, C = self.known.shape
        issued: Floats = self.known.reshape(P * M, R * H, C).take(self.place[t], axis=1).reshape(P, M, H, C)
        missed = seen.score > issued[:, :, None]
        for p in range(P - 2, -1, -1):  # as issued a pair is no narrower than those inside it
            missed[p] &= missed[p + 1]
        change: Floats = np.multiply(missed, self.step_up)
        change -= self.step_down
        if seen.idle.any():
            np.copyto(change, 0, where=missed & seen.idle)
        if change.shape[2] > 1:  # series at one origin
            count = seen.observed.sum(axis=1, keepdims=True)
            change = change.sum(axis=2, keepdims=True) / np.maximum(count, 1, dtype=np.float32)
        np.add(self.known[:, :, t % R], change[:, :, 0], out=self.known[:, :, (t + 1) % R])
        return issued
