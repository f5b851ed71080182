"""Pictures of sample paths: the paths themselves, chances to pass a level, running totals, and sums by period."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsforge.data.panel import Ints
from tsforge.plotting import strips
from tsforge.plotting.axes import Caption, finish, head
from tsforge.plotting.choosing import Subject, choose
from tsforge.plotting.style import BLUE, ORANGE, RULE, axis_times, shade, stacked
from tsforge.runtime.timing import stage

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.floating]

MOST = 4  # series or targets in one picture
SHOWN = 40  # paths
TICKS = 9  # names below bars
HISTORY = 2  # horizons before the forecast
BANDS = ((0.05, 0.95, 0.16), (0.1, 0.9, 0.32))  # from which level to which, and how dark


class Chance(NamedTuple):
    """To pass a level in each step, and until then, (n, H, C) each."""

    level: str
    each: Floats
    ever: Floats


class Sums(NamedTuple):
    """Sums by period: their series and names (R,), means (R, C) and paths (S, R, C)."""

    series: Ints
    names: tuple[str, ...]
    mean: Floats
    values: Floats


@stage("pictures")
def paths(subject: Subject, values: Floats, chance: Chance | None, path: Path) -> None:
    """Some paths (S, n, H, C) and their intervals, for some series and targets; below each the chances."""
    panel, H = subject.panel, values.shape[2]
    chosen = choose(panel, subject.view, MOST if chance is None else MOST // 2)
    per = 1 if chance is None else 2
    figure, axes = stacked(per * len(chosen.pairs))
    for k, (i, c) in enumerate(chosen.pairs):
        axis, end = axes[per * k], int(panel.ends[i])
        start = max(int(panel.offsets[i]), end - (subject.view.last or max(HISTORY * H, 24)))
        head(axis, panel.label(i), panel.schema.target[c])
        strips.observe(axis, panel, (i, c), np.arange(start, end))
        times, lines = strips.joined(panel, (i, c), np.arange(end, end + H), values[:, i, :, c])
        _bands(axis, times, lines)
        some = lines[:: max(1, len(lines) // SHOWN)].T
        drawn = axis.plot(times, some, color=BLUE, linewidth=0.5, alpha=0.35, marker="o" if H == 1 else None, zorder=3)
        drawn[0].set_label("paths")
        axis.axvline(times[0], color=RULE, linewidth=0.8)
        if chance is not None:
            _chances(axes[per * k + 1], times[-H:], chance, (i, c))
            head(axes[per * k + 1], panel.label(i), f"chance, {chance.level}")
    count = f"{len(values):,} paths of {H:,} steps"
    finish(figure, axes, Caption(subject.about.title(panel.name, count), chosen.note), path)


def _chances(axis: Axes, ahead: NDArray[np.generic], chance: Chance, of: tuple[int, int]) -> None:
    i, c = of
    axis.plot(ahead, chance.each[i, :, c], color=BLUE, linewidth=1.5, marker="o", markersize=3, label="in this step")
    axis.plot(ahead, chance.ever[i, :, c], color=ORANGE, linewidth=1.5, linestyle="--", label="ever until then")
    axis.set_ylim(-0.03, 1.03)


@stage("pictures")
def running(drawn: Subject, values: Floats, path: Path) -> None:
    """The total so far along the horizon, of paths (S, n, H, C) that are summed up already."""
    panel, H = drawn.panel, values.shape[2]
    chosen = choose(panel, drawn.view, MOST)
    figure, axes = stacked(len(chosen.pairs))
    for axis, (i, c) in zip(axes, chosen.pairs, strict=True):
        ahead = axis_times(panel, i, np.arange(int(panel.ends[i]), int(panel.ends[i]) + H))
        head(axis, panel.label(i), f"total {panel.schema.target[c]}")
        _bands(axis, ahead, values[:, i, :, c])
        marker = "o" if H == 1 else None
        axis.plot(
            ahead, values[:, i, :, c].mean(axis=0), color=BLUE, linewidth=1.5, marker=marker, label="mean of the total",
            zorder=3,
        )  # fmt: skip
    finish(figure, axes, Caption(drawn.about.title(panel.name, f"total of {H:,} steps"), chosen.note), path)


@stage("pictures")
def by_period(drawn: Subject, sums: Sums, path: Path) -> None:
    """The sum of every period with its intervals, for some series and targets."""
    panel = drawn.panel
    chosen = choose(panel, drawn.view, MOST)
    figure, axes = stacked(len(chosen.pairs))
    for axis, (i, c) in zip(axes, chosen.pairs, strict=True):
        rows = np.flatnonzero(sums.series == i)
        place = np.arange(len(rows))
        head(axis, panel.label(i), f"total {panel.schema.target[c]}")
        for low, high, dark in BANDS:
            bottom, top = np.quantile(sums.values[:, rows, c], [low, high], axis=0)
            label = f"{100 * (high - low):.0f} % interval"
            axis.bar(place, top - bottom, 0.6, bottom=bottom, color=shade(BLUE, dark), linewidth=0, label=label)
        axis.plot(place, sums.mean[rows, c], "_", color=BLUE, markersize=16, markeredgewidth=2, label="mean")
        every = -(-len(place) // TICKS)
        axis.set_xticks(place[::every], [sums.names[r] for r in rows[::every]])
    finish(figure, axes, Caption(drawn.about.title(panel.name, "totals by period"), chosen.note), path, named=True)


def _bands(axis: Axes, ahead: NDArray[np.generic], values: Floats) -> None:
    """Intervals of paths (S, H)."""
    for low, high, dark in BANDS:
        bottom, top = np.quantile(values, [low, high], axis=0)
        label = f"{100 * (high - low):.0f} % interval"
        axis.fill_between(ahead, bottom, top, color=shade(BLUE, dark), linewidth=0, label=label, zorder=2)
