"""Pictures of a comparison: what grows with length, how far gradients reach, how trainings went, who forecasts best."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tsforge.comparison import subplots
from tsforge.comparison.probes.memory_tasks import TASKS
from tsforge.comparison.results import Measured
from tsforge.comparison.subplots import GRID, INK, SOFT, Panel, Styles
from tsforge.evaluation.metrics import REFERENCE
from tsforge.plotting.style import canvas, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 150
_ROW = 3  # panels beside each other, of data sets or tasks


def draw(measured: Measured, folder: Path) -> dict[str, Path]:
    """Every picture that the measurements allow, as PNG; by title, which begins with the aspect it belongs to."""
    folder.mkdir(parents=True, exist_ok=True)
    styles = subplots.styles_of(measured.models)
    made: dict[str, Path] = {}
    parts = _overview(measured, styles)
    if parts:
        made[f"Overview of {measured.name}"] = _written(parts, 2, folder / "overview.png", (6.2, 4.3))
    for name, (title, parts) in _pictures(measured, styles).items():
        size = (6.6, 4.4) if len(parts) == 1 else (5.2, 4.0)
        made[title] = _written(parts, _ROW, folder / f"{name}.png", size)
    return made


def _pictures(measured: Measured, styles: Styles) -> dict[str, tuple[str, list[Panel]]]:
    """File name to (title, parts)."""
    found: dict[str, tuple[str, list[Panel]]] = {}
    if measured.probed:
        probed = measured.probed
        tasks = [task for task in TASKS if any(p.attempts.get(task) for p in probed.values())]
        found["step-time"] = ("Parallelisation: time of a training step", [subplots.step_time(probed, styles)])
        found["dependent-operations"] = ("Parallelisation: dependent operations", [subplots.chain(probed, styles)])
        found["lags"] = (
            "Long-range dependencies: lags solved",
            [subplots.lags_solved(probed, task, styles) for task in tasks],
        )
        found["gradients"] = (
            "Long-range dependencies: how far gradients reach",
            [subplots.gradients(measured, styles)],
        )
        found["saved-memory"] = ("Memory: saved activations", [subplots.memory(probed, styles)])
    if measured.data:
        found["losses"] = ("Training speed: loss by seconds", [subplots.losses(data, styles) for data in measured.data])
        found["accuracy"] = ("Accuracy: scores by model", [subplots.accuracy(data, styles) for data in measured.data])
    return {name: (title, parts) for name, (title, parts) in found.items() if parts}


def _overview(measured: Measured, styles: Styles) -> list[Panel]:
    """What says most, four at a glance."""
    parts: list[Panel] = []
    if measured.probed:
        parts += [
            subplots.step_time(measured.probed, styles),
            subplots.memory(measured.probed, styles),
            subplots.gradients(measured, styles),
        ]
    elif measured.data:
        parts.append(subplots.losses(measured.data[0], styles))
    if len(measured.data) > 1 and all(REFERENCE in data.baselines for data in measured.data):
        parts.append(subplots.relative(measured.data, styles))
    elif measured.data:
        parts.append(subplots.accuracy(measured.data[0], styles))
    return parts


def _written(parts: list[Panel], columns: int, path: Path, size: tuple[float, float]) -> Path:
    """Panels in rows to a file; size: of each, in inches."""
    columns = 2 if len(parts) == 4 else min(columns, len(parts))
    rows = -(-len(parts) // columns)
    figure: Figure = canvas(rows * size[1], columns * size[0], _DPI)
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.set(w_pad=0.15, h_pad=0.15)  # type: ignore[call-arg]
    axes = figure.subplots(rows, columns, squeeze=False).reshape(-1)
    for axis in axes[len(parts) :]:
        axis.set_visible(False)
    for axis, (title, paint) in zip(axes, parts, strict=False):
        axis.spines[["top", "right"]].set_visible(False)
        axis.spines[["left", "bottom"]].set_color(SOFT)
        axis.tick_params(colors=INK, labelsize=9, length=3)
        axis.grid(color=GRID, linewidth=0.8)
        axis.set_axisbelow(True)
        axis.set_title(
            subplots.text_of(subplots.short(title)), loc="left", fontsize=12, fontweight="bold", color=INK, pad=10
        )
        paint(axis)
    save(figure, path)
    return path
