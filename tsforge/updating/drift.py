"""Have a model's errors changed since its intervals were calibrated?

Adaptive intervals (`evaluation.adaptive`) move by how often the truth was missed, and stand still where that is as
often as promised. So what is tested is the misses themselves: of each forecast origin the share of truths outside the
intervals of the fit, the mean over all pairs of levels, steps, targets and series. Those of the new rows are held
against those of the windows that the intervals were calibrated on, as a calibration by few windows misses as often as
promised on these alone.

    t = (m₁ - m₀) / sqrt(v₁ + v₀),   v = long-run variance / n,   against Student's t

with the long-run variance of Newey & West (1987), whose bandwidth is a horizon at least, as windows overlap, and with
as many degrees of freedom as stretches of one bandwidth tell (Welch 1947).

Axes: W windows, T origins.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from tsforge.data.loader import WindowSource
from tsforge.data.traits import limits
from tsforge.data.windows import Windows, cut
from tsforge.errors import DataError, ModelError
from tsforge.evaluation import forecasting
from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.quantiles import Floats, pairs_of
from tsforge.evaluation.significance import student
from tsforge.updating.plan import Plan

LEVEL = 0.01  # below which a change is believed: whoever looks every day looks often
LEAST = 2  # bandwidths on either side


class Misses(NamedTuple):
    """Mean share of truths outside the intervals, its variance, and how many independent origins it counts as."""

    mean: float
    variance: float
    independent: float


@dataclass(frozen=True)
class Drift:
    """Misses of the intervals on the rows that a model has not seen, against those on what it was calibrated by.

    missed, before: mean share of truths outside, over all pairs of levels; promised: what the levels say.
    p: two-sided, that both are alike. origins: on the rows that the model has not seen.
    """

    missed: float
    before: float
    promised: float
    p: float
    origins: int

    @property
    def found(self) -> bool:
        """Whether the errors have changed."""
        return self.p < LEVEL


def outcome(plan: Plan, windows: Windows) -> Outcome:
    """Forecasts of some windows by the old model, as its networks give them and kept within its limits."""
    assert plan.dataset is not None
    old, panel, dataset = plan.old, plan.panel, plan.dataset
    traits = old.facts.traits(panel)
    source = WindowSource(panel, dataset.features, old.shape, usual=traits.usual)
    within = limits(old.experiment.model.bounds, panel, traits)
    own = replace(dataset, source=source, traits=traits, limits=within)
    return forecasting.outcomes({"": old.forecaster(source).reader}, own, windows)[""]


def measure(plan: Plan) -> Drift | None:
    """Hold the misses on the new rows against those that the intervals were calibrated by; None of too few new rows.

    Raises ModelError for a model without intervals, DataError where it was calibrated by too few windows.
    """
    old, panel, H = plan.old, plan.panel, plan.old.shape.horizon
    if old.calibration is None:
        raise ModelError(f"{plan.folder}: it has no intervals that could tell of drift", "update without `when`")
    validation = old.experiment.data.validation or H
    calibrated = np.maximum(plan.seen - old.facts.held_out, panel.offsets[:-1])
    known = np.maximum(calibrated - validation, panel.offsets[:-1])
    sides = (
        cut(panel, known, calibrated, old.shape.context, H),
        cut(panel, plan.seen, panel.ends, old.shape.context, H),
    )
    before, after = (_misses(old.calibration.apply(outcome(plan, part)), H) if len(part) else None for part in sides)
    if before is None:
        which = "holds too few windows of what the model was calibrated by to tell whether errors have changed"
        way = f"fit the model anew with data.validation = {least(H)} or more"
        raise DataError(f"{panel.name}: {which}", f"{way}; or update without `when`")
    if after is None:
        return None
    levels = old.calibration.levels
    promised = float(np.mean(1 - pairs_of(levels).nominal))
    origins = len(np.unique(panel.first[sides[1].series] + sides[1].origins - panel.offsets[sides[1].series]))
    return Drift(after.mean, before.mean, promised, _p(before, after), origins)


def least(horizon: int) -> int:
    """Rows of one clock without gaps that have origins enough for one side."""
    origins = LEAST * horizon
    while origins < LEAST * _bandwidth(origins, horizon):
        origins += 1
    return origins + horizon - 1


def _bandwidth(origins: int, horizon: int) -> int:
    return max(horizon, math.ceil(1.5 * math.cbrt(origins)))


def _misses(o: Outcome, horizon: int) -> Misses | None:
    """Of intervals as they are, origin by origin in the order of time; None where there are too few."""
    low, high = pairs_of(o.levels).low, pairs_of(o.levels).high
    outside = np.zeros(o.truth.shape)
    for a, b in zip(low, high, strict=True):
        outside += (o.truth < o.quantile(a)) | (o.truth > o.quantile(b))
    outside = np.where(o.observed, outside / len(low), 0.0)
    _, origin = np.unique(o.time, return_inverse=True)
    missed, seen = (np.bincount(origin, weights=v.sum(axis=(1, 2))) for v in (outside, o.observed))
    shares = missed[seen > 0] / seen[seen > 0]
    bandwidth = _bandwidth(len(shares), horizon)
    if len(shares) < LEAST * bandwidth:
        return None
    variance = _long_run(shares, bandwidth) / (len(shares) - bandwidth)
    return Misses(float(shares.mean()), variance, len(shares) / bandwidth)


def _long_run(values: Floats, bandwidth: int) -> float:
    """The long-run variance of values in the order of time. (Newey & West 1987)"""
    n, off = len(values), values - values.mean()
    covariance = np.array([off[k:] @ off[: n - k] / n for k in range(bandwidth)])
    weights = 1 - np.arange(bandwidth) / bandwidth
    return float(2 * (weights * covariance).sum() - covariance[0])


def _p(before: Misses, after: Misses) -> float:
    """Two-sided; 1 where nothing differs, 0 where all does and nothing varies."""
    total = before.variance + after.variance
    if total <= 1e-15:
        return 1.0 if before.mean == after.mean else 0.0
    parts = sum(side.variance**2 / max(side.independent - 1, 1) for side in (before, after))
    return student(abs(after.mean - before.mean) / math.sqrt(total), total**2 / parts)
