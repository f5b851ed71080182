"""The windows of a panel by index arithmetic, without copies. A window has the name of its origin."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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
    newest = end - horizon
    oldest = newest - (count - 1) * stride
    some = np.flatnonzero(count)
    size = np.int32 if len(panel.values) < 2**31 else np.int64
    series: Integers = np.repeat(np.arange(len(panel), dtype=size), count)
    origins: Integers = np.full(len(series), min(stride, len(panel.values)), dtype=size)  # steps from window to window
    origins[(np.cumsum(count) - count)[some]] = oldest[some] - np.r_[0, newest[some[:-1]]]
    np.cumsum(origins, dtype=size, out=origins)
    if panel.observed.all() and (oldest > starts)[some].all():
        return Windows(origins, series)
    observed = np.r_[0, np.cumsum(panel.observed.any(axis=1))]
    sides = observed[origins] > observed[np.maximum(origins - context, starts[series])]
    sides &= observed[origins + horizon] > observed[origins]
    return Windows(origins, series) if sides.all() else Windows(origins[sides], series[sides])


def last(panel: Panel) -> Windows:
    """One window per series, its origin after the last observed target, as for a forecast of the future."""
    return Windows(panel.ends.copy(), np.arange(len(panel)))


def padded(panel: Panel, windows: Windows, context: int) -> int:
    """The number of series with windows that reach before their first row."""
    early = windows.origins - context < panel.offsets[windows.series]
    return len(np.unique(windows.series[early]))
