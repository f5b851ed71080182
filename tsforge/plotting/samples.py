"""Pictures of sample paths: the paths themselves, chances to pass a level, running totals, and sums by period."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsforge.data.panel import Ints, Panel
from tsforge.plotting.style import BLUE, GREY, ORANGE, RULE, axis_times, heading, save, stacked
from tsforge.runtime.timing import stage

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.floating]

MOST = 4  # series or targets in one picture
SHOWN = 40  # paths
TICKS = 9  # names below bars
HISTORY = 2  # horizons before the forecast
BANDS = ((0.05, 0.95, 0.12), (0.1, 0.9, 0.2))  # from which level to which, and how dark


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
def paths(panel: Panel, values: Floats, chance: Chance | None, path: Path) -> None:
    """Some paths (S, n, H, C) and their intervals, for the first few series and targets; below each the chances."""
    chosen = _chosen(panel, MOST if chance is None else MOST // 2)
    per = 1 if chance is None else 2
    figure, axes = stacked(per * len(chosen))
    H = values.shape[2]
    for k, (i, c) in enumerate(chosen):
        axis, end = axes[per * k], int(panel.ends[i])
        start = max(int(panel.offsets[i]), end - max(HISTORY * H, 24))
        ahead = axis_times(panel, i, np.arange(end, end + H))
        seen = np.where(panel.observed[start:end, c], panel.values[start:end, c], np.nan)
        axis.plot(axis_times(panel, i, np.arange(start, end)), seen, color=GREY, linewidth=1, label="observed")
        some = values[:: max(1, len(values) // SHOWN), i, :, c].T
        marker = "o" if H == 1 else None
        lines = axis.plot(ahead, some, color=BLUE, linewidth=0.5, alpha=0.35, marker=marker)
        lines[0].set_label("paths")
        _bands(axis, ahead, values[:, i, :, c])
        axis.axvline(ahead[0], color=RULE, linewidth=0.8)
        axis.set_title(heading(panel, i, c), loc="left", fontsize=10)
        if chance is not None:
            below = axes[per * k + 1]
            below.plot(
                ahead, chance.each[i, :, c], color=BLUE, linewidth=1.5, marker="o", markersize=3, label="in this step"
            )
            below.plot(ahead, chance.ever[i, :, c], color=ORANGE, linewidth=1.5, label="ever until then")
            below.set_ylim(-0.03, 1.03)
            below.set_title(f"{heading(panel, i, c)}: chance to be {chance.level}", loc="left", fontsize=9)
    _legend(figure, axes[:per])
    _finish(figure, panel, len(chosen), path)


@stage("pictures")
def running(panel: Panel, values: Floats, path: Path) -> None:
    """The total so far along the horizon, of paths (S, n, H, C) that are summed up already."""
    chosen = _chosen(panel, MOST)
    figure, axes = stacked(len(chosen))
    H = values.shape[2]
    for axis, (i, c) in zip(axes, chosen, strict=True):
        ahead = axis_times(panel, i, np.arange(int(panel.ends[i]), int(panel.ends[i]) + H))
        _bands(axis, ahead, values[:, i, :, c])
        marker = "o" if H == 1 else None
        axis.plot(
            ahead, values[:, i, :, c].mean(axis=0), color=BLUE, linewidth=1.5, marker=marker, label="total so far"
        )
        axis.set_title(f"{heading(panel, i, c)}: total so far", loc="left", fontsize=10)
    _legend(figure, axes[:1])
    _finish(figure, panel, len(chosen), path)


@stage("pictures")
def by_period(panel: Panel, sums: Sums, path: Path) -> None:
    """The sum of every period with its intervals, for the first few series and targets."""
    chosen = _chosen(panel, MOST)
    figure, axes = stacked(len(chosen))
    for axis, (i, c) in zip(axes, chosen, strict=True):
        rows = np.flatnonzero(sums.series == i)
        place = np.arange(len(rows))
        for low, high, dark in BANDS:
            bottom, top = np.quantile(sums.values[:, rows, c], [low, high], axis=0)
            label = f"{100 * (high - low):.0f} % interval"
            axis.bar(place, top - bottom, 0.6, bottom=bottom, color=BLUE, alpha=dark + 0.1, linewidth=0, label=label)
        axis.plot(place, sums.mean[rows, c], "_", color=BLUE, markersize=16, markeredgewidth=2, label="mean")
        every = -(-len(place) // TICKS)
        axis.set_xticks(place[::every], [sums.names[r] for r in rows[::every]])
        axis.set_title(f"{heading(panel, i, c)}: totals", loc="left", fontsize=10)
    _legend(figure, axes[:1])
    _finish(figure, panel, len(chosen), path)


def _chosen(panel: Panel, most: int) -> list[tuple[int, int]]:
    """The first series and targets that have a forecast."""
    return [(i, int(c)) for i in range(min(len(panel), most)) for c in np.flatnonzero(~panel.never[i])][:most]


def _bands(axis: Axes, ahead: NDArray[np.generic], values: Floats) -> None:
    """Intervals of paths (S, H)."""
    for low, high, dark in BANDS:
        bottom, top = np.quantile(values, [low, high], axis=0)
        label = f"{100 * (high - low):.0f} % interval"
        axis.fill_between(ahead, bottom, top, color=BLUE, alpha=dark, linewidth=0, label=label)


def _legend(figure: Figure, axes: list[Axes]) -> None:
    found = [pair for axis in axes for pair in zip(*axis.get_legend_handles_labels(), strict=True)]
    handles, names = zip(*found, strict=True)
    figure.legend(handles, names, frameon=False, fontsize=8, ncols=6, loc="outside lower left")


def _finish(figure: Figure, panel: Panel, count: int, path: Path) -> None:
    total = int(np.count_nonzero(~panel.never))
    if total > count:
        figure.supxlabel(f"the first {count} of {total}", fontsize=8)
    save(figure, path)
