"""A picture of a table before anything is fitted: series over time, gaps, the shape of a season, what is missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsforge.data.panel import Ints, Panel
from tsforge.plotting import strips
from tsforge.plotting.axes import Caption, crown, head, label_dates, label_numbers
from tsforge.plotting.captions import About, shortened
from tsforge.plotting.choosing import ALL, View, choose
from tsforge.plotting.style import DASHES, INK, LINES, ORANGE, axis_times, canvas, clean, save, shade, text_of
from tsforge.runtime.timing import stage

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.floating]
Pairs = list[tuple[int, int]]  # series and targets

MOST = 5  # series and targets
STEPS = 20_000  # of each, the last ones
BARS = 8  # series and targets of which the most is missing
DAY = 86_400_000_000  # microseconds
NAMES = 8  # of steps along a season
CYCLES = (  # length in days, at least and at most; how a step is called, its order in there, how many are named
    (0.99, 1.01, "%H:%M", "%H%M", NAMES), (6.9, 7.1, "%a", "%u%H%M", 7), (350, 380, "%b", "%j%H%M", 12),
)  # fmt: skip


class Profile(NamedTuple):
    """How far the steps of a season lie from its mean: quartiles (3, season).

    names: of the steps, in order. named: of how many the name is shown.
    """

    quartiles: Floats
    names: list[str]
    named: int


@stage("pictures")
def overview(panel: Panel, season: int, path: Path, view: View = ALL) -> None:
    """Series and targets on the left; on the right a season of each, and the share of values that are missing."""
    chosen = choose(panel, view, MOST)
    figure = canvas(max(5.0, 1.2 + 2.0 * len(chosen.pairs)))
    shares = _shares(panel)
    beside: list[Callable[[Axes], None]] = []
    if season > 1:
        beside.append(lambda axis: _season(axis, panel, season, chosen.pairs))
    if lacking := bool((shares > 0).any()):
        beside.append(lambda axis: _missing(axis, panel, shares))
    left, right = figure, None
    if beside:
        left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(2.3, 1))[0]
    axes = [clean(axis) for axis in left.subplots(len(chosen.pairs), 1, squeeze=False)[:, 0]]
    for axis, (i, c) in zip(axes, chosen.pairs, strict=True):
        rows = _strip(axis, panel, (i, c), view.last or STEPS)
        strips.scale(axis, strips.values(panel, c, rows))
        label_dates(axis)
        label_numbers(axis)
    for axis, draw in zip(right.subplots(len(beside), 1, squeeze=False)[:, 0] if right else (), beside, strict=True):
        draw(clean(axis))
    frequency, n = panel.schema.frequency.name, len(panel)
    series = "1 series" if n == 1 else f"{n:,} series"
    cycle = f"season of {season:,} steps" if season > 1 else "no season found"
    whole = "" if lacking else ", no value missing"
    what = f"{series}, {int(panel.lengths.sum()):,} steps of {frequency}, {cycle}{whole}"
    crown(figure, axes[0], Caption(About().title(panel.name, what), chosen.note))
    save(figure, path)


def _strip(axis: Axes, panel: Panel, of: tuple[int, int], most: int) -> Ints:
    """One series and target, with what is missing behind it; the rows that are shown."""
    i, c = of
    end = int(panel.ends[i])
    rows = np.arange(max(int(panel.offsets[i]), end - most), end)
    missing = ~panel.observed[rows, c]
    words = f"{int(missing.sum()):,} of {len(rows):,} values missing, shaded" if missing.any() else ""
    head(axis, ": ".join(filter(None, (panel.label(i), words))), panel.schema.target[c])
    if missing.any():
        beside = missing | np.r_[missing[1:], False] | np.r_[False, missing[:-1]]  # a gap reaches from value to value
        axis.fill_between(
            axis_times(panel, i, rows), 0, 1, where=beside, transform=axis.get_xaxis_transform(), linewidth=0,
            color=shade(ORANGE, 0.3), zorder=1,
        )  # fmt: skip
    strips.observe(axis, panel, of, rows)
    return rows


def _season(axis: Axes, panel: Panel, season: int, pairs: Pairs) -> None:
    """The middle of each step of a season, of every series that is shown; of one alone its quartiles too."""
    axis.set_title("season: difference from its mean", loc="left", fontsize=10, color=INK)
    several = len({c for _, c in pairs}) > 1
    for k, (i, c) in enumerate(pairs):
        found = profile(panel, (i, c), season)
        steps, colour = np.arange(season), LINES[k % len(LINES)]
        if len(pairs) == 1:
            axis.fill_between(steps, found.quartiles[0], found.quartiles[2], color=shade(colour, 0.25), linewidth=0)
        label = _name(panel, (i, c), several=several)
        axis.plot(
            steps, found.quartiles[1], color=colour, linewidth=1.4, linestyle=DASHES[k % len(DASHES)], label=label
        )
        if k == 0:
            shown = np.ceil(np.linspace(0, season, min(season, found.named), endpoint=False)).astype(int)
            axis.set_xticks(shown, [found.names[step] for step in shown.tolist()], fontsize=8)
    axis.tick_params(labelsize=8)
    label_numbers(axis)
    if len(pairs) > 1:
        axis.legend(frameon=False, fontsize=8, loc="best")


def profile(panel: Panel, of: tuple[int, int], season: int) -> Profile:
    """Quartiles of each step of a season less the mean of the season about it, over all seasons of one series.

    Steps without a whole season about them, or with a value missing in it, are left out; where none is left, the
    difference is that from the mean of the series.
    """
    i, c = of
    rows = np.arange(panel.offsets[i], panel.ends[i])
    values = strips.values(panel, c, rows).astype(np.float64)
    weights = np.ones(season) if season % 2 else np.r_[0.5, np.ones(season - 1), 0.5]
    around = np.full(len(values), np.nan)
    if len(values) >= len(weights):
        edge = len(weights) // 2
        around[edge : len(values) - edge] = np.convolve(values, weights / season, mode="valid")
    if np.isnan(values - around).all():
        around = np.full(len(values), np.nanmean(values))
    names, order, named = _steps(panel, i, season)
    phase = (rows - panel.offsets[i] + panel.first[i]) % season
    quartiles = np.full((3, season), np.nan)
    for k, step in enumerate(order.tolist()):
        own = (values - around)[phase == step]
        own = own[~np.isnan(own)]
        if len(own):
            quartiles[:, k] = np.quantile(own, [0.25, 0.5, 0.75])
    return Profile(quartiles, names, named)


def _steps(panel: Panel, i: int, season: int) -> tuple[list[str], Ints, int]:
    """Names of the steps of a season, and their places on the grid modulo it, from where a day, week or year begins;
    and how many are shown."""
    order = np.arange(season)
    if panel.schema.time_kind == "datetime":
        start = -(-int(panel.first[i]) // season) * season  # a first step of the season within the series
        rows = panel.offsets[i] + start - panel.first[i] + order
        times = axis_times(panel, i, rows)
        if times.dtype.kind == "M":
            ends = axis_times(panel, i, np.array([rows[0], rows[0] + season])).astype("M8[us]").astype(np.int64)
            days = float(ends[1] - ends[0]) / DAY
            for low, high, form, by, named in CYCLES:
                if low <= days <= high:
                    stamps = [time.item() for time in times]
                    order = np.argsort([time.strftime(by) for time in stamps], kind="stable")
                    return [stamps[k].strftime(form) for k in order], order, named
    return [str(k + 1) for k in order], order, NAMES


def _name(panel: Panel, of: tuple[int, int], *, several: bool) -> str:
    """A series and its target, as short as a legend takes them. several: targets are shown."""
    i, c = of
    target = panel.schema.target[c] if several or not panel.ids else ""
    return text_of(shortened(" · ".join(filter(None, (panel.label(i), target))), 24))


def _missing(axis: Axes, panel: Panel, by_target: Floats) -> None:
    """The share of values that are missing between first and last step, of the series and targets that lack most.

    by_target: of each series and target, (n, C).
    """
    axis.set_title("missing values", loc="left", fontsize=10, color=INK)
    shares = by_target.ravel()
    order = [k for k in np.argsort(-shares, kind="stable")[:BARS].tolist() if shares[k] > 0]
    C = len(panel.schema.target)
    names = [_name(panel, divmod(k, C), several=C > 1) for k in order]
    heights = np.arange(len(order))
    axis.grid(axis="y", visible=False)
    axis.barh(heights, 100 * shares[order], color=shade(ORANGE, 0.6), height=0.6)
    axis.set_yticks(heights, names, fontsize=8)
    axis.set_ylim(max(2.5, len(order) - 0.5), -0.7)
    axis.tick_params(axis="x", labelsize=8)
    axis.set_xlim(0, None)
    lacking = int((shares > 0).sum())
    more = f", {BARS} of {lacking:,}" if lacking > BARS else ""
    axis.set_xlabel(f"per cent of all steps{more}", fontsize=8)


def _shares(panel: Panel) -> Floats:
    """The share of steps up to its last one that are missing of each series and target, (n, C)."""
    seen = np.concatenate([np.add.reduceat(p.observed, p.offsets[:-1], dtype=np.int64) for p, _ in panel.blocks()])
    return np.asarray(1 - seen / panel.lengths[:, None])
