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
from tsforge.metrics import Outcome

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

    def correct(self, point: Floats, quantiles: Floats, spread: Floats) -> Floats:
        """Quantiles (W, H, C, Q) at `levels` that never cross, from forecasts as the network gave them.

        point (W, H, C), quantiles (W, H, C, Q) or none (Q = 0), spread (W, C): one normalised unit.
        """
        quantiles = quantiles if quantiles.shape[-1] else _flat(point, self.levels)
        return _widen(quantiles, self.levels, np.asarray(self.widening, dtype=np.float32), spread)


def learn(o: Outcome, levels: tuple[float, ...]) -> Calibration | None:
    """Corrections from held-out windows; `levels` are those of the answer where `o` has none (a point forecast).

    None where no level has its mirror image, or where nothing was observed. With fewer than 30 observed windows at some
    step, the scores of all steps of a target are taken together; where even those are too few for a pair of levels, it
    is left as it is. Both are said.
    """
    o = with_levels(o, levels)
    if not _pairs(o.levels) or not o.observed.any():
        return None
    count = o.observed.sum(axis=0)  # (H, C)
    pooled = bool((count < LEAST).any())
    scores = np.where(o.observed[..., None], _scores(o), np.nan)
    errors = np.where(o.observed, (o.truth - o.point) / o.spread[:, None, :], np.nan)
    if pooled:
        scores, errors = (a.reshape(-1, 1, *a.shape[2:]) for a in (scores, errors))
    widening, short = _order_statistics(scores, _nominal(o.levels))
    unit = _reach(errors)
    H = o.truth.shape[1]
    if pooled:
        log.warning(
            "only %d held-out windows to calibrate intervals by: all steps share one correction%s",
            int(count.max()), ", and some intervals are left as they are" if short else "",
        )  # fmt: skip
        widening, unit = np.repeat(widening, H, axis=0), np.repeat(unit, H, axis=0)
    return Calibration.model_validate(
        {"levels": o.levels, "widening": _short(widening), "unit": _short(unit), "windows": len(o.truth),
         "pooled": pooled}
    )  # fmt: skip


def adapt(o: Outcome, start: Calibration, gamma: float = GAMMA) -> Outcome:
    """Quantiles corrected origin by origin, in the order of time, each knowing only what had come by then.

    o: uncorrected forecasts. Windows of several series at one origin count as one observation, their mean: the
    corrections are shared by all series.
    """
    o = with_levels(o, start.levels)
    track = _Track(start, gamma)
    times, position = np.unique(o.time, return_inverse=True)
    order = np.argsort(position, kind="stable")
    bounds = np.r_[0, np.cumsum(np.bincount(position))]
    missed = np.full((len(times), *track.widening.shape), np.nan, dtype=np.float32)
    quantiles = np.empty_like(o.quantiles)
    steps = np.arange(o.truth.shape[1])
    done = np.zeros(len(steps), dtype=np.int64)  # origins whose truth at each step has been used
    for k, now in enumerate(times):
        due = np.searchsorted(times, now - steps, side="left")  # the truth of step h lies at origin + h, before now
        while (ready := done < due).any():
            h = steps[ready]
            track.update(h, missed[done[h], h])
            done[h] += 1
        here = order[bounds[k] : bounds[k + 1]]
        quantiles[here] = _widen(o.quantiles[here], o.levels, track.widening, o.spread[here])
        missed[k] = _missed(quantiles[here], o.levels, o.truth[here], o.observed[here])
    return replace(o, quantiles=quantiles)


class _Track:
    """The corrections as they move."""

    def __init__(self, start: Calibration, gamma: float) -> None:
        self.widening = np.asarray(start.widening, dtype=np.float32)
        self.step = gamma * np.asarray(start.unit, dtype=np.float32)[..., None]
        self.share = (1 - _nominal(start.levels)).astype(np.float32)

    def update(self, h: NDArray[np.int64], missed: Floats) -> None:
        """Wider after a miss, a little narrower after a hit; unmoved where nothing was observed. missed (h, C, P)"""
        self.widening[h] += np.nan_to_num(self.step[h] * (missed - self.share))


def with_levels(o: Outcome, levels: tuple[float, ...]) -> Outcome:
    """A point forecast as quantiles that all lie on it; any other outcome as it is."""
    if o.levels or not levels:
        return o
    return replace(o, quantiles=_flat(o.point, levels), levels=levels)


def _flat(point: Floats, levels: tuple[float, ...]) -> Floats:
    return np.repeat(point[..., None], len(levels), axis=-1)


def _pairs(levels: tuple[float, ...]) -> list[tuple[int, int]]:
    """Positions of mirror-image levels, the widest pair first."""
    found = [(a, b) for a, x in enumerate(levels) for b, y in enumerate(levels) if a < b and abs(x + y - 1) < 1e-9]
    return sorted(found)


def _nominal(levels: tuple[float, ...]) -> NDArray[np.float64]:
    """The coverage that each pair promises, (P,)."""
    return np.array([levels[b] - levels[a] for a, b in _pairs(levels)])


def _scores(o: Outcome) -> Floats:
    """How far each truth lies outside each pair (below 0: inside), in units of its window, (W, H, C, P)."""
    outside = [np.maximum(o.quantiles[..., a] - o.truth, o.truth - o.quantiles[..., b]) for a, b in _pairs(o.levels)]
    return np.stack(outside, axis=-1) / o.spread[:, None, :, None]


def _order_statistics(scores: Floats, nominal: NDArray[np.float64]) -> tuple[Floats, bool]:
    """(the ceil((n+1)p)-th smallest score of each column, whether some column was too short for it)."""
    n = (~np.isnan(scores[..., 0])).sum(axis=0)[..., None]  # (H, C, 1)
    rank = np.ceil((n + 1) * nominal - 1e-9).astype(np.int64)  # (H, C, P)
    ordered = np.sort(scores, axis=0)  # NaN last
    found = np.take_along_axis(ordered, np.clip(rank - 1, 0, len(scores) - 1)[None], axis=0)[0]
    return np.where(rank <= n, found, 0.0), bool((rank > n).any())


def _reach(errors: Floats) -> Floats:
    """From the 0.1 to the 0.9 quantile of the point forecast's errors, (H, C)."""
    seen = ~np.isnan(errors).all(axis=0)
    safe = np.where(seen, errors, 0.0)
    low, high = np.nanquantile(safe, [0.1, 0.9], axis=0)
    return np.asarray(high - low)


def _widen(quantiles: Floats, levels: tuple[float, ...], widening: Floats, spread: Floats) -> Floats:
    """Move each pair apart; a level that would pass one nearer the middle stops there."""
    out = quantiles.copy()
    for p, (a, b) in enumerate(_pairs(levels)):
        move = widening[..., p] * spread[:, None, :]
        out[..., a] -= move
        out[..., b] += move
    middle = min(range(len(levels)), key=lambda q: abs(levels[q] - 0.5))
    for q in range(middle, 0, -1):
        np.minimum(out[..., q - 1], out[..., q], out=out[..., q - 1])
    for q in range(middle, len(levels) - 1):
        np.maximum(out[..., q + 1], out[..., q], out=out[..., q + 1])
    return out


def _missed(quantiles: Floats, levels: tuple[float, ...], truth: Floats, observed: NDArray[np.bool_]) -> Floats:
    """Share of the windows whose truth lies outside each pair, (H, C, P); NaN where none was observed."""
    outside = [(truth < quantiles[..., a]) | (truth > quantiles[..., b]) for a, b in _pairs(levels)]
    count = observed.sum(axis=0)[..., None]
    misses = (np.stack(outside, axis=-1) & observed[..., None]).sum(axis=0)
    return np.where(count > 0, misses / np.maximum(count, 1), np.nan).astype(np.float32)


def _short(values: Floats) -> list[object]:
    """Nested plain numbers of seven digits: what float32 holds."""
    rounded: list[object] = np.vectorize(lambda v: float(f"{v:.7g}"), otypes=[float])(values).tolist()
    return rounded
