"""A checked, tidy table: sorted by series and time, every mistake named by file, column, row, series and time."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from tsforge.data import calendar
from tsforge.data.detection import Roles, check_columns, detect
from tsforge.data.reading import Frame, read
from tsforge.data.schema import Covariate, DataConfig, Schema
from tsforge.data.times import Times, counts_days, parse_times, show_time
from tsforge.errors import DataError, listing

log = logging.getLogger("tsforge")


@dataclass(frozen=True)
class Column:
    """A covariate as read: numbers, or codes into `labels`; NaN where missing."""

    values: NDArray[np.float64]  # (N,)
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """Rows sorted by series (in order of first appearance) and time, on the grid of the schema.

    series (N,) code of each row; ordinal (N,) its grid position; target (N, C), NaN where missing.
    covariates: column name to (N,) values. ids: one array per id column, (n,) each, in the input's types.
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
    return tidy(frame, detect(frame, config), config)


def tidy(frame: Frame, roles: Roles, config: DataConfig) -> Table:
    """The second half of `load`: check and sort a frame whose columns have their roles."""
    times = parse_times(frame, roles.time, config.timezone)
    return _tidy(frame, roles, times, config.freq, None)


def load_like(source: Any, schema: Schema) -> Table:
    """Read and check a table with the columns, types and grid of `schema`, as when predicting."""
    frame = read(source)
    check_columns(frame, schema.columns())
    roles = Roles(
        schema.time, schema.id, schema.target, *(tuple(c.name for c in g) for g in _groups(schema)), unused=()
    )
    times = parse_times(frame, schema.time, schema.timezone)
    if times.kind != schema.time_kind:
        raise DataError(
            f"{frame.name}: column '{schema.time}' holds times of kind {times.kind}, the model was fitted on "
            f"{schema.time_kind}",
            "write the times as in the training data",
        )
    return _tidy(frame, roles, times, None, schema)


def _groups(schema: Schema) -> tuple[tuple[Covariate, ...], ...]:
    return schema.past, schema.future, schema.static


def _tidy(frame: Frame, roles: Roles, times: Times, freq: str | None, known: Schema | None) -> Table:
    """Sort, check and type the rows of a frame."""
    codes, ids = _series(frame, roles.id)
    order = np.lexsort((times.stamps, codes))
    codes, stamps = codes[order], times.stamps[order]
    new_series = np.r_[True, codes[1:] != codes[:-1]]
    wall_grid = times.kind == "datetime" and times.timezone is not None and counts_days(stamps, new_series)
    if known is not None:
        wall_grid = known.wall_grid
    if wall_grid:
        stamps = calendar.wall_clock(stamps, times.timezone)
    draft = Schema(
        time=roles.time, time_kind=times.kind, time_format=times.format, timezone=times.timezone,
        wall_grid=wall_grid, id=roles.id, target=roles.target, frequency=calendar.Frequency(unit="int", step=1),
    )  # fmt: skip
    rows = _Rows(frame, draft, codes, stamps, order, ids)
    rows.check_duplicates(new_series)
    frequency = rows.frequency(new_series, freq, known)
    ordinal, on_grid = frequency.ordinals(stamps)
    rows.check_grid(on_grid, frequency)

    target = np.stack([_numbers(frame, name)[order] for name in roles.target], axis=1)
    rows.check_target(target)
    kinds = {c.name: c.kind for g in _groups(known) for c in g} if known else {}
    names = (*roles.past, *roles.future, *roles.static)
    covariates = {name: _covariate(frame, name, order, kinds.get(name)) for name in names}
    rows.check_static(roles.static, covariates)

    def typed(group: tuple[str, ...]) -> tuple[Covariate, ...]:
        return tuple(
            Covariate(name=n, kind=kinds.get(n) or ("category" if covariates[n].labels else "number")) for n in group
        )

    schema = draft.model_copy(
        update={
            "past": typed(roles.past), "future": typed(roles.future), "static": typed(roles.static),
            "frequency": frequency,
        }
    )  # fmt: skip
    if roles.unused:
        log.warning("not used: %s (name them with --past, --future or --static)", listing(roles.unused))
    return Table(schema, frame.name, codes, ordinal, target, covariates, ids, roles.unused)


def _series(frame: Frame, names: tuple[str, ...]) -> tuple[NDArray[np.int64], tuple[NDArray[Any], ...]]:
    """(code of each row, the distinct ids by column), in order of first appearance."""
    if not names:
        return np.zeros(len(frame.data), dtype=np.int64), ()
    keys = frame.data[list(names)]
    missing = np.flatnonzero(keys.isna().any(axis=1))
    if len(missing):
        raise DataError(
            f"{frame.name}: no series id in {frame.row(int(missing[0]))}, column '{names[0]}'",
            "fill in the id or delete the row",
        )
    if frame.text:
        keys = keys.assign(**{n: _with_leading_zeros(frame, n) for n in names})
    codes = keys.groupby(list(names), sort=False, observed=True).ngroup().to_numpy(np.int64)
    first = np.unique(codes, return_index=True)[1]
    return codes, tuple(keys[n].to_numpy()[first] for n in names)


def _with_leading_zeros(frame: Frame, name: str) -> pd.Series:
    """The id column as text where the file writes numbers as 007, which reading as a number would lose."""
    column = frame.data[name]
    if not types.is_integer_dtype(column):
        return column
    raw = frame.as_text(name)
    return raw if (raw != column.astype(str)).any() else column


def _numbers(frame: Frame, name: str) -> NDArray[np.float64]:
    """A column as float64, NaN where missing. Raises DataError at the first value that is no number."""
    column = frame.data[name]
    if types.is_numeric_dtype(column):
        return np.array(column.to_numpy(dtype=np.float64, na_value=np.nan))
    values = pd.to_numeric(column, errors="coerce")
    bad = np.flatnonzero(values.isna() & column.notna() & (column.astype(str).str.strip() != ""))
    if len(bad):
        i = int(bad[0])
        more = f" (and {len(bad) - 1} more such rows)" if len(bad) > 1 else ""
        raise DataError(
            f"{frame.name}: column '{name}', {frame.row(i)}: '{column.iloc[i]}' is not a number{more}",
            "mend the value, or leave the field empty where it is missing",
        )
    return np.array(values.to_numpy(dtype=np.float64))


def _covariate(frame: Frame, name: str, order: NDArray[np.intp], kind: str | None) -> Column:
    column = frame.data[name]
    number = types.is_numeric_dtype(column) and not types.is_bool_dtype(column)
    if kind == "number" or (kind is None and number):
        values = _numbers(frame, name)[order]
        bad = np.flatnonzero(np.isinf(values))
        if len(bad):
            raise DataError(
                f"{frame.name}: column '{name}', {frame.row(int(order[bad[0]]))}: infinite value",
                "leave the field empty where the value is missing",
            )
        return Column(values)
    text = column.astype(object).where(column.notna(), None)
    codes, labels = pd.factorize(text.map(lambda v: None if v is None else str(v)), sort=True)
    return Column(np.where(codes < 0, np.nan, codes).astype(np.float64)[order], tuple(map(str, labels)))


@dataclass(frozen=True)
class _Rows:
    """Sorted rows and what is needed to say where one of them is wrong."""

    frame: Frame
    schema: Schema
    codes: NDArray[np.int64]
    stamps: NDArray[Any]
    order: NDArray[np.intp]  # sorted position -> row in the file
    ids: tuple[NDArray[Any], ...]

    def where(self, i: int) -> str:
        """Sorted row i in words: row, series and time."""
        series = " ".join(str(column[self.codes[i]]) for column in self.ids)
        time = show_time(self.stamps[i], self.schema)
        return f"{self.frame.row(int(self.order[i]))}, {f'series {series}, ' if series else ''}time {time}"

    def check_duplicates(self, new_series: NDArray[np.bool_]) -> None:
        twice = np.flatnonzero(~new_series & (self.stamps == np.roll(self.stamps, 1)))
        if not len(twice):
            return
        shown = "; ".join(
            f"{self.where(int(i))} repeats {self.frame.row(int(self.order[i - 1]))}" for i in twice[:3]
        )
        hint = "keep one row per series and time" + ("" if self.ids else ", or pass --id for a column that tells series apart")
        hours = self.schema.time_kind == "datetime" and self.schema.timezone is None
        if hours and np.all((self.stamps[twice] % calendar.DAY) // 3_600_000_000 < 4) and len(twice) < 100:
            hint += "; at the end of summer time, name the zone: --set data.timezone=Europe/Berlin"
        raise DataError(f"{self.frame.name}: {len(twice)} duplicate times: {shown}", hint)

    def frequency(
        self, new_series: NDArray[np.bool_], freq: str | None, known: Schema | None
    ) -> calendar.Frequency:
        """As named, as known from a model, or as the rows show it."""
        if freq is not None:
            return calendar.parse(freq, self.stamps, self.schema.time_kind != "datetime")
        found, off = calendar.infer(self.stamps, new_series, self.schema.time_kind)
        if known is not None:
            same = found is None or (found.unit, found.step) == (known.frequency.unit, known.frequency.step)
            sparse = found is not None and len(self.stamps) < 4
            daily = found is not None and {found.unit, known.frequency.unit} == {"us", "bday"}
            if not same and not sparse and not (daily and found is not None and found.name == "D"):
                assert found is not None
                raise DataError(
                    f"{self.frame.name}: this table has frequency {found.name}, the model was fitted on "
                    f"{known.frequency.name}",
                    f"bring the table to {known.frequency.name}, or fit a model on {found.name} data",
                )
            return known.frequency
        if found is not None:
            return found
        if off < 0:
            raise DataError(
                f"{self.frame.name}: every series has one row, so the frequency cannot be seen",
                "pass --freq (as h, D, MS), or check --id",
            )
        before = show_time(self.stamps[off - 1], self.schema)
        raise DataError(
            f"{self.frame.name}: irregular times: {self.where(off)} follows {before} and fits no regular grid",
            "pass --freq for the grid you mean, or resample the table to one",
        )

    def check_grid(self, on_grid: NDArray[np.bool_], frequency: calendar.Frequency) -> None:
        off = np.flatnonzero(~on_grid)
        if len(off):
            raise DataError(
                f"{self.frame.name}: {self.where(int(off[0]))} is not on the grid of frequency {frequency.name}"
                + (f" ({len(off)} such rows)" if len(off) > 1 else ""),
                "pass another --freq, or round the times",
            )

    def check_target(self, target: NDArray[np.float64]) -> None:
        bad = np.argwhere(np.isinf(target) | (np.abs(target) > np.finfo(np.float32).max))
        if len(bad):
            i, c = (int(v) for v in bad[0])
            raise DataError(
                f"{self.frame.name}: column '{self.schema.target[c]}', {self.where(i)}: infinite value",
                "leave the field empty where the value is missing",
            )
        for c, name in enumerate(self.schema.target):
            if np.isnan(target[:, c]).all():
                raise DataError(f"{self.frame.name}: column '{name}' has no value in any row", "pass another --target")

    def check_static(self, names: tuple[str, ...], covariates: dict[str, Column]) -> None:
        for name in names:
            values = covariates[name].values
            same = (self.codes == np.roll(self.codes, 1)) & ~np.isnan(values) & ~np.isnan(np.roll(values, 1))
            same[0] = False
            changed = np.flatnonzero(same & (values != np.roll(values, 1)))
            if len(changed):
                raise DataError(
                    f"{self.frame.name}: static column '{name}' changes within a series at {self.where(int(changed[0]))}",
                    f"pass it as --past {name} or --future {name}",
                )
