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


def gaps(o: Outcome, scores: Mapping[str, float]) -> dict[str, Gap]:
    """By metric, what each score of an outcome leaves out; those without a gap are left out here.

    scores: value by name of a metric.
    """
    observed = int(o.observed.sum())
    left_out = {name: ratio.left_out for name, ratio in sums(o, scores, "step").items()}
    return {
        name: Gap(count, observed, reason(o, name), not np.isfinite(scores[name]))
        for name, count in left_out.items()
        if count or not np.isfinite(scores[name])
    }


def reason(o: Outcome, name: str) -> Reason:
    """Why a metric has no value for some points of an outcome; where there are several reasons, that of most points."""
    measure = metric(name)
    if measure.needs_quantiles and sums(o, [name], "step")[name].left_out:
        return Reason.LEVELS
    if not measure.scaled:
        return Reason.ZERO
    points = o.observed.sum(axis=1)  # of each window and target
    unknown, alike = (int(points[rows].sum()) for rows in (np.isnan(o.scale), o.scale == 0))
    return Reason.SHORT if unknown > alike else Reason.ALIKE
