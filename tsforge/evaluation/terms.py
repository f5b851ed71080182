"""What a metric sums and what it divides by at every point, so that pooling, steps and series are one sum each.

Axes: W windows, H horizon, C targets.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tsforge.evaluation.quantiles import Floats, Rows

WINDOWS, STEPS = 0, 1  # axes of (W, H, C)


class Terms(NamedTuple):
    """A metric before it is averaged: the sum of `total` over the sum of `weight`, then a root where `root`.

    total, weight (W, H, C), both 0 where not observed and where the metric has no value; `left_out` counts the
    observed points of the second kind.
    """

    total: Floats
    weight: Floats
    left_out: int = 0
    root: bool = False

    def summed(self, axis: int) -> Terms:
        """Over windows (H, C) or over steps (W, C)."""
        if axis == WINDOWS:
            return self._replace(total=self.total.sum(axis=0), weight=self.weight.sum(axis=0))
        ones = np.ones(self.total.shape[1])  # as targets are few, numpy's sum over steps takes ten times as long
        return self._replace(total=ones @ self.total, weight=ones @ self.weight)

    def ratio(self, total: Floats, weight: Floats) -> Floats:
        """The metric from sums of its terms; NaN (and no warning) where there is nothing to divide by."""
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(weight > 0, total / weight, np.nan)
        return np.sqrt(mean) if self.root else mean


def together(parts: list[Terms], rows: list[Rows], axis: int) -> Terms:
    """The summed terms of all pieces as one."""
    if axis == WINDOWS:
        total, weight = (np.sum(column, axis=0) for column in ([t.total for t in parts], [t.weight for t in parts]))
    else:
        shape = sum(len(t.total) for t in parts), parts[0].total.shape[1]
        total, weight = np.empty(shape), np.empty(shape)
        for here, t in zip(rows, parts, strict=True):
            total[here], weight[here] = t.total, t.weight
    return Terms(total, weight, sum(t.left_out for t in parts), parts[0].root)
