"""The subplots that the pictures of a comparison consist of, each drawn onto an axis that it is given.

Colour and marker are an architecture's own, the same in every picture. Axes of curves: L length (past tokens).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from tsforge.comparison.probes.cost import Curve
from tsforge.comparison.results import Measured, OnData, Probed
from tsforge.evaluation.quantiles import Floats
from tsforge.plotting.style import COLOURS, GRID, INK, MORE_COLOURS, PAPER, PLAIN, SOFT, scale_log, text_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKS = {
    "rnn": "o", "lstm": "s", "gru": "^", "transformer": "D", "transformer-encoder": "v", "transformer-decoder": "P",
}  # fmt: skip
# Of architectures added later.
_MORE = [{"color": colour, "marker": mark} for colour, mark in zip(MORE_COLOURS, ("X", "*", "<", ">"), strict=True)]

Style = dict[str, str]
Styles = dict[str, Style]
Subplot = tuple[str, Callable[["Axes"], None]]  # a title, and what draws it


def styles_of(models: Iterable[str]) -> Styles:
    """Colour and marker by model; those without their own get the next that nobody has."""
    spare = iter(_MORE * 9)
    own = {model: {"color": colour, "marker": _MARKS.get(model, "o")} for model, colour in COLOURS.items()}
    return {model: own.get(model) or next(spare) for model in models}


# --- what grows with length -------------------------------------------------------------------------------------------


def step_time(probed: Mapping[str, Probed], styles: Styles) -> Subplot:
    """On this machine, at a constant number of tokens."""
    curves = {model: _scaled(p.seconds, 1000) for model, p in probed.items()}
    return "Time of a training step", lambda axis: _growth(axis, curves, styles, "milliseconds, same tokens per batch")


def chain(probed: Mapping[str, Probed], styles: Styles) -> Subplot:
    """What must be computed one after another, on any machine."""
    curves = {model: p.chain for model, p in probed.items()}
    return "Dependent operations of a step", lambda axis: _growth(axis, curves, styles, "operations, one after another")


def memory(probed: Mapping[str, Probed], styles: Styles) -> Subplot:
    """Of a training step, without the weights."""
    curves = {model: _scaled(p.saved, 1e-6) for model, p in probed.items()}
    return "Saved for the backward pass", lambda axis: _growth(axis, curves, styles, "megabytes")


def _growth(axis: Axes, curves: Mapping[str, Curve], styles: Styles, unit: str) -> None:
    """Curves against L, both axes logarithmic, and a guide as steep as what grows in proportion to L."""
    for model, curve in curves.items():
        exponent = f"  {curve.exponent:z.2f}" if math.isfinite(curve.exponent) else ""
        colour, marker = styles[model]["color"], styles[model]["marker"]
        axis.plot(
            curve.lengths, curve.values, color=colour, marker=marker, markersize=5.5, linewidth=1.8,
            label=f"{text_of(model)}{exponent}",
        )  # fmt: skip
    values = [value for curve in curves.values() for value in curve.values]
    lengths = next(iter(curves.values())).lengths
    axis.set_xscale("log", base=2)
    if _logarithmic(axis, values):
        finite = [value for value in values if math.isfinite(value)]
        low, high = 0.55 * min(finite), 1.8 * max(finite)
        guide = low * 1.15 * np.array(lengths) / lengths[0]
        axis.plot(lengths, guide, color=SOFT, linestyle="--", linewidth=1, label="in proportion  1.00", zorder=1)
        axis.set_ylim(low, high)
    axis.set_xticks(lengths, [str(length) for length in lengths])
    axis.xaxis.minorticks_off()
    axis.set(xlabel="L, sequence length in tokens", ylabel=unit)
    _legend(axis, title="exponent in L")


def _scaled(curve: Curve, by: float) -> Curve:
    return Curve(curve.lengths, tuple(by * value for value in curve.values))


# --- how far back -----------------------------------------------------------------------------------------------------


def lags_solved(probed: Mapping[str, Probed], task: str, styles: Styles) -> Subplot:
    """The share of seeds by lag, as bars with marks on them; of a lag that was not tried there is no mark."""
    lags = sorted({a.lag for p in probed.values() for a in p.attempts.get(task, ())})

    def paint(axis: Axes) -> None:
        wide = 0.8 / len(probed)
        for k, (model, p) in enumerate(probed.items()):
            shares = [_share_solved(p, task, lag) for lag in lags]
            at = np.arange(len(lags)) + (k - (len(probed) - 1) / 2) * wide
            colour = styles[model]["color"]
            axis.bar(at, np.nan_to_num(shares), 0.88 * wide, color=colour, alpha=0.8, zorder=2)
            axis.plot(at, shares, linestyle="", color=colour, marker=styles[model]["marker"], markersize=6,
                      label=text_of(model), clip_on=False, zorder=3)  # fmt: skip
        axis.set_xticks(range(len(lags)), [f"{lag:,}" for lag in lags])
        columns = _columns([text_of(model) for model in probed])
        axis.set_ylim(0, 1.06 + 0.11 * -(-len(probed) // columns))  # room for the legend
        axis.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
        axis.grid(axis="x", visible=False)
        axis.set(xlabel="lag in steps (no mark: not tried, a shorter one failed)", ylabel="seeds that solved it")
        _legend(axis, columns)

    return f"Task: {task}", paint


def _share_solved(probed: Probed, task: str, lag: int) -> float:
    solved = [a.solved for a in probed.attempts.get(task, ()) if a.lag == lag]
    return sum(solved) / len(solved) if solved else math.nan


def gradients(measured: Measured, styles: Styles) -> Subplot:
    """Dashed as built, solid once trained."""

    def paint(axis: Axes) -> None:
        norms: list[float] = []
        for model, p in measured.probed.items():
            for when, dashes, width in (("initial", "--", 1.1), ("trained", "-", 2.1)):
                values = [norm if norm > 0 else math.nan for norm in p.reach.get(when, ())]  # 0: too small to be told
                norms += values
                steps = np.arange(1, len(values) + 1)
                marker, label = (styles[model]["marker"], text_of(model)) if when == "trained" else ("", None)
                every = (max(1, len(values) // 16), max(1, len(values) // 8))
                axis.plot(
                    steps, values, color=styles[model]["color"], linestyle=dashes, linewidth=width, marker=marker,
                    markersize=5, markevery=every, label=label,
                )  # fmt: skip
        _logarithmic(axis, norms)
        axis.plot([], [], color=SOFT, linestyle="--", linewidth=1.1, label="as built")
        axis.plot([], [], color=SOFT, linewidth=2.1, label=f"trained, lag {measured.lag}")
        axis.set(xlabel="k, steps back from the last one", ylabel="norm of the answer's gradient")
        _legend(axis)

    return "How far back gradients reach", paint


# --- trainings --------------------------------------------------------------------------------------------------------


def losses(data: OnData, styles: Styles) -> Subplot:
    """Every seed as a thin line, their mean as a thick one."""
    many = len({fit.seed for fit in data.fits}) > 1

    def paint(axis: Axes) -> None:
        for model, style in styles.items():
            if not (curves := [fit.curve for fit in data.of(model) if fit.curve]):
                continue
            if len(curves) > 1:
                for curve in curves:
                    axis.plot(*zip(*curve, strict=True), color=style["color"], linewidth=0.8, alpha=0.5)
            axis.plot(
                *_mean_curve(curves), color=style["color"], linewidth=2, marker=style["marker"], markersize=6,
                markevery=[-1], label=text_of(model),
            )  # fmt: skip
        _logarithmic(axis, [loss for fit in data.fits for _, loss in fit.curve], least=4)
        axis.set_xlim(0, None)
        axis.set(xlabel="seconds of training", ylabel="validation loss" + (", thin: each seed" if many else ""))
        _legend(axis)

    return f"Loss while training, {data.name}", paint


def _mean_curve(curves: Sequence[Sequence[tuple[float, float]]]) -> tuple[Floats, Floats]:
    """(seconds, loss) of the first validation, the second, ... over all seeds; it ends with the shortest of them."""
    most = min(map(len, curves))
    seconds, losses = np.mean([curve[:most] for curve in curves], axis=0).T
    return seconds, losses


def accuracy(data: OnData, styles: Styles) -> Subplot:
    """Mean ± standard deviation over seeds, every seed as a dot; the best on top, baselines grey."""
    names = [model for model in styles if data.of(model)]
    names += [name for name in data.baselines if name != data.best_simple and name not in names]
    means = {name: data.mean(name, data.primary) for name in names}
    order = sorted(names, key=lambda name: (math.isnan(means[name]), means[name]))

    def paint(axis: Axes) -> None:
        for y, name in enumerate(order):
            style, values = styles.get(name, {"color": PLAIN, "marker": "o"}), data.values(name, data.primary)
            off = float(np.std(values, ddof=1)) if len(values) > 1 else None
            if len(values) > 1:
                axis.plot(values, [y + 0.22] * len(values), linestyle="", marker=".", color=style["color"], alpha=0.6,
                          markersize=6)  # fmt: skip
            axis.errorbar(means[name], y, xerr=off, color=style["color"], fmt=style["marker"], markersize=7, capsize=3)
        axis.set_yticks(range(len(order)), [text_of(name) for name in order])
        axis.set_ylim(len(order) - 0.4, -0.6)
        axis.grid(axis="x", color=GRID)
        axis.grid(axis="y", visible=False)
        if data.best_simple:
            label = data.best_simple.replace("-", " ")
            axis.axvline(data.floor, color=INK, linewidth=1.2, linestyle="--", label=label, zorder=1)
            _legend(axis)
        _logarithmic(axis, means.values(), least=4, along="x")  # else a poor baseline presses all others together
        axis.set_xlabel(f"{data.primary.upper()}, mean ± sd over seeds (lower is better)")

    return f"Accuracy, {data.name}", paint


def relative(sets: Sequence[OnData], styles: Styles) -> Subplot:
    """Of several data sets: the mean over that of the best simple forecaster, so that they have one axis."""
    names = [*styles, *(name for name in sets[0].baselines if name == "linear")]

    def paint(axis: Axes) -> None:
        for k, name in enumerate(names):
            style = styles.get(name, {"color": PLAIN, "marker": "o"})
            shares = [_over_simple(data, name) for data in sets]
            at = np.arange(len(sets)) + 0.5 * ((k + 0.5) / len(names) - 0.5)
            axis.plot(shares, at, linestyle="", marker=style["marker"], color=style["color"], label=text_of(name))
        axis.axvline(1, color=INK, linewidth=1.2, linestyle="--", label="best simple forecaster", zorder=1)
        axis.set_yticks(range(len(sets)), [text_of(short(data.name, 18)) for data in sets])
        axis.set(ylim=(len(sets) - 0.5, -0.5), xlabel="error over that of the best simple forecaster (lower is better)")
        _legend(axis)
        if legend := axis.get_legend():
            legend.set(loc="center left", bbox_to_anchor=(1.0, 0.5))  # inside it would hide figures

    return "Accuracy by data set", paint


def _over_simple(data: OnData, name: str) -> float:
    """NaN where the best simple forecaster makes no error."""
    if name not in data.baselines and not data.of(name):
        return math.nan
    return data.mean(name, data.primary) / data.floor if data.floor > 0 else math.nan


# --- what all share ---------------------------------------------------------------------------------------------------


def _logarithmic(axis: Axes, values: Iterable[float], least: float = 0, along: Literal["x", "y"] = "y") -> bool:
    """A logarithmic axis where all is above 0, and the largest at least `least` times the smallest; whether it is."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite or min(finite) <= 0 or max(finite) < least * min(finite):
        return False
    scale_log(axis, along)
    return True


def _legend(axis: Axes, columns: int = 1, title: str | None = None) -> None:
    """On a ground of its own, which lines below it do not cross."""
    if axis.get_legend_handles_labels()[0]:
        axis.legend(
            facecolor=PAPER, edgecolor="none", framealpha=0.9, fontsize=8.5, labelcolor=INK, ncols=columns,
            columnspacing=1.2, loc="best" if columns == 1 else "upper left", title=title, title_fontsize=8.5,
            alignment="left",
        )  # fmt: skip


def _columns(names: Sequence[str], room: int = 50) -> int:
    """As many columns of a legend, four at most, as stand beside each other in so many letters."""
    for columns in (4, 3, 2):
        parts = np.array_split([len(name) for name in names], columns)  # as matplotlib fills them
        if sum(5 + int(max(part, default=0)) for part in parts) <= room:
            return columns
    return 1


def short(title: str, most: int = 46) -> str:
    """So that it stays within its subplot."""
    return title if len(title) <= most else title[: most - 1] + "…"
