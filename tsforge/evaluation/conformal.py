"""Intervals that hold what they promise: conformal corrections from held-out origins.

Conformalised quantile regression (Romano, Patterson & Candès 2019). For each pair of levels (τ, 1 - τ), each
horizon step and target, the score of a held-out window is max(q_τ - y, y - q_{1-τ}), in units of the window's own
deviation; the ceil((n + 1)(1 - 2τ))-th smallest score is added on both sides.

Where windows are few, the steps share one correction, and their scores are far from independent: windows overlap, and
the errors of one window have much in common. They count as

    n = b H / (1 + (H - 1) ρ)        b: as many windows as fit beside each other,  ρ: correlation of errors in a window

(the design effect of a sample in clusters; Kish 1965), and the rank is that of (n + 1)(1 - 2τ) / n among all scores:
the fewer there are, the wider, up to the largest of them; and never narrower than forecast where even that is too few.

Axes: W windows, H horizon, C targets, Q levels, P pairs of levels, the widest first.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from statistics import NormalDist
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from tsforge.config import Config
from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.quantiles import Distribution, Floats, Ints, Widening, pairs_of

log = logging.getLogger("tsforge")

Levels = Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], Field(min_length=1)]
Correction = Annotated[float, Field(ge=-1e15, le=1e15)]
GAMMA = 0.015  # of the adaptive step
TAIL = 0.025  # the outermost level, of intervals of 95 %
LEAST = 30  # held-out windows for corrections per step; with fewer, all steps share theirs


class Calibration(Config):
    """Corrections for the pairs of `levels`, in units of each window's deviation.

    widening: (H, C, P), added above and below.
    unit: (H, C), from the 0.1 to the 0.9 quantile of the point forecast's held-out errors, in the same units: of the
        adaptive step.
    windows: held-out windows behind the corrections.
    pooled: whether the steps of some target share one correction, because windows were few.
    tail: (H, C), the correction of the levels 0.025 and 0.975, which lie beyond all `levels`; None where there is none.
    moved: (H, C, P), the corrections as the truths of the test part have moved them, which forecasts from then on have;
        None where there was none. The test part itself is judged from `widening` on.
    """

    levels: Levels
    widening: tuple[tuple[tuple[Correction, ...], ...], ...]
    unit: tuple[tuple[Correction, ...], ...]
    windows: Annotated[int, Field(ge=0)]
    pooled: bool = False
    tail: tuple[tuple[Correction, ...], ...] | None = None
    moved: tuple[tuple[tuple[Correction, ...], ...], ...] | None = None

    @property
    def reach(self) -> tuple[float, ...]:
        """The levels that `correct` gives: `levels`, and those of the tail."""
        return self.levels if self.tail is None else (TAIL, *self.levels, 1 - TAIL)

    @model_validator(mode="after")
    def _of_one_shape(self) -> Calibration:
        if list(self.levels) != sorted(set(self.levels)):
            raise ValueError("quantile levels ascend")
        H, C, P = len(self.unit), len(self.unit[0]) if self.unit else 0, len(pairs_of(self.levels).low)
        if not C or not all(
            _has_shape(table, (H, C)) for table in (self.unit, self.unit if self.tail is None else self.tail)
        ):
            raise ValueError("as many corrections as steps and targets")
        if not all(
            _has_shape(table, (H, C, P))
            for table in (self.widening, self.widening if self.moved is None else self.moved)
        ):
            raise ValueError("as many corrections as pairs of levels, for every step and target")
        return self

    def apply(self, o: Outcome) -> Outcome:
        """Forecasts with corrected quantiles; a point forecast gets its quantiles here."""
        return apply_all(o, [(len(o.truth), self)])

    def cleared(self) -> Calibration:
        """Without corrections: where adaptive intervals start from once these have been applied."""
        return self.model_copy(update={"widening": as_numbers(0 * np.asarray(self.widening))})

    def correct(self, point: Floats, quantiles: Floats, spread: Floats) -> Floats:
        """Quantiles (W, H, C, Q) at the levels of `reach` that never cross, from forecasts as the network gave them.

        point: (W, H, C).
        quantiles: (W, H, C, Q), or none (Q = 0).
        spread: (W, C), one normalised unit.
        """
        raw = Distribution.of_point(self.levels, point, spread)
        if quantiles.shape[-1]:
            raw = Distribution.of_values(quantiles, self.levels, point, spread)
        table = np.array(self.moved or self.widening, dtype=np.float32)
        if self.tail is not None:
            raw = _with_tail(raw)
            table = np.concatenate([np.array(self.tail, dtype=np.float32)[..., None], table], axis=-1)
        planes = np.ascontiguousarray(table.transpose(2, 0, 1))[:, None]
        widening = Widening(planes, np.zeros(len(point), dtype=np.int64))
        return np.moveaxis(raw.widened(widening).values(), 0, -1)


def _has_shape(table: Any, shape: tuple[int, ...]) -> bool:
    """Whether nested tuples have these lengths throughout."""
    if not shape:
        return not isinstance(table, tuple)
    return len(table) == shape[0] and all(_has_shape(part, shape[1:]) for part in table)


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
    windows at some step has the scores of all its steps taken together, with a warning.
    """
    o = with_levels(o, levels)
    if not pairs_of(o.levels).low or not o.observed.any():
        return None
    beyond = o.levels[0] > TAIL and abs(o.levels[0] + o.levels[-1] - 1) < 1e-9
    wide = replace(o, distribution=_with_tail(o.distribution)) if beyond else o
    H, C = o.truth.shape[1:]
    least = o.observed.sum(axis=0).min(axis=0)  # (C,)
    scores, nominal = _scores(wide), pairs_of(wide.levels).nominal
    errors = np.where(o.observed, (o.truth - o.point) / o.spread[:, None, :], np.nan)
    widening, unit = np.zeros((len(nominal), H, C)), np.zeros((H, C))
    for c in range(C):
        s, e = scores[..., c], errors[..., c]
        if least[c] < LEAST:
            count = _effective(e, o.series, o.time)
            s, e = s.reshape(len(s), -1, 1), e.reshape(-1, 1)
            widening[..., c] = _order_statistics(s, np.minimum(nominal * (count + 1) / count, 1), added=0)
        else:
            widening[..., c] = _order_statistics(s, nominal)
        unit[:, c] = _reach(e)
    pooled = bool((least < LEAST).any())
    if pooled:
        log.warning(
            "only %d held-out windows to calibrate intervals by at some step%s: all steps share one correction",
            int(least.min()), f" of {int((least < LEAST).sum())} of {C} targets" if C > 1 else "",
        )  # fmt: skip
    return Calibration.model_validate(
        {"levels": o.levels, "widening": as_numbers(np.moveaxis(widening[int(beyond) :], 0, -1)),
         "unit": as_numbers(unit), "windows": len(o.truth), "pooled": pooled,
         "tail": as_numbers(widening[0]) if beyond else None}
    )  # fmt: skip


def _with_tail(d: Distribution) -> Distribution:
    """With the levels 0.025 and 0.975 outside all others: as far beyond the outermost as those of a normal lie."""
    normal = NormalDist()
    times = normal.inv_cdf(TAIL) / normal.inv_cdf(d.levels[0])
    low, high = (d.middle + np.float32(times) * (d.offset[q] - d.middle) for q in (0, -1))
    low, high = np.minimum(low, d.offset[0]), np.maximum(high, d.offset[-1])
    return replace(d, levels=(TAIL, *d.levels, 1 - TAIL), offset=np.concatenate([low[None], d.offset, high[None]]))


def _effective(errors: Floats, series: Ints, time: Ints) -> float:
    """As how many independent scores those of errors (W, H) count, NaN where not observed; at least 1."""
    H = errors.shape[1]
    _, of = np.unique(series, return_inverse=True)
    n = int(of.max()) + 1
    first, last = np.full(n, time.max()), np.full(n, time.min())
    np.minimum.at(first, of, time)
    np.maximum.at(last, of, time)
    beside = float(((last - first) / H + 1).sum())
    e = np.nan_to_num(errors.astype(np.float64))
    total = float((e**2).sum())
    common = (float((e.sum(axis=1) ** 2).sum()) / total - 1) / (H - 1) if H > 1 and total > 0 else 0.0
    seen = int((~np.isnan(errors)).sum())
    return float(max(1.0, min(beside * H / (1 + (H - 1) * min(max(common, 0.0), 1.0)), seen)))


def with_levels(o: Outcome, levels: tuple[float, ...]) -> Outcome:
    """A point forecast with quantiles that all lie on it; any other outcome as it is."""
    if o.levels or not levels:
        return o
    on_point = Distribution.of_point(levels, o.point, o.spread)
    return replace(o, distribution=replace(on_point, low=o.distribution.low, high=o.distribution.high))


def _scores(o: Outcome) -> Floats:
    """How far each truth lies outside each pair (inside: below 0), in units of its window, (P, W, H, C)."""
    pairs, offset = pairs_of(o.levels), o.distribution.offset
    scores = np.empty((len(pairs.low), *o.truth.shape), dtype=np.float32)
    place = (o.truth - o.distribution.centre) / o.spread[:, None]
    place[~o.observed] = np.nan
    for score, a, b in zip(scores, pairs.low, pairs.high, strict=True):
        np.maximum(offset[a] - place, place - offset[b], out=score)
    return scores


def _order_statistics(scores: Floats, nominal: NDArray[np.float64], added: int = 1) -> Floats:
    """The ceil((n + added) p)-th smallest of each step (P, H) of scores (P, W, H).

    Where there are fewer, or p is 1: the largest, and at least 0.
    """
    n = (~np.isnan(scores[0])).sum(axis=0)  # (H,)
    rank = np.ceil((n + added) * nominal[:, None] - 1e-9).astype(np.int64)
    short = (rank > n) | (nominal[:, None] >= 1)
    ordered = np.sort(np.ascontiguousarray(np.moveaxis(scores, 1, -1)), axis=-1)  # NaN last; in a row, it is fast
    chosen = np.take_along_axis(ordered, np.clip(rank - 1, 0, scores.shape[1] - 1)[..., None], axis=-1)[..., 0]
    chosen = np.where(short, np.maximum(chosen, 0.0), chosen)
    return np.where(n > 0, chosen, 0.0)


def _reach(errors: Floats) -> Floats:
    """From the 0.1 to the 0.9 quantile of the point forecast's errors (W, H), 0 where there is none. (H,)"""
    n = (~np.isnan(errors)).sum(axis=0)
    ordered = np.sort(np.ascontiguousarray(errors.T), axis=-1)
    low, high = (
        np.take_along_axis(ordered, np.clip(np.round(p * (n - 1)), 0, None).astype(np.int64)[:, None], axis=-1)[:, 0]
        for p in (0.1, 0.9)
    )
    return np.where(n > 0, high - low, 0.0)


def as_numbers(values: Floats) -> Any:
    """Nested plain numbers of seven digits, in tuples: what float32 holds."""
    if values.ndim == 1:
        return tuple(float(f"{v:.7g}") for v in values.tolist())
    return tuple(as_numbers(part) for part in values)
