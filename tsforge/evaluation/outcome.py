"""Outcome: truths and forecasts over rolling origins, the only input of a metric.

Axes: W windows, H horizon, C targets, Q quantile levels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsforge.evaluation import quantiles
from tsforge.evaluation.quantiles import Distribution, Floats, Ints, Rows, spread_out

BLOCK = 65536  # points of a block: few enough that what is computed of them stays in the processor's cache


@dataclass(frozen=True)
class Outcome:
    """Truths and forecasts over rolling origins, in the units they are scored in.

    truth, point: (W, H, C).
    observed: (W, H, C), bool.
    distribution: quantiles beside the point forecasts, or none.
    scale: (W, C), in-sample mean absolute seasonal difference of each window's series, NaN where unknown.
    square: (W, C), in-sample mean squared seasonal difference, NaN where unknown.
    series: (W,), which series.
    time: (W,), grid position of the forecast origin.
    """

    truth: Floats
    observed: NDArray[np.bool_]
    point: Floats
    distribution: Distribution
    scale: Floats
    square: Floats
    series: Ints
    time: Ints

    @property
    def levels(self) -> tuple[float, ...]:
        """Of the quantiles, ascending; none of a point forecast."""
        return self.distribution.levels

    @property
    def spread(self) -> Floats:
        """One normalised unit of each window's forecast, (W, C)."""
        return self.distribution.spread

    @cached_property
    def quantiles(self) -> Floats:
        """The quantiles at `levels`, (W, H, C, Q); level by level in memory, which makes what follows faster."""
        return np.moveaxis(self.distribution.values(), 0, -1)

    def part(self, windows: Rows) -> Outcome:
        """Some of the windows."""
        columns: dict[str, Any] = {name: getattr(self, name)[windows] for name in _PER_WINDOW}
        return replace(self, distribution=self.distribution.part(windows), **columns)

    def columns(self, levels: Sequence[float]) -> dict[str, Floats]:
        """Forecast, quantiles and truth by name, (W, H, C); NaN for other levels, and where nothing was observed."""
        own = {level: self.quantiles[..., q] for q, level in enumerate(self.levels)}
        none = np.full_like(self.point, np.nan)
        named = {f"q{level:g}": own.get(level, none) for level in levels}
        return {"forecast": self.point, **named, "truth": np.where(self.observed, self.truth, none)}

    def blocks(self) -> Iterator[Outcome]:
        """All windows, a few at a time."""
        size = max(1, BLOCK // max(1, self.truth[0].size if len(self.truth) else 1))
        for begin in range(0, max(1, len(self.truth)), size):
            yield self.part(slice(begin, begin + size))

    @cached_property
    def complete(self) -> bool:
        """Whether everything was observed."""
        return bool(self.observed.all())

    @cached_property
    def weight(self) -> Floats:
        """1 where observed and 0 elsewhere, (W, H, C)."""
        return self.observed.astype(np.float64)

    @cached_property
    def error(self) -> Floats:
        """point - truth in double precision, 0 where not observed, (W, H, C)."""
        return self.seen(self.point.astype(np.float64) - self.truth.astype(np.float64))

    @cached_property
    def distance(self) -> Floats:
        """|point - truth|, 0 where not observed, (W, H, C)."""
        return np.abs(self.error)

    @cached_property
    def size(self) -> Floats:
        """|truth|, 0 where not observed, (W, H, C)."""
        return self.seen(np.abs(self.truth))

    @cached_property
    def unit(self) -> Floats:
        """One unit of each window at every step, (W, H, C)."""
        return spread_out(self.spread, self.truth.shape[1])

    @cached_property
    def place(self) -> Floats:
        """Where the truth lies, in units of each window, as the offsets of the quantiles are, (W, H, C)."""
        return (self.truth - self.distribution.centre) / self.unit

    @cached_property
    def ordered(self) -> Floats:
        """The quantiles in units of each window, (Q, W or 1, H, C)."""
        return self.distribution.ordered()

    def quantile(self, q: int) -> Floats:
        """The quantiles at one level in units of the data, (W, H, C)."""
        return self.distribution.in_data_units(self.ordered[q], self.unit)

    @cached_property
    def pinball(self) -> Floats:
        """Mean pinball loss over all levels, 0 where not observed, (W, H, C)."""
        total = np.zeros(self.truth.shape, dtype=np.float32)
        for q in range(len(self.levels)):
            total += self._pinball(q)
        return self.in_data_units(total / max(len(self.levels), 1))

    def pinball_at(self, q: int) -> Floats:
        """Pinball loss of the q-th level, 0 where not observed, (W, H, C). (Koenker & Bassett 1978)"""
        return self.in_data_units(self._pinball(q))

    def _pinball(self, q: int) -> Floats:
        """Of one level, in units of each window: max(-τ·gap, (1 - τ)·gap) = |gap| / 2 + (1/2 - τ)·gap."""
        gap = self.ordered[q] - self.place
        loss: Floats = np.abs(gap)
        loss *= 0.5
        gap *= 0.5 - self.levels[q]
        loss += gap
        return loss

    def in_data_units(self, lengths: Floats) -> Floats:
        """Lengths in units of each window (W or 1, H, C) in those of the data, 0 where not observed, (W, H, C)."""
        return self.seen(lengths * self.unit)

    def seen(self, values: Floats) -> Floats:
        """Values (W, H, C) in double precision, 0 where not observed."""
        exact = values.astype(np.float64, copy=False)
        return exact if self.complete else np.where(self.observed, exact, 0.0)


_PER_WINDOW = ("truth", "observed", "point", "scale", "square", "series", "time")


def concatenated(outcomes: list[Outcome]) -> Outcome:
    """Outcomes of the same levels, steps and targets as one; before their intervals are corrected."""
    if len(outcomes) == 1:
        return outcomes[0]
    columns: dict[str, Any] = {name: np.concatenate([getattr(o, name) for o in outcomes]) for name in _PER_WINDOW}
    distribution = quantiles.concatenated([o.distribution for o in outcomes])
    return replace(outcomes[0], distribution=distribution, **columns)
