"""Gaps of a score: how many observed points it leaves out, whether it is missing altogether, and why."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from tsforge.evaluation.metrics import metric
from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.scores import sums


class Reason(StrEnum):
    """Why a metric has no value at a point."""

    ALIKE = "alike"  # values one season apart never differ before the test part: there is nothing to divide by
    SHORT = "short"  # no two values one season apart lie before the test part
    ZERO = "zero"  # it divides by a truth of 0
    LEVELS = "levels"  # the forecast has no quantiles at the levels that it needs


class Gap(NamedTuple):
    """What a score leaves out.

    points: observed points without a value, of so many observed ones.
    missing: whether there is no score at all.
    """

    points: int
    of: int
    reason: Reason
    missing: bool


class Points(NamedTuple):
    """Observed points of an outcome, and those among them whose series has no scale.

    short: as no two values one season apart lie before the test part. alike: as such values never differ.
    """

    observed: int
    short: int
    alike: int


def points(o: Outcome) -> Points:
    """Those of an outcome."""
    of = o.observed.sum(axis=1)  # of each window and target
    return Points(int(of.sum()), int(of[np.isnan(o.scale)].sum()), int(of[o.scale == 0].sum()))


def gaps(o: Outcome, scores: Mapping[str, float]) -> dict[str, Gap]:
    """By metric, what each score of an outcome leaves out; those without a gap are left out here.

    scores: value by name of a metric.
    """
    return of_sums(points(o), {name: ratio.left_out for name, ratio in sums(o, scores, "step").items()}, scores)


def of_sums(points: Points, left_out: Mapping[str, int], scores: Mapping[str, float]) -> dict[str, Gap]:
    """As `gaps`, of points that were counted. left_out: how many of them a metric has no value for, by its name."""
    return {
        name: Gap(count, points.observed, _reason(points, name, count), not np.isfinite(scores[name]))
        for name, count in left_out.items()
        if count or not np.isfinite(scores[name])
    }


def _reason(points: Points, name: str, left_out: int) -> Reason:
    """Why a metric has no value for some points; where there are several reasons, that of most points."""
    measure = metric(name)
    if measure.needs_quantiles and left_out:
        return Reason.LEVELS
    if not measure.scaled:
        return Reason.ZERO
    return Reason.SHORT if points.short > points.alike else Reason.ALIKE
