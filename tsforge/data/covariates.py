"""Covariates and calendar as features: encodings fitted on the training part alone, kept as plain values."""

from __future__ import annotations

import logging
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tsforge.config import Config
from tsforge.data.panel import Floats, Ints, Panel
from tsforge.data.schema import Covariate
from tsforge.data.table.times import to_wall
from tsforge.data.time import calendar
from tsforge.errors import listing

log = logging.getLogger("tsforge")

MOST_CATEGORIES = 32  # the most frequent ones get a column each; the others share the all-zero code
_ROWS = 100_000  # about as many rows show whether covariates tell the level
_FEW = 10  # rows at least, to see it


class Encoding(Config):
    """The encoding of one column as features: a z-score, or one column per category."""

    name: str
    mean: float = 0.0
    std: Annotated[float, Field(gt=0)] = 1.0
    categories: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        return len(self.categories) or 1


class Encodings(Config):
    """The encodings of all covariates of a table, and the cycles of the calendar that are features."""

    past: tuple[Encoding, ...] = ()
    future: tuple[Encoding, ...] = ()
    static: tuple[Encoding, ...] = ()
    cycles: tuple[calendar.Cycle, ...] = ()
    level: bool = False  # whether the columns known ahead tell the level of every target


class Calendar(NamedTuple):
    """Features of the calendar, once for each step that some series has.

    Series of one table mostly share their steps: spread over the rows, they would be most of what a fit holds.

    rows (M, K'): of the steps from the first to the last of all series, without those that lie between series.
    begins, lengths (n,): the row at which each series begins, and its steps.
    """

    rows: NDArray[np.float32]
    begins: Ints
    lengths: Ints

    def spread(self) -> NDArray[np.float32]:
        """The features of every row of the panel, (T, K')."""
        ends = np.cumsum(self.lengths)
        where = np.arange(self.lengths.sum()) + np.repeat(self.begins - ends + self.lengths, self.lengths)
        return np.asarray(self.rows[where])


class Features(NamedTuple):
    """Encoded covariates: past (T, P), future (T, K) without the calendar, static (n, F)."""

    past: Floats
    future: Floats
    calendar: Calendar
    static: Floats

    @property
    def known(self) -> Floats:
        """All that is known in advance, the calendar too, spread over the rows of the panel."""
        return np.concatenate([self.future, self.calendar.spread()], axis=1)


def fit(panel: Panel, stops: Ints, begins: Ints | None = None, *, use_calendar: bool) -> Encodings:
    """Estimate means, deviations and categories from some rows, and choose the cycles worth a feature.

    stops, begins: (n,) the rows of each series, as for `Panel.between`.
    """
    inside = panel.between(stops, begins)
    schema = panel.schema
    steps = int((stops - panel.offsets[:-1]).max(initial=0))
    usable = use_calendar and schema.time_kind == "datetime"
    future = _fit_group(panel, schema.future, panel.future, inside)
    level = bool(future) and _tells_level(panel, future, inside)
    if level:
        names = listing([f"'{e.name}'" for e in future])
        log.info("%s and the target's level go together: windows are not centred on their own mean", names)
    return Encodings(
        past=_fit_group(panel, schema.past, panel.past, inside),
        future=future,
        static=_fit_group(panel, schema.static, panel.static, np.ones(len(panel), dtype=np.bool_)),
        cycles=calendar.cycles(schema.frequency, steps) if usable else (),
        level=level,
    )


def _tells_level(panel: Panel, future: tuple[Encoding, ...], inside: NDArray[np.bool_]) -> bool:
    """Whether a linear map of what is known ahead, fitted on the first rows, is less than half a step off in the last.

    A step is what the target changes by from one row to the next (root mean square): a level that the columns tell to
    less than half of it is worth more than the level of the rows before.
    """
    rows = np.flatnonzero(inside & panel.observed.all(axis=1) & ~np.isnan(panel.future).any(axis=1))
    rows = rows[:: max(1, len(rows) // _ROWS)]
    width = 1 + sum(encoding.width for encoding in future)
    split = len(rows) * 4 // 5
    if split < 2 * width or len(rows) - split < _FEW:
        return False
    columns = [_features(panel, e, panel.future[rows, j]) for j, e in enumerate(future)]
    x = np.concatenate([np.ones((len(rows), 1)), *columns], axis=1)
    y = panel.values[rows].astype(np.float64)
    centre = y[:split].mean(axis=0)
    gram = x[:split].T @ x[:split] + np.diag(np.r_[0.0, np.full(width - 1, 1.0)])  # ridge: categories are collinear
    off = x[split:] @ np.linalg.solve(gram, x[:split].T @ (y[:split] - centre)) + centre - y[split:]
    later = rows[rows > panel.offsets[panel.row_series()][rows]]
    change = (panel.values[later].astype(np.float64) - panel.values[later - 1])[panel.observed[later - 1].all(axis=1)]
    return bool(len(change) and ((off**2).mean(axis=0) < (change**2).mean(axis=0) / 4).all())


def _fit_group(
    panel: Panel, group: tuple[Covariate, ...], values: Floats, inside: NDArray[np.bool_]
) -> tuple[Encoding, ...]:
    """The encodings of several columns. inside: the rows that they are fitted to."""
    return tuple(
        _fit_categories(c.name, values[inside, j], panel.labels.get(c.name, ()))
        if c.kind == "category"
        else _fit_number(c.name, values[inside, j])
        for j, c in enumerate(group)
    )


def _fit_number(name: str, values: Floats) -> Encoding:
    seen = values[~np.isnan(values)].astype(np.float64)
    std = float(seen.std()) if len(seen) else 0.0
    rounding = 1e-6 if values.dtype == np.float32 else 1e-14
    varies = std > rounding * float(np.abs(seen).max(initial=0.0))  # more than what rounding leaves of a constant
    return Encoding(name=name, mean=float(seen.mean()) if len(seen) else 0.0, std=std if varies else 1.0)


def _fit_categories(name: str, codes: Floats, labels: tuple[str, ...]) -> Encoding:
    counts = np.bincount(codes[~np.isnan(codes)].astype(np.int64), minlength=len(labels))
    often = np.argsort(-counts, kind="stable")[:MOST_CATEGORIES]
    frequent = sorted(labels[i] for i in often if counts[i] > 0)
    if np.count_nonzero(counts) > MOST_CATEGORIES:
        log.warning(
            "column '%s' has %d categories; the %d most frequent get a feature each, the others share one",
            name, np.count_nonzero(counts), MOST_CATEGORIES,
        )  # fmt: skip
    return Encoding(name=name, categories=tuple(frequent) or ("",))


def encode(panel: Panel, encodings: Encodings) -> Features:
    """Covariates as features: missing numbers as the mean, missing and unseen categories as zeros, with a warning."""
    inside = panel.between(panel.ends)
    whole = np.ones(len(panel), dtype=np.bool_)
    return Features(
        future=_encode_group(panel, encodings.future, panel.future, inside),
        past=_encode_group(panel, encodings.past, panel.past, inside),
        calendar=_calendar(panel, encodings.cycles),
        static=_encode_group(panel, encodings.static, panel.static, whole),
    )


def _encode_group(panel: Panel, group: tuple[Encoding, ...], values: Floats, inside: NDArray[np.bool_]) -> Floats:
    """Features of several columns beside each other. inside: the rows whose gaps are worth a warning."""
    columns = [_encode_column(panel, e, values[:, j], inside) for j, e in enumerate(group)]
    return np.concatenate(columns, axis=1) if columns else np.zeros((len(values), 0), np.float32)


def _encode_column(panel: Panel, encoding: Encoding, values: Floats, inside: NDArray[np.bool_]) -> Floats:
    missing = np.isnan(values)
    count = int((missing & inside).sum())
    if count:
        reading = "no category" if encoding.categories else "its mean"
        log.warning("%d values of '%s' are missing and read as %s", count, encoding.name, reading)
    return _features(panel, encoding, values)


def _features(panel: Panel, encoding: Encoding, values: Floats) -> Floats:
    """One column as features (T, width). Warns of categories without a feature."""
    missing = np.isnan(values)
    if not encoding.categories:
        scaled = (values.astype(np.float64) - encoding.mean) / encoding.std
        return np.where(missing, 0.0, scaled).astype(np.float32)[:, None]
    labels = panel.labels.get(encoding.name, ())
    index = {c: i for i, c in enumerate(encoding.categories)}
    column_of = np.array([index.get(label, -1) for label in labels] + [-1])
    column = column_of[np.where(missing, len(labels), values).astype(np.int64)]
    unseen = np.count_nonzero((column < 0) & ~missing)
    if unseen:
        code = int(values[(column < 0) & ~missing][0])
        log.warning(
            "%d values of '%s' belong to categories without a feature of their own, as '%s' in row %d",
            unseen, encoding.name, labels[code], panel.label_rows[encoding.name][code] + 1,
        )  # fmt: skip
    return np.array(column[:, None] == np.arange(encoding.width), dtype=np.float32)


def _calendar(panel: Panel, cycles: tuple[calendar.Cycle, ...]) -> Calendar:
    """Features of the calendar, computed once for each step of the grid that some series has."""
    lengths = np.diff(panel.offsets)
    order = np.argsort(panel.first, kind="stable")
    first, reach = panel.first[order], np.maximum.accumulate((panel.first + lengths)[order])
    heads = np.flatnonzero(np.r_[True, first[1:] > reach[:-1]])  # of stretches of steps without a hole
    stretch = np.repeat(np.arange(len(heads)), np.diff(np.r_[heads, len(first)]))
    steps = reach[np.r_[heads[1:], len(first)] - 1] - first[heads]
    shift = first[heads] - (np.cumsum(steps) - steps)  # from a row to its grid position
    begins = np.empty_like(lengths)
    begins[order] = first - shift[stretch]
    if not cycles:
        return Calendar(np.zeros((int(steps.sum()), 0), np.float32), begins, lengths)
    frequency = panel.schema.frequency
    wall = to_wall(frequency.stamps(np.arange(steps.sum()) + np.repeat(shift, steps)), panel.schema)
    return Calendar(calendar.cycle_features(frequency, wall, cycles), begins, lengths)
