"""Pictures of forecasts beside what was observed. All go to files, nothing opens a window."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsforge.data.panel import Panel
from tsforge.data.windows import Windows
from tsforge.evaluation.outcome import Outcome
from tsforge.plotting.style import (
    BLUE,
    GREY,
    LINES,
    ORANGE,
    RULE,
    axis_times,
    heading,
    save,
    scale_log,
    stacked,
    text_of,
)
from tsforge.runtime.timing import stage

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.floating]

MOST_STRIPS = 6  # series or targets in one picture
_LAST_WINDOWS = 4  # of a backtest, in one strip
_HISTORY = 3  # horizons of history before a forecast


@dataclass(frozen=True)
class Strip:
    """One forecast to draw: all arrays along their own times."""

    title: str
    times: NDArray[Any]
    values: Floats  # NaN where missing; may run on through the forecast, as truth
    ahead: NDArray[Any]
    point: Floats
    quantiles: Floats  # (H, Q)
    levels: tuple[float, ...]
    reference: Floats | None = None  # seasonal naive
    origins: tuple[Any, ...] = ()  # times of the forecast origins; the first of `ahead` where there is none


@stage("pictures")
def forecast(panel: Panel, point: Floats, quantiles: Floats, levels: tuple[float, ...], path: Path) -> None:
    """Forecasts from the end of the first few series and targets. point (n, H, C), quantiles (n, H, C, Q)."""
    H = point.shape[1]
    strips = []
    for i in range(len(panel)):
        for c in np.flatnonzero(~panel.never[i]).tolist():
            end = int(panel.ends[i])
            start = max(int(panel.offsets[i]), end - max(_HISTORY * H, 48))
            strips.append(
                Strip(
                    heading(panel, i, c), axis_times(panel, i, np.arange(start, end)), _values(panel, c, start, end),
                    axis_times(panel, i, np.arange(end, end + H)), point[i, :, c], quantiles[i, :, c], levels,
                )
            )  # fmt: skip
        if len(strips) >= MOST_STRIPS:
            break
    _draw(strips[:MOST_STRIPS], int(np.count_nonzero(~panel.never)), path)


@stage("pictures")
def held_out(panel: Panel, windows: Windows, outcomes: dict[str, Outcome], path: Path) -> None:
    """The last test window of the first few series and targets: truth, the model, seasonal naive."""
    H = next(iter(outcomes.values())).point.shape[1]
    _windows(panel, windows, outcomes, path, Past(windows=1, steps=max(_HISTORY * H, 48)))


@stage("pictures")
def rolled(panel: Panel, windows: Windows, outcomes: dict[str, Outcome], path: Path) -> None:
    """The last windows of the first few series and targets that do not overlap: truth, the model, seasonal naive."""
    H = next(iter(outcomes.values())).point.shape[1]
    _windows(panel, windows, outcomes, path, Past(windows=_LAST_WINDOWS, steps=H))


class Past(NamedTuple):
    """How far a picture reaches back: so many windows, and steps before the first of them."""

    windows: int
    steps: int


def _windows(panel: Panel, windows: Windows, outcomes: dict[str, Outcome], path: Path, past: Past) -> None:
    model = next(iter(outcomes.values()))
    reference = outcomes.get("seasonal-naive") if len(outcomes) > 1 else None
    H = model.point.shape[1]
    series = np.unique(windows.series)
    strips = []
    for i in series[:MOST_STRIPS].tolist():
        chosen = _apart(windows, i, H, past.windows)
        origins = windows.origins[chosen]
        start, stop = max(int(panel.offsets[i]), int(origins[0]) - past.steps), int(origins[-1]) + H
        times = axis_times(panel, i, np.arange(start, stop))
        ahead = axis_times(panel, i, _broken(origins[:, None] + np.arange(H)))
        for c in np.flatnonzero(~panel.never[i]).tolist():
            strips.append(
                Strip(
                    heading(panel, i, c), times, _values(panel, c, start, stop),
                    ahead, _broken(model.point[chosen, :, c]), _broken(model.quantiles[chosen, :, c]), model.levels,
                    None if reference is None or reference is model else _broken(reference.point[chosen, :, c]),
                    tuple(axis_times(panel, i, origins)),
                )
            )  # fmt: skip
    _draw(strips[:MOST_STRIPS], int(np.count_nonzero(~panel.never[series])), path)


@stage("pictures")
def by_step(values: dict[str, list[float]], metric: str, path: Path) -> None:
    """A metric along the horizon, a line per model, the first one in front."""
    figure, (axis,) = stacked(1)
    for k, (model, line) in enumerate(values.items()):
        steps = np.arange(1, len(line) + 1)
        axis.plot(
            steps, line, color=LINES[k % len(LINES)], linewidth=2.2 if k == 0 else 1.2, zorder=3 if k == 0 else 2,
            marker="o" if len(line) == 1 else None, label=text_of(model),
        )  # fmt: skip
    lines = np.array(list(values.values()))
    if np.isfinite(lines).any() and np.nanmax(lines) > 8 * np.nanmedian(lines[0]) > 0 and np.nanmin(lines) > 0:
        scale_log(axis, "y")
    axis.set(xlabel="horizon step", ylabel=metric)
    figure.legend(*axis.get_legend_handles_labels(), frameon=False, fontsize=9, ncols=6, loc="outside lower left")
    save(figure, path)


def _apart(windows: Windows, series: int, horizon: int, most: int) -> NDArray[np.int64]:
    """The newest windows of a series that share no step, the oldest of them first."""
    mine = np.flatnonzero(windows.series == series)
    mine = mine[np.argsort(windows.origins[mine])][::-1]
    chosen: list[int] = []
    for w in mine:
        if not chosen or windows.origins[chosen[-1]] - windows.origins[w] >= horizon:
            chosen.append(int(w))
        if len(chosen) == most:
            break
    return np.array(chosen[::-1])


def _broken(values: NDArray[Any]) -> NDArray[Any]:
    """Windows (n, H, ...) one behind the other, (n · (H+1) - 1, ...), a gap between them that breaks a line."""
    gap = np.full_like(values[:, :1], np.nan) if values.dtype.kind == "f" else values[:, -1:]
    return np.concatenate([values, gap], axis=1).reshape(-1, *values.shape[2:])[:-1]


def _draw(strips: list[Strip], total: int, path: Path) -> None:
    figure, axes = stacked(len(strips))
    for axis, strip in zip(axes, strips, strict=True):
        _intervals(axis, strip)
        axis.plot(strip.times, strip.values, color=GREY, linewidth=1, label="observed")
        if strip.reference is not None:
            axis.plot(strip.ahead, strip.reference, color=ORANGE, linewidth=1, linestyle="--", label="seasonal naive")
        marker = "o" if len(strip.ahead) == 1 else None
        axis.plot(strip.ahead, strip.point, color=BLUE, linewidth=1.5, marker=marker, label="forecast")
        for origin in strip.origins or (strip.ahead[0],):
            axis.axvline(origin, color=RULE, linewidth=0.8)
        axis.set_title(strip.title, loc="left", fontsize=10)
    figure.legend(*axes[0].get_legend_handles_labels(), frameon=False, fontsize=8, ncols=5, loc="outside lower left")
    if total > len(strips):
        figure.supxlabel(f"the first {len(strips)} of {total}", fontsize=8)
    save(figure, path)


def _intervals(axis: Axes, strip: Strip) -> None:
    """Central intervals, the wider the paler."""
    pairs = len(strip.levels) // 2
    for k in range(pairs):
        low, high = strip.levels[k], strip.levels[-1 - k]
        label = f"{100 * (high - low):.0f} % interval" if k == 0 else None
        axis.fill_between(
            strip.ahead, strip.quantiles[:, k], strip.quantiles[:, -1 - k],
            color=BLUE, alpha=0.12 if pairs > 2 else 0.2, linewidth=0, label=label,
        )  # fmt: skip


def _values(panel: Panel, c: int, start: int, end: int) -> Floats:
    return np.where(panel.observed[start:end, c], panel.values[start:end, c], np.nan)
