"""Pictures of a comparison: what grows with length, how far gradients reach, how trainings went, who forecasts best."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tsforge.comparison import subplots
from tsforge.comparison.probes.memory_tasks import TASKS
from tsforge.comparison.results import Measured
from tsforge.comparison.rules import Aspect
from tsforge.comparison.subplots import Styles, Subplot
from tsforge.plotting.style import GRID, INK, SOFT, canvas, save, text_of

_DPI = 150
_ROW = 3  # subplots beside each other, of data sets or tasks


class Picture(NamedTuple):
    """A PNG file. aspect: that it belongs to; None where it shows several."""

    aspect: Aspect | None
    caption: str
    path: Path

    @property
    def title(self) -> str:
        """The aspect and the caption."""
        return f"{self.aspect}: {self.caption}" if self.aspect else self.caption


def draw(measured: Measured, folder: Path) -> list[Picture]:
    """Every picture that the measurements allow, as PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    styles = subplots.styles_of(measured.models)
    pictures = []
    if parts := _overview(measured, styles):
        path = _write(parts, 2, folder / "overview.png", (6.2, 4.3))
        pictures.append(Picture(None, f"Overview of {measured.name}", path))
    for name, aspect, caption, parts in _pictures(measured, styles):
        if parts:
            size = (6.6, 4.4) if len(parts) == 1 else (5.2, 4.0)
            pictures.append(Picture(aspect, caption, _write(parts, _ROW, folder / f"{name}.png", size)))
    return pictures


def _pictures(measured: Measured, styles: Styles) -> list[tuple[str, Aspect, str, list[Subplot]]]:
    """(file name, aspect, caption, parts)."""
    pictures: list[tuple[str, Aspect, str, list[Subplot]]] = []
    if probed := measured.probed:
        tasks = [task for task in TASKS if any(p.attempts.get(task) for p in probed.values())]
        lags = [subplots.lags_solved(probed, task, styles) for task in tasks]
        pictures += [
            ("step-time", Aspect.PARALLEL, "time of a training step", [subplots.step_time(probed, styles)]),
            ("dependent-operations", Aspect.PARALLEL, "dependent operations", [subplots.chain(probed, styles)]),
            ("lags", Aspect.REACH, "lags solved", lags),
            ("gradients", Aspect.REACH, "how far gradients reach", [subplots.gradients(measured, styles)]),
            ("saved-memory", Aspect.MEMORY, "saved activations", [subplots.memory(probed, styles)]),
        ]
    return [
        *pictures,
        ("losses", Aspect.SPEED, "loss by seconds", [subplots.losses(data, styles) for data in measured.data]),
        ("accuracy", Aspect.ACCURACY, "scores by model", [subplots.accuracy(data, styles) for data in measured.data]),
    ]


def _overview(measured: Measured, styles: Styles) -> list[Subplot]:
    """What says most, four at a glance."""
    parts: list[Subplot] = []
    if probed := measured.probed:
        parts += [subplots.step_time(probed, styles), subplots.memory(probed, styles)]
        parts.append(subplots.gradients(measured, styles))
    elif measured.data:
        parts.append(subplots.losses(measured.data[0], styles))
    if len(measured.data) > 1 and all(data.best_simple for data in measured.data):
        parts.append(subplots.relative(measured.data, styles))
    elif measured.data:
        parts.append(subplots.accuracy(measured.data[0], styles))
    return parts


def _write(parts: list[Subplot], columns: int, path: Path, size: tuple[float, float]) -> Path:
    """Subplots in rows to a file; size: of each, in inches."""
    columns = 2 if len(parts) == 4 else min(columns, len(parts))
    rows = -(-len(parts) // columns)
    figure = canvas(rows * size[1], columns * size[0], _DPI)
    figure.set_layout_engine("constrained", w_pad=0.15, h_pad=0.15)
    axes = figure.subplots(rows, columns, squeeze=False).reshape(-1)
    for axis in axes[len(parts) :]:
        axis.set_visible(False)
    for axis, (title, paint) in zip(axes, parts, strict=False):
        axis.spines[["top", "right"]].set_visible(False)
        axis.spines[["left", "bottom"]].set_color(SOFT)
        axis.tick_params(colors=INK, labelsize=9, length=3)
        axis.grid(color=GRID, linewidth=0.8)
        axis.set_axisbelow(True)
        axis.set_title(text_of(subplots.short(title)), loc="left", fontsize=12, fontweight="bold", color=INK, pad=10)
        paint(axis)
    save(figure, path)
    return path
