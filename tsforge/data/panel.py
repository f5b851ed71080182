"""Every series of a table on its regular grid: flat arrays, a mask of what was observed, no object per series."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsforge.data import precision
from tsforge.data.blocks import blocks, edges
from tsforge.data.schema import Covariate, Schema
from tsforge.data.table.table import Table
from tsforge.errors import DataError, listing

log = logging.getLogger("tsforge")

MOST_NAMED = 3  # series in a warning

Ints = NDArray[np.int64]
Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Panel:
    """n series, T grid rows in all; series i has the rows offsets[i] up to offsets[i+1].

    values (T, C) 0 where not observed, in double precision where single would lose digits; observed (T, C).
    past (T, P), future (T, K), static (n, F): covariates as read (numbers or codes), NaN where missing.
    first (n,): grid ordinal of each series' first row.
    ends (n,): the row after the last observed target; rows from there on hold only what is known in advance.
    labels: the texts behind the codes of each categorical covariate.
    label_rows: the row of the table (from 0) in which each of these texts first stands.
    phase (n,): microseconds (or counts) by which a series lies off the grid; 0 for all but in tables whose series
        begin at different places in a step.
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
    label_rows: dict[str, Ints]
    phase: Ints

    def __len__(self) -> int:
        return len(self.first)

    def label(self, i: int) -> str:
        """Series i in words; empty for a single unnamed series."""
        return " ".join(str(column[i]) for column in self.ids)

    def key(self, i: int) -> str:
        """Series i as a text that no other series has."""
        return "\x1f".join(str(column[i]) for column in self.ids)

    def digest(self) -> str:
        """32 hexadecimal digits that stand for the series, times and values, however they were stored."""
        content = hashlib.sha256(json.dumps([self.schema.columns(), str(self.schema.frequency)]).encode())
        arrays = (self.values, self.observed, self.past, self.future, self.static, self.offsets, self.first, self.ends)
        for array in arrays:
            content.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        for column in self.ids:
            content.update("\x1f".join(str(value) for value in column.tolist()).encode())
        content.update(json.dumps(self.labels).encode())
        return content.hexdigest()[:32]

    def stamps(self, series: Ints | int, ordinals: Ints) -> NDArray[Any]:
        """The stamps of grid positions of series, as `Frequency.stamps` gives them, where each series lies."""
        stamps = self.schema.frequency.stamps(ordinals)
        return stamps + self.phase[series] if self.schema.phases else stamps

    @property
    def lengths(self) -> Ints:
        """Steps of each series up to its last observed target, (n,)."""
        return self.ends - self.offsets[:-1]

    @property
    def never(self) -> NDArray[np.bool_]:
        """Series and targets without any observed value, (n, C): there is nothing to forecast them from."""
        none: NDArray[np.bool_] = ~np.logical_or.reduceat(self.observed, self.offsets[:-1])
        return none

    def span(self) -> tuple[Ints, Ints]:
        """The rows of the first and the last observed value of each series and target, (n, C) each.

        Where nothing was observed, one past the last row of all, and -1.
        """
        sides = [edges(column, self.offsets) for column in self.observed.T]
        first, last = (np.stack(side, axis=1) for side in zip(*sides, strict=True))
        return first, last

    def blocks(self, *marks: Ints | None) -> Iterator[tuple[Panel, list[Any]]]:
        """Panels of a few whole series each, and rows that mark something in each series, as these panels count them.

        marks: (n,) each.
        """
        for series, rows in blocks(self.offsets):
            own = {name: getattr(self, name)[rows] for name in ("values", "observed", "past", "future")}
            own |= {name: getattr(self, name)[series] for name in ("static", "first", "phase")}
            part = replace(
                self, **own, offsets=self.offsets[series.start : series.stop + 1] - rows.start,
                ends=self.ends[series] - rows.start, ids=tuple(column[series] for column in self.ids),
            )  # fmt: skip
            yield part, [None if mark is None else mark[series] - rows.start for mark in marks]

    def row_series(self) -> Ints:
        """The series of every row, (T,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def between(self, stops: Ints, begins: Ints | None = None) -> NDArray[np.bool_]:
        """A mask (T,) of the rows from their series' beginning (its first row where None) up to its stop."""
        starts, ends = self.offsets[:-1], self.offsets[1:]
        low = starts if begins is None else np.clip(begins, starts, ends)
        high = np.clip(stops, low, ends)
        steps = np.zeros(len(self.values) + 1, dtype=np.int8)
        np.add.at(steps, low, 1)
        np.subtract.at(steps, high, 1)
        return np.cumsum(steps[:-1], dtype=np.int8).view(np.bool_)

    def ordinals(self) -> Ints:
        """The grid position of every row, (T,)."""
        series = self.row_series()
        return np.arange(len(self.values)) - self.offsets[series] + self.first[series]


def build(table: Table, extend: int = 0) -> Panel:
    """Lay the rows of a table on their grid; gaps become masked rows, series without any observed target are left out.

    extend: least number of rows after each series' last observed target, for what is known in advance.
    """
    table = _without_empty(table)
    schema = table.schema
    observed: NDArray[np.bool_] = ~np.isnan(table.target)
    n = len(table.ids[0]) if table.ids else 1
    begins = _row_offsets(table, n)  # rows are sorted by series
    first, last = (table.ordinal[rows].astype(np.int64) for rows in (begins[:-1], begins[1:] - 1))
    seen = edges(np.asarray(observed.any(axis=1)), begins)[1]
    last_seen = np.where(seen >= 0, table.ordinal[seen], first - 1)
    tail = (last > last_seen) & (seen >= 0)
    offsets = np.r_[0, np.cumsum(np.maximum(last, last_seen + extend) - first + 1)].astype(np.int64)

    total = int(offsets[-1])
    exact = precision.of_targets(table.target, begins)
    if total == len(table.series) and not _repeats(table):  # each row at its place
        rows: Ints | slice = slice(None)
        values = table.target.astype(exact)
        values[~observed] = 0.0
    else:
        rows = table.ordinal + (offsets[:-1] - first)[table.series]
        values, filled = np.zeros((total, len(schema.target)), dtype=exact), observed
        observed = np.zeros(values.shape, dtype=np.bool_)
        values[rows] = np.where(filled, table.target, 0.0)
        observed[rows] = filled
    past = _spread(table, schema.past, rows, total)
    future = _spread(table, schema.future, rows, total)
    static = _spread(table, schema.static, table.series, n)
    ends = offsets[:-1] + last_seen - first + 1
    labels = {name: column.labels for name, column in table.covariates.items() if column.labels}
    label_rows = {name: column.rows for name, column in table.covariates.items() if column.rows is not None}
    panel = Panel(
        schema, table.name, values, observed, past, future, static, offsets, first, ends, table.ids, labels, label_rows,
        table.phase,
    )  # fmt: skip
    _report(panel)
    _report_ends(panel, table)
    if tail.any() and not schema.future:
        _report_tail(table, np.where(tail, last_seen, last))
    if exact == np.float64:
        precision.report(table, begins)
    return panel


def extended(panel: Panel, steps: int) -> Panel:
    """With so many rows at least behind each series' last observed target, of which nothing is known."""
    lengths = np.maximum(np.diff(panel.offsets), panel.lengths + steps)
    offsets = np.r_[0, np.cumsum(lengths)].astype(np.int64)
    moved = offsets[:-1] - panel.offsets[:-1]
    rows = np.arange(len(panel.values)) + moved[panel.row_series()]
    parts: dict[str, Any] = {}
    for name, nothing in (("values", 0.0), ("observed", False), ("past", np.nan), ("future", np.nan)):
        part = getattr(panel, name)
        parts[name] = np.full((offsets[-1], part.shape[1]), nothing, dtype=part.dtype)
        parts[name][rows] = part
    return replace(panel, **parts, offsets=offsets, ends=panel.ends + moved)


def _row_offsets(table: Table, n: int) -> Ints:
    """Series i of a table has the rows up to the next offset, (n + 1,)."""
    begins = np.searchsorted(table.series, np.arange(n, dtype=table.series.dtype))  # of another type, all are copied
    return np.append(begins, len(table.series))


def _repeats(table: Table) -> bool:
    """Whether some series has two rows for one step, as where rows ahead are joined."""
    return bool(((table.ordinal[1:] == table.ordinal[:-1]) & (table.series[1:] == table.series[:-1])).any())


def _without_empty(table: Table) -> Table:
    """The table without series whose targets are missing throughout, with a warning that names them."""
    n = len(table.ids[0]) if table.ids else 1
    alive = np.logical_or.reduceat(~np.isnan(table.target).all(axis=1), _row_offsets(table, n)[:-1])
    if alive.all():
        return table
    if not alive.any():
        raise DataError(f"{table.name}: no target is observed in the rows that are read", "read more (data.rows)")
    empty = np.flatnonzero(~alive)
    one = "1 series has" if len(empty) == 1 else f"{len(empty):,} series have"
    left_out = "is left out" if len(empty) == 1 else "are left out"
    log.warning("%s no observed target and %s: %s", one, left_out, listing(table.label(int(i)) for i in empty))
    keep = alive[table.series]
    covariates = {name: replace(c, values=c.values[keep]) for name, c in table.covariates.items()}
    return replace(
        table, series=(np.cumsum(alive) - 1)[table.series[keep]], ordinal=table.ordinal[keep],
        target=table.target[keep], covariates=covariates, ids=tuple(column[alive] for column in table.ids),
        phase=table.phase[alive],
    )  # fmt: skip


def _spread(table: Table, group: tuple[Covariate, ...], rows: NDArray[np.integer] | slice, total: int) -> Floats:
    """Covariates (total, columns), each value in its row; the first of several for a row, NaN where there is none."""
    columns = [table.covariates[covariate.name].values for covariate in group]
    out = np.full((total, len(group)), np.nan, dtype=precision.of_covariates(columns))
    for j, values in enumerate(columns):
        if isinstance(rows, slice):
            out[:, j] = values
            continue
        have = np.flatnonzero(~np.isnan(values))[::-1]  # reversed: the first one is written last
        out[rows[have], j] = values[have]
    return out


def _report(panel: Panel) -> None:
    """Warn of missing values and count them: nothing is filled in, they are masked."""
    if panel.observed.all():
        return
    starts, steps = panel.offsets[:-1], int(panel.lengths.sum())
    seen_first, _ = panel.span()
    for c, name in enumerate(panel.schema.target):
        missing = panel.lengths - np.add.reduceat(panel.observed[:, c], starts, dtype=np.int64)
        never = panel.never[:, c]
        leading = int((seen_first[:, c] - starts)[~never].sum())
        if missing.sum():
            several = f" in {np.count_nonzero(missing)} of {len(missing)} series" if len(missing) > 1 else ""
            log.warning(
                "%d of %d steps of '%s' are missing%s; they are masked, not filled%s", missing.sum(), steps, name,
                several, f"; {leading} of them lie before the first value" if leading else "",
            )  # fmt: skip
        if never.any():
            which = f" of {listing(panel.label(int(i)) for i in np.flatnonzero(never))}" if panel.ids else ""
            log.warning("'%s'%s has no observed value: its forecasts there are empty", name, which)


def _report_ends(panel: Panel, table: Table) -> None:
    """Warn of series and targets that end before others, and say from where they are forecast."""
    last = panel.first + panel.lengths - 1
    early = np.flatnonzero(last < last.max())
    if len(early):
        ends = [f"{panel.label(int(i))} at {table.time(int(last[i]), int(i))}" for i in early[:MOST_NAMED]]
        log.warning(
            "%d of %d series end before the others, which end at %s: %s%s; each is forecast from its own end on",
            len(early), len(panel), table.time(int(last.max())), ", ".join(ends),
            f" and {len(early) - MOST_NAMED} more" if len(early) > MOST_NAMED else "",
        )  # fmt: skip
    _, seen_last = panel.span()
    for c, name in enumerate(panel.schema.target):
        behind = np.where(panel.never[:, c], 0, panel.ends - 1 - seen_last[:, c])
        if behind.any():
            several = f" of {np.count_nonzero(behind)} series" if len(panel) > 1 else ""
            log.warning(
                "'%s' ends up to %d steps before the other targets%s: it is forecast for the same times as they are",
                name, behind.max(), several,
            )  # fmt: skip


def _report_tail(table: Table, last: Ints) -> None:
    """Warn of rows that hold nothing known in advance. last: the grid position of each series behind which they lie."""
    late = table.ordinal > last[table.series]
    which = np.unique(table.series[late])
    of = f" of {len(which)} series" if len(which) > 1 else f" of series {table.label(which[0])}" if table.ids else ""
    log.warning("the last %d rows%s have no target; the forecast begins after the last one that has", late.sum(), of)
