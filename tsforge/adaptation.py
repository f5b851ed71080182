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

Axes: M models, W windows in the order of time, T origins, H horizon, C targets, P pairs of levels, the widest first.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsforge.bands import Floats, Ints, Move, Rows, pairs_of
from tsforge.calibration import GAMMA, Calibration, with_levels
from tsforge.outcome import BLOCK, Outcome
from tsforge.parallel import blank


def adapt(o: Outcome, start: Calibration, gamma: float = GAMMA) -> Outcome:
    """Quantiles corrected origin by origin, in the order of time, moved only by truths that had come by then.

    o: uncorrected forecasts. Windows of several series at one origin count as one observation, their mean: the
    corrections are shared by all series.
    """
    return adapt_all([o], [start], gamma)[0]


def adapt_all(outcomes: list[Outcome], starts: list[Calibration], gamma: float = GAMMA) -> list[Outcome]:
    """The same for several forecasts of the same windows at the same levels, each by itself, in one pass over time."""
    outcomes = [with_levels(o, start.levels) for o, start in zip(outcomes, starts, strict=True)]
    horizon, targets = outcomes[0].truth.shape[1:]
    clock = _Clock(outcomes[0].time, horizon)
    moving = _Moving(starts, gamma, clock)
    for origins in clock.pieces(BLOCK // (horizon * targets)):
        windows = clock.windows(origins.start, origins.stop)
        seen = _see([o.part(windows) for o in outcomes])
        for t in origins:
            moving.step(t, seen.part(clock.among(t, origins.start)))
    return [
        replace(o, bands=o.bands.widened(Move(moves, clock.origin)))
        for o, moves in zip(outcomes, moving.table, strict=True)
    ]


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


class _Seen(NamedTuple):
    """Scores of some windows (M, W, P, H, C), in units of the window; which truths were observed (M, W, H, C).

    idle (M, W, H, C): where a miss changes nothing, as the truth is the middle of the forecast or was not observed.
    """

    score: Floats
    observed: NDArray[np.bool_]
    idle: NDArray[np.bool_]

    def part(self, windows: slice) -> _Seen:
        """Some of the windows."""
        return _Seen(self.score[:, windows], self.observed[:, windows], self.idle[:, windows])


def _see(outcomes: list[Outcome]) -> _Seen:
    (W, H, C), P, M = outcomes[0].truth.shape, len(pairs_of(outcomes[0].levels).low), len(outcomes)
    observed = np.stack([o.observed for o in outcomes])
    seen = _Seen(np.empty((M, W, P, H, C), dtype=np.float32), observed, ~observed)
    for o, score, idle in zip(outcomes, seen.score, seen.idle, strict=True):
        _score(o, score, idle)
    return seen


def _score(o: Outcome, scores: Floats, idle: NDArray[np.bool_]) -> None:
    """Fill in the scores (W, P, H, C), and add to `idle` (W, H, C) where the truth is the middle.

    What was not observed has missed every pair, which then changes nothing.
    """
    pairs, middle, offset = pairs_of(o.levels), o.bands.middle, o.bands.offset
    place = (o.truth - o.bands.centre) / o.spread[:, None]
    above, hit = place > middle, place == middle
    over, under = np.where(above, place, -np.inf), np.where(above, np.inf, place)
    unseen = None if o.observed.all() else ~o.observed
    closed = hit.any()
    for p in range(len(pairs.low)):
        low, high = o.bands.pair(p)
        score = np.subtract(over, high, out=scores[:, p])
        np.maximum(score, low - under, out=score)
        for q in pairs.within[p]:  # levels that stand still
            score[(middle <= place) & (place <= offset[q]) | (offset[q] <= place) & (place <= middle)] = -np.inf
        if closed:
            np.copyto(score, -np.maximum(high - middle, middle - low), where=hit)
        if unseen is not None:
            score[unseen] = np.inf
    idle |= hit


class _Moving:
    """How far the pairs are apart, from origin to origin. table (M, T, P, H, C): as issued.

    known (M, P, R, H, C): with the truths of so many origins, of t at t % R. The last R = H states are enough: when an
    interval is issued, its step's truths of earlier than H origins before have come.
    """

    def __init__(self, starts: list[Calibration], gamma: float, clock: _Clock) -> None:
        begin = np.array([s.widening for s in starts], dtype=np.float32).transpose(0, 3, 1, 2)
        M, P, H, C = begin.shape
        nominal = pairs_of(starts[0].levels).nominal
        self.step_up = gamma * np.array([s.unit for s in starts], dtype=np.float32)[:, None, None]
        self.step_down = (1 - nominal).astype(np.float32)[:, None, None] * self.step_up
        self.table = blank((M, clock.count, P, H, C))
        R = min(H, max(1, clock.count))
        self.known = np.empty((M, P, R, H, C), dtype=np.float32)
        self.known[:, :, 0] = begin
        self.place = clock.due % R * H + np.arange(H)

    def step(self, t: int, seen: _Seen) -> None:
        """Issue the intervals of an origin, and see what its truths change, for those who will know them."""
        M, P, R, H, C = self.known.shape
        move = self.known.reshape(M * P, R * H, C).take(self.place[t], axis=1).reshape(M, 1, P, H, C)
        self.table[:, t : t + 1] = move
        missed = seen.score > move
        for p in range(P - 2, -1, -1):  # as issued a pair is no narrower than those inside it
            missed[:, :, p] &= missed[:, :, p + 1]
        change = missed * self.step_up
        change -= self.step_down
        np.copyto(change, 0, where=missed & seen.idle[:, :, None])
        if change.shape[1] > 1:  # series at one origin
            count = seen.observed.sum(axis=1, keepdims=True)
            change = change.sum(axis=1, keepdims=True) / np.maximum(count, 1, dtype=np.float32)[:, :, None]
        np.add(self.known[:, :, t % R], change[:, 0], out=self.known[:, :, (t + 1) % R])
