"""Which series, targets and steps a picture shows, and in words what it leaves out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsforge.data import lookup
from tsforge.data.panel import Ints, Panel
from tsforge.errors import ConfigError, DataError
from tsforge.plotting.captions import About

Floats = NDArray[np.floating]

MOST_NAMED = 12  # series and targets in one picture, where they are asked for by name
MANY_ROWS = 5_000_000  # of a table whose series are not measured for a picture


@dataclass(frozen=True)
class View:
    """What of a table a picture shows.

    series: ids as the table writes them (of several columns separated by spaces), each by itself or several as "A,B"; a
    choice of them where empty.
    last: steps of the past; as many as suit the forecast where None.
    Raises ConfigError for less than one step.
    """

    series: tuple[str, ...] = ()
    last: int | None = None

    def __post_init__(self) -> None:
        if self.last is not None and self.last < 1:
            raise ConfigError(f"a picture of the last {self.last} steps", "ask for 1 or more")

    @classmethod
    def of(cls, series: object = None, last: int | None = None) -> View:
        """series: one id, several, or None."""
        several = isinstance(series, Iterable) and not isinstance(series, str | bytes)
        names: Iterable[object] = series if several else () if series is None else (series,)  # type: ignore[assignment]
        return cls(tuple(str(name) for name in names), last)


ALL = View()


class Subject(NamedTuple):
    """What a picture is of: a table and a model, and what of them is shown."""

    panel: Panel
    about: About = About()
    view: View = ALL


class Ranking(NamedTuple):
    """Series that a picture can show, and by what they are chosen.

    series: their places in the panel, ascending. values: one of each, the highest is shown first. words: how those
    chosen lie among all, as "from the highest error to the lowest". spread: evenly over all; else the first.
    """

    series: Ints
    values: Floats
    words: str
    spread: bool = True


class Chosen(NamedTuple):
    """Series and targets in the order in which they are shown. note: what is not, in words; empty where all is."""

    pairs: list[tuple[int, int]]
    note: str


def choose(panel: Panel, view: View, most: int, ranking: Ranking | None = None) -> Chosen:
    """Series and targets for a picture: those asked for by name; else all, or evenly spread over a ranking.

    most: series and targets where none is named.
    ranking: of the series that can be shown; by their size, the largest first, where None; a hierarchy from above.
    Raises DataError for a name that is not there or has nothing to show, ConfigError for more than fit.
    """
    there = np.arange(len(panel)) if ranking is None else ranking.series
    if view.series:
        return Chosen(_named(panel, view.series, there), "")
    targets = len(panel.schema.target)
    room = max(1, most // targets)
    some, order = there, ""
    if len(there) > room and panel.schema.hierarchy:
        some, order = there[:room], "from above"
    elif len(there) > room:
        ranking = ranking or _by_size(panel)
        ranked = ranking.series[np.argsort(-np.nan_to_num(ranking.values, nan=-np.inf), kind="stable")]
        places = np.linspace(0, len(ranked) - 1, room).round().astype(int) if ranking.spread else np.arange(room)
        some, order = ranked[places], ranking.words
    pairs = _with_targets(panel, some)
    notes = [f"{len(some):,} of {len(there):,} series, {order}"] if order else []
    if len(pairs) > most:
        notes.append(f"the first {most} of {targets} targets")
    return Chosen(pairs[:most], "; ".join(notes) + ("; the others are not shown" if notes else ""))


def _named(panel: Panel, names: tuple[str, ...], there: Ints) -> list[tuple[int, int]]:
    labels = {panel.label(i) for i in range(len(panel))}
    single = [part for name in names for part in ([name] if name in labels else name.split(",")) if part.strip()]
    found = list(dict.fromkeys(lookup.series(panel, name.strip()) for name in single))
    for i in found:
        if i not in there:
            raise DataError(f"{panel.name}: there is nothing to show of series '{panel.label(i)}'", "choose another")
    pairs = _with_targets(panel, np.array(found))
    if len(pairs) > MOST_NAMED:
        text = f"a picture of {len(pairs)} series and targets"
        raise ConfigError(text, f"name fewer: {MOST_NAMED} fit below each other")
    return pairs


def _with_targets(panel: Panel, series: Ints) -> list[tuple[int, int]]:
    """Series with each of their targets that was ever observed."""
    never = panel.never
    return [(int(i), int(c)) for i in series for c in np.flatnonzero(~never[i])]


def _by_size(panel: Panel) -> Ranking:
    """By the mean size of the first target; in their order where the table is too large to look at all of it."""
    order = np.arange(len(panel))
    if int(panel.offsets[-1]) > MANY_ROWS:
        return Ranking(order, -order.astype(float), "evenly spread over the table")
    sizes = [
        np.add.reduceat(np.where(part.observed[:, 0], np.abs(part.values[:, 0]), 0.0), part.offsets[:-1])
        / np.maximum(np.add.reduceat(part.observed[:, 0].astype(np.int64), part.offsets[:-1]), 1)
        for part, _ in panel.blocks()
    ]
    return Ranking(order, np.concatenate(sizes), "from the largest to the smallest")
