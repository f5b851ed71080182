"""A picture of an update: the errors of the new model and of the old one, origin by origin."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tsforge.data.panel import Panel
from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.scores import by_window
from tsforge.plotting.style import BLUE, ORANGE, axis_times, save, stacked
from tsforge.runtime.numbers import figure as short
from tsforge.runtime.timing import stage


@stage("pictures")
def errors(panel: Panel, new: Outcome, old: Outcome, metric: str, path: Path) -> None:
    """A metric of each forecast origin, the mean over series, of forecasts of the same windows."""
    picture, (axis,) = stacked(1)
    i = int((panel.first + panel.lengths).argmax())
    times, origin = np.unique(new.time, return_inverse=True)
    at = axis_times(panel, i, times - panel.first[i] + panel.offsets[i])
    for name, outcome, colour in (("old", old, ORANGE), ("new", new, BLUE)):
        values = by_window(outcome, metric)
        seen = ~np.isnan(values)
        count = np.bincount(origin, weights=seen)
        mean = np.bincount(origin, weights=np.where(seen, values, 0.0)) / np.where(count > 0, count, np.nan)
        label = f"{name}, mean {short(float(values[seen].mean()))}" if seen.any() else name
        marker = "o" if len(times) < 40 else None
        axis.plot(at, mean, color=colour, linewidth=1.4, marker=marker, markersize=4, label=label)
    axis.set_title(f"{metric} by forecast origin, on rows that neither has seen", loc="left", fontsize=10)
    axis.set_ylim(bottom=0)
    picture.legend(*axis.get_legend_handles_labels(), frameon=False, fontsize=8, ncols=2, loc="outside lower left")
    save(picture, path)
