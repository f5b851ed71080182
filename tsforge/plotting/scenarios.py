"""A picture of several futures: their forecasts above, what they differ by below."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsforge.data.panel import Panel
from tsforge.plotting.style import BLUE, GREY, LINES, RULE, axis_times, heading, save, stacked, text_of
from tsforge.runtime.timing import stage

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.floating]

MOST = 3  # series or targets in one picture
HISTORY = 2  # horizons before the forecast
OTHERS = tuple(colour for colour in LINES if colour not in (BLUE, GREY))  # of the scenarios


class Future(NamedTuple):
    """Of one future: its forecast, and its difference to the planned one with least and most, (n, H, C) each."""

    point: Floats
    difference: Floats
    low: Floats
    high: Floats


@stage("pictures")
def scenarios(panel: Panel, planned: Floats, futures: Mapping[str, Future], path: Path) -> None:
    """The first few series and targets, two strips each. planned: the forecast of the future as it stands."""
    chosen = [(i, int(c)) for i in range(len(panel)) for c in np.flatnonzero(~panel.never[i])]
    figure, axes = stacked(2 * len(chosen[:MOST]))
    H = planned.shape[1]
    for k, (i, c) in enumerate(chosen[:MOST]):
        above, below = axes[2 * k], axes[2 * k + 1]
        end = int(panel.ends[i])
        start = max(int(panel.offsets[i]), end - max(HISTORY * H, 24))
        ahead = axis_times(panel, i, np.arange(end, end + H))
        seen = np.where(panel.observed[start:end, c], panel.values[start:end, c], np.nan)
        above.plot(axis_times(panel, i, np.arange(start, end)), seen, color=GREY, linewidth=1, label="observed")
        marker = "o" if H == 1 else None
        above.plot(ahead, planned[i, :, c], color=BLUE, linewidth=1.8, marker=marker, label="as planned")
        for number, (name, future) in enumerate(futures.items()):
            colour = OTHERS[number % len(OTHERS)]
            above.plot(ahead, future.point[i, :, c], color=colour, linewidth=1.5, marker=marker, label=text_of(name))
            below.plot(ahead, future.difference[i, :, c], color=colour, linewidth=1.5, marker=marker)
            below.fill_between(ahead, future.low[i, :, c], future.high[i, :, c], color=colour, alpha=0.2, linewidth=0)
        above.axvline(ahead[0], color=RULE, linewidth=0.8)
        above.set_title(heading(panel, i, c), loc="left", fontsize=10)
        _zero(below, f"{heading(panel, i, c)}: difference to the plan, least and most over the quantiles")
    figure.legend(*axes[0].get_legend_handles_labels(), frameon=False, fontsize=8, ncols=5, loc="outside lower left")
    if len(chosen) > MOST:
        figure.supxlabel(f"the first {MOST} of {len(chosen)}", fontsize=8)
    save(figure, path)


def _zero(axis: Axes, title: str) -> None:
    axis.axhline(0, color=RULE, linewidth=0.8)
    axis.set_title(title, loc="left", fontsize=9)
