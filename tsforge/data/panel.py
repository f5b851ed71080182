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
from tsforge.data.room import MEMORY, Room
from tsforge.data.schema import Covariate, Schema
from tsforge.data.table.alive import Omitted, nothing_observed, repeats, row_offsets, without_empty
from tsforge.data.table.table import Table
from tsforge.data.table.times import show_time
from tsforge.errors import listing

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
    room: where its arrays lie, and those that are made of all its rows.
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
    room: Room = MEMORY

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

    def time(self, ordinal: int, i: int = 0) -> str:
        """A grid position of series i as its table writes times."""
        return show_time(self.stamps(i, np.array([ordinal]))[0], self.schema)

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
        parts: list[list[Ints]] = [[], []]
        for series, rows in blocks(self.offsets):
            sides = [edges(c, self.offsets[series.start : series.stop + 1] - rows.start) for c in self.observed[rows].T]
            first, last = (np.stack(side, axis=1) for side in zip(*sides, strict=True))
            parts[0].append(np.where(first < rows.stop - rows.start, first + rows.start, len(self.observed)))
            parts[1].append(np.where(last >= 0, last + rows.start, -1))
        return np.concatenate(parts[0]), np.concatenate(parts[1])

    def blocks(self, *marks: Ints | None) -> Iterator[tuple[Panel, list[Any]]]:
        """Panels of a few whole series each, and rows that mark something in each series, as these panels count them.

        marks: (n,) each.
        """
        for series, rows in blocks(self.offsets):
            yield self._part(series, rows), [None if mark is None else mark[series] - rows.start for mark in marks]

    def head(self, count: int) -> Panel:
        """The first series alone."""
        return self._part(slice(0, count), slice(0, int(self.offsets[count])))

    def _part(self, series: slice, rows: slice) -> Panel:
        own = {name: getattr(self, name)[rows] for name in ("values", "observed", "past", "future")}
        own |= {name: getattr(self, name)[series] for name in ("static", "first", "phase")}
        return replace(
            self, **own, room=MEMORY, offsets=self.offsets[series.start : series.stop + 1] - rows.start,
            ends=self.ends[series] - rows.start, ids=tuple(column[series] for column in self.ids),
        )  # fmt: skip

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
    panel, omitted = lay(table, extend)
    if panel is None:
        raise nothing_observed(table.name)
    tell(panel, omitted)
    return panel


def lay(table: Table, extend: int = 0, exact: type[np.floating] | None = None) -> tuple[Panel | None, Omitted]:
    """As `build`, with what is left out in place of warnings; None where no target is observed.

    exact: the precision of targets and covariates; that which they need where it is None.
    """
    name = table.name
    rest, empty = without_empty(table)
    if rest is None:
        return None, Omitted(empty)
    table, schema = rest, rest.schema
    observed: NDArray[np.bool_] = ~np.isnan(table.target)
    n = len(table.ids[0]) if table.ids else 1
    begins = row_offsets(table, n)  # rows are sorted by series
    first, last = (table.ordinal[rows].astype(np.int64) for rows in (begins[:-1], begins[1:] - 1))
    seen = edges(np.asarray(observed.any(axis=1)), begins)[1]
    last_seen = np.where(seen >= 0, table.ordinal[seen], first - 1)
    offsets = np.r_[0, np.cumsum(np.maximum(last, last_seen + extend) - first + 1)].astype(np.int64)

    total = int(offsets[-1])
    of_targets = exact or precision.of_targets(table.target, begins)
    if total == len(table.series) and not repeats(table):  # each row at its place
        rows: Ints | slice = slice(None)
        values = table.target.astype(of_targets)
        values[~observed] = 0.0
    else:
        rows = table.ordinal + (offsets[:-1] - first)[table.series]
        values, filled = np.zeros((total, len(schema.target)), dtype=of_targets), observed
        observed = np.zeros(values.shape, dtype=np.bool_)
        values[rows] = np.where(filled, table.target, 0.0)
        observed[rows] = filled
    past = _spread(table, schema.past, (rows, total), exact)
    future = _spread(table, schema.future, (rows, total), exact)
    static = _spread(table, schema.static, (table.series, n), exact)
    ends = offsets[:-1] + last_seen - first + 1
    labels = {name: column.labels for name, column in table.covariates.items() if column.labels}
    label_rows = {name: column.rows for name, column in table.covariates.items() if column.rows is not None}
    panel = Panel(
        schema, name, values, observed, past, future, static, offsets, first, ends, table.ids, labels, label_rows,
        table.phase,
    )  # fmt: skip
    if of_targets == np.float64 and exact is None:
        precision.report(table, begins)
    tail = (last > last_seen) & (seen >= 0)
    if not tail.any() or schema.future:
        return panel, Omitted(empty)
    late = table.ordinal > np.where(tail, last_seen, last)[table.series]
    return panel, Omitted(empty, int(late.sum()), tuple(table.label(int(i)) for i in np.flatnonzero(tail)))


def tell(panel: Panel, omitted: Omitted) -> None:
    """Warn of what is missing in a panel, of series that end early, and of what is not in it."""
    if count := len(omitted.empty):
        one = "1 series has" if count == 1 else f"{count:,} series have"
        left_out = "is left out" if count == 1 else "are left out"
        log.warning("%s no observed target and %s: %s", one, left_out, listing(omitted.empty))
    _report(panel)
    _report_ends(panel)
    if omitted.late:
        which = omitted.late_series
        of = f" of {len(which)} series" if len(which) > 1 else f" of series {which[0]}" if which[0] else ""
        log.warning("the last %d rows%s have no target; the forecast begins after the last one that has",
                    omitted.late, of)  # fmt: skip


def _spread(
    table: Table, group: tuple[Covariate, ...], to: tuple[NDArray[np.integer] | slice, int],
    exact: type[np.floating] | None,
) -> Floats:  # fmt: skip
    """Covariates (total, columns), each value in its row; the first of several for a row, NaN where there is none.

    to: the rows of the values, and the total.
    """
    rows, total = to
    columns = [table.covariates[covariate.name].values for covariate in group]
    out = np.full((total, len(group)), np.nan, dtype=exact or precision.of_covariates(columns))
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
    seen = np.concatenate([
        np.add.reduceat(part.observed, part.offsets[:-1], dtype=np.int64) for part, _ in panel.blocks()
    ])  # fmt: skip
    for c, name in enumerate(panel.schema.target):
        missing = panel.lengths - seen[:, c]
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


def _report_ends(panel: Panel) -> None:
    """Warn of series and targets that end before others, and say from where they are forecast."""
    last = panel.first + panel.lengths - 1
    early = np.flatnonzero(last < last.max())
    if len(early):
        ends = [f"{panel.label(int(i))} at {panel.time(int(last[i]), int(i))}" for i in early[:MOST_NAMED]]
        log.warning(
            "%d of %d series end before the others, which end at %s: %s%s; each is forecast from its own end on",
            len(early), len(panel), panel.time(int(last.max())), ", ".join(ends),
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
