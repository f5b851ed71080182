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

from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsforge.bands import Floats, Ints, Move, pairs_of
from tsforge.calibration import GAMMA, Calibration, with_levels
from tsforge.outcome import Outcome

FIRST = 8  # horizon steps that are moved origin by origin; later ones, whose truths come later, many origins at a time
HIT, UNSEEN = 1, 2  # the truth is the middle of the forecast; it was not observed


def adapt(o: Outcome, start: Calibration, gamma: float = GAMMA) -> Outcome:
    """Quantiles corrected origin by origin, in the order of time, moved only by truths that had come by then.

    o: uncorrected forecasts. Windows of several series at one origin count as one observation, their mean: the
    corrections are shared by all series.
    """
    return adapt_all([o], [start], gamma)[0]


def adapt_all(outcomes: list[Outcome], starts: list[Calibration], gamma: float = GAMMA) -> list[Outcome]:
    """The same for several forecasts of the same windows at the same levels, each by itself, in one pass over time."""
    outcomes = [with_levels(o, start.levels) for o, start in zip(outcomes, starts, strict=True)]
    (W, H, C), M = outcomes[0].truth.shape, len(outcomes)
    clock, pairs = _Clock(outcomes[0].time, H), pairs_of(outcomes[0].levels)
    P = len(pairs.low)
    scores, odd = np.empty((M, W, P, H, C), dtype=np.float32), np.empty((M, W, H, C), dtype=np.int8)
    for m, o in enumerate(outcomes):
        _score(o if clock.in_order else o.part(clock.order), scores[m], odd[m])
    begin = np.array([s.widening for s in starts], dtype=np.float32).transpose(0, 3, 1, 2)
    step = gamma * np.array([s.unit for s in starts], dtype=np.float32)[:, None]
    law = _Law(begin, step, (1 - pairs.nominal).astype(np.float32)[:, None, None] * step)
    T = len(clock.times)  # memory is dear: what was a score becomes a move once its origin has passed
    table = scores if T == W else np.empty((M, T, P, H, C), dtype=np.float32)
    for h in _groups(H):
        _move(table[..., h, :], scores[..., h, :], odd[..., h, :], law.part(h), clock.due[:, h], clock)
    return [
        replace(o, bands=o.bands.widened(Move(moves, clock.origin))) for o, moves in zip(outcomes, table, strict=True)
    ]


class _Law(NamedTuple):
    """Where the pairs begin (M, P, H, C); what a miss adds (M, 1, H, C); what every truth takes (M, P, H, C)."""

    begin: Floats
    step: Floats
    back: Floats

    def part(self, h: slice) -> _Law:
        """Some of the steps."""
        return _Law(*(values[..., h, :] for values in self))


class _Clock:
    """When truths come. origin (W,): which of `times` (T,) each window has.

    order, own (W,): the windows by time, and their origins; bounds (T + 1,): where those of each origin begin there.
    due (T, H): before each origin, of how many origins the truth of a step has come.
    """

    def __init__(self, time: Ints, horizon: int) -> None:
        self.times, self.origin = np.unique(time, return_inverse=True)
        self.in_order = bool((np.diff(time) >= 0).all())
        self.order = np.argsort(self.origin, kind="stable")
        self.own = self.origin[self.order]
        self.bounds = np.r_[0, np.cumsum(np.bincount(self.origin))]
        self.due = np.searchsorted(self.times, self.times[:, None] - np.arange(horizon), side="left")


def _groups(horizon: int) -> list[slice]:
    """Steps that are moved together: many origins at once, as the truths of late steps come late."""
    bounds = [0, FIRST]
    while bounds[-1] < horizon:
        bounds.append(2 * bounds[-1])
    return [slice(a, min(b, horizon)) for a, b in pairwise(bounds)]


def _score(o: Outcome, scores: Floats, odd: NDArray[np.int8]) -> None:
    """Fill in the scores (W, P, H, C), in units of the window, and where a truth is odd (W, H, C)."""
    pairs, done = pairs_of(o.levels), 0
    for block in o.blocks():
        here = slice(done, done := done + len(block.truth))
        middle, offset = block.bands.middle, block.bands.offset
        place = (block.truth - block.bands.centre) / block.spread[:, None]
        above, hit = place > middle, place == middle
        over, under = np.where(above, place, -np.inf), np.where(above, np.inf, place)
        for p in range(len(pairs.low)):
            low, high = block.bands.pair(p)
            score = np.maximum(over - high, low - under, out=scores[here, p])
            for q in pairs.within[p]:  # levels that stand still
                score[(middle <= place) & (place <= offset[q]) | (offset[q] <= place) & (place <= middle)] = -np.inf
            if hit.any():
                np.copyto(score, -np.maximum(high - middle, middle - low), where=hit)
        odd[here] = np.where(block.observed, np.where(hit, HIT, 0), UNSEEN)


def _move(table: Floats, scores: Floats, odd: NDArray[np.int8], law: _Law, due: Ints, clock: _Clock) -> None:
    """Fill in how far the pairs are apart at each origin (M, T, P, h, C), from scores (M, W, P, h, C).

    odd (M, W, h, C). due (T, h): before each origin, of how many origins the truth of a step has come.
    """
    M, T, P, h, C = table.shape
    total = np.empty((T + 1, h, P, M, C), dtype=np.float32)  # row t: with the truths of t origins; a step lies together
    total[0] = law.begin.transpose(2, 1, 0, 3)
    table, scores, odd = table.transpose(1, 3, 2, 0, 4), scores.transpose(1, 3, 2, 0, 4), odd.transpose(1, 2, 0, 3)
    missing, hitting = (np.ascontiguousarray(a.transpose(2, 1, 0, 3)) for a in (law.step - law.back, -law.back))
    strange = np.nonzero(odd)
    cuts = np.searchsorted(strange[0], np.arange(len(odd) + 1))  # where those of each window begin
    first, steps = 0, np.arange(h)
    while first < T:
        last = int(np.searchsorted(due[:, 0], first, side="right"))  # who knows no truth of the first or a later one
        rows = slice(clock.bounds[first], clock.bounds[last])
        move = total[due[first:last], steps]
        several = rows.stop - rows.start > last - first  # series at one origin
        each = move[clock.own[rows] - first] if several else move
        missed = np.greater(scores[rows], each, out=np.empty(each.shape, dtype=np.bool_))
        table[first:last] = move
        for p in range(P - 2, -1, -1):  # as issued a pair is no narrower than those inside it
            missed[:, :, p] &= missed[:, :, p + 1]
        change = np.where(missed, missing, hitting)
        here = slice(cuts[rows.start], cuts[rows.stop])
        if here.stop > here.start:
            w, j, m, c = (index[here] for index in strange)
            quiet = missed[w - rows.start, j, :, m, c] | (odd[w, j, m, c] == UNSEEN)[:, None]
            change[w - rows.start, j, :, m, c] *= ~quiet
        if several:
            bounds = clock.bounds[first:last] - rows.start
            seen = np.add.reduceat(odd[rows] != UNSEEN, bounds, dtype=np.float32)
            change = np.add.reduceat(change, bounds) / np.maximum(seen, 1)[:, :, None]
        for t, by in enumerate(change, first):
            np.add(total[t], by, out=total[t + 1])
        first = last
