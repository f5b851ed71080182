"""Intervals that hold what they promise: conformal corrections from held-out origins, fixed or adaptive.

Static: conformalised quantile regression (Romano, Patterson & Candès 2019). For each pair of levels (τ, 1 - τ), each
horizon step and target, the score of a held-out window is max(q_τ - y, y - q_{1-τ}), in units of the window's own
deviation; the ceil((n + 1)(1 - 2τ))-th smallest score is added on both sides.

Adaptive: the same corrections, moved after every origin whose truth has come (Gibbs & Candès 2021, "Adaptive Conformal
Inference"), by γ · unit · (missed - 2τ), where `missed` says whether the interval as issued missed it. The step is in
the units of the scores (as in Angelopoulos, Candès & Tibshirani 2023, "Conformal PID Control") and not in those of τ:
that reaches beyond the largest held-out score without infinite intervals. The long-run share of misses tends to 2τ,
whatever the data do.

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
    windows: held-out windows behind them. pooled: whether all steps share theirs, because windows were few.
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

    None where no level has its mirror image, or where nothing was observed. With fewer than 30 observed windows at some
    step, the scores of all steps of a target are taken together; where even those are too few for a pair of levels, it
    is left as it is. Both are said.
    """
    o = with_levels(o, levels)
    if not _Pairs(o.levels).low or not o.observed.any():
        return None
    count = o.observed.sum(axis=0)  # (H, C)
    pooled = bool((count < LEAST).any())
    scores = _scores(o)
    errors = np.where(o.observed, (o.truth - o.point) / o.spread[:, None, :], np.nan)
    H, C = o.truth.shape[1:]
    if pooled:
        scores, errors = scores.reshape(len(scores), -1, 1, C), errors.reshape(-1, 1, C)
    widening, short = _order_statistics(scores, _nominal(o.levels))
    unit = _reach(errors)
    if pooled:
        log.warning(
            "only %d held-out windows to calibrate intervals by: all steps share one correction%s",
            int(count.max()), ", and some intervals are left as they are" if short else "",
        )  # fmt: skip
        widening, unit = np.repeat(widening, H, axis=1), np.repeat(unit, H, axis=0)
    return Calibration.model_validate(
        {"levels": o.levels, "widening": _short(np.moveaxis(widening, 0, -1)), "unit": _short(unit),
         "windows": len(o.truth), "pooled": pooled}
    )  # fmt: skip


def adapt(o: Outcome, start: Calibration, gamma: float = GAMMA) -> Outcome:
    """Quantiles corrected origin by origin, in the order of time, each knowing only what had come by then.

    o: uncorrected forecasts. Windows of several series at one origin count as one observation, their mean: the
    corrections are shared by all series.
    """
    o = with_levels(o, start.levels)
    H, C = o.truth.shape[1:]
    pairs = _Pairs(o.levels)
    widening = np.moveaxis(np.array(start.widening, dtype=np.float32), -1, 0).copy()  # (P, H, C)
    step = gamma * np.asarray(start.unit, dtype=np.float32)
    share = (1 - _nominal(o.levels)).astype(np.float32)[:, None, None]
    times, position = np.unique(o.time, return_inverse=True)
    order = np.argsort(position, kind="stable")
    bounds = np.r_[0, np.cumsum(np.bincount(position))]
    moves = np.zeros((len(times), len(pairs.low), H, C), dtype=np.float32)  # what each origin says once it has come
    quantiles = np.empty((len(o.levels), *o.truth.shape), dtype=np.float32)
    planes = np.moveaxis(o.quantiles, -1, 0)
    steps = np.arange(H)
    done = np.zeros(H, dtype=np.int64)  # origins whose truth at each step has been used
    for k, now in enumerate(times):
        due = np.searchsorted(times, now - steps, side="left")  # the truth of step h lies at origin + h, before now
        while (ready := done < due).any():
            h = steps[ready]
            widening[:, h] += moves[done[h], :, h].swapaxes(0, 1)
            done[h] += 1
        here = order[bounds[k] : bounds[k + 1]]
        block = pairs.widen(planes[:, here], widening[:, None] * o.spread[here][:, None, :])
        quantiles[:, here] = block
        missed = pairs.missed(block, o.truth[here], o.observed[here])
        moves[k] = np.where(np.isnan(missed), 0.0, step * (missed - share))
    return replace(o, quantiles=np.moveaxis(quantiles, 0, -1))


class _Pairs:
    """Mirror-image levels, the widest pair first, and how they move. Quantiles here are planes, (Q, W, H, C)."""

    def __init__(self, levels: tuple[float, ...]) -> None:
        found = [(a, b) for a, x in enumerate(levels) for b, y in enumerate(levels) if a < b and abs(x + y - 1) < 1e-9]
        self.low, self.high = ([pair[side] for pair in found] for side in (0, 1))
        self.middle = min(range(len(levels)), key=lambda q: abs(levels[q] - 0.5))

    def widen(self, quantiles: Floats, move: Floats) -> Floats:
        """Each pair apart by move (P, W, H, C); a level that would pass one nearer the middle stops there."""
        out = quantiles.copy()
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
    """(the ceil((n+1)p)-th smallest of each column (P, H, C), whether some column was too short for it)."""
    n = (~np.isnan(scores[0])).sum(axis=0)  # (H, C)
    rank = np.ceil((n + 1) * nominal[:, None, None] - 1e-9).astype(np.int64)
    ordered = np.sort(scores, axis=1)  # NaN last
    found = np.take_along_axis(ordered, np.clip(rank - 1, 0, scores.shape[1] - 1)[:, None], axis=1)[:, 0]
    return np.where(rank <= n, found, 0.0), bool((rank > n).any())


def _reach(errors: Floats) -> Floats:
    """From the 0.1 to the 0.9 quantile of the point forecast's errors (W, H, C), 0 where there is none. (H, C)"""
    n = (~np.isnan(errors)).sum(axis=0)
    ordered = np.sort(errors, axis=0)
    low, high = (
        np.take_along_axis(ordered, np.clip(np.round(p * (n - 1)), 0, None).astype(np.int64)[None], axis=0)[0]
        for p in (0.1, 0.9)
    )
    return np.where(n > 0, high - low, 0.0)


def _short(values: Floats) -> list[object]:
    """Nested plain numbers of seven digits: what float32 holds."""
    rounded: list[object] = np.vectorize(lambda v: float(f"{v:.7g}"), otypes=[float])(values).tolist()
    return rounded
