"""Intervals that move after every origin, with the truths that have come by then.

Adaptive conformal inference (Gibbs & Candès 2021): the corrections of `conformal` change after every origin whose truth
has come, by γ · unit · (missed - 2τ), where `missed` is 1 if the interval as issued missed the truth, else 0. The step
is in the units of the scores (as in Angelopoulos, Candès & Tibshirani 2023, "Conformal PID Control") and not in those
of τ: so it reaches beyond the largest held-out score without infinite intervals. The long-run share of misses tends to
2τ, whatever the data do, unless the interval is closed and still never missed (a constant series): a closed interval
that was hit narrows no further, as that would only be saved up.

Intervals need not be computed for it. A score is how far a pair would have to be moved apart to reach the truth; an
interval as issued is never narrower than those inside it, so it missed where every score, from its own inwards, is
larger than the correction of its pair. A closed interval can only be hit by a truth on the middle itself: there the
score is minus the distance of the pair, and the same comparison tells whether the interval is closed.

Axes: W windows, T origins, H horizon, C targets, P pairs of levels, the widest first.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsforge.evaluation.conformal import GAMMA, Calibration, as_numbers, with_levels
from tsforge.evaluation.outcome import BLOCK, Outcome
from tsforge.evaluation.quantiles import Floats, Ints, Widening, pairs_of


def adapt(o: Outcome, start: Calibration, gamma: float = GAMMA) -> Outcome:
    """Quantiles corrected origin by origin, in the order of time, moved only by truths that had come by then.

    o: uncorrected forecasts.
    start: the corrections of the first origin.
    gamma: the size of a step.
    Series share their corrections: windows of several series at one origin count as one observation, their mean.
    """
    return follow(o, start, gamma)[0]


def follow(o: Outcome, start: Calibration, gamma: float = GAMMA) -> tuple[Outcome, Calibration]:
    """As `adapt`, and the corrections with what the truths of all origins have made of them (`Calibration.moved`)."""
    o = with_levels(o, start.levels)
    times, origin = np.unique(o.time, return_inverse=True)
    issued, last = _issued(o, start, gamma, times, origin)
    outcome = replace(o, distribution=o.distribution.widened(Widening(issued, origin)))
    return outcome, start.model_copy(update={"moved": as_numbers(np.moveaxis(last, 0, -1))})


def _issued(o: Outcome, start: Calibration, gamma: float, times: Ints, origin: Ints) -> tuple[Floats, Floats]:
    """How far the pairs are moved apart at every origin, (P, T, H, C), and after all of them, (P, H, C).

    times: (T,), those of the origins, ascending.
    origin: (W,), which of them each window has.
    """
    first = np.array(start.widening, dtype=np.float32).transpose(2, 0, 1)
    P, H, C = first.shape
    step_up = np.repeat(np.array(start.unit, dtype=np.float32)[None, None] * np.float32(gamma), P, axis=0)
    step_down = (1 - pairs_of(start.levels).nominal).astype(np.float32)[:, None, None, None] * step_up
    # The state after the truths of t origins lies at t % R. The last H are enough: when an interval is issued, the
    # truths of its step of earlier than H origins before have come.
    R = min(H, max(1, len(times)))
    states = np.empty((P, R, H, C), dtype=np.float32)
    states[:, 0] = first
    come = np.searchsorted(times, times[:, None] - np.arange(H), side="left")  # (T, H): of how many origins, by then
    place = come % R * H + np.arange(H)
    issued = np.empty((P, len(times), H, C), dtype=np.float32)
    for t, scores in enumerate(_by_origin(o, origin)):
        now = states.reshape(P, R * H, C).take(place[t], axis=1)
        issued[:, t] = now
        np.add(states[:, t % R], _change(scores, now, step_up, step_down), out=states[:, (t + 1) % R])
    return issued, states[:, len(times) % R]


class _Scores(NamedTuple):
    """Scores of some windows, in units of each window.

    score: (P, W, H, C), by how much each pair would have to be moved to reach the truth.
    observed: (W, H, C), which truths were observed.
    idle: (W, H, C), where a miss changes nothing, as the truth is the middle of the forecast or was not observed.
    """

    score: Floats
    observed: NDArray[np.bool_]
    idle: NDArray[np.bool_]


def _by_origin(o: Outcome, origin: Ints) -> Iterator[_Scores]:
    """The scores of the windows of every origin, in the order of time; computed for a block of origins at once."""
    order = None if (np.diff(origin) >= 0).all() else np.argsort(origin, kind="stable")
    bounds = np.r_[0, np.cumsum(np.bincount(origin))]  # in that order, where each origin begins
    most = BLOCK // max(1, o.truth[:1].size)
    first, count = 0, len(bounds) - 1
    while first < count:
        last = max(first + 1, int(np.searchsorted(bounds, bounds[first] + most, side="right")) - 1)
        rows = slice(bounds[first], bounds[last])
        score, observed, idle = _scores(o.part(rows if order is None else order[rows]))
        for a, b in itertools.pairwise((bounds[first : last + 1] - bounds[first]).tolist()):
            yield _Scores(score[:, a:b], observed[a:b], idle[a:b])
        first = last


def _scores(o: Outcome) -> _Scores:
    """Those of all windows. What was not observed has missed every pair, which then changes nothing."""
    pairs, distribution, place = pairs_of(o.levels), o.distribution, o.place
    middle, offset = distribution.middle, distribution.offset
    above = place - middle
    hit = above == 0
    side = np.copysign(np.float32(np.inf), above)
    over, under = np.minimum(place, side), np.maximum(place, side)
    scores, closed = np.empty((len(pairs.low), *o.truth.shape), dtype=np.float32), hit.any()
    for p, score in enumerate(scores):
        low, high = distribution.pair(p)
        np.subtract(over, high, out=score)
        np.maximum(score, low - under, out=score)
        for q in pairs.within[p]:  # levels that stand still
            score[(middle <= place) & (place <= offset[q]) | (offset[q] <= place) & (place <= middle)] = -np.inf
        if closed:
            np.copyto(score, -np.maximum(high - middle, middle - low), where=hit)
        if not o.complete:
            np.copyto(score, np.inf, where=~o.observed)
    return _Scores(scores, o.observed, hit | ~o.observed)


def _change(scores: _Scores, issued: Floats, step_up: Floats, step_down: Floats) -> Floats:
    """What the truths of one origin change for those who will know them, (P, H, C); steps (P, 1, H, C)."""
    missed = scores.score > issued[:, None]
    for p in range(len(missed) - 2, -1, -1):  # as issued a pair is no narrower than those inside it
        missed[p] &= missed[p + 1]
    change: Floats = np.multiply(missed, step_up)
    change -= step_down
    if scores.idle.any():
        np.copyto(change, 0, where=missed & scores.idle)
    if change.shape[1] == 1:
        return change[:, 0]
    count = scores.observed.sum(axis=0)
    return np.asarray(change.sum(axis=1) / np.maximum(count, 1, dtype=np.float32))
