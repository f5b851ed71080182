"""Every series on its regular grid: flat arrays, a mask of what was observed, no object per series."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsforge.data.schema import Schema
from tsforge.data.table import Table

log = logging.getLogger("tsforge")

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Panel:
    """n series, T grid rows in all; series i has the rows offsets[i] up to offsets[i+1].

    values (T, C) 0 where not observed; observed (T, C).
    past (T, P), future (T, K), static (n, F): covariates as read (numbers or codes), NaN where missing.
    first (n,): grid ordinal of each series' first row.
    ends (n,): the row after the last observed target; rows from there on hold only what is known in advance.
    labels: the texts behind the codes of each categorical covariate.
    """

    schema: Schema
    name: str
    values: Floats
    observed: NDArray[np.bool_]
    past: Floats
    future: Floats
    static: Floats
    offsets: Ints
    first: Ints
    ends: Ints
    ids: tuple[NDArray[np.generic], ...]
    labels: dict[str, tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.first)

    def label(self, i: int) -> str:
        """Series i in words; empty for a single unnamed series."""
        return " ".join(str(column[i]) for column in self.ids)

    def row_series(self) -> Ints:
        """The series of every row, (T,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def ordinals(self) -> Ints:
        """The grid position of every row, (T,)."""
        series = self.row_series()
        return np.arange(len(self.values)) - self.offsets[series] + self.first[series]


def build(table: Table, extend: int = 0) -> Panel:
    """Lay the rows of a table on their grid. Gaps become masked rows.

    extend: at least so many rows after each series' last observed target, for what is known in advance.
    """
    n = len(table.ids[0]) if table.ids else 1
    schema = table.schema
    first, last = _span(table, n)
    seen = ~np.isnan(table.target).all(axis=1)
    last_seen = first - 1
    np.maximum.at(last_seen, table.series[seen], table.ordinal[seen])
    last = np.maximum(last, last_seen + extend)
    lengths = last - first + 1
    offsets = np.r_[0, np.cumsum(lengths)].astype(np.int64)
    rows = offsets[table.series] + table.ordinal - first[table.series]

    total = int(offsets[-1])
    values = np.zeros((total, len(schema.target)), dtype=np.float32)
    observed = np.zeros(values.shape, dtype=np.bool_)
    values[rows] = np.nan_to_num(table.target, nan=0.0)
    observed[rows] = ~np.isnan(table.target)
    past = _spread(table, [c.name for c in schema.past], rows, total)
    future = _spread(table, [c.name for c in schema.future], rows, total)
    static = _per_series(table, [c.name for c in schema.static], n)
    ends = offsets[:-1] + last_seen - first + 1
    _report(observed, offsets, ends, table)
    labels = {name: column.labels for name, column in table.covariates.items() if column.labels}
    return Panel(schema, table.name, values, observed, past, future, static, offsets, first, ends, table.ids, labels)


def _span(table: Table, n: int) -> tuple[Ints, Ints]:
    """(first, last) grid ordinal of each series; rows are sorted."""
    starts = np.searchsorted(table.series, np.arange(n), side="left")
    stops = np.searchsorted(table.series, np.arange(n), side="right")
    return table.ordinal[starts], table.ordinal[stops - 1]


def _spread(table: Table, names: list[str], rows: Ints, total: int) -> Floats:
    out = np.full((total, len(names)), np.nan, dtype=np.float32)
    for j, name in enumerate(names):
        out[rows, j] = table.covariates[name].values
    return out


def _per_series(table: Table, names: list[str], n: int) -> Floats:
    """The first value that a static column has in each series."""
    out = np.full((n, len(names)), np.nan, dtype=np.float32)
    for j, name in enumerate(names):
        values = table.covariates[name].values
        have = np.flatnonzero(~np.isnan(values))[::-1]  # reversed: the first one is written last
        out[table.series[have], j] = values[have]
    return out


def _report(observed: NDArray[np.bool_], offsets: Ints, ends: Ints, table: Table) -> None:
    """Say how much is missing: nothing is filled in, it is masked."""
    for c, name in enumerate(table.schema.target):
        inside = np.zeros(len(observed) + 1, dtype=np.int64)
        inside[1:] = np.cumsum(~observed[:, c])
        missing = inside[ends] - inside[offsets[:-1]]
        if missing.sum():
            several = f" in {np.count_nonzero(missing)} of {len(missing)} series" if len(missing) > 1 else ""
            log.warning(
                "%d of %d steps of '%s' are missing%s; they are masked, not filled",
                missing.sum(), int((ends - offsets[:-1]).sum()), name, several,
            )  # fmt: skip
    dead = np.flatnonzero(ends <= offsets[:-1])
    if len(dead):
        log.warning("%d series have no observed target, the first is %s", len(dead), table.label(int(dead[0])))
