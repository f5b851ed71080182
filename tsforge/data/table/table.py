"""A checked, tidy table: its rows sorted by series and time and placed on a regular grid."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsforge.data.schema import Covariate, DataConfig, Schema, TimePart
from tsforge.data.table import duplicates, steps
from tsforge.data.table.checks import Rows
from tsforge.data.table.choosing import Times
from tsforge.data.table.clock import on_clock
from tsforge.data.table.composing import compose, spelled, with_time
from tsforge.data.table.groups import Contents, Values
from tsforge.data.table.reading import Frame, give_back, read
from tsforge.data.table.resampling import resample
from tsforge.data.table.roles import Roles, check_columns, detect
from tsforge.data.table.snapping import snap
from tsforge.data.table.times import parse_times, show_time
from tsforge.data.table.values import Column, Kind, covariate, numbers, series
from tsforge.data.time import calendar
from tsforge.errors import DataError, listing

log = logging.getLogger("tsforge")


@dataclass(frozen=True)
class Table:
    """Rows sorted by series (in order of first appearance) and time, on the grid of the schema.

    series, ordinal: code and grid position of each row, (N,).
    target: (N, C), NaN where missing.
    covariates: values by column, (N,) each.
    ids: one array per id column, (n,) each, in the input's types.
    phase: how far each series lies off the grid, (n,), as `Panel.phase`.
    """

    schema: Schema
    name: str
    series: NDArray[np.integer]
    ordinal: NDArray[np.integer]
    target: NDArray[np.float64]
    covariates: dict[str, Column]
    ids: tuple[NDArray[Any], ...]
    phase: NDArray[np.int64]
    unused: tuple[str, ...] = ()

    def label(self, code: int) -> str:
        """Series `code` in words, for messages; empty when the table holds a single unnamed series."""
        return " ".join(str(column[code]) for column in self.ids)

    def time(self, ordinal: int, code: int = 0) -> str:
        """A grid position of series `code` as the table writes its times."""
        return show_time(self.schema.frequency.stamps(np.array([ordinal]))[0] + self.phase[code], self.schema)


def load(source: Any, config: DataConfig) -> Table:
    """Read and check a table for fitting, detecting what `config` leaves open.

    source: path of a CSV or Parquet file, or a pandas or Polars frame.
    Raises DataError for anything that would make a forecast wrong.
    """
    frame, config = compose(read(source, config.decimal), config)
    table = arrange(frame, detect(frame, config), config)
    del frame
    give_back()
    return table if config.rows is None else head(table, config.rows)


def head(table: Table, steps: int) -> Table:
    """A table cut to the first steps of each series' grid, with a warning that counts the rows left out."""
    starts = np.flatnonzero(np.r_[True, table.series[1:] != table.series[:-1]])
    first = np.repeat(table.ordinal[starts].astype(np.int64), np.diff(np.r_[starts, len(table.series)]))
    keep = table.ordinal < first + steps
    if keep.all():
        return table
    log.warning("only the first %s steps of each series are used: %d rows are left out", str(steps), int((~keep).sum()))
    covariates = {name: replace(c, values=c.values[keep]) for name, c in table.covariates.items()}
    return replace(
        table, series=table.series[keep], ordinal=table.ordinal[keep], target=table.target[keep], covariates=covariates
    )


def arrange(frame: Frame, roles: Roles, config: DataConfig) -> Table:
    """Check and sort a frame whose columns have their roles, and place its rows on a grid."""
    times = parse_times(frame, roles.time, config)
    if config.resample is None and config.aggregate != "mean":
        log.warning("data.aggregate=%s changes nothing without data.resample", config.aggregate)
    return _arrange(frame, roles, times, config, None)


def load_like(source: Any, schema: Schema) -> Table:
    """Read and check a table with the columns, types and grid of `schema`, as when predicting.

    source: as for `load`, or what was read of it.
    """
    frame = source if isinstance(source, Frame) else read(source, usual=schema.decimal)
    return _arrange(*_like(frame, schema), DataConfig(duplicates=schema.duplicates, snap=schema.snap), schema)


def _like(frame: Frame, schema: Schema) -> tuple[Frame, Roles, Times]:
    """A frame with its columns in the roles of a schema, and its times read as that has them."""
    check_columns(frame, schema.columns())
    if schema.time_parts:
        frame, _ = with_time(frame, schema.time_columns)
    past, future, static = (tuple(c.name for c in group) for group in (schema.past, schema.future, schema.static))
    roles = Roles(schema.time, schema.id, schema.target, past, future, static, unused=())
    written = schema.time_format if schema.time_parts else None
    times = parse_times(frame, schema.time, DataConfig(timezone=schema.timezone, time_format=written), schema)
    if times.kind != schema.time_kind:
        column = f"{frame.name}: column '{schema.time}' holds times of kind {times.kind}"
        hint = "write the times as in the training data"
        of = "other files hold" if frame.part else "the model was fitted on"
        raise DataError(f"{column}, {of} {schema.time_kind}", hint)
    if times.timezone is not None and schema.timezone is None:
        hint = "the training data had none: write the times as there"
        raise DataError(f"{frame.name}: column '{schema.time}' has a time zone ({times.timezone})", hint)
    return frame, roles, times


def load_part(frame: Frame, schema: Schema, freq: str | None) -> Table:
    """Read and check a part of the table that has a schema: all the rows of some of its series.

    freq: the frequency that the user names, on whose grid more than half may be empty.
    """
    times = _like(frame, schema)
    config = DataConfig(duplicates=schema.duplicates, snap=schema.snap, freq=freq)
    return _arrange(*times, config, schema)


def _arrange(frame: Frame, roles: Roles, times: Times, config: DataConfig, fitted: Schema | None) -> Table:
    """Sort, check and type the rows of a frame, and make them one for each series and step of a grid."""
    codes, ids = series(frame, roles.id)
    stamps = times.stamps
    order = None
    if not _in_order(codes, stamps):
        order = np.lexsort((stamps, codes))
        codes, stamps = codes[order], stamps[order]
    draft = Schema(
        time=roles.time, time_kind=times.kind, time_format=times.format, timezone=times.timezone,
        local=times.local, time_parts=_parts(frame, times, fitted), id=roles.id, target=roles.target,
        duplicates=config.joining, frequency=calendar.Frequency(unit="int", step=1),
    )  # fmt: skip
    rows = on_clock(Rows(frame, draft, codes, stamps, order, ids), fitted)
    longer = config.resample is not None or (fitted is not None and fitted.resampling is not None)
    rows, grid = snap(rows, config, fitted) if config.snap and not longer else (rows, None)
    contents = _targets(rows, roles.target, fitted)
    covariates, typed = _covariates(rows, roles, fitted)
    for name, column in covariates.items():
        contents[name] = Values(column.values, "static" if name in roles.static else typed[name].kind)
    rows, contents = duplicates.join(rows, contents, config.joining, fitted=fitted is not None)
    if longer:
        rows, contents = resample(rows, contents, config, fitted)
        frequency = rows.schema.frequency
    else:
        frequency = grid or steps.common(rows, config.freq if fitted is None else None, fitted)
        if frame.part and config.freq is None:
            steps.check_same(rows, frequency)
    phase = rows.phases(frequency)
    if fitted is not None and not fitted.phases:
        phase[:] = 0
    ordinal, on_grid = rows.positions(frequency)
    if phase.any():
        ordinal, on_grid = frequency.ordinals(rows.stamps - phase[rows.codes])
    rows.check_grid(on_grid, frequency)
    rows.check_size(ordinal, frequency)
    if config.freq is None and (fitted is None or fitted.dense or frame.part):
        rows.check_filled(ordinal, frequency, fitted)
    groups = {group: tuple(typed[n] for n in getattr(roles, group)) for group in ("past", "future", "static")}
    schema = rows.schema.model_copy(
        update={
            **groups,
            "frequency": frequency,
            "decimal": frame.sign,
            "dense": rows.filled(ordinal),
            "phases": bool(phase.any()),
            "hierarchy": config.hierarchy if fitted is None else fitted.hierarchy,
        }
    )
    _report_unused(frame, roles)
    targets = [contents[name].values for name in roles.target]
    target = np.zeros((len(ordinal), 0))  # rows ahead have none
    if targets:
        target = targets[0][:, None] if len(targets) == 1 else np.stack(targets, axis=1)
    covariates = {name: replace(column, values=contents[name].values) for name, column in covariates.items()}
    if phase.any() and fitted is None:
        log.warning("series begin at different places in a step of %s, and each keeps its own", frequency.name)
    return Table(schema, frame.name, rows.codes, ordinal, target, covariates, rows.ids, phase, roles.unused)


def _report_unused(frame: Frame, roles: Roles) -> None:
    """Warn of the columns without a role; of those without a value apart, as no role suits them."""
    empty = [name for name in roles.unused if frame.is_empty(name)]
    if unused := [name for name in roles.unused if name not in empty]:
        log.warning("not used: %s (name them with data.past, data.future or data.static)", listing(unused))
    if empty:
        log.warning("without any value: %s", listing(empty))


def _in_order(codes: NDArray[np.integer], stamps: NDArray[Any]) -> bool:
    """True where rows are sorted by series and time, as most tables are."""
    earlier = (codes[1:] == codes[:-1]) & (stamps[1:] < stamps[:-1])
    return not (earlier | (codes[1:] < codes[:-1])).any()


def _parts(frame: Frame, times: Times, fitted: Schema | None) -> tuple[TimePart, ...]:
    """The columns that make up the times, as they are written in the table that a model is fitted on."""
    if fitted is not None:
        return fitted.time_parts
    return spelled(frame, times.format or "") if frame.parts else ()


def _targets(rows: Rows, names: tuple[str, ...], fitted: Schema | None) -> Contents:
    """The targets of sorted rows. One of several may be missing throughout where a model is to forecast the others."""
    contents = {name: Values(rows.take(numbers(rows.frame, name)), "target") for name in names}
    empty = [name for name, column in contents.items() if np.isnan(column.values).all()]
    if empty and not rows.frame.part and (fitted is None or len(empty) == len(names)):
        message = f"column '{empty[0]}' is empty: all its {len(rows.codes):,} values are missing"
        raise DataError(f"{rows.frame.name}: {message}", "pass another data.target, or rows in which it has a value")
    return contents


def _covariates(rows: Rows, roles: Roles, fitted: Schema | None) -> tuple[dict[str, Column], dict[str, Covariate]]:
    """The covariates of sorted rows by name, and what they are: as asked for or fitted, else as their cells read."""
    kinds: dict[str, Kind] = dict.fromkeys(roles.category, "category")
    if fitted:
        kinds = {c.name: c.kind for c in (*fitted.past, *fitted.future, *fitted.static)}
    names = (*roles.past, *roles.future, *roles.static)
    covariates = {name: covariate(rows.frame, name, rows.order, kinds.get(name)) for name in names}
    for name in roles.static:
        rows.check_static(name, covariates[name].values)
    typed = {
        n: Covariate(name=n, kind=kinds.get(n) or ("category" if c.labels else "number")) for n, c in covariates.items()
    }
    return covariates, typed
