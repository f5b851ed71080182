"""The rows of a table by series, and the series that have a target at all."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsforge.data.table.table import Table
from tsforge.errors import DataError


class Omitted(NamedTuple):
    """What of a table is not in its panel, or is no part of its series.

    empty: the series without any observed target. late: rows behind the last target of their series, where nothing is
    known in advance. late_series: the names of these series.
    """

    empty: tuple[str, ...] = ()
    late: int = 0
    late_series: tuple[str, ...] = ()


def row_offsets(table: Table, n: int) -> NDArray[np.int64]:
    """Series i of a table has the rows up to the next offset, (n + 1,)."""
    begins = np.searchsorted(table.series, np.arange(n, dtype=table.series.dtype))  # of another type, all are copied
    return np.append(begins, len(table.series))


def repeats(table: Table) -> bool:
    """Whether some series has two rows for one step, as where rows ahead are joined."""
    return bool(((table.ordinal[1:] == table.ordinal[:-1]) & (table.series[1:] == table.series[:-1])).any())


def without_empty(table: Table) -> tuple[Table | None, tuple[str, ...]]:
    """The table without series whose targets are missing throughout, None where all are; and the names of these."""
    n = len(table.ids[0]) if table.ids else 1
    alive = np.logical_or.reduceat(~np.isnan(table.target).all(axis=1), row_offsets(table, n)[:-1])
    if alive.all():
        return table, ()
    empty = tuple(table.label(int(i)) for i in np.flatnonzero(~alive))
    if not alive.any():
        return None, empty
    keep = alive[table.series]
    covariates = {name: replace(c, values=c.values[keep]) for name, c in table.covariates.items()}
    rest = replace(
        table, series=(np.cumsum(alive) - 1)[table.series[keep]], ordinal=table.ordinal[keep],
        target=table.target[keep], covariates=covariates, ids=tuple(column[alive] for column in table.ids),
        phase=table.phase[alive],
    )  # fmt: skip
    return rest, empty


def nothing_observed(name: str) -> DataError:
    """The error of a table in which no target has a value."""
    return DataError(f"{name}: no target is observed in the rows that are read", "read more (data.rows)")
