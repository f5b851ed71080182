"""The windows of a panel by index arithmetic, without copies. A window has the name of its origin."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsforge.data.blocks import blocks
from tsforge.data.panel import Ints, Panel

Integers = NDArray[np.integer]


class Windows(NamedTuple):
    """W windows by forecast origin: the panel row of the first step to forecast, and its series.

    In 32 bits where these hold the rows of the panel: there are about as many windows as rows.
    """

    origins: Integers  # (W,)
    series: Integers  # (W,)

    def __len__(self) -> int:
        return len(self.origins)

    def thin(self, most: int) -> Windows:
        """At most `most` windows, evenly spaced."""
        if len(self.origins) <= most:
            return self
        keep = np.linspace(0, len(self.origins) - 1, most).round().astype(np.int64)
        return Windows(self.origins[keep], self.series[keep])


def cut(
    panel: Panel, begin: Ints, end: Ints, context: int, horizon: int, *, stride: int = 1, history: int | None = None
) -> Windows:  # fmt: skip
    """The windows whose truth lies in rows [begin, end) of their series.

    The last window of each series ends at `end`. A context is full where the series allows one; a series too short
    for that gives windows from the shorter of the horizon and its own length on, padded and masked. Windows with
    nothing observed on a side are left out.

    context, horizon: steps before and behind the origin.
    stride: steps between windows.
    history: steps before the origin from which windows begin, whether or not the series allows a full context.
    """
    starts = panel.offsets[:-1]
    full = np.minimum(starts + context, end - horizon)
    short = starts + np.minimum(history or horizon, np.maximum(end - horizon - starts, 1))
    enough = (end - horizon - starts >= context) & (history is None)
    lowest = np.maximum(begin, np.where(enough, full, short))
    count = np.maximum(0, (end - horizon - lowest) // stride + 1)
    # Counted back from the end, so that a stride keeps the newest window.
    oldest = end - horizon - (count - 1) * stride
    return _collected(panel, (oldest, count), (context, horizon, stride))


def _collected(panel: Panel, of: tuple[Ints, Ints], steps: tuple[int, int, int]) -> Windows:
    """The windows of each series that have something observed on both sides, some series at a time.

    of: the oldest origin of each series, and how many it has. steps: context, horizon and stride.
    """
    (oldest, count), (context, horizon, stride) = of, steps
    size = np.int32 if len(panel.values) < 2**31 else np.int64
    total = int(count.sum())
    origins, which = (panel.room.zeros((total,), size) for _ in range(2))
    done = 0
    for series, rows in blocks(panel.offsets):
        own = count[series]
        seen = panel.observed[rows]
        starts = panel.offsets[:-1][series]
        at = np.repeat(np.arange(series.start, series.stop), own)
        step = np.arange(len(at)) - np.repeat(np.cumsum(own) - own, own)
        origin = oldest[at] + step * stride
        some = own > 0
        if not (seen.all() and (oldest[series] > starts)[some].all()):
            held = np.r_[0, np.cumsum(seen.any(axis=1))]
            here, first = origin - rows.start, panel.offsets[at] - rows.start
            sides = held[here] > held[np.maximum(here - context, first)]
            sides &= held[here + horizon] > held[here]
            origin, at = origin[sides], at[sides]
        origins[done : done + len(at)], which[done : done + len(at)] = origin, at
        done += len(at)
    return Windows(origins[:done], which[:done])


def aligned(panel: Panel, begin: Ints, end: Ints, sizes: tuple[int, int], most: tuple[int, int]) -> Windows:
    """Windows whose truth lies in rows [begin, end), at the same times for all of the series that they are taken from.

    sizes: context and horizon, in steps.
    most: series, evenly spaced among those with windows; and windows in all, the newest and evenly spaced in time.
    """
    context, horizon = sizes
    one = cut(panel, np.maximum(begin, end - horizon), end, context, horizon)  # which series have any
    chosen = np.unique(one.series).astype(np.int64)
    if len(chosen) > most[0]:
        chosen = chosen[np.linspace(0, len(chosen) - 1, most[0]).round().astype(np.int64)]
    nothing = panel.offsets[:-1].copy()
    low, high = nothing.copy(), nothing.copy()
    low[chosen], high[chosen] = begin[chosen], end[chosen]
    every = cut(panel, low, high, context, horizon)
    series = every.series.astype(np.int64)
    times = panel.first[series] + every.origins - panel.offsets[series]
    stride = -(-len(every) // most[1])
    if stride > 1:
        keep = (times.max() - times) % stride == 0
        every = Windows(every.origins[keep], every.series[keep])
    return every


def last(panel: Panel) -> Windows:
    """One window per series, its origin after the last observed target, as for a forecast of the future."""
    return Windows(panel.ends.copy(), np.arange(len(panel)))


def padded(panel: Panel, windows: Windows, context: int, horizon: int) -> int:
    """The number of series whose windows all reach before their first row, as they are shorter than one.

    Early windows of longer ones do so too, where a model reads whatever history there is.
    """
    return int((panel.lengths[np.unique(windows.series)] < context + horizon).sum())


def per_series(windows: Windows, n: int) -> Ints:
    """How many windows each of n series has, (n,); of windows that are sorted by series."""
    edges = np.searchsorted(windows.series, np.arange(n + 1, dtype=windows.series.dtype))  # else all are copied
    return np.diff(edges)
