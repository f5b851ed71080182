"""Pictures of forecasts beside what was observed. All go to files, nothing opens a window."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsforge.data.panel import Panel
from tsforge.data.windows import Windows
from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.scores import by_series
from tsforge.fitted.prediction import Prediction
from tsforge.plotting import strips
from tsforge.plotting.axes import Caption, finish, head
from tsforge.plotting.captions import About
from tsforge.plotting.choosing import ALL, Ranking, View, choose
from tsforge.plotting.strips import Ahead
from tsforge.plotting.style import DASHES, LINES, ORANGE, axis_times, scale_log, stacked, text_of
from tsforge.runtime.timing import stage

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_STRIPS = 6  # series and targets in one picture
REFERENCE = "seasonal-naive"
_LAST_WINDOWS = 4  # of a backtest, in one strip
_HISTORY, _LEAST = 3, 48  # horizons of history before a forecast, and steps at least


class Tested(NamedTuple):
    """Windows of a panel whose truth is known, and their forecasts by model, the one that it is about first."""

    panel: Panel
    windows: Windows
    outcomes: dict[str, Outcome]


@stage("pictures")
def forecast(made: Prediction, about: About, path: Path, view: View = ALL) -> None:
    """What comes after the end of some series and targets, behind their last values."""
    panel, H = made.panel, made.point.shape[1]
    chosen = choose(panel, view, MOST_STRIPS)
    figure, axes = stacked(len(chosen.pairs))
    for axis, (i, c) in zip(axes, chosen.pairs, strict=True):
        end = int(panel.ends[i])
        start = max(int(panel.offsets[i]), end - (view.last or max(_HISTORY * H, _LEAST)))
        rows = np.arange(start, end)
        ahead = Ahead(np.arange(end, end + H), made.point[i, :, c], made.quantiles[i, :, c], made.levels)
        head(axis, panel.label(i), panel.schema.target[c])
        strips.observe(axis, panel, (i, c), rows)
        strips.forecast(axis, panel, (i, c), ahead)
        strips.scale(axis, strips.values(panel, c, rows))
    steps = "1 step ahead" if H == 1 else f"{H:,} steps ahead"
    finish(figure, axes, Caption(about.title(panel.name, steps), chosen.note), path)


@stage("pictures")
def held_out(tested: Tested, about: About, path: Path, view: View = ALL) -> None:
    """The last test window of some series and targets: truth, the model, seasonal naive."""
    H = next(iter(tested.outcomes.values())).point.shape[1]
    _windows(tested, Caption(about.title(tested.panel.name)), path, (view, max(_HISTORY * H, _LEAST), 1))


@stage("pictures")
def rolled(tested: Tested, about: About, path: Path, view: View = ALL) -> None:
    """The last windows of some series and targets that do not overlap: truth, the model, seasonal naive."""
    H = next(iter(tested.outcomes.values())).point.shape[1]
    _windows(tested, Caption(about.title(tested.panel.name)), path, (view, H, _LAST_WINDOWS))


def _windows(tested: Tested, caption: Caption, path: Path, how: tuple[View, int, int]) -> None:
    """how: the view, steps before the first window, and windows of each series at most."""
    panel, windows, outcomes = tested
    view, before, most = how
    H = next(iter(outcomes.values())).point.shape[1]
    chosen = choose(panel, view, MOST_STRIPS, _by_error(tested))
    figure, axes = stacked(len(chosen.pairs))
    for axis, (i, c) in zip(axes, chosen.pairs, strict=True):
        shown = _apart(windows, i, H)
        if view.last is None:
            shown = shown[-most:]
            start = int(windows.origins[shown[0]]) - before
        else:
            start = int(windows.origins[shown[-1]]) + H - view.last
            shown = shown[windows.origins[shown] > start] if view.last > H else shown[-1:]
        rows = np.arange(max(int(panel.offsets[i]), start), int(windows.origins[shown[-1]]) + H)
        head(axis, panel.label(i), panel.schema.target[c])
        strips.observe(axis, panel, (i, c), rows)
        _forecasts(axis, tested, (i, c), shown)
        strips.scale(axis, strips.values(panel, c, rows))
    finish(figure, axes, caption._replace(note=chosen.note), path)


def _forecasts(axis: Axes, tested: Tested, of: tuple[int, int], shown: NDArray[np.int64]) -> None:
    """The forecasts of some windows of one series and target, and those of seasonal naive."""
    panel, windows, outcomes = tested
    model, (i, c) = next(iter(outcomes.values())), of
    reference = outcomes.get(REFERENCE)
    H = model.point.shape[1]
    for w in shown.tolist():
        rows = int(windows.origins[w]) + np.arange(H)
        part = model.part(slice(w, w + 1))
        strips.forecast(axis, panel, of, Ahead(rows, part.point[0, :, c], part.quantiles[0, :, c], model.levels))
        if reference is not None and reference is not model:
            axis.plot(
                axis_times(panel, i, rows), reference.point[w, :, c], color=ORANGE, linewidth=1.2, linestyle="--",
                marker="o" if H == 1 else None, markersize=4, label="seasonal naive", zorder=3.5,
            )  # fmt: skip


def _by_error(tested: Tested) -> Ranking:
    """Series that have windows, by the mean error of the model in units of each series' seasonal change."""
    windows, model = tested.windows, next(iter(tested.outcomes.values()))
    series = np.unique(windows.series).astype(np.int64)
    if len(series) <= MOST_STRIPS // len(tested.panel.schema.target):  # all of them are shown
        return Ranking(series, -series.astype(float), "")
    errors = by_series(model, "mase")[:, 0]
    return Ranking(series, errors, "from the highest error to the lowest")


@stage("pictures")
def by_step(values: dict[str, list[float]], metric: str, title: str, path: Path) -> None:
    """A metric along the horizon, a line per model, the first one in front."""
    figure, (axis,) = stacked(1)
    for k, (model, line) in enumerate(values.items()):
        steps = np.arange(1, len(line) + 1)
        axis.plot(
            steps, line, color=LINES[k % len(LINES)], linewidth=2.2 if k == 0 else 1.3, zorder=3 if k == 0 else 2,
            linestyle=DASHES[k % len(DASHES)], marker="o" if len(line) == 1 else None, label=text_of(model),
        )  # fmt: skip
    lines = np.array(list(values.values()))
    if np.isfinite(lines).any() and np.nanmax(lines) > 8 * np.nanmedian(lines[0]) > 0 and np.nanmin(lines) > 0:
        scale_log(axis, "y")
    axis.set_xlabel("horizon step", fontsize=9)
    axis.set_ylabel(text_of(metric), fontsize=9)
    finish(figure, [axis], Caption(title), path)


def _apart(windows: Windows, series: int, horizon: int) -> NDArray[np.int64]:
    """The newest windows of a series that share no step, the oldest of them first."""
    mine = np.flatnonzero(windows.series == series)
    mine = mine[np.argsort(windows.origins[mine])][::-1]
    chosen: list[int] = []
    for w in mine:
        if not chosen or windows.origins[chosen[-1]] - windows.origins[w] >= horizon:
            chosen.append(int(w))
    return np.array(chosen[::-1])
