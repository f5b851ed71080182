"""Rows to longer steps: hours to days, days to months, events to weeks; with every incomplete step counted.

mean, sum    of targets; numeric covariates have their mean, categories their last value
first, last  the period in which a series begins or ends is left out where its rows do not fill it
gaps         a sum over missing steps is missing; a mean is of what is there
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsforge.data.schema import DataConfig, Resampling, Schema
from tsforge.data.table.checks import Rows
from tsforge.data.table.duplicates import check_size
from tsforge.data.table.groups import Contents, Floats, Groups, runs
from tsforge.data.time import frequency, periods
from tsforge.data.time.calendar import DAY, Frequency, Ints, wall_clock
from tsforge.errors import DataError, listing

log = logging.getLogger("tsforge")

Flags = NDArray[np.bool_]


class Pieces(NamedTuple):
    """The rows of each series and period, G of them, and the shorter steps that they are.

    codes, ordinals (G,): the series and the period.
    position (N,): the step of each row. first, beyond (G,): the first step of each period, and the first after it.
    Rows that follow no grid are steps themselves: then every period is filled.
    """

    groups: Groups
    codes: NDArray[np.integer]
    ordinals: Ints
    position: Ints
    first: Ints
    beyond: Ints

    @property
    def begins(self) -> Flags:
        """Whether a piece is the first of its series, (G,)."""
        first: Flags = np.r_[True, self.codes[1:] != self.codes[:-1]]
        return first

    def cut_off(self, there: Flags) -> Flags:
        """Pieces in which the rows that are there begin or end for their series, short of the period's edge, (G,)."""
        lowest = np.minimum.reduceat(np.where(there, self.position, np.iinfo(np.int64).max), self.groups.starts)
        highest = np.maximum.reduceat(np.where(there, self.position, np.iinfo(np.int64).min), self.groups.starts)
        pieces = np.flatnonzero(highest >= lowest)
        other = self.codes[pieces][1:] != self.codes[pieces][:-1]
        cut = np.zeros(len(self.codes), dtype=np.bool_)
        begin, end = pieces[np.r_[True, other]], pieces[np.r_[other, True]]
        cut[begin[lowest[begin] > self.first[begin]]] = True
        cut[end[highest[end] < self.beyond[end] - 1]] = True
        return cut


def resample(rows: Rows, columns: Contents, config: DataConfig, fitted: Schema | None) -> tuple[Rows, Contents]:
    """Rows and columns with one row for each series and period; their schema says how they came about.

    config: names the longer steps and what is taken of targets, where nothing is fitted.
    fitted: of a model, whose periods and steps these must be.
    Raises DataError where the rows' steps are not shorter, or fill no period.
    """
    plan, grid = _plan(rows, config, fitted)
    on_clock = rows.schema.timezone is not None and not rows.schema.wall_grid and periods.counts_days(grid)
    zone = rows.schema.timezone if on_clock else None
    ordinals, somewhere = periods.period_of(grid, wall_clock(rows.stamps, zone))
    if not somewhere.all():
        row = rows.where(int(np.flatnonzero(~somewhere)[0]))
        raise DataError(f"{rows.frame.name}: {row} lies in no step of {grid.name}", "pass data.resample=D")
    again = np.lexsort((ordinals, rows.codes))  # a clock put back over midnight shows the day before once more
    rows = replace(rows, stamps=rows.stamps[again], order=rows.picked(again))
    columns = {name: cells._replace(values=cells.values[again]) for name, cells in columns.items()}
    pieces = _pieces(rows, ordinals[again], (grid, plan.source), zone)
    incomplete = np.zeros(len(pieces.codes), dtype=np.bool_)
    if plan.source is not None:
        incomplete = pieces.cut_off(np.ones(len(rows.stamps), dtype=np.bool_))
    if incomplete.all():
        shortest = f"no series has rows for a whole step of {grid.name}"
        raise DataError(f"{rows.frame.name}: {shortest}", "bring more rows, or pass a shorter data.resample")
    wall_grid = rows.schema.wall_grid or on_clock
    schema = rows.schema.model_copy(update={"frequency": grid, "wall_grid": wall_grid, "resampling": plan})
    rows = replace(rows, schema=schema)
    _report(pieces, grid, plan, zone)
    rows, columns = _left(rows, _aggregated(rows, columns, pieces, incomplete), pieces, ~incomplete)
    _check_left(rows, columns, fitted)
    return rows, columns


def _plan(rows: Rows, config: DataConfig, fitted: Schema | None) -> tuple[Resampling, Frequency]:
    """How rows become steps of which grid: as with the model, or as asked for and as the rows show."""
    schema = rows.schema
    if fitted is not None:
        assert fitted.resampling is not None
        plan = fitted.resampling
        if plan.source is not None:
            rows.frequency(None, fitted.model_copy(update={"frequency": plan.source}))
        return plan, fitted.frequency
    assert config.resample is not None
    numeric = schema.time_kind != "datetime"
    first = rows.stamps.min()
    zone = None if schema.wall_grid else schema.timezone
    local = first if numeric else wall_clock(np.array([first]), zone)[0]
    grid = periods.parse(config.resample, local, numeric=numeric)
    if zone is not None and not periods.counts_days(grid):  # counted from a local midnight, on the grid of UTC
        midnight = periods.instants(np.array([local // DAY * DAY]), zone)[0]
        grid = grid.model_copy(update={"anchor": int(midnight) % int(grid.step)})
    source = _steps(rows, config.freq)
    if source is not None:
        periods.check_longer(config.resample, grid, source)
    return Resampling(aggregate=config.aggregate, source=source, wall_grid=schema.wall_grid), grid


def _steps(rows: Rows, name: str | None) -> Frequency | None:
    """The grid that the rows are steps of: the one named, else the one that they fill at least half of, or none."""
    if name is not None:
        return rows.frequency(name, None)
    source, _ = frequency.infer(rows.stamps, rows.new_series, rows.schema.time_kind)
    if source is None:
        return None
    ordinals, on_grid = source.ordinals(rows.stamps)
    return source if on_grid.all() and rows.filled(ordinals) else None


def _pieces(rows: Rows, ordinals: Ints, grids: tuple[Frequency, Frequency | None], zone: str | None) -> Pieces:
    """The rows by series and period.

    grids: of the periods, and of the rows where they follow one.
    zone: whose clock the periods follow and the rows do not.
    """
    grid, source = grids
    groups = runs(rows.codes, ordinals)
    codes, held = rows.codes[groups.starts], ordinals[groups.starts]
    if source is None:
        position = np.arange(groups.rows)
        return Pieces(groups, codes, held, position, groups.starts, groups.starts + groups.sizes)
    position, on_grid = source.ordinals(rows.stamps)
    rows.check_grid(on_grid, source)
    rows.check_size(position, source)
    distinct, where = np.unique(held, return_inverse=True)
    edges: tuple[NDArray[Any], ...] = periods.bounds(grid, distinct)
    if zone is not None:
        edges = tuple(periods.instants(edge, zone) for edge in edges)
    first, beyond = (periods.first_from(source, edge)[where] for edge in edges)
    return Pieces(groups, codes, held, position, first, beyond)


def _aggregated(rows: Rows, columns: Contents, pieces: Pieces, incomplete: Flags) -> Contents:
    """The columns with a value for each piece. Warns of what is cut off or has gaps, and counts it."""
    plan = rows.schema.resampling or Resampling()
    values: Contents = {}
    partial = incomplete.copy()
    gaps: list[str] = []
    name = rows.schema.frequency.name
    for column, cells in columns.items():
        if cells.kind == "target":
            of, lacking, cut = _target(cells.values, pieces, plan)
            check_size(rows, column, of)
            partial |= cut
            if count := int((lacking & ~incomplete).sum()):
                gaps.append(f"{count:,} of '{column}'")
        elif cells.kind == "number":
            of = pieces.groups.mean(cells.values)
        else:
            of = pieces.groups.last_seen(cells.values)
        values[column] = cells._replace(values=of)
    if partial.any():
        series = len(np.unique(pieces.codes[partial]))
        several = f" of {series} series" if series > 1 else ""
        left_out = f"{int(partial.sum()):,} incomplete steps of {name}{several} are left out"
        log.warning("%s: the rows begin or end within them", left_out)
    if gaps:
        so = "are missing" if plan.aggregate == "sum" else "are the mean of what is there"
        log.warning("steps of %s that lack some of their rows %s: %s", name, so, listing(gaps))
    return values


def _target(values: Floats, pieces: Pieces, plan: Resampling) -> tuple[Floats, Flags, Flags]:
    """Sums or means of a target; which of them have gaps, and which are left out as it begins or ends there."""
    groups = pieces.groups
    count = groups.seen(values)
    cut = np.zeros(len(count), dtype=np.bool_)
    if plan.source is not None:
        cut = pieces.cut_off(~np.isnan(values))
    lacking = (count > 0) & (count < pieces.beyond - pieces.first) & ~cut
    of = groups.sum(values) if plan.aggregate == "sum" else groups.mean(values)
    of[cut | (lacking & (plan.aggregate == "sum"))] = np.nan
    return of, lacking, cut


def _left(rows: Rows, columns: Contents, pieces: Pieces, keep: Flags) -> tuple[Rows, Contents]:
    """One row for each piece that is kept; series without any are left out, with a warning."""
    labels, codes = np.unique(pieces.codes[keep], return_inverse=True)
    if len(labels) <= int(pieces.codes[-1]):
        gone = np.setdiff1d(pieces.codes, labels)
        names = listing([" ".join(str(ids[i]) for ids in rows.ids) for i in gone])
        log.warning("%d series have rows for no whole step of %s and are left out: %s",
                    len(gone), rows.schema.frequency.name, names)  # fmt: skip
    columns = {name: cells._replace(values=cells.values[keep]) for name, cells in columns.items()}
    stamps = rows.schema.frequency.stamps(pieces.ordinals[keep])
    order = rows.picked(pieces.groups.starts[keep])
    ids = tuple(column[labels] for column in rows.ids)
    return replace(rows, codes=codes, stamps=stamps, order=order, ids=ids), columns


def _check_left(rows: Rows, columns: Contents, fitted: Schema | None) -> None:
    """Raises DataError where no step of a target is left, or of none of several that a model has."""
    targets = {name: column.values for name, column in columns.items() if column.kind == "target"}
    empty = [name for name, values in targets.items() if np.isnan(values).all()]
    if not empty or (fitted is not None and len(empty) < len(targets)):
        return
    plan, name = rows.schema.resampling, rows.schema.frequency.name
    message = f"every step of {name} lacks some of its values of '{empty[0]}'"
    if plan is None or plan.source is None or plan.aggregate == "mean":
        raise DataError(f"{rows.frame.name}: {message}", "bring more rows, or pass another data.resample")
    hint = f"pass data.aggregate=mean, or data.freq if the rows are no steps of {plan.source.name}"
    raise DataError(f"{rows.frame.name}: {message}, so that no sum is whole", hint)


def _report(pieces: Pieces, grid: Frequency, plan: Resampling, zone: str | None) -> None:
    """Say what became of the rows, on whose clock, and how many periods hold none where they follow no grid."""
    rows, steps = f"{pieces.groups.rows:,}", f"{len(pieces.codes):,}"
    clock = f" on the clock of {zone}" if zone is not None else ""
    log.info("%s rows become %s steps of %s%s: the %s of each", rows, steps, grid.name, clock, plan.aggregate)
    if plan.source is None:
        holes = int((np.diff(pieces.ordinals)[~pieces.begins[1:]] - 1).sum())
        without = f"; {holes:,} steps of {grid.name} without rows are missing" if holes else ""
        log.warning("the rows follow no regular grid, so that steps of %s may be incomplete%s", grid.name, without)
