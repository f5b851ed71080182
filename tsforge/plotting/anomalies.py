"""A picture of what was unusual in a table: values, the interval of each, single outliers and shifts of the level."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tsforge.detecting.lane import LEVEL_SHIFT, OUTLIER
from tsforge.detecting.running import Detection
from tsforge.plotting.style import BLUE, GREY, ORANGE, RED, axis_times, heading, save, stacked
from tsforge.runtime.timing import stage

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 4  # series or targets in one picture
STEPS = 2000  # of each, the last ones in which something was found


@stage("pictures")
def anomalies(result: Detection, path: Path) -> None:
    """The series and targets with the most unusual values first, each with up to 2,000 steps."""
    kind, panel = result.verdicts.kind, result.panel
    counts = np.add.reduceat(kind > 0, panel.offsets[:-1], axis=0)
    judged = np.add.reduceat(~np.isnan(result.verdicts.p), panel.offsets[:-1], axis=0)
    order = np.lexsort((-judged.ravel(), -counts.ravel()))
    chosen = [divmod(int(k), counts.shape[1]) for k in order if judged.ravel()[k]]
    figure, axes = stacked(len(chosen[:MOST]) or 1)
    for axis, (i, c) in zip(axes, chosen, strict=False):
        _strip(axis, result, i, c)
    figure.legend(*axes[0].get_legend_handles_labels(), frameon=False, fontsize=8, ncols=5, loc="outside lower left")
    if len(chosen) > MOST:
        figure.supxlabel(f"{MOST} of {len(chosen)}, those with most that is unusual", fontsize=8)
    save(figure, path)


def _strip(axis: Axes, result: Detection, i: int, c: int) -> None:
    """One series and target."""
    panel, v = result.panel, result.verdicts
    known = np.flatnonzero(~np.isnan(v.p[:, c]))
    known = known[(known >= panel.offsets[i]) & (known < panel.ends[i])]
    found = known[v.kind[known, c] > 0]
    stop = min(int(found[-1]) + STEPS // 10, int(panel.ends[i])) if len(found) else int(panel.ends[i])
    start = max(int(known[0]) - STEPS // 20, int(panel.offsets[i]), stop - STEPS)
    rows = np.arange(start, stop)
    times = axis_times(panel, i, rows)
    values = np.where(panel.observed[rows, c], panel.values[rows, c], np.nan)
    expected = v.expected[rows, c]
    axis.fill_between(
        times, expected - v.below[rows, c], expected + v.above[rows, c], color=BLUE, alpha=0.2, linewidth=0,
        label=f"interval, {100 * (1 - result.rate):g} %",
    )  # fmt: skip
    axis.plot(times, values, color=GREY, linewidth=0.9, label="observed")
    for kind, colour, name in ((OUTLIER, RED, "outlier"), (LEVEL_SHIFT, ORANGE, "level shift")):
        marked = v.kind[rows, c] == kind
        axis.plot(times[marked], values[marked], "o", color=colour, markersize=4.5, label=name)
    axis.set_title(heading(panel, i, c), loc="left", fontsize=10)
    low, high = np.nanmin(values), np.nanmax(values)
    axis.set_ylim(low - 0.08 * (high - low) - 1e-9, high + 0.08 * (high - low) + 1e-9)
