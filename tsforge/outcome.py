"""Outcome: truths and forecasts over rolling origins, the only input of a metric.

Axes: W windows, H horizon, C targets, Q quantile levels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Outcome:
    """Truths and forecasts over rolling origins, in the units they are scored in.

    truth, point (W, H, C); observed (W, H, C) bool; quantiles (W, H, C, Q) at `levels`, ascending.
    scale, square (W, C): in-sample mean absolute and mean squared seasonal difference of each window's series, NaN
    where unknown. spread (W, C): one normalised unit of each window's forecast.
    series (W,): which series; time (W,): grid position of the forecast origin.
    """

    truth: Floats
    observed: NDArray[np.bool_]
    point: Floats
    quantiles: Floats
    levels: tuple[float, ...]
    scale: Floats
    square: Floats
    spread: Floats
    series: Ints
    time: Ints

    def part(self, windows: slice) -> Outcome:
        """Some of the windows."""
        columns: dict[str, Any] = {name: getattr(self, name)[windows] for name in _PER_WINDOW}
        return replace(self, **columns)

    @cached_property
    def error(self) -> Floats:
        """point - truth in double precision, 0 where not observed, (W, H, C)."""
        return np.where(self.observed, self.point - self.truth.astype(np.float64), 0.0)

    @cached_property
    def size(self) -> Floats:
        """|truth| in double precision, 0 where not observed, (W, H, C)."""
        return np.where(self.observed, np.abs(self.truth.astype(np.float64)), 0.0)

    @cached_property
    def pinball(self) -> Floats:
        """Mean pinball loss over all levels, 0 where not observed, (W, H, C)."""
        total = np.zeros(self.truth.shape)
        for q in range(len(self.levels)):
            total += self._pinball(q)
        return np.where(self.observed, total / max(len(self.levels), 1), 0.0)

    def pinball_at(self, q: int) -> Floats:
        """Pinball loss of the q-th level, 0 where not observed, (W, H, C). (Koenker & Bassett 1978)"""
        return np.where(self.observed, self._pinball(q).astype(np.float64), 0.0)

    def _pinball(self, q: int) -> Floats:
        """In single precision, as a difference of its own numbers is exact enough, and half the memory."""
        gap = self.truth - self.quantiles[..., q]
        below = np.minimum(gap, 0)
        gap *= self.levels[q]
        gap -= below
        return gap


_PER_WINDOW = ("truth", "observed", "point", "quantiles", "scale", "square", "spread", "series", "time")


def concatenated(outcomes: list[Outcome]) -> Outcome:
    """Outcomes of the same levels, steps and targets as one."""
    if len(outcomes) == 1:
        return outcomes[0]
    columns: dict[str, Any] = {name: np.concatenate([getattr(o, name) for o in outcomes]) for name in _PER_WINDOW}
    return replace(outcomes[0], **columns)
