"""One series and target in a picture: what was observed, and forecasts that go on from it with their intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tsforge.data.panel import Panel
from tsforge.plotting.style import BLUE, GREY, RULE, axis_times, scale_log, shade

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.floating]

WANTED = (0.8, 0.55)  # intervals that are shown beside the widest, or those next to them
SHADES = {1: (0.3,), 2: (0.22, 0.42), 3: (0.16, 0.32, 0.52)}  # of the bands, from the widest to the narrowest
STEEP = 300.0  # growth from which on an axis is logarithmic


@dataclass(frozen=True)
class Ahead:
    """A forecast: its rows of the panel, point (H,) and quantiles (H, Q) at levels (Q,)."""

    rows: NDArray[np.int64]
    point: Floats
    quantiles: Floats
    levels: tuple[float, ...]


def values(panel: Panel, c: int, rows: NDArray[np.int64]) -> Floats:
    """One target in some rows, NaN where nothing was observed."""
    return np.where(panel.observed[rows, c], panel.values[rows, c], np.nan)


def observe(axis: Axes, panel: Panel, of: tuple[int, int], rows: NDArray[np.int64]) -> None:
    """What was observed as a line, broken where values are missing; what stands alone between gaps as a dot."""
    i, c = of
    times, seen = axis_times(panel, i, rows), values(panel, c, rows)
    axis.plot(times, seen, color=GREY, linewidth=1.1, label="observed", zorder=3)
    missing = np.isnan(np.r_[np.nan, seen, np.nan])
    alone = ~missing[1:-1] & missing[:-2] & missing[2:]
    axis.plot(times[alone], seen[alone], ".", color=GREY, markersize=4, zorder=3)


def forecast(axis: Axes, panel: Panel, of: tuple[int, int], ahead: Ahead) -> None:
    """Bands and line of a forecast, which begin at the last value before it, where that was observed."""
    shown = intervals(ahead.levels)
    for k, (low, high, percent) in enumerate(shown):
        times, bounds = joined(panel, of, ahead.rows, ahead.quantiles[:, [low, high]].T)
        axis.fill_between(
            times, *bounds, linewidth=0, color=shade(BLUE, SHADES[len(shown)][k]), label=f"{percent} % interval",
            zorder=2 + k / 10,
        )  # fmt: skip
    times, line = joined(panel, of, ahead.rows, ahead.point)
    marker = "o" if len(ahead.rows) == 1 else None
    axis.plot(times, line, color=BLUE, linewidth=1.7, marker=marker, markersize=4, label="forecast", zorder=4)
    axis.axvline(times[0], color=RULE, linewidth=0.8, zorder=1)


def joined(
    panel: Panel, of: tuple[int, int], rows: NDArray[np.int64], values: Floats
) -> tuple[NDArray[Any], Floats]:  # fmt: skip
    """Times and values (..., H) of rows, with the value before them in front, where that was observed."""
    (i, c), before = of, int(rows[0]) - 1
    if before < panel.offsets[i] or not panel.observed[before, c]:
        return axis_times(panel, i, rows), values
    last = np.full_like(values[..., :1], panel.values[before, c])
    return axis_times(panel, i, np.r_[before, rows]), np.concatenate([last, values], axis=-1)


def intervals(levels: tuple[float, ...]) -> list[tuple[int, int, str]]:
    """Central intervals that are shown, the widest first: places of their bounds among the levels, and per cent."""
    pairs: dict[float, tuple[int, int]] = {}
    for k, low in enumerate(levels):
        opposite = [j for j, level in enumerate(levels) if j > k and abs(low + level - 1) < 1e-6]
        pairs |= {levels[j] - low: (k, j) for j in opposite}
    if not pairs and len(levels) > 1:  # none of them is central
        pairs = {levels[-1] - levels[0]: (0, len(levels) - 1)}
    wide = {max(pairs)} if pairs else set()
    wide |= {min(pairs, key=lambda share: abs(share - wanted)) for wanted in WANTED if pairs}
    return [(*pairs[share], f"{100 * share:.3g}") for share in sorted(wide, reverse=True)]


def scale(axis: Axes, seen: Floats) -> None:
    """A logarithmic axis for what is positive and grew some hundred times: on a linear one its past would lie flat."""
    seen = seen[~np.isnan(seen)]
    quarter = len(seen) // 4
    if quarter < 2 or seen.min() <= 0 or axis.dataLim.y0 <= 0:
        return
    if np.median(seen[-quarter:]) > STEEP * np.median(seen[:quarter]):
        scale_log(axis, "y")
        axis.set_ylabel(f"{axis.get_ylabel()} (log)", fontsize=9)
