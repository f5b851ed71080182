"""Intervals that hold what they promise: conformal corrections from held-out origins, fixed or adaptive.

Static: conformalised quantile regression (Romano, Patterson & Candès 2019). For each pair of levels (τ, 1 - τ), each
horizon step and target, the score of a held-out window is max(q_τ - y, y - q_{1-τ}), in units of the window's own
deviation; the ceil((n + 1)(1 - 2τ))-th smallest score is added on both sides.

Adaptive: the same corrections, moved after every origin whose truth has come (Gibbs & Candès 2021, "Adaptive Conformal
Inference"), by γ · unit · (missed - 2τ), where `missed` says whether the interval as issued missed it. The step is in
the units of the scores (as in Angelopoulos, Candès & Tibshirani 2023, "Conformal PID Control") and not in those of τ:
that reaches beyond the largest held-out score without infinite intervals. The long-run share of misses tends to 2τ,
whatever the data do, unless the interval is closed and still never missed (a constant series).

Axes: W windows, H horizon, C targets, Q levels, P pairs of levels, the widest first.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tsforge.config import Config
from tsforge.outcome import Outcome

log = logging.getLogger("tsforge")

GAMMA = 0.015  # of the adaptive step
LEAST = 30  # held-out windows for corrections per step; with fewer, all steps share theirs

Floats = NDArray[np.floating]


class Calibration(Config):
    """Corrections for the pairs of `levels`, in units of each window's deviation.

    widening (H, C, P): added above and below. unit (H, C): spread of the scores, for the adaptive step.
    windows: held-out windows behind them. pooled: whether the steps of some target share
    theirs, because windows were few.
    """

    levels: tuple[float, ...]
    widening: tuple[tuple[tuple[float, ...], ...], ...]
    unit: tuple[tuple[float, ...], ...]
    windows: int
    pooled: bool = False

    def apply(self, o: Outcome) -> Outcome:
        """The same forecasts with corrected quantiles; those of a point forecast are made here."""
        return replace(o, quantiles=self.correct(o.point, o.quantiles, o.spread), levels=self.levels)

    def settled(self) -> Calibration:
        """The same without corrections: where to start from once they have been applied."""
        return self.model_copy(update={"widening": _short(0 * np.asarray(self.widening))})

    def correct(self, point: Floats, quantiles: Floats, spread: Floats) -> Floats:
        """Quantiles (W, H, C, Q) at `levels` that never cross, from forecasts as the network gave them.

        point (W, H, C), quantiles (W, H, C, Q) or none (Q = 0), spread (W, C): one normalised unit.
        """
        planes = np.moveaxis(quantiles if quantiles.shape[-1] else _flat(point, self.levels), -1, 0)
        widening = np.moveaxis(np.array(self.widening, dtype=np.float32), -1, 0)
        return np.moveaxis(_Pairs(self.levels).widen(planes, widening[:, None] * spread[:, None, :]), 0, -1)


def learn(o: Outcome, levels: tuple[float, ...]) -> Calibration | None:
    """Corrections from held-out windows; `levels` are those of the answer where `o` has none (a point forecast).

    None where no level has its mirror image, or where nothing was observed. A target with fewer than 30 observed
    windows at some step has the scores of all its steps taken together; where even those are too few for a pair of
    levels, it is left as it is. Both are said.
    """
    o = with_levels(o, levels)
    if not _Pairs(o.levels).low or not o.observed.any():
        return None
    H, C = o.truth.shape[1:]
    least = o.observed.sum(axis=0).min(axis=0)  # (C,)
    scores, nominal = _scores(o), _nominal(o.levels)
    errors = np.where(o.observed, (o.truth - o.point) / o.spread[:, None, :], np.nan)
    widening, unit = np.zeros((len(nominal), H, C)), np.zeros((H, C))
    short = False
    for c in range(C):
        s, e = scores[..., c], errors[..., c]
        if least[c] < LEAST:
            s, e = s.reshape(len(s), -1, 1), e.reshape(-1, 1)
        widening[..., c], missing = _order_statistics(s, nominal)
        unit[:, c] = _reach(e)
        short |= missing
    pooled = bool((least < LEAST).any())
    if pooled:
        log.warning(
            "only %d held-out windows to calibrate intervals by at some step%s: all steps share one correction%s",
            int(least.min()), f" of {int((least < LEAST).sum())} of {C} targets" if C > 1 else "",
            ", and some intervals are left as they are" if short else "",
        )  # fmt: skip
    return Calibration.model_validate(
        {"levels": o.levels, "widening": _short(np.moveaxis(widening, 0, -1)), "unit": _short(unit),
         "windows": len(o.truth), "pooled": pooled}
    )  # fmt: skip


def adapt(o: Outcome, start: Calibration, gamma: float = GAMMA) -> Outcome:
    """Quantiles corrected origin by origin, in the order of time, moved only by truths that had come by then.

    o: uncorrected forecasts. Windows of several series at one origin count as one observation, their mean: the
    corrections are shared by all series.
    """
    return adapt_all([o], [start], gamma)[0]


def adapt_all(outcomes: list[Outcome], starts: list[Calibration], gamma: float = GAMMA) -> list[Outcome]:
    """The same for several forecasts of the same windows at the same levels, each by itself, in one pass over time."""
    outcomes = [with_levels(o, start.levels) for o, start in zip(outcomes, starts, strict=True)]
    first, M = outcomes[0], len(outcomes)
    H = first.truth.shape[1]
    pairs = _Pairs(first.levels)
    # The forecasts stand side by side as if they were so many targets; step by step in memory, (H, P, M·C).
    widening = np.concatenate([np.array(s.widening, dtype=np.float32).swapaxes(1, 2) for s in starts], axis=-1)
    move = widening.swapaxes(0, 1)[:, None]  # a view, (P, 1, H, M·C)
    step = gamma * np.concatenate([np.asarray(s.unit, dtype=np.float32) for s in starts], axis=-1)
    spread = np.concatenate([o.spread for o in outcomes], axis=-1)
    share = (1 - _nominal(first.levels)).astype(np.float32)[:, None, None]
    times, position = np.unique(first.time, return_inverse=True)
    order = np.argsort(position, kind="stable")
    bounds = np.r_[0, np.cumsum(np.bincount(position))]
    moves = np.zeros((len(times), *widening.shape), dtype=np.float32)  # what each origin says once it has come
    planes = [np.moveaxis(o.quantiles, -1, 0) for o in outcomes]
    found = [np.empty((len(o.levels), *o.truth.shape), dtype=np.float32) for o in outcomes]
    steps = np.arange(H)
    due = np.searchsorted(times, times[:, None] - steps, side="left")  # step h lies at origin + h, before now
    done = np.zeros(H, dtype=np.int64)  # origins whose truth at each step has been used
    for k in range(len(times)):
        while (ready := done < due[k]).any():
            h = steps[ready]
            if len(h) == H:
                widening += moves[done, steps]
            else:
                widening[h] += moves[done[h], h]
            done += ready
        chosen = order[bounds[k] : bounds[k + 1]]
        here = slice(chosen[0], chosen[0] + 1) if len(chosen) == 1 else chosen  # a view where that will do
        block = np.concatenate([p[:, here] for p in planes], axis=-1)
        block = pairs.widen(block, move * spread[here][:, None, :], out=block)
        for into, part in zip(found, np.split(block, M, axis=-1), strict=True):
            into[:, here] = part
        truth, observed = (np.concatenate([a[here]] * M, axis=-1) for a in (first.truth, first.observed))
        missed = pairs.missed(block, truth, observed)
        change = np.nan_to_num(step * (missed - share))
        closed = (block[pairs.high] <= block[pairs.low]).all(axis=1)  # nothing left to take back: it is not saved up
        moves[k] = np.where(closed, np.maximum(change, 0), change).swapaxes(0, 1)
    return [replace(o, quantiles=np.moveaxis(q, 0, -1)) for o, q in zip(outcomes, found, strict=True)]


class _Pairs:
    """Mirror-image levels, the widest pair first, and how they move. Quantiles here are planes, (Q, W, H, C)."""

    def __init__(self, levels: tuple[float, ...]) -> None:
        found = [(a, b) for a, x in enumerate(levels) for b, y in enumerate(levels) if a < b and abs(x + y - 1) < 1e-9]
        self.low, self.high = ([pair[side] for pair in found] for side in (0, 1))
        self.middle = min(range(len(levels)), key=lambda q: abs(levels[q] - 0.5))

    def widen(self, quantiles: Floats, move: Floats, out: Floats | None = None) -> Floats:
        """Each pair apart by move (P, W, H, C); a level that would pass one nearer the middle stops there."""
        out = quantiles.copy() if out is None else out
        for p, (a, b) in enumerate(zip(self.low, self.high, strict=True)):
            out[a] -= move[p]
            out[b] += move[p]
        for q in range(self.middle, 0, -1):  # plane by plane: numpy's accumulate takes ten times as long
            np.minimum(out[q - 1], out[q], out=out[q - 1])
        for q in range(self.middle, len(out) - 1):
            np.maximum(out[q + 1], out[q], out=out[q + 1])
        return out

    def missed(self, quantiles: Floats, truth: Floats, observed: NDArray[np.bool_]) -> Floats:
        """Share of the windows whose truth lies outside each pair, (P, H, C); NaN where none was observed."""
        outside = ((truth < quantiles[self.low]) | (truth > quantiles[self.high])) & observed
        count = observed.sum(axis=0, dtype=np.float32)
        with np.errstate(invalid="ignore"):
            return np.asarray(outside.sum(axis=1, dtype=np.float32) / count)


def with_levels(o: Outcome, levels: tuple[float, ...]) -> Outcome:
    """A point forecast as quantiles that all lie on it; any other outcome as it is."""
    if o.levels or not levels:
        return o
    return replace(o, quantiles=_flat(o.point, levels), levels=levels)


def _flat(point: Floats, levels: tuple[float, ...]) -> Floats:
    return np.moveaxis(np.repeat(point[None], len(levels), axis=0), 0, -1)


def _nominal(levels: tuple[float, ...]) -> NDArray[np.float64]:
    """The coverage that each pair promises, (P,)."""
    pairs = _Pairs(levels)
    return np.array([levels[b] - levels[a] for a, b in zip(pairs.low, pairs.high, strict=True)])


def _scores(o: Outcome) -> Floats:
    """How far each truth lies outside each pair (inside: below 0), in units of its window, (P, W, H, C)."""
    pairs = _Pairs(o.levels)
    found = np.empty((len(pairs.low), *o.truth.shape), dtype=np.float32)
    for p, (a, b) in enumerate(zip(pairs.low, pairs.high, strict=True)):
        outside = np.maximum(o.quantiles[..., a] - o.truth, o.truth - o.quantiles[..., b])
        found[p] = np.where(o.observed, outside / o.spread[:, None, :], np.nan)
    return found


def _order_statistics(scores: Floats, nominal: NDArray[np.float64]) -> tuple[Floats, bool]:
    """(the ceil((n+1)p)-th smallest of each step (P, H) of scores (P, W, H), whether some had too few for it)."""
    n = (~np.isnan(scores[0])).sum(axis=0)  # (H,)
    rank = np.ceil((n + 1) * nominal[:, None] - 1e-9).astype(np.int64)
    ordered = np.sort(np.ascontiguousarray(np.moveaxis(scores, 1, -1)), axis=-1)  # NaN last; in a row, it is fast
    found = np.take_along_axis(ordered, np.clip(rank - 1, 0, scores.shape[1] - 1)[..., None], axis=-1)[..., 0]
    return np.where(rank <= n, found, 0.0), bool((rank > n).any())


def _reach(errors: Floats) -> Floats:
    """From the 0.1 to the 0.9 quantile of the point forecast's errors (W, H), 0 where there is none. (H,)"""
    n = (~np.isnan(errors)).sum(axis=0)
    ordered = np.sort(np.ascontiguousarray(errors.T), axis=-1)
    low, high = (
        np.take_along_axis(ordered, np.clip(np.round(p * (n - 1)), 0, None).astype(np.int64)[:, None], axis=-1)[:, 0]
        for p in (0.1, 0.9)
    )
    return np.where(n > 0, high - low, 0.0)


def _short(values: Floats) -> list[object]:
    """Nested plain numbers of seven digits: what float32 holds."""
    rounded: list[object] = np.vectorize(lambda v: float(f"{v:.7g}"), otypes=[float])(values).tolist()
    return rounded
