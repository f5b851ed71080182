"""Every step of the grid that some series of a panel has, once.

Series of one table mostly share their steps: what the calendar decides, spread over the rows, would be most of what a
fit holds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsforge.data.panel import Ints, Panel


class Timeline(NamedTuple):
    """Steps from the first to the last of all series, without those that lie between series.

    ordinals (M,): their places on the grid.
    begins, lengths (n,): which of them is the first of each series, and how many it has.
    """

    ordinals: Ints
    begins: Ints
    lengths: Ints

    def rows(self) -> NDArray[np.int64]:
        """Which step each row of the panel is, (T,)."""
        ends = np.cumsum(self.lengths)
        return np.asarray(np.arange(self.lengths.sum()) + np.repeat(self.begins - ends + self.lengths, self.lengths))


def of(panel: Panel) -> Timeline:
    """That of a panel."""
    lengths = np.diff(panel.offsets)
    order = np.argsort(panel.first, kind="stable")
    first, reach = panel.first[order], np.maximum.accumulate((panel.first + lengths)[order])
    heads = np.flatnonzero(np.r_[True, first[1:] > reach[:-1]])  # of stretches of steps without a hole
    stretch = np.repeat(np.arange(len(heads)), np.diff(np.r_[heads, len(first)]))
    steps = reach[np.r_[heads[1:], len(first)] - 1] - first[heads]
    shift = first[heads] - (np.cumsum(steps) - steps)  # from a row to its grid position
    begins = np.empty_like(lengths)
    begins[order] = first - shift[stretch]
    return Timeline(np.arange(steps.sum()) + np.repeat(shift, steps), begins, lengths)
