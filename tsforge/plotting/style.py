"""The only palette and canvas: colours, axes, and how a picture is saved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tsforge.data.panel import Panel
from tsforge.data.table.times import to_wall
from tsforge.runtime import files

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


BLUE, GREY, ORANGE = "#1f5fa8", "#444444", "#d9822b"


def heading(panel: Panel, i: int, c: int) -> str:
    """Series i and target c in words."""
    name = panel.schema.target[c]
    return f"{panel.label(i)} · {name}" if panel.ids else name


def axis_times(panel: Panel, i: int, rows: NDArray[np.int64]) -> NDArray[Any]:
    """Rows on the axis of series i: dates of its local clock, or the numbers that its times are."""
    frequency = panel.schema.frequency
    stamps = frequency.stamps(rows - panel.offsets[i] + panel.first[i])
    if panel.schema.time_kind != "datetime":
        return stamps
    return to_wall(stamps, panel.schema).astype("M8[us]")


def canvas(height: float, width: float = 12, dpi: int = 100) -> Figure:
    """An empty figure, so many inches large; 1,200 pixels wide where nothing else is said."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=dpi, layout="constrained")


def _figure(rows: int) -> tuple[Figure, list[Axes]]:
    figure = canvas(4.2 if rows == 1 else 1 + 2.2 * rows)
    axes = figure.subplots(rows, 1, squeeze=False)[:, 0]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", color="#eeeeee")
    return figure, list(axes)


def check_path(path: Path) -> None:
    """Raises ConfigError where no picture can be written."""
    files.check_path(path, (".png", ".svg", ".pdf"))


def save(figure: Figure, path: Path) -> None:
    """To a picture file, by its ending. Raises ConfigError as `check_path` does."""
    check_path(path)
    figure.savefig(path)


COLOURS = {  # of the architectures, the same in every picture; baselines are grey
    "rnn": "#2ca02c", "lstm": "#1f77b4", "gru": "#ff7f0e", "transformer": "#d62728", "transformer-encoder": "#9467bd",
    "transformer-decoder": "#8c564b",
}  # fmt: skip
