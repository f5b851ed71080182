"""Covariates moved away from what they belong to: in time within each series, or among series.

A column in time is rotated: each series reads its own column from some steps later on, and from the beginning behind
the end. So it keeps its values, its seasons and whatever neighbouring rows have in common, in windows that overlap too,
and all series keep what they share; only what ties it to the target at that time is gone. (Cyclic shifts: Harris 2020,
"Nonsense correlations in neuroscience"; that rows exchanged one by one break more than that, and make models
extrapolate: Hooker, Mentch & Zhou 2021, "Unrestricted permutation forces extrapolation".)

Axes: n series, T rows, R moves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tsforge.data.dataset import Dataset
from tsforge.data.encodings import Encodings
from tsforge.data.loader import WindowSource
from tsforge.data.panel import Floats, Ints, Panel

Role = Literal["past", "future", "static"]
ROLES: tuple[Role, ...] = ("past", "future", "static")
TRIED = 4  # times as many shifts as are needed, of which those are taken that leave a column least like itself
LOOKED_AT = 200_000  # rows by which that is judged, at most


@dataclass(frozen=True)
class Column:
    """A covariate of a table. features: which of its role's encoded columns are its own."""

    name: str
    role: Role
    features: slice


def columns(encodings: Encodings) -> list[Column]:
    """All covariates of a table, role by role."""
    found = []
    for role in ROLES:
        begin = 0
        for encoding in getattr(encodings, role):
            found.append(Column(encoding.name, role, slice(begin, begin + encoding.width)))
            begin += encoding.width
    return found


def moved(dataset: Dataset, column: Column, count: int, rng: np.random.Generator) -> Iterator[WindowSource]:
    """The windows of a dataset with one column moved, `count` times otherwise; fewer where there are no more ways."""
    own = getattr(dataset.features, column.role)[:, column.features]
    if column.role == "static":
        ways = _orders(len(own), count, rng)
        parts = (own[order] for order in ways)
    else:
        parts = (own[_rotated(dataset.panel, int(shift))] for shift in _shifts(dataset, own, count, rng))
    for part in parts:
        changed = getattr(dataset.features, column.role).copy()
        changed[:, column.features] = part
        features = dataset.features._replace(**{column.role: changed})
        source = dataset.source
        yield WindowSource(dataset.panel, features, source.shape, source.device, source.usual)


def without_effect(dataset: Dataset, column: Column) -> bool:
    """Whether a column never changes, so that there is nothing to move."""
    own = getattr(dataset.features, column.role)[:, column.features]
    return not len(own) or bool((own == own[:1]).all())


def _orders(n: int, count: int, rng: np.random.Generator) -> list[Ints]:
    """Different orders of n series, in each of which some series has another's value."""
    found: dict[tuple[int, ...], Ints] = {}
    for _ in range(20 * count):
        order = rng.permutation(n)
        if len(found) == count:
            break
        if (order != np.arange(n)).any():
            found[tuple(order.tolist())] = order
    return list(found.values())


def _shifts(dataset: Dataset, own: Floats, count: int, rng: np.random.Generator) -> Ints:
    """So many different shifts, in steps: a horizon at least, and of those tried the ones that leave least alike."""
    panel, H = dataset.panel, dataset.source.shape.horizon
    longest = int((panel.ends - panel.offsets[:-1]).max(initial=0))
    possible = np.arange(H, longest - H + 1)
    tried = rng.choice(possible, min(TRIED * count, len(possible)), replace=False) if len(possible) else possible
    few = slice(0, LOOKED_AT)
    off = (own - own.mean(axis=0))[few]
    alike = []
    for shift in tried:
        other = own[_rotated(panel, int(shift))[few]] - own.mean(axis=0)
        alike.append(abs(float((off * other).sum())))
    return np.asarray(tried[np.argsort(alike, kind="stable")[:count]])


def _rotated(panel: Panel, shift: int) -> NDArray[np.int64]:
    """Which row each row reads, (T,): one so many steps later in the observed part of its series, or anew behind it.

    Rows behind the end of a series keep their own.
    """
    series = panel.row_series()
    begins, lengths = panel.offsets[:-1][series], np.maximum(panel.ends - panel.offsets[:-1], 1)[series]
    rows = np.arange(len(series))
    inside = rows < panel.ends[series]
    return np.where(inside, begins + (rows - begins + shift) % lengths, rows)


def thinned(dataset: Dataset, most: int) -> Dataset:
    """With at most so many test windows, evenly spaced."""
    return replace(dataset, parts=dataset.parts._replace(test=dataset.parts.test.thin(most)))
