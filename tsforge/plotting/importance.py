"""A picture of what covariates are worth: what the error becomes without each, the most important above."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tsforge.plotting.axes import Caption, crown
from tsforge.plotting.style import BLUE, INK, ORANGE, PALE, canvas, clean, save, text_of
from tsforge.runtime.timing import stage

MOST = 30  # covariates in one picture


class Bar(NamedTuple):
    """One covariate. change, low, high: of the error with it moved. refit: the same of models without it, if there."""

    name: str
    matters: bool
    change: float
    low: float
    high: float
    refit: tuple[float, float, float] | None = None


@stage("pictures")
def importance(bars: Sequence[Bar], metric: str, title: str, path: Path) -> None:
    """A bar for each covariate, with the range that chance has; below it the refit, where there is one."""
    shown = list(bars[:MOST])
    figure = canvas(1.6 + 0.5 * len(shown))
    axis = clean(figure.subplots())
    axis.grid(axis="y", visible=False)
    places = np.arange(len(shown), dtype=float)
    refits = [bar.refit for bar in shown]
    height = 0.35 if any(refits) else 0.6
    for place, bar in zip(places, shown, strict=True):
        colour = BLUE if bar.matters else PALE
        axis.barh(place, bar.change, height=height, color=colour)
        axis.plot([bar.low, bar.high], [place, place], color=INK, linewidth=1.4)
        if bar.refit is not None:
            change, low, high = bar.refit
            axis.barh(place + height, change, height=height, color=ORANGE, alpha=0.6)
            axis.plot([low, high], [place + height] * 2, color=INK, linewidth=1.4)
    axis.axvline(0, color=INK, linewidth=0.8)
    axis.set_yticks(places, [text_of(bar.name) for bar in shown])
    axis.invert_yaxis()
    words = f"what {metric} becomes more with the column moved in time (line: the least and the most)"
    axis.set_xlabel(f"{words}; orange: fitted without it" if any(refits) else words, fontsize=9)
    crown(figure, axis, Caption(title, f"the first {MOST} of {len(bars)} covariates" if len(bars) > MOST else ""))
    save(figure, path)
