"""Quantile levels that are asked for, between those that a model has. Axes: Q quantile levels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tsforge.errors import ConfigError

Floats = NDArray[np.floating]


def checked(has: tuple[float, ...], wanted: Sequence[float]) -> tuple[float, ...]:
    """The wanted levels, ascending. Raises ConfigError for those beyond the levels that there are."""
    for level in wanted:
        if not has or not has[0] - 1e-9 <= level <= has[-1] + 1e-9:
            reach = f"its quantiles lie between {has[0]:g} and {has[-1]:g}" if has else ""
            raise ConfigError(
                f"the model has no quantile {level:g}", reach or "it forecasts one value per step and has no quantiles"
            )
    return tuple(sorted({next((own for own in has if abs(own - level) < 1e-9), level) for level in wanted}))


def at(ranges: Floats, has: tuple[float, ...], wanted: tuple[float, ...]) -> Floats:
    """Quantiles (..., Q) at other levels, linear between the two nearest."""
    if not wanted:
        return ranges[..., :0]
    if set(wanted) <= set(has):
        return ranges if wanted == has else ranges[..., [has.index(level) for level in wanted]]
    above = np.clip(np.searchsorted(has, wanted), 1, max(len(has) - 1, 1))
    below, above = above - 1, np.minimum(above, len(has) - 1)
    levels, width = np.array(has), np.array(has)[above] - np.array(has)[below]
    share = np.where(width > 0, (np.array(wanted) - levels[below]) / np.where(width > 0, width, 1), 0.0)
    low, high = ranges[..., below], ranges[..., above]
    between = (1 - share) * low + share * high  # exact at both ends
    return np.asarray(between.astype(ranges.dtype, copy=False))
