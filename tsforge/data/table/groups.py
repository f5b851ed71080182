"""Groups of sorted rows that become one row each: sums, means, first and last values of their columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Values(NamedTuple):
    """One column of sorted rows: numbers or codes of categories, (N,), NaN where missing; and what they are."""

    values: Floats
    kind: Literal["target", "number", "category", "static"]


Contents = dict[str, Values]


@dataclass(frozen=True)
class Groups:
    """Rows [starts[g], starts[g+1]) are group g, of G groups and `rows` rows in all."""

    starts: Ints  # (G,)
    rows: int

    @property
    def sizes(self) -> Ints:
        """Rows of each group, (G,)."""
        sizes: Ints = np.diff(np.r_[self.starts, self.rows])
        return sizes

    def seen(self, values: Floats) -> Ints:
        """How many values of each group are there, (G,)."""
        count: Ints = np.add.reduceat((~np.isnan(values)).astype(np.int64), self.starts)
        return count

    def sum(self, values: Floats) -> Floats:
        """Sums of the values that are there; NaN where none is."""
        total = np.add.reduceat(np.nan_to_num(values, nan=0.0), self.starts)
        return np.where(self.seen(values) > 0, total, np.nan)

    def mean(self, values: Floats) -> Floats:
        """Means of the values that are there; NaN where none is."""
        return self.sum(values) / np.maximum(self.seen(values), 1)

    def last_seen(self, values: Floats) -> Floats:
        """The last value of each group that is there; NaN where none is."""
        where = np.where(np.isnan(values), -1, np.arange(self.rows))
        where = np.maximum.reduceat(where, self.starts)
        return np.where(where >= 0, values[where], np.nan)

    def agree(self, values: Floats) -> NDArray[np.bool_]:
        """Whether all values of a group that are there are the same, (G,)."""
        low, high = np.fmin.reduceat(values, self.starts), np.fmax.reduceat(values, self.starts)
        return ~(low < high)


def runs(*keys: NDArray[np.generic]) -> Groups:
    """Groups of neighbouring rows that have the same keys, (N,) each."""
    new = np.zeros(len(keys[0]) - 1, dtype=np.bool_)
    for key in keys:
        new |= key[1:] != key[:-1]
    return Groups(np.flatnonzero(np.r_[True, new]), len(keys[0]))
