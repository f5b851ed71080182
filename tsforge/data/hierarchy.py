"""Series that add up: the sums of every level of a hierarchy as further series of a panel.

A hierarchy is written as the columns of the ids from the top down, "region/store", or as several of these that cross
each other, "state/region" and "purpose". Its levels are what these columns are known up to: everything together, each
region, each store; of those that cross, all pairs of their levels. An id that a level knows nothing of is "(all)".
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsforge.data import panel as panels
from tsforge.data.panel import Floats, Ints, Panel
from tsforge.data.table.table import Table
from tsforge.errors import ConfigError, DataError, listing

log = logging.getLogger("tsforge")

ALL = "(all)"
TOTAL = "total"  # the level of everything together
MOST = 5000  # series of all levels: reconciling takes a table of their squares


def columns(paths: Sequence[str]) -> tuple[str, ...]:
    """The columns of a hierarchy, each once."""
    return tuple(dict.fromkeys(name.strip() for path in paths for name in path.split("/")))


def levels(paths: Sequence[str]) -> list[tuple[str, ...]]:
    """The columns that each level knows, from the top down; the last knows all."""
    heads = [[parts[:k] for k in range(len(parts) + 1)] for parts in (columns([path]) for path in paths)]
    found = [tuple(itertools.chain(*choice)) for choice in itertools.product(*heads)]
    return sorted(dict.fromkeys(found), key=lambda level: (len(level), level))


def build(table: Table, extend: int = 0) -> Panel:
    """A table on its grid, as `panel.build`, with the sums of all levels above its series where it has a hierarchy."""
    own = panels.build(table, extend)
    return with_sums(own) if own.schema.hierarchy else own


def with_sums(panel: Panel) -> Panel:
    """The panel with the series of all levels above in front of its own.

    A sum is observed where all of its series are that have begun by then. Of covariates a sum has the mean of its
    series, and of categories the one that all of them have, else none.
    Raises ConfigError where the ids are not the columns of the hierarchy, DataError where series have different ends,
    or a target without any value, as nothing adds up then.
    """
    _check(panel)
    names = np.stack([np.array([str(value) for value in ids], dtype=object) for ids in panel.ids], axis=1)  # (m, ids)
    _tell_levels_alike(panel, names)
    parts, above = [], []
    for level in levels(panel.schema.hierarchy)[:-1]:
        known = np.array([name in level for name in panel.schema.id])
        rows = np.where(known, names, ALL)
        keys = ["\x1f".join(row) for row in rows.tolist()]
        for key in sorted(set(keys)):
            members = np.flatnonzero(np.array(keys) == key)
            parts.append(_sum(panel, members))
            above.append(rows[members[0]])
    if len(parts) + len(panel) > MOST:
        raise DataError(f"{panel.name}: {len(parts) + len(panel):,} series of all levels", f"{MOST:,} are the most")
    return _joined(panel, parts, np.concatenate([np.array(above, dtype=object).reshape(-1, names.shape[1]), names]))


class Structure(NamedTuple):
    """How the series of a panel add up.

    summing: (n, m), 1 where a series of the panel holds one of those at the bottom.
    bottom: (m,), which series of the panel those are.
    level: (n,), the level of each, as "total", "region", "region/store".
    """

    summing: NDArray[np.float64]
    bottom: Ints
    level: tuple[str, ...]

    @property
    def levels(self) -> tuple[str, ...]:
        """Each level once, from the top down."""
        return tuple(dict.fromkeys(self.level))


def structure(panel: Panel) -> Structure:
    """Of a panel with the sums of a hierarchy, by its ids."""
    ids = np.stack([np.asarray(ids).astype(str) for ids in panel.ids], axis=1)
    every = ids == ALL
    bottom = np.flatnonzero(~every.any(axis=1))
    held = np.ones((len(ids), len(bottom)), dtype=np.bool_)
    for column, unknown in zip(ids.T, every.T, strict=True):
        held &= unknown[:, None] | (column[:, None] == column[bottom][None])
    named = [[name for name, unknown in zip(panel.schema.id, row, strict=True) if not unknown] for row in every]
    return Structure(held.astype(np.float64), bottom, tuple("/".join(names) or TOTAL for names in named))


def _check(panel: Panel) -> None:
    """Raises ConfigError or DataError where series do not add up."""
    wanted = columns(panel.schema.hierarchy)
    if set(wanted) != set(panel.schema.id):
        hint = f"name all columns of the ids from the top down, as data.hierarchy={'/'.join(panel.schema.id) or 'a/b'}"
        raise ConfigError(
            f"the hierarchy is of {listing(wanted)}, the ids are {listing(panel.schema.id) or 'none'}", hint
        )
    clash = [name for name, ids in zip(panel.schema.id, panel.ids, strict=True) if (np.asarray(ids) == ALL).any()]
    if clash:
        raise DataError(
            f"{panel.name}: column '{clash[0]}' holds '{ALL}', as sums do", "leave the sums out of the table"
        )
    last = panel.first + panel.lengths
    if (last != last[0]).any() or panel.schema.phases:
        i = int(last.argmin())
        ends = f"{panel.time(int(last[i]) - 1, i)}, others at {panel.time(int(last.max()) - 1)}"
        hint = "bring all series to one end, or leave some out"
        raise DataError(f"{panel.name}: series {panel.label(i)} ends at {ends}: nothing adds up after that", hint)
    if panel.never.any():
        i, c = (int(v) for v in np.argwhere(panel.never)[0])
        words = f"'{panel.schema.target[c]}' of {panel.label(i)} has no value"
        raise DataError(f"{panel.name}: {words}: nothing adds up with it", "leave the series out")


def _tell_levels_alike(panel: Panel, names: NDArray[np.object_]) -> None:
    """Warn of a path whose level has as many series as the one below it, as where it is written from the bottom up."""
    for path in panel.schema.hierarchy:
        own = [panel.schema.id.index(name) for name in columns([path])]
        alone = [len(set(names[:, i].tolist())) for i in own]
        known = [len({tuple(row) for row in names[:, own[: k + 1]].tolist()}) for k in range(len(own))]
        for k in range(len(own) - 1):
            if known[k] == known[k + 1] and alone[k] > alone[k + 1]:
                above, below = (panel.schema.id[i] for i in own[k : k + 2])
                log.warning(
                    "data.hierarchy %s: each '%s' has one '%s' alone, and both levels are the same series; it is "
                    "written from the top down, as %s",
                    path, above, below, "/".join(reversed(columns([path]))),
                )  # fmt: skip
                return


def _sum(panel: Panel, members: Ints) -> dict[str, Any]:
    """One series of the level above: its rows, the grid position of its first, and how many lie before the end."""
    begins, lengths = panel.first[members], np.diff(panel.offsets)[members]
    first = int(begins.min())
    total = int((begins + lengths).max()) - first
    places = [slice(int(b) - first, int(b) - first + int(k)) for b, k in zip(begins, lengths, strict=True)]
    rows = [slice(int(panel.offsets[i]), int(panel.offsets[i + 1])) for i in members]
    values, missing = np.zeros((total, panel.values.shape[1])), np.zeros((total, panel.values.shape[1]), dtype=np.int64)
    for place, own in zip(places, rows, strict=True):
        values[place] += np.where(panel.observed[own], panel.values[own], 0.0)
        missing[place] += ~panel.observed[own]
    covariates = {
        group: _together([getattr(panel, group)[own] for own in rows], places, total, _categories(panel, group))
        for group in ("past", "future")
    }
    whole = [slice(0, 1)] * len(members)
    static = _together([panel.static[i : i + 1] for i in members], whole, 1, _categories(panel, "static"))
    end = int(panel.first[members[0]] + panel.lengths[members[0]]) - first
    seen = (missing == 0) & (np.arange(total) < end)[:, None]
    return covariates | {
        "values": np.where(seen, values, 0.0), "observed": seen, "static": static, "first": first, "end": end,
    }  # fmt: skip


def _categories(panel: Panel, group: str) -> NDArray[np.bool_]:
    return np.array([column.kind == "category" for column in getattr(panel.schema, group)], dtype=np.bool_)


def _together(parts: list[Floats], places: list[slice], total: int, categories: NDArray[np.bool_]) -> Floats:
    """Covariates (total, k): the mean of those there are; of categories the one that all have, else NaN."""
    shape = (total, len(categories))
    sums, count = np.zeros(shape), np.zeros(shape)
    least, most = np.full(shape, np.nan), np.full(shape, np.nan)
    for part, place in zip(parts, places, strict=True):
        there = ~np.isnan(part)
        sums[place] += np.where(there, part, 0.0)
        count[place] += there
        least[place], most[place] = np.fmin(least[place], part), np.fmax(most[place], part)
    mean = np.divide(sums, count, out=np.full(shape, np.nan), where=count > 0)
    return np.where(categories, np.where(least == most, least, np.nan), mean)


def _joined(panel: Panel, parts: list[dict[str, Any]], names: NDArray[np.object_]) -> Panel:
    """The sums in front of the series that they are of."""
    lengths = np.r_[[len(part["values"]) for part in parts], np.diff(panel.offsets)]
    offsets = np.r_[0, np.cumsum(lengths)].astype(np.int64)
    arrays: dict[str, Any] = {
        name: np.concatenate([*(part[name] for part in parts), getattr(panel, name)]).astype(getattr(panel, name).dtype)
        for name in ("values", "observed", "past", "future", "static")
    }
    first = np.r_[[part["first"] for part in parts], panel.first].astype(np.int64)
    ends = np.r_[[part["end"] for part in parts], panel.lengths].astype(np.int64) + offsets[:-1]
    phase = np.zeros(len(first), dtype=panel.phase.dtype)
    ids = tuple(np.array(column.tolist(), dtype=object) for column in names.T)
    return replace(panel, **arrays, offsets=offsets, first=first, ends=ends, ids=ids, phase=phase)
