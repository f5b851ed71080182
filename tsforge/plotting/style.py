"""The only palette and canvas: colours, axes, and how a picture is saved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tsforge.data.panel import Panel
from tsforge.data.table.times import to_wall
from tsforge.runtime import files, garbage

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# Told apart by readers who see no red, no green or no blue too: Okabe & Ito 2008, "Color Universal Design", and three
# more. tests/plotting/test_style.py simulates what they see.
BLUE, GREY, ORANGE = "#0072b2", "#444444", "#d55e00"  # a forecast, what was observed, what it is held against
RED, PURPLE = "#d55e00", "#cc79a7"  # a value that is unusual, and a level that is new
LINES = (  # of several models, in their order
    BLUE, ORANGE, GREY, "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#6a3d9a", "#8c8c8c", "#7a5c00", "#0b3d5c",
)  # fmt: skip
DASHES = ("solid", "dashed", "dashdot", "dotted")  # of several models, where colours alone would be too many
PALE, RULE, GRID_PALE = "#c9c9c9", "#bbbbbb", "#eeeeee"
INK, SOFT, GRID, PAPER = "#333333", "#767676", "#e9e9e9", "#ffffff"  # text, what stands back, grid lines, ground
AXIS = "#dddddd"
COLOURS = {  # of the architectures, the same in every picture
    "rnn": "#009e73", "lstm": "#0072b2", "gru": "#e69f00", "transformer": "#d55e00", "transformer-encoder": "#cc79a7",
    "transformer-decoder": "#56b4e9",
}  # fmt: skip
PAGE = {  # of pages: ground, what is raised, lines, edges, text, what stands back, forecast, rival, observed, verdicts
    "light": {
        "ground": "#ffffff", "raised": "#f5f7fa", "line": "#d9dee5", "edge": "#9aa5b3", "ink": "#1c2430",
        "soft": "#5a6575", "own": BLUE, "rival": ORANGE, "seen": GREY, "third": "#8c8c8c",
        "good": "#11663b", "good-ground": "#dcf3e4", "fair": "#7a4d00", "fair-ground": "#fdeecb", "poor": "#a02222",
        "poor-ground": "#fbe1e0",
    },
    "dark": {
        "ground": "#14181f", "raised": "#1d232c", "line": "#343d4a", "edge": "#66727f", "ink": "#e6eaf0",
        "soft": "#9aa6b6", "own": "#6fb1e8", "rival": "#f0a35a", "seen": "#c8ced6", "third": "#8c8c8c",
        "good": "#8be0ac", "good-ground": "#173c28", "fair": "#f3cf85", "fair-ground": "#43330f", "poor": "#f5a9a5",
        "poor-ground": "#4a2120",
    },
}  # fmt: skip
_DATES = np.array(["0600-01-01", "9000-01-01"], dtype="M8[us]")  # between these, margins stay in years 1 to 9999
PLAIN = "#7f7f7f"  # of baselines
MORE_COLOURS = ("#6a3d9a", "#7a5c00", "#aa3c96", "#0b3d5c")  # of architectures without their own


def heading(panel: Panel, i: int, c: int) -> str:
    """Series i and target c in words."""
    name = panel.schema.target[c]
    return f"{panel.label(i)} · {name}" if panel.ids else name


def text_of(name: str) -> str:
    """A user's name as a label: no underscore in front, which would hide it from a legend."""
    return f" {name}" if name.startswith("_") else name


def axis_times(panel: Panel, i: int, rows: NDArray[np.integer]) -> NDArray[Any]:
    """Rows on the axis of series i: dates of its local clock, or the numbers that its times are.

    Where dates of the series lie too far off for an axis of dates: steps from its beginning.
    """
    first = panel.first[i]
    stamps = panel.stamps(i, rows - panel.offsets[i] + first)
    if panel.schema.time_kind != "datetime":
        return stamps
    ends = panel.stamps(i, first + np.array([0, panel.ends[i] - panel.offsets[i]])).astype("M8[us]")
    near = bool(_DATES[0] < ends[0] and ends[1] < _DATES[1])
    return to_wall(stamps, panel.schema).astype("M8[us]") if near else rows - panel.offsets[i]


def shade(colour: str, share: float) -> str:
    """A colour thinned with paper, of which a share is left, 0 to 1: solid, so that a legend shows the same."""
    parts = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    return "#" + "".join(f"{round(255 - share * (255 - part)):02x}" for part in parts)


def canvas(height: float, width: float = 12, dpi: int = 100) -> Figure:
    """An empty figure, so many inches large; 1,200 pixels wide where nothing else is said."""
    with garbage.paused():
        import matplotlib as mpl

        mpl.use("Agg")
        from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=dpi)
    figure.set_layout_engine("constrained", h_pad=0.07)
    return figure


def stacked(rows: int) -> tuple[Figure, list[Axes]]:
    """A figure of axes below each other."""
    figure = canvas(4.2 if rows == 1 else 1 + 2.2 * rows)
    return figure, [clean(axis) for axis in figure.subplots(rows, 1, squeeze=False)[:, 0]]


def clean(axis: Axes) -> Axes:
    """An axis without a frame, with pale lines behind it."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="y", color=GRID_PALE)
    return axis


def scale_log(axis: Axes, along: Literal["x", "y"]) -> None:
    """Make an axis logarithmic that has its data, with plain numbers at its ticks: a power would be a formula."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axis.set(**{f"{along}scale": "log"})
    ticks = axis.xaxis if along == "x" else axis.yaxis
    low, high = axis.dataLim.intervalx if along == "x" else axis.dataLim.intervaly
    ticks.set_major_formatter(lambda value, _: f"{value:,g}")
    ticks.set_minor_formatter(NullFormatter())
    if high < 300 * low:  # powers of ten alone would be few
        ticks.set_major_locator(LogLocator(subs=(1, 2, 5)))


def check_path(path: Path) -> None:
    """Raises ConfigError where no picture can be written."""
    files.check_path(path, (".png", ".svg", ".pdf"))


def save(figure: Figure, path: Path) -> None:
    """To a picture file, by its ending; names with $ in them stay names. Raises ConfigError as `check_path` does."""
    import matplotlib as mpl
    from matplotlib.text import Text

    check_path(path)
    for text in figure.findobj(Text):
        text.set_parse_math(False)
    with mpl.rc_context({"text.parse_math": False}), files.replacing(path) as draft:  # of labels that are made only now
        figure.savefig(draft, format=path.suffix[1:])
