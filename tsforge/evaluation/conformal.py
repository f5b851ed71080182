"""Intervals that hold what they promise: conformal corrections from held-out origins.

Conformalised quantile regression (Romano, Patterson & Candès 2019). For each pair of levels (τ, 1 - τ), each
horizon step and target, the score of a held-out window is max(q_τ - y, y - q_{1-τ}), in units of the window's own
deviation; the ceil((n + 1)(1 - 2τ))-th smallest score is added on both sides.

Axes: W windows, H horizon, C targets, Q levels, P pairs of levels, the widest first.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from tsforge.config import Config
from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.quantiles import Distribution, Floats, Widening, pairs_of

log = logging.getLogger("tsforge")

Levels = Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], Field(min_length=1)]
Correction = Annotated[float, Field(ge=-1e15, le=1e15)]
GAMMA = 0.015  # of the adaptive step
LEAST = 30  # held-out windows for corrections per step; with fewer, all steps share theirs


class Calibration(Config):
    """Corrections for the pairs of `levels`, in units of each window's deviation.

    widening: (H, C, P), added above and below.
    unit: (H, C), spread of the scores, for the adaptive step.
    windows: held-out windows behind the corrections.
    pooled: whether the steps of some target share one correction, because windows were few.
    """

    levels: Levels
    widening: tuple[tuple[tuple[Correction, ...], ...], ...]
    unit: tuple[tuple[Correction, ...], ...]
    windows: Annotated[int, Field(ge=0)]
    pooled: bool = False

    @model_validator(mode="after")
    def _of_one_shape(self) -> Calibration:
        if list(self.levels) != sorted(set(self.levels)):
            raise ValueError("quantile levels ascend")
        targets, pairs = len(self.unit[0]) if self.unit else 0, len(pairs_of(self.levels).low)
        rows = (*self.widening, *self.unit)
        if len(self.widening) != len(self.unit) or not targets or any(len(row) != targets for row in rows):
            raise ValueError("as many corrections as steps and targets")
        if any(len(cell) != pairs for row in self.widening for cell in row):
            raise ValueError("as many corrections as pairs of levels")
        return self

    def apply(self, o: Outcome) -> Outcome:
        """Forecasts with corrected quantiles; a point forecast gets its quantiles here."""
        return apply_all(o, [(len(o.truth), self)])

    def cleared(self) -> Calibration:
        """Without corrections: where adaptive intervals start from once these have been applied."""
        return self.model_copy(update={"widening": _short(0 * np.asarray(self.widening))})

    def correct(self, point: Floats, quantiles: Floats, spread: Floats) -> Floats:
        """Quantiles (W, H, C, Q) at `levels` that never cross, from forecasts as the network gave them.

        point: (W, H, C).
        quantiles: (W, H, C, Q), or none (Q = 0).
        spread: (W, C), one normalised unit.
        """
        raw = Distribution.of_point(self.levels, point, spread)
        if quantiles.shape[-1]:
            raw = Distribution.of_values(quantiles, self.levels, point, spread)
        return np.moveaxis(raw.widened(_widening([(len(point), self)])).values(), 0, -1)


Fits = Sequence[tuple[int, Calibration | None]]  # windows of each fit, in their order, and its corrections


def apply_all(o: Outcome, fits: Fits) -> Outcome:
    """Forecasts of several fits, each with its own corrections."""
    levels = next((start.levels for _, start in fits if start is not None), None)
    if levels is None:
        return o
    o = with_levels(o, levels)
    return replace(o, distribution=o.distribution.widened(_widening(fits)))


def _widening(fits: Fits) -> Widening:
    tables = [None if start is None else np.array(start.widening, dtype=np.float32) for _, start in fits]
    none = np.zeros_like(next(table for table in tables if table is not None))
    stacked = np.stack([none if table is None else table for table in tables])
    row = np.repeat(np.arange(len(fits)), [count for count, _ in fits])
    return Widening(np.ascontiguousarray(stacked.transpose(3, 0, 1, 2)), row)


def fit(o: Outcome, levels: tuple[float, ...]) -> Calibration | None:
    """Corrections from held-out windows; a point forecast gets quantiles at `levels`.

    None where no level has its mirror image, or where nothing was observed. A target with fewer than 30 observed
    windows at some step has the scores of all its steps taken together; where even those are too few for a pair of
    levels, it is left as it is. Warns of both.
    """
    o = with_levels(o, levels)
    if not pairs_of(o.levels).low or not o.observed.any():
        return None
    H, C = o.truth.shape[1:]
    least = o.observed.sum(axis=0).min(axis=0)  # (C,)
    scores, nominal = _scores(o), pairs_of(o.levels).nominal
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


def with_levels(o: Outcome, levels: tuple[float, ...]) -> Outcome:
    """A point forecast with quantiles that all lie on it; any other outcome as it is."""
    if o.levels or not levels:
        return o
    return replace(o, distribution=Distribution.of_point(levels, o.point, o.spread))


def _scores(o: Outcome) -> Floats:
    """How far each truth lies outside each pair (inside: below 0), in units of its window, (P, W, H, C)."""
    pairs, offset = pairs_of(o.levels), o.distribution.offset
    scores = np.empty((len(pairs.low), *o.truth.shape), dtype=np.float32)
    place = (o.truth - o.distribution.centre) / o.spread[:, None]
    place[~o.observed] = np.nan
    for score, a, b in zip(scores, pairs.low, pairs.high, strict=True):
        np.maximum(offset[a] - place, place - offset[b], out=score)
    return scores


def _order_statistics(scores: Floats, nominal: NDArray[np.float64]) -> tuple[Floats, bool]:
    """(the ceil((n+1)p)-th smallest of each step (P, H) of scores (P, W, H), whether some had too few for it)."""
    n = (~np.isnan(scores[0])).sum(axis=0)  # (H,)
    rank = np.ceil((n + 1) * nominal[:, None] - 1e-9).astype(np.int64)
    ordered = np.sort(np.ascontiguousarray(np.moveaxis(scores, 1, -1)), axis=-1)  # NaN last; in a row, it is fast
    chosen = np.take_along_axis(ordered, np.clip(rank - 1, 0, scores.shape[1] - 1)[..., None], axis=-1)[..., 0]
    return np.where(rank <= n, chosen, 0.0), bool((rank > n).any())


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
    return list(np.vectorize(lambda v: float(f"{v:.7g}"), otypes=[float])(values).tolist())
