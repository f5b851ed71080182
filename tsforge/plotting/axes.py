"""Axes that can be read: dates with their year, numbers in full, the target's name, a title and one legend."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsforge.plotting.captions import shortened
from tsforge.plotting.style import INK, SOFT, save, text_of

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TICKS = (4, 9)  # dates along an axis, at least and at most
PARTS = (  # of a date: days between ticks from which they are written so, how, and what stands below where it changes
    (300.0, "%Y", ""), (25.0, "%b", "%Y"), (1.0, "{day} %b", "%Y"), (1 / 1500, "%H:%M", "{day} %b %Y"),
    (0.0, "%H:%M:%S", "{day} %b %Y"),
)  # fmt: skip
DIGITS = 10
LEGEND_COLUMNS = 8


class Caption(NamedTuple):
    """Above a picture. note: what is not shown; empty where all is."""

    title: str
    note: str = ""


def finish(figure: Figure, axes: Sequence[Axes], caption: Caption, path: Path, *, named: bool = False) -> None:
    """Dates, numbers, the title, one legend for all axes and the note; and the file.

    named: the ticks across are names, which stay.
    """
    for axis in axes:
        if not named:
            label_dates(axis)
        label_numbers(axis)
    crown(figure, axes[0], caption)
    keys: dict[str, Artist] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            keys.setdefault(label, handle)
    if keys:
        figure.legend(
            list(keys.values()), list(keys), frameon=False, fontsize=9, ncols=LEGEND_COLUMNS, loc="outside lower left",
        )  # fmt: skip
    save(figure, path)


def crown(figure: Figure, first: Axes, caption: Caption) -> None:
    """The title of a whole figure, and above its first axis on the right what is not shown."""
    figure.suptitle(text_of(caption.title), x=0.01, ha="left", fontsize=13, fontweight="bold", color=INK)
    if caption.note:
        first.set_title(caption.note, loc="right", fontsize=9, color=SOFT)


def head(axis: Axes, series: str, target: str) -> None:
    """The series above an axis, and the target along it."""
    if series:
        axis.set_title(text_of(shortened(series, 70)), loc="left", fontsize=10, color=INK)
    axis.set_ylabel(text_of(shortened(target, 28)), fontsize=9, color=INK)


def label_dates(axis: Axes) -> None:
    """Write the ticks of an axis of dates so that each can be placed: the year stands wherever it begins or changes.

    To be called when everything is drawn: the ticks are those of the limits as they are now. Counts as times get whole
    numbers.
    """
    from matplotlib import dates, ticker

    axis.tick_params(labelsize=9)
    if not isinstance(axis.xaxis.get_major_formatter(), dates.AutoDateFormatter):  # which dates bring with them
        axis.xaxis.set_major_locator(ticker.MaxNLocator(TICKS[1], integer=True))
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:.{DIGITS}g}")
        return
    low, high = axis.get_xlim()
    axis.xaxis.set_major_locator(dates.AutoDateLocator(minticks=TICKS[0], maxticks=TICKS[1]))  # type: ignore[no-untyped-call]
    places = np.array([at for at in axis.xaxis.get_majorticklocs() if low <= at <= high])
    times = dates.num2date(places)  # type: ignore[no-untyped-call]
    axis.set_xticks(places, dated(times, np.diff(places)))
    axis.set_xlim(low, high)


def dated(times: Sequence[object], steps: NDArray[np.floating]) -> list[str]:
    """Dates as labels of two lines, the lower one where it changes. steps: between them, in days."""
    least = float(steps.min()) if len(steps) else 1.0
    _, upper, lower = next(part for part in PARTS if least >= part[0])
    labels, before = [], None
    for time in times:
        own, above = (_written(time, form) for form in (upper, lower))
        labels.append(f"{own}\n{above}" if above and above != before else own)
        before = above
    return labels


def _written(time: object, form: str) -> str:
    day: int = time.day  # type: ignore[attr-defined]
    year: int = time.year  # type: ignore[attr-defined]
    return str(time.strftime(form.format(day=day).replace("%Y", str(year)))) if form else ""  # type: ignore[attr-defined]


def label_numbers(axis: Axes) -> None:
    """Write numbers of a linear axis in full, 1,200,000 rather than 1.2 and a factor somewhere else."""
    if axis.get_yscale() == "linear":
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:,.{DIGITS}g}")
