"""A picture of an update: the errors of the new model and of the old one, origin by origin."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.scores import by_window
from tsforge.plotting.axes import Caption, finish, head
from tsforge.plotting.choosing import Subject
from tsforge.plotting.style import BLUE, ORANGE, axis_times, stacked
from tsforge.runtime.numbers import figure as short
from tsforge.runtime.timing import stage


@stage("pictures")
def errors(subject: Subject, new: Outcome, old: Outcome, metric: str, path: Path) -> None:
    """A metric of each forecast origin, the mean over series, of forecasts of the same windows."""
    panel = subject.panel
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
        dash = "--" if name == "old" else "-"
        axis.plot(at, mean, color=colour, linewidth=1.4, linestyle=dash, marker=marker, markersize=4, label=label)
    axis.set_ylim(bottom=0)
    head(axis, "", metric)
    what = f"{metric.upper()} by forecast origin, on rows that neither model has seen"
    finish(picture, [axis], Caption(subject.about.title(panel.name, what)), path)
