"""Plots of a sweep: history, importance, slices, parallel coordinates, the Pareto front."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tsforge.plotting.axes import Caption, crown
from tsforge.plotting.captions import About
from tsforge.plotting.style import AXIS, BLUE, GREY, ORANGE, PALE, canvas, clean, save, scale_log
from tsforge.sweeping.config import Plan
from tsforge.sweeping.leaderboard import Row

if TYPE_CHECKING:
    from optuna import Study

LEAST = 4  # completed trials below which importance says nothing
MOST = 12  # settings in one picture


def draw(study: Study, rows: Sequence[Row], plan: Plan, folder: Path) -> None:
    """Draw every plot that the trials suffice for."""
    folder.mkdir(exist_ok=True)
    good = [r for r in rows if r.good]
    _history(rows, plan, folder / "history.png")
    if good:
        _slices(good, plan, folder / "slice.png")
        _parallel(good, plan, folder / "parallel.png")
    if len(good) >= LEAST:
        _importance(importance(study), plan, folder / "importance.png")
    if len(plan.sweep.objectives) > 1 and good:
        _pareto(good, plan, folder / "pareto.png")


def importance(study: Study) -> dict[str, float]:
    """How much each setting decides whether a trial is among the best tenth, as shares.

    Settings of one architecture count where it is chosen. (Watanabe, Bansal & Hutter 2023, "PED-ANOVA", with its
    conditional form)
    """
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shares: dict[str, float] = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    return shares


def _history(rows: Sequence[Row], plan: Plan, path: Path) -> None:
    """The first objective by trial, and the best so far."""
    from matplotlib.ticker import MaxNLocator

    figure = canvas(4.2)
    axis = clean(figure.subplots())
    ordered = sorted((r for r in rows if r.state == "COMPLETE"), key=lambda r: r.number)
    for feasible, colour, label in ((True, BLUE, "trial"), (False, PALE, "beyond a constraint")):
        part = [r for r in ordered if r.kept == feasible]
        if part:
            axis.scatter([r.number for r in part], [r.values[0] for r in part], color=colour, s=18, label=label)
    good = [r for r in ordered if r.kept]
    if good:
        best = np.minimum.accumulate([r.values[0] for r in good])
        axis.step([r.number for r in good], best, where="post", color=ORANGE, label="best so far")
    for state, marker, label in (("PRUNED", "|", "pruned"), ("FAIL", "x", "failed")):
        ended = [r.number for r in rows if r.state == state]
        if ended:
            base = axis.get_ylim()[0]
            axis.scatter(ended, [base] * len(ended), marker=marker, color=GREY, s=22, label=label)
    axis.set_xlabel("trial")
    axis.set_ylabel(plan.sweep.objectives[0])
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(frameon=False, fontsize=9)
    crown(figure, axis, Caption(f"{_subject(plan)}: score by trial"))
    save(figure, path)


def _importance(shares: dict[str, float], plan: Plan, path: Path) -> None:
    largest = list(shares.items())[:MOST][::-1]
    figure = canvas(1.2 + 0.32 * len(largest))
    axis = clean(figure.subplots())
    axis.grid(visible=False)
    axis.barh([name for name, _ in largest], [share for _, share in largest], color=BLUE)
    what = plan.sweep.objectives[0] if len(plan.sweep.objectives) == 1 else "the Pareto front"
    axis.set_xlabel(f"importance for {what} (PED-ANOVA)")
    more = f"the first {MOST} of {len(shares)} settings" if len(shares) > MOST else ""
    crown(figure, axis, Caption(f"{_subject(plan)}: what decides", more))
    save(figure, path)


def _slices(good: Sequence[Row], plan: Plan, path: Path) -> None:
    """The first objective along each setting."""
    names = _names(good)
    columns = min(4, max(1, len(names)))
    rows = -(-len(names) // columns)
    figure = canvas(0.6 + 2.4 * max(1, rows))
    axes = figure.subplots(max(1, rows), columns, squeeze=False, sharey=True)
    for axis in axes.ravel()[len(names) :]:
        axis.set_visible(False)
    for name, axis in zip(names, axes.ravel(), strict=False):
        part = [r for r in good if name in r.params]
        positions, labels = _positions([r.params[name] for r in part])
        shade = [r.number for r in part]
        clean(axis).scatter(positions, [r.values[0] for r in part], c=shade, cmap="Blues", edgecolors=GREY, s=22)
        if labels:
            axis.set_xticks(range(len(labels)), labels, fontsize=7, rotation=20 if len(labels) > 3 else 0)
        elif _is_log(name, plan):
            scale_log(axis, "x")
        axis.set_title(name, loc="left", fontsize=9)
    figure.supylabel(plan.sweep.objectives[0], fontsize=9)
    crown(figure, axes[0, 0], Caption(f"{_subject(plan)}: score along each setting"))
    save(figure, path)


def _parallel(good: Sequence[Row], plan: Plan, path: Path) -> None:
    """A line per trial through its settings to its value, the best tenth in front; without settings that some lack."""
    names = [n for n in _names(good) if all(n in r.params for r in good)]
    columns = {name: [r.params[name] for r in good] for name in names}
    columns[plan.sweep.objectives[0]] = [r.values[0] for r in good]
    top = max(1, -(-len(good) // 10))
    figure = canvas(4.6)
    axis = clean(figure.subplots())
    axis.grid(visible=False)
    axis.set_yticks([])
    lines = []
    for x, (name, values) in enumerate(columns.items()):
        positions, labels = _positions(values)
        marks = list(enumerate(labels)) or [(v, f"{v:.4g}") for v in sorted({positions.min(), positions.max()})]
        ticks = np.array([at for at, _ in marks], dtype=np.float64)
        if _is_log(name, plan):
            positions, ticks = np.log(positions), np.log(ticks)
        lines.append(_scaled(positions, positions))
        axis.axvline(x, color=AXIS, linewidth=0.8)
        for y, (_, text) in zip(_scaled(ticks, positions), marks, strict=True):
            axis.annotate(text, (x, y), fontsize=8, xytext=(4, 3), textcoords="offset points", color=GREY, zorder=5)
    for i, line in reversed(list(enumerate(np.stack(lines, axis=1)))):
        colour, width, order = (ORANGE, 1.6, 3) if i < top else (PALE, 0.8, 2)
        axis.plot(line, color=colour, linewidth=width, zorder=order)
    axis.set_xticks(range(len(columns)), list(columns), fontsize=8)
    axis.set_ylim(-0.05, 1.08)
    crown(figure, axis, Caption(f"{_subject(plan)}: the best tenth of {len(good):,} trials in front"))
    save(figure, path)


def _pareto(good: Sequence[Row], plan: Plan, path: Path) -> None:
    """The second objective against the first, the front as a line."""
    figure = canvas(4.6)
    axis = clean(figure.subplots())
    rest = [r for r in good if not r.front]
    front = sorted((r for r in good if r.front), key=lambda r: r.values)
    axis.scatter([r.values[1] for r in rest], [r.values[0] for r in rest], color=PALE, s=20, label="dominated")
    x, y = [r.values[1] for r in front], [r.values[0] for r in front]
    axis.plot(x, y, color=ORANGE, marker="o", markersize=5, linewidth=1.2, label="Pareto front")
    for r in front[:MOST]:
        place = (r.values[1], r.values[0])
        axis.annotate(f"{r.number} {r.model}", place, fontsize=7, xytext=(4, 4), textcoords="offset points")
    axis.set_xlabel(plan.sweep.objectives[1] + (" (ms)" if plan.sweep.objectives[1] == "latency" else ""))
    axis.set_ylabel(plan.sweep.objectives[0])
    axis.legend(frameon=False, fontsize=9)
    crown(figure, axis, Caption(f"{_subject(plan)}: Pareto front"))
    save(figure, path)


def _subject(plan: Plan) -> str:
    """The models and the table, for a title."""
    models = ", ".join(plan.bases) if len(plan.bases) < 5 else f"{len(plan.bases)} models"
    return About(models).title(plan.first.data.path or "")


def _names(good: Sequence[Row]) -> list[str]:
    return sorted({name for r in good for name in r.params})[:MOST]


def _positions(values: list[Any]) -> tuple[NDArray[np.float64], list[str]]:
    """Numbers where they lie; words one beside the other, with their labels."""
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return np.array(values, dtype=np.float64), []
    labels = sorted({str(v) for v in values})
    return np.array([labels.index(str(v)) for v in values], dtype=np.float64), labels


def _is_log(name: str, plan: Plan) -> bool:
    return any(getattr(s.values, "log", False) for s in plan.search_space.settings if s.name == name)


def _scaled(values: NDArray[np.float64], along: NDArray[np.float64]) -> NDArray[np.float64]:
    """To 0 ... 1 between the ends of `along`."""
    low, high = along.min(), along.max()
    return (values - low) / (high - low) if high > low else np.full(values.shape, 0.5)
