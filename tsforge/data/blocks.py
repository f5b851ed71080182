"""Whole series taken together, so many that their rows fit into a processor's cache.

What is computed of each series for itself is computed block by block: arrays as long as the table are not needed then,
and passes over them cost less.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

ROWS = 1 << 16  # of a block, where no series is longer


def blocks(offsets: NDArray[np.int64], rows: int = ROWS) -> Iterator[tuple[slice, slice]]:
    """The series of each block, and their rows. Series i has the rows offsets[i] up to offsets[i+1], (n + 1,)."""
    first, n = 0, len(offsets) - 1
    while first < n:
        last = int(np.searchsorted(offsets, offsets[first] + rows, side="right")) - 1
        last = min(max(last, first + 1), n)
        yield slice(first, last), slice(int(offsets[first]), int(offsets[last]))
        first = last


def edges(mask: NDArray[np.bool_], offsets: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first and the last row of each series that a mask (T,) has, (n,) each; T and -1 where it has none."""
    if mask.all() and (offsets[1:] > offsets[:-1]).all():
        return offsets[:-1], offsets[1:] - 1
    rows = np.r_[np.flatnonzero(mask), len(mask)]
    before, behind = np.searchsorted(rows[:-1], offsets[:-1]), np.searchsorted(rows[:-1], offsets[1:])
    some = before < behind
    return np.where(some, rows[before], len(mask)), np.where(some, rows[behind - 1], -1)
