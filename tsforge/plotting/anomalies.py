"""A picture of what was unusual in a table: values, the interval of each, single outliers and shifts of the level."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tsforge.data.panel import Ints
from tsforge.detecting.lane import LEVEL_SHIFT, OUTLIER
from tsforge.detecting.running import Detection
from tsforge.plotting import strips
from tsforge.plotting.axes import Caption, finish, head
from tsforge.plotting.captions import About
from tsforge.plotting.choosing import ALL, Ranking, View, choose
from tsforge.plotting.style import BLUE, PURPLE, RED, axis_times, shade, stacked
from tsforge.runtime.timing import stage

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 4  # series and targets in one picture
STEPS = 2000  # of each, the last ones in which something was found
MARKS = ((OUTLIER, RED, "o", "outlier"), (LEVEL_SHIFT, PURPLE, "D", "level shift"))


@stage("pictures")
def anomalies(result: Detection, about: About, path: Path, view: View = ALL) -> None:
    """The series with the most unusual values first, each with up to 2,000 steps."""
    kind, panel = result.verdicts.kind, result.panel
    judged = np.add.reduceat(~np.isnan(result.verdicts.p), panel.offsets[:-1], axis=0)
    counts = np.add.reduceat(kind > 0, panel.offsets[:-1], axis=0).sum(axis=1)
    there = np.flatnonzero(judged.any(axis=1))
    ranking = Ranking(there, counts[there].astype(float), "those with most that is unusual", spread=False)
    chosen = choose(panel, view, MOST, ranking)
    pairs = [(i, c) for i, c in chosen.pairs if judged[i, c]]
    figure, axes = stacked(len(pairs))
    for axis, (i, c) in zip(axes, pairs, strict=True):
        _strip(axis, result, (i, c), view.last)
    count = f"{result.found:,} of {result.judged:,} values are unusual"
    finish(figure, axes, Caption(about.title(panel.name, count), chosen.note), path)


def _strip(axis: Axes, result: Detection, of: tuple[int, int], last: int | None) -> None:
    """One series and target."""
    (i, c), panel, v = of, result.panel, result.verdicts
    rows = _rows(result, of, last)
    times = axis_times(panel, i, rows)
    head(axis, panel.label(i), panel.schema.target[c])
    expected = v.expected[rows, c]
    axis.fill_between(
        times, expected - v.below[rows, c], expected + v.above[rows, c], color=shade(BLUE, 0.25), linewidth=0,
        label=f"{100 * (1 - result.rate):g} % interval of what was expected",
    )  # fmt: skip
    strips.observe(axis, panel, of, rows)
    values = strips.values(panel, c, rows)
    for kind, colour, marker, name in MARKS:
        marked = v.kind[rows, c] == kind
        axis.plot(times[marked], values[marked], marker, color=colour, markersize=5, label=name, zorder=4)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    axis.set_ylim(low - 0.08 * (high - low) - 1e-9, high + 0.08 * (high - low) + 1e-9)


def _rows(result: Detection, of: tuple[int, int], last: int | None) -> Ints:
    """The rows that are shown: the last ones of a number, or up to the last unusual value."""
    (i, c), panel, v = of, result.panel, result.verdicts
    begin, end = int(panel.offsets[i]), int(panel.ends[i])
    if last is not None:
        return np.arange(max(begin, end - last), end)
    known = begin + np.flatnonzero(~np.isnan(v.p[begin:end, c]))
    found = known[v.kind[known, c] > 0]
    stop = min(int(found[-1]) + STEPS // 10, end) if len(found) else end
    return np.arange(max(int(known[0]) - STEPS // 20, begin, stop - STEPS), stop)
