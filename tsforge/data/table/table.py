"""A checked, tidy table: its rows sorted by series and time and placed on a regular grid."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from tsforge.data.schema import Covariate, DataConfig, Schema
from tsforge.data.table import duplicates
from tsforge.data.table.checks import Rows, numbers
from tsforge.data.table.groups import Cells, Columns
from tsforge.data.table.reading import Frame, read
from tsforge.data.table.resampling import resample
from tsforge.data.table.roles import Roles, check_columns, detect
from tsforge.data.table.times import Times, parse_times, show_time
from tsforge.data.time import calendar
from tsforge.errors import DataError, listing

log = logging.getLogger("tsforge")

_NO_CATEGORY = ("", "NaN", "nan", "NA", "<NA>")  # all other words are categories: none, missing, -


@dataclass(frozen=True)
class Column:
    """The values of a covariate: numbers, or codes into `labels`; NaN where missing."""

    values: NDArray[np.float64]  # (N,)
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """Rows sorted by series (in order of first appearance) and time, on the grid of the schema.

    series, ordinal: code and grid position of each row, (N,).
    target: (N, C), NaN where missing.
    covariates: values by column, (N,) each.
    ids: one array per id column, (n,) each, in the input's types.
    """

    schema: Schema
    name: str
    series: NDArray[np.int64]
    ordinal: NDArray[np.int64]
    target: NDArray[np.float64]
    covariates: dict[str, Column]
    ids: tuple[NDArray[Any], ...]
    unused: tuple[str, ...] = ()

    def label(self, code: int) -> str:
        """Series `code` in words, for messages; empty when the table holds a single unnamed series."""
        return " ".join(str(column[code]) for column in self.ids)

    def time(self, ordinal: int) -> str:
        """A grid position as the table writes its times."""
        return show_time(self.schema.frequency.stamps(np.array([ordinal]))[0], self.schema)


def load(source: Any, config: DataConfig) -> Table:
    """Read and check a table for fitting, detecting what `config` leaves open.

    source: path of a CSV or Parquet file, or a pandas or Polars frame.
    Raises DataError for anything that would make a forecast wrong.
    """
    frame = read(source)
    table = arrange(frame, detect(frame, config), config)
    return table if config.rows is None else head(table, config.rows)


def head(table: Table, steps: int) -> Table:
    """A table cut to the first steps of each series' grid, with a warning that counts the rows left out."""
    starts = np.flatnonzero(np.r_[True, table.series[1:] != table.series[:-1]])
    first = np.repeat(table.ordinal[starts], np.diff(np.r_[starts, len(table.series)]))
    keep = table.ordinal < first + steps
    if keep.all():
        return table
    log.warning("only the first %d steps of each series are used: %d rows are left out", steps, int((~keep).sum()))
    covariates = {name: replace(c, values=c.values[keep]) for name, c in table.covariates.items()}
    return replace(
        table, series=table.series[keep], ordinal=table.ordinal[keep], target=table.target[keep], covariates=covariates
    )


def arrange(frame: Frame, roles: Roles, config: DataConfig) -> Table:
    """Check and sort a frame whose columns have their roles, and place its rows on a grid."""
    times = parse_times(frame, roles.time, config.timezone)
    return _arrange(frame, roles, times, config, None)


def load_like(source: Any, schema: Schema) -> Table:
    """Read and check a table with the columns, types and grid of `schema`, as when predicting."""
    frame = read(source)
    check_columns(frame, schema.columns())
    past, future, static = (tuple(c.name for c in group) for group in (schema.past, schema.future, schema.static))
    roles = Roles(schema.time, schema.id, schema.target, past, future, static, unused=())
    times = parse_times(frame, schema.time, schema.timezone, schema)
    if times.kind != schema.time_kind:
        column = f"{frame.name}: column '{schema.time}' holds times of kind {times.kind}"
        hint = "write the times as in the training data"
        raise DataError(f"{column}, the model was fitted on {schema.time_kind}", hint)
    if times.timezone is not None and schema.timezone is None:
        hint = "the training data had none: write the times as there"
        raise DataError(f"{frame.name}: column '{schema.time}' has a time zone ({times.timezone})", hint)
    return _arrange(frame, roles, times, DataConfig(duplicates=schema.duplicates), schema)


def _arrange(frame: Frame, roles: Roles, times: Times, config: DataConfig, fitted: Schema | None) -> Table:
    """Sort, check and type the rows of a frame, and make them one for each series and step of a grid."""
    codes, ids = _series(frame, roles.id)
    order = np.lexsort((times.stamps, codes))
    draft = Schema(
        time=roles.time, time_kind=times.kind, time_format=times.format, timezone=times.timezone,
        local=times.local, id=roles.id, target=roles.target, duplicates=config.duplicates,
        frequency=calendar.Frequency(unit="int", step=1),
    )  # fmt: skip
    rows = _on_clock(Rows(frame, draft, codes[order], times.stamps[order], order, ids), fitted)
    columns, labels = _columns(rows, roles, fitted)
    rows, columns = duplicates.join(rows, columns, config.duplicates)
    if config.resample is not None or (fitted is not None and fitted.resampling is not None):
        rows, columns = resample(rows, columns, config, fitted)
        frequency = rows.schema.frequency
    else:
        frequency = rows.frequency(config.freq, fitted)
    ordinal, on_grid = frequency.ordinals(rows.stamps)
    rows.check_grid(on_grid, frequency)
    rows.check_size(ordinal, frequency)
    kinds = _kinds(labels, fitted)
    groups = {group: tuple(kinds[n] for n in getattr(roles, group)) for group in ("past", "future", "static")}
    schema = rows.schema.model_copy(update={**groups, "frequency": frequency})
    if roles.unused:
        log.warning("not used: %s (name them with data.past, data.future or data.static)", listing(roles.unused))
    target = np.stack([columns[name].values for name in roles.target], axis=1)
    covariates = {name: Column(columns[name].values, labels[name]) for name in labels}
    return Table(schema, frame.name, rows.codes, ordinal, target, covariates, rows.ids, roles.unused)


def _columns(rows: Rows, roles: Roles, fitted: Schema | None) -> tuple[Columns, dict[str, tuple[str, ...]]]:
    """Targets and covariates of sorted rows, and the texts behind the codes of each covariate; none of numbers."""
    frame, order = rows.frame, rows.order
    columns = {name: Cells(numbers(frame, name)[order], "target") for name in roles.target}
    empty = [name for name, cells in columns.items() if np.isnan(cells.values).all()]
    if empty and (fitted is None or len(empty) == len(columns)):
        missing = f"column '{empty[0]}' is empty: all its {len(order):,} values are missing"
        raise DataError(f"{frame.name}: {missing}", "pass another data.target, or bring rows in which it has a value")
    kinds = {c.name: c.kind for c in (*fitted.past, *fitted.future, *fitted.static)} if fitted else {}
    covariates = {n: _covariate(frame, n, order, kinds.get(n)) for n in (*roles.past, *roles.future, *roles.static)}
    for name, covariate in covariates.items():
        if name in roles.static:
            rows.check_static(name, covariate.values)
            columns[name] = Cells(covariate.values, "static")
        else:
            columns[name] = Cells(covariate.values, "category" if covariate.labels else "number")
    return columns, {name: covariate.labels for name, covariate in covariates.items()}


def _kinds(labels: dict[str, tuple[str, ...]], fitted: Schema | None) -> dict[str, Covariate]:
    """The covariates by name: as fitted, else categories where there are texts."""
    kinds = {c.name: c for c in (*fitted.past, *fitted.future, *fitted.static)} if fitted else {}
    return {n: kinds.get(n) or Covariate(name=n, kind="category" if texts else "number") for n, texts in labels.items()}


def _on_clock(rows: Rows, fitted: Schema | None) -> Rows:
    """The rows with stamps of the grid they lie on: local days where they are that far apart, else UTC."""
    schema, stamps = rows.schema, rows.stamps
    if schema.timezone is None:
        return rows
    wall_grid = calendar.counts_days(stamps, rows.new_series)
    if fitted is not None:
        wall_grid = fitted.resampling.wall_grid if fitted.resampling else fitted.wall_grid
    if wall_grid and not schema.local:
        stamps = calendar.wall_clock(stamps, schema.timezone)
    elif schema.local and not wall_grid:
        if schema.duplicates != "error":
            duplicates.check_repeated_hour(rows)
        stamps, nowhere = calendar.localise(stamps, rows.codes, rows.order, schema.timezone)
        if len(nowhere):
            naive = replace(rows, schema=schema.model_copy(update={"timezone": None, "local": False}))
            raise DataError(
                f"{rows.frame.name}: {naive.where(int(nowhere[0]))} does not exist in "
                f"{schema.timezone}, where the clock is put forward over it",
                "name the zone in which the times are written, or leave out data.timezone",
            )
    again = np.lexsort((stamps, rows.codes))  # local times of a repeated hour come in pairs
    schema = schema.model_copy(update={"wall_grid": wall_grid})
    return replace(rows, codes=rows.codes[again], stamps=stamps[again], order=rows.order[again], schema=schema)


def _series(frame: Frame, names: tuple[str, ...]) -> tuple[NDArray[np.int64], tuple[NDArray[Any], ...]]:
    """The code of each row and the distinct ids by column, in order of first appearance."""
    if not names:
        return np.zeros(len(frame.data), dtype=np.int64), ()
    keys = {n: _id_column(frame, n) for n in names}
    codes = np.zeros(len(frame.data), dtype=np.int64)
    for name, column in keys.items():
        part, distinct = pd.factorize(column)
        missing = np.flatnonzero(part < 0)
        if len(missing):
            hint = "fill in the id or delete the row"
            raise DataError(f"{frame.name}: no series id in {frame.row(int(missing[0]))}, column '{name}'", hint)
        codes = pd.factorize(codes * len(distinct) + part)[0].astype(np.int64)
    first = np.zeros(int(codes.max()) + 1, dtype=np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # reversed: the first row is written last
    return codes, tuple(column.iloc[first].to_numpy() for column in keys.values())


def _id_column(frame: Frame, name: str) -> pd.Series:
    """An id column, as the file writes it where reading would change it, as 007 or the country NA."""
    column = frame.data[name]
    number = types.is_numeric_dtype(column)
    if not frame.text:
        return column
    if not number and not column.isna().any():
        return column.astype(str).str.strip()
    raw = frame.as_text(name)
    distinct, plain = raw.unique(), column.dropna().unique()
    same = number and len(distinct) == len(plain) and set(distinct) == set(map(str, plain))
    return column if same else raw.where(raw != "")


def _covariate(frame: Frame, name: str, order: NDArray[np.intp], kind: str | None) -> Column:
    """Numbers as they are; anything else as codes into its sorted texts, each looked at once."""
    column = frame.data[name]
    number = types.is_numeric_dtype(column) and not types.is_bool_dtype(column)
    if kind == "number" or (kind is None and number):
        return Column(numbers(frame, name)[order])
    where, distinct = pd.factorize(frame.categories(name))
    texts = np.array([_label(value) for value in distinct], dtype=object).astype(str)
    named = ~np.isin(texts, _NO_CATEGORY)
    labels = np.unique(texts[named])
    code_of = np.where(named, np.searchsorted(labels, texts), np.nan)
    codes = np.where(where < 0, np.nan, code_of[where] if len(code_of) else np.nan)
    return Column(codes.astype(np.float64)[order], tuple(map(str, labels)))


def _label(value: object) -> str:
    """A category in words; 1.0 is 1, as a column of whole numbers with a gap reads."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
