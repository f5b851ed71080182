"""Forecasts in whole numbers, where the values of a series always were.

Axes: n series, H horizon, C targets, Q quantile levels.
"""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from tsforge.data.panel import Floats, Panel
from tsforge.data.traits import Limits

log = logging.getLogger("tsforge")


def whole(panel: Panel) -> NDArray[np.bool_]:
    """Whether all observed values of each series and target are whole numbers, (n, C)."""
    return np.concatenate([
        ~np.logical_or.reduceat(part.observed & (part.values != np.rint(part.values)), part.offsets[:-1])
        for part, _ in panel.blocks()
    ])  # fmt: skip


def rounded(values: Floats, whole: NDArray[np.bool_], within: Limits | None) -> Floats:
    """Values (n, H, C) or (n, H, C, Q) to the nearest whole number where they are `whole` (n, C), within the limits."""
    shape = (len(whole), 1, whole.shape[1], *[1] * (values.ndim - 3))
    nearest = np.rint(values)
    if within is not None:
        low, high = np.ceil(within.low).reshape(shape), np.floor(within.high).reshape(shape)
        inside = np.clip(nearest, low.astype(values.dtype), high.astype(values.dtype))
        nearest = np.where(low <= high, inside, values)  # limits between which there is no whole number
    return np.asarray(np.where(whole.reshape(shape), nearest, values) + 0.0)  # no -0


def tell(panel: Panel, whole: NDArray[np.bool_]) -> None:
    """Warn of the targets that are not rounded, with a value that is none."""
    for c, name in enumerate(panel.schema.target):
        others = np.flatnonzero(~whole[:, c])
        if not len(others):
            continue
        rows = slice(panel.offsets[others[0]], panel.offsets[others[0] + 1])
        fractions = panel.observed[rows, c] & (panel.values[rows, c] != np.rint(panel.values[rows, c]))
        example = float(panel.values[rows, c][fractions][0])
        of = f" in {len(others)} of {len(whole)} series" if len(others) < len(whole) else ""
        log.warning("forecasts of '%s' are not rounded%s: its values have fractions, as %.6g", name, of, example)
