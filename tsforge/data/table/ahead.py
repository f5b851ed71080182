"""Rows ahead: what is known in advance of the steps after a table's end, from a table of its own."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsforge.data.table import piped
from tsforge.data.table.reading import read
from tsforge.data.table.table import Table, load_like
from tsforge.data.table.values import Column
from tsforge.errors import DataError, listing, nearest
from tsforge.runtime.numbers import amount

log = logging.getLogger("tsforge")

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def with_rows_ahead(table: Table, source: Any) -> Table:
    """The table with rows that have values of the covariates known in advance, and no targets.

    source: path of a CSV or Parquet file, or a pandas or Polars frame, with the ids, the time and these covariates; the
    table stays as it is where None.
    Raises DataError for what is no such table, another series, or a value that contradicts the table's own.
    """
    schema = table.schema
    if source is None:
        return table
    if not schema.future:
        raise DataError("the model knows no covariate in advance", "leave out `future_data`")
    if isinstance(source, str) and source == piped.NAME:
        source = piped.standard_input("what is known in advance")
    frame = read(source, usual=schema.decimal)
    alone = schema.model_copy(update={"target": (), "past": (), "static": (), "resampling": None})
    later = load_like(frame, alone)
    codes = _codes(table, later)
    rows = codes[later.series]
    last = _last_seen(table)
    ahead = later.ordinal > last[rows]
    if not ahead.all():
        few = f"{np.count_nonzero(~ahead)} of {len(ahead)} rows of {later.name}"
        log.warning("%s lie before the end of their series and are not used", few)
    for name in schema.target:
        if name in frame.data.columns and not frame.cells(name).missing.all():
            log.warning("the values of '%s' in %s are not used: only what is known in advance is", name, later.name)
    series, ordinal = rows[ahead], later.ordinal[ahead]
    order = np.lexsort((np.r_[table.ordinal, ordinal], np.r_[table.series, series]))
    both = _both(table, table.ordinal > last[table.series], (series, ordinal))
    covariates = {}
    for name, column in table.covariates.items():
        more = later.covariates.get(name, Column(np.full(len(ahead), np.nan)))
        whole = _joined(column, replace(more, values=more.values[ahead]))
        _check_agreement(table, name, whole, both)
        covariates[name] = replace(whole, values=whole.values[order])
    empty = np.full((len(series), table.target.shape[1]), np.nan)
    return replace(
        table, series=np.r_[table.series, series][order], ordinal=np.r_[table.ordinal, ordinal][order],
        target=np.concatenate([table.target, empty])[order], covariates=covariates,
    )  # fmt: skip


def _codes(table: Table, later: Table) -> Ints:
    """The code in a table of each series of another one, (n,)."""
    names = _names(table)
    known = {name: code for code, name in enumerate(names)}
    own = _names(later)
    if strange := [name for name in own if name not in known]:
        label = " ".join(strange[0])
        hint = nearest(label, [" ".join(name) for name in names]) or f"series: {listing(map(' '.join, names), 20)}"
        raise DataError(f"{later.name}: series {label} is none of {table.name}", hint)
    codes = np.array([known[name] for name in own], dtype=np.int64)
    if other := np.flatnonzero(later.phase != table.phase[codes]).tolist():
        times = f"its times lie off the grid of {table.name}"
        raise DataError(f"{later.name}: series {later.label(other[0])}: {times}", "write the times that follow its end")
    return codes


def _names(table: Table) -> list[tuple[str, ...]]:
    """The ids of each series as texts; an empty one of a single unnamed series."""
    return list(zip(*(column.astype(str).tolist() for column in table.ids), strict=True)) if table.ids else [()]


def _last_seen(table: Table) -> Ints:
    """The grid position of the last observed target of each series, (n,)."""
    last = np.full(len(table.phase), np.iinfo(np.int64).min)
    seen = ~np.isnan(table.target).all(axis=1)
    np.maximum.at(last, table.series[seen], table.ordinal[seen])
    return last


def _joined(first: Column, second: Column) -> Column:
    """The values of two columns one after the other, with codes into the labels of both."""
    if not first.labels and not second.labels:
        return replace(first, values=np.r_[first.values, second.values])
    labels = tuple(dict.fromkeys((*first.labels, *second.labels)))
    place = np.array([labels.index(label) for label in second.labels] + [0], dtype=np.float64)
    missing = np.isnan(second.values)
    codes = np.where(missing, np.nan, place[np.where(missing, len(place) - 1, second.values).astype(np.int64)])
    new = np.array([label not in first.labels for label in second.labels], dtype=np.bool_)
    parts = [column.rows if column.rows is not None else np.zeros(0, np.int64) for column in (first, second)]
    return Column(np.r_[first.values, codes], labels, np.r_[parts[0], parts[1][new]])


def _both(table: Table, ahead: NDArray[np.bool_], more: tuple[Ints, Ints]) -> list[tuple[int, int]]:
    """The rows of a table that are ahead of its end, each with the row behind the table for the same series and step.

    more: series and grid positions of the rows behind the table.
    """
    own = {(table.series[i], table.ordinal[i]): int(i) for i in np.flatnonzero(ahead)}
    places = ((own.get((s, o)), len(table.series) + k) for k, (s, o) in enumerate(zip(*more, strict=True)))
    return [(i, k) for i, k in places if i is not None]


def _check_agreement(table: Table, name: str, column: Column, both: list[tuple[int, int]]) -> None:
    """Raises DataError where the table itself has another value for a step ahead. column: of it and the rows behind."""
    for i, k in both:
        values = [column.values[i], column.values[k]]
        if not np.isnan(values).any() and values[0] != values[1]:
            shown = [column.labels[int(v)] if column.labels else amount(v) for v in values]
            code = int(table.series[i])
            where = (
                f"{f'series {table.label(code)}, ' if table.ids else ''}time {table.time(int(table.ordinal[i]), code)}"
            )
            text = f"column '{name}' is {shown[0]} for {where}, and {shown[1]} in the rows ahead"
            raise DataError(f"{table.name}: {text}", "keep one of them")
