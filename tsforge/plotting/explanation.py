"""Pictures of what a forecast looks at: forecast steps by past steps, along the past, and by lag."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tsforge.fitted.explanation import Explanation, Floats, Method
from tsforge.plotting.axes import Caption, crown, label_dates
from tsforge.plotting.captions import About
from tsforge.plotting.style import BLUE, GREY, ORANGE, axis_times, canvas, heading, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

MOST_HEADS = 16  # small maps in one picture
_BRIGHT = 99.5  # per cent of the cells of a map that its shades tell apart: a few large ones must not hide the rest
_MOST_MARKS = 12  # repetitions of a season that are marked
_WORDS = {"attention": "attention", "gradient": "|gradient × input|"}


def draw(
    explanation: Explanation, path: Path, *, method: Method | None = None, target: int = 0, step: int | None = None,
    about: About | None = None,
) -> None:  # fmt: skip
    """One target of an explanation to a picture file.

    On top the past and, over it, how much it is looked at; below that the map of forecast steps (rows) by past steps,
    the mean over heads, with every head beside it; at the bottom the map by lag, and the autocorrelation of the series.
    step: the curves are of this forecast step alone, from 1; means over all of them where None.
    Raises ConfigError and ModelError as `Explanation.along` and `Explanation.map` do.
    """
    method = method or explanation.methods[0]
    along, by_lag = explanation.along(method, target, step)
    figure = canvas(8.6)
    upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=(2.6, 1))[:, 0]
    left, right = upper, None
    if method == "attention":
        left, right = upper.subfigures(1, 2, squeeze=False, width_ratios=(2.4, 1))[0]
    top, middle = left.subplots(2, 1, sharex=True, height_ratios=(1, 2.2))
    whose = f"step {step}" if step is not None else f"mean over {explanation.shape.horizon} steps"
    _past(top, explanation, along, target, f"{_WORDS[method]}, {whose}")
    _map(left, middle, explanation, method, target, step)
    if right is not None:
        _heads(right, explanation.heads(target))
    _lags(lower.subplots(), explanation, by_lag, target, f"{_WORDS[method]}, {whose}")
    label_dates(middle)
    crown(figure, top, Caption((about or About()).title(explanation.panel.name, "what the forecast looks at")))
    save(figure, path)


def _past(axis: Axes, explanation: Explanation, along: Floats, target: int, label: str) -> None:
    """The series in the context, and how much each step of it is looked at."""
    edges, origin = _edges(explanation), explanation.times[1].iloc[0]
    looked = axis.twinx()
    shares = np.append(along, along[-1])
    looked.fill_between(edges, shares, step="post", color=BLUE, alpha=0.35, linewidth=0, label=label)
    looked.set_ylim(0, None)
    axis.plot(edges[:-1], explanation.values[:, target], color=GREY, linewidth=1, label="observed")
    axis.set_title(f"{heading(explanation.panel, 0, target)}, forecast from {origin}", loc="left", fontsize=10)
    _legend(axis, looked)


def _map(
    figure: Figure | SubFigure, axis: Axes, explanation: Explanation, method: Method, target: int, step: int | None
) -> None:
    """Forecast steps by past steps, with the season as a line; the chosen step is marked."""
    edges, (L, H, *_) = _edges(explanation), explanation.shape
    middles = edges[:-1] + (edges[1:] - edges[:-1]) / 2
    values = explanation.map(method, target)
    most = float(np.percentile(values, _BRIGHT)) or float(values.max())
    rows = np.arange(H + 1) + 0.5
    mesh = axis.pcolormesh(edges, rows, values, cmap="Blues", vmin=0, vmax=most or 1.0, rasterized=True)
    for lag in _marks(explanation):
        steps = np.arange(max(0, lag - L), min(H, lag))
        axis.plot(middles[L + steps - lag], steps + 1, color=ORANGE, linewidth=1.4, linestyle=":")
    if step is not None:
        axis.axhline(step, color=GREY, linewidth=0.8)
    axis.invert_yaxis()
    axis.set_ylabel("forecast step")
    what = "mean over layers and heads" if method == "attention" else "in units of the forecast"
    beyond = "max" if values.max() > most else "neither"
    bar = figure.colorbar(mesh, ax=axis, location="bottom", aspect=60, shrink=0.6, extend=beyond)
    bar.set_label(f"{_WORDS[method]}, {what}", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    axis.tick_params(axis="x", labelsize=8)


def _heads(figure: SubFigure, heads: Floats) -> None:
    """heads (layers, A, H, L): one small map for each, each in its own shades."""
    layers, A = heads.shape[:2]
    shown = [(k, a) for k in range(layers) for a in range(A)][:MOST_HEADS]
    axes = figure.subplots(-(-len(shown) // 2), 2, squeeze=False).reshape(-1)
    for axis in axes[len(shown) :]:
        axis.set_visible(False)
    for axis, (k, a) in zip(axes, shown, strict=False):
        axis.pcolormesh(heads[k, a], cmap="Blues", vmin=0, rasterized=True)
        axis.invert_yaxis()
        axis.set(xticks=[], yticks=[])
        axis.set_title(f"layer {k + 1} · head {a + 1}", fontsize=8, pad=2)
    if layers * A > len(shown):
        figure.supxlabel(f"the first {len(shown)} of {layers * A} heads", fontsize=8)


def _lags(axis: Axes, explanation: Explanation, by_lag: Floats, target: int, label: str) -> None:
    """The map by lag, and the autocorrelation of the series; the past to the left, as above."""
    lag = np.arange(1, len(by_lag))
    axis.fill_between(lag, by_lag[1:], step="mid", color=BLUE, alpha=0.35, linewidth=0, label=label)
    axis.set_ylim(0, None)
    axis.set(xlim=(lag[-1] + 0.5, 0.5), xlabel="lag: steps from the past step to the forecast step")
    repeats = axis.twinx()
    repeats.plot(lag, explanation.autocorrelation[1:, target], color=GREY, linewidth=1, label="autocorrelation")
    repeats.set_ylim(-1.05, 1.05)
    season = explanation.shape.season
    for k, mark in enumerate(_marks(explanation)):
        name = f"season, {season} steps" if k == 0 else None
        axis.axvline(mark, color=ORANGE, linewidth=1, linestyle=":", label=name)
    _legend(axis, repeats)


def _marks(explanation: Explanation) -> NDArray[np.int64]:
    """The lags of one season, two, ... as far as the window shows them; none where there is no season."""
    (L, H, *_), season = explanation.shape, explanation.shape.season
    return np.arange(season, L + H, season)[:_MOST_MARKS] if season > 1 else np.arange(0)


def _edges(explanation: Explanation) -> NDArray[Any]:
    """The times of the past and of the first step to forecast, (L+1,): a step lasts until the next one."""
    L = explanation.shape.context
    return axis_times(explanation.panel, 0, np.arange(-L, 1) + explanation.panel.ends[0])


def _legend(under: Axes, over: Axes) -> None:
    """One legend for two axes that share a place; no frame above."""
    (handles, labels), (more, words) = under.get_legend_handles_labels(), over.get_legend_handles_labels()
    over.legend(
        [*handles, *more], [*labels, *words], frameon=False, fontsize=8, ncols=4, loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
    )  # fmt: skip
    for axis in (under, over):
        axis.spines["top"].set_visible(False)
        axis.tick_params(labelsize=8)
