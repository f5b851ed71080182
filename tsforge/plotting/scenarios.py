"""A picture of several futures: their forecasts above, what they differ by below."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsforge.plotting import strips
from tsforge.plotting.axes import Caption, finish, head
from tsforge.plotting.choosing import Subject, choose
from tsforge.plotting.style import BLUE, DASHES, GREY, LINES, RULE, axis_times, stacked, text_of
from tsforge.runtime.timing import stage

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
def scenarios(drawn: Subject, planned: Floats, futures: Mapping[str, Future], path: Path) -> None:
    """Some series and targets, two strips each. planned: the forecast of the future as it stands."""
    panel, H = drawn.panel, planned.shape[1]
    chosen = choose(panel, drawn.view, MOST)
    figure, axes = stacked(2 * len(chosen.pairs))
    for k, (i, c) in enumerate(chosen.pairs):
        above, below = axes[2 * k], axes[2 * k + 1]
        end = int(panel.ends[i])
        start = max(int(panel.offsets[i]), end - (drawn.view.last or max(HISTORY * H, 24)))
        ahead = axis_times(panel, i, np.arange(end, end + H))
        strips.observe(above, panel, (i, c), np.arange(start, end))
        joint = partial(strips.joined, panel, (i, c), np.arange(end, end + H))
        marker = "o" if H == 1 else None
        above.plot(*joint(planned[i, :, c]), color=BLUE, linewidth=1.8, marker=marker, label="as planned", zorder=4)
        for number, (name, future) in enumerate(futures.items()):
            colour, dash = OTHERS[number % len(OTHERS)], DASHES[(number + 1) % len(DASHES)]
            look: dict[str, Any] = {"color": colour, "linestyle": dash, "linewidth": 1.5, "marker": marker}
            above.plot(*joint(future.point[i, :, c]), **look, label=text_of(name), zorder=3)
            below.plot(ahead, future.difference[i, :, c], **look)
            below.fill_between(ahead, future.low[i, :, c], future.high[i, :, c], color=colour, alpha=0.2, linewidth=0)
        above.axvline(joint(planned[i, :, c])[0][0], color=RULE, linewidth=0.8)
        below.axhline(0, color=RULE, linewidth=0.8)
        head(above, panel.label(i), panel.schema.target[c])
        words = "difference to the plan, least and most over the quantiles"
        head(below, ": ".join(filter(None, (panel.label(i), words))), "difference")
    steps = "1 step" if H == 1 else f"{H:,} steps"
    finish(figure, axes, Caption(drawn.about.title(panel.name, f"what if, {steps} ahead"), chosen.note), path)
