"""Covariates and calendar as features: encodings fitted on the training part alone, kept as plain values."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tsforge.data import timeline
from tsforge.data.blocks import blocks
from tsforge.data.encodings import Calendar, Encoding, Encodings, Features
from tsforge.data.occasions import choosing, features
from tsforge.data.occasions.occasion import Occasion
from tsforge.data.panel import Floats, Ints, Panel
from tsforge.data.schema import Covariate, DataConfig
from tsforge.data.table.times import to_wall
from tsforge.data.time import calendar
from tsforge.data.timeline import Timeline
from tsforge.errors import listing

log = logging.getLogger("tsforge")

MOST_CATEGORIES = 32  # the most frequent ones get a column each; the others share the all-zero code
_ROWS = 100_000  # about as many rows show whether covariates tell the level
_FEW = 10  # rows at least, to see it


def fit(
    panel: Panel, stops: Ints, begins: Ints | None = None, *, use_calendar: bool, config: DataConfig | None = None
) -> Encodings:  # fmt: skip
    """Estimate means, deviations and categories from some rows, and choose the cycles worth a feature.

    stops, begins: (n,) the rows of each series, as for `Panel.between`.
    config: what it says of holidays and events; there are none where it is None.
    """
    schema = panel.schema
    steps = int((stops - panel.offsets[:-1]).max(initial=0))
    usable = use_calendar and schema.time_kind == "datetime"
    future = _fit_group(panel, "future", stops, begins)
    level = bool(future) and _tells_level(panel, future, stops, begins)
    if level:
        names = listing([f"'{e.name}'" for e in future])
        log.info("%s and the target's level go together: windows are not centred on their own mean", names)
    occasions = choosing.choose(panel, config, stops) if config is not None else ()
    return Encodings(
        occasions=occasions,
        decided=_fit_occasions(panel, occasions, stops),
        past=_fit_group(panel, "past", stops, begins),
        future=future,
        static=tuple(
            _fit_column(c, panel.labels.get(c.name, ()), [panel.static[:, j]].__iter__)
            for j, c in enumerate(schema.static)
        ),
        cycles=calendar.cycles(schema.frequency, steps) if usable else (),
        level=level,
    )


def _fit_occasions(panel: Panel, occasions: tuple[Occasion, ...], stops: Ints) -> tuple[Encoding, ...]:
    """The encodings of the columns of holidays and events."""
    if not occasions:
        return ()
    last = int((panel.first + stops - panel.offsets[:-1]).max()) - 1
    names = [name for occasion in occasions for name in occasion.columns]
    scales = features.moments(panel, occasions, timeline.of(panel), last)
    return tuple(Encoding(name=name, mean=m, std=s) for name, (m, s) in zip(names, scales, strict=True))


def _tells_level(panel: Panel, future: tuple[Encoding, ...], stops: Ints, begins: Ints | None) -> bool:
    """Whether a linear map of what is known ahead, fitted on the first rows, is less than half a step off in the last.

    A step is what the target changes by from one row to the next (root mean square): a level that the columns tell to
    less than half of it is worth more than the level of the rows before.
    """
    rows = _usable(panel, stops, begins)
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
    series = np.searchsorted(panel.offsets, rows, side="right") - 1
    later = rows[rows > panel.offsets[series]]
    change = (panel.values[later].astype(np.float64) - panel.values[later - 1])[panel.observed[later - 1].all(axis=1)]
    return bool(len(change) and ((off**2).mean(axis=0) < (change**2).mean(axis=0) / 4).all())


def _usable(panel: Panel, stops: Ints, begins: Ints | None) -> Ints:
    """Rows whose targets and columns known in advance are all there, evenly spaced, about `_ROWS` at most."""

    def there(part: Panel, marks: list[Any]) -> NDArray[np.bool_]:
        return part.between(*marks) & part.observed.all(axis=1) & ~np.isnan(part.future).any(axis=1)

    count = sum(int(there(part, marks).sum()) for part, marks in panel.blocks(stops, begins))
    step, passed, begin = max(1, count // _ROWS), 0, 0
    chosen: list[Ints] = []
    for part, marks in panel.blocks(stops, begins):
        rows = np.flatnonzero(there(part, marks))
        chosen.append(begin + rows[-passed % step :: step])
        passed, begin = passed + len(rows), begin + len(part.values)
    return np.concatenate(chosen)


def _fit_group(
    panel: Panel, group: Literal["past", "future"], stops: Ints, begins: Ints | None
) -> tuple[Encoding, ...]:  # fmt: skip
    """The encodings of several columns, from the rows of each series before its stop."""

    def column(j: int) -> Iterator[Floats]:
        for part, marks in panel.blocks(stops, begins):
            yield getattr(part, group)[:, j][part.between(*marks)]

    columns: tuple[Covariate, ...] = getattr(panel.schema, group)
    return tuple(_fit_column(c, panel.labels.get(c.name, ()), partial(column, j)) for j, c in enumerate(columns))


def _fit_column(covariate: Covariate, labels: tuple[str, ...], values: Callable[[], Iterator[Floats]]) -> Encoding:
    """The encoding of one column. values: gives its values, some at a time, each time it is called."""
    if covariate.kind == "category":
        return _fit_categories(covariate.name, values(), labels)
    return _fit_number(covariate.name, values)


def _fit_number(name: str, values: Callable[[], Iterator[Floats]]) -> Encoding:
    count, total, largest, rounding = 0, 0.0, 0.0, 1e-6
    for part in values():
        seen = part[~np.isnan(part)].astype(np.float64)
        count, total = count + len(seen), total + float(seen.sum())
        largest = max(largest, float(np.abs(seen).max(initial=0.0)))
        rounding = 1e-6 if part.dtype == np.float32 else 1e-14
    mean = total / count if count else 0.0
    off = sum(float(((part[~np.isnan(part)].astype(np.float64) - mean) ** 2).sum()) for part in values())
    std = math.sqrt(off / count) if count else 0.0
    varies = std > rounding * largest  # more than what rounding leaves of a constant
    return Encoding(name=name, mean=mean, std=std if varies else 1.0)


def _fit_categories(name: str, parts: Iterator[Floats], labels: tuple[str, ...]) -> Encoding:
    counts = np.zeros(len(labels), dtype=np.int64)
    for codes in parts:
        counts += np.bincount(codes[~np.isnan(codes)].astype(np.int64), minlength=len(labels))
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
    line = timeline.of(panel)
    scales = tuple((e.mean, e.std) for e in encodings.decided)
    known = features.encode(panel, encodings.occasions, scales, line)
    future = _encode_group(panel, encodings.future, panel.future, panel.offsets)
    return Features(
        future=_beside(panel, future, known.own) if known.own.shape[1] else future,
        past=_encode_group(panel, encodings.past, panel.past, panel.offsets),
        calendar=_calendar(panel, encodings, line, known.shared),
        static=_encode_group(panel, encodings.static, panel.static, None),
    )


def _beside(panel: Panel, first: Floats, second: Floats) -> Floats:
    """Features of the rows of a panel beside each other."""
    both = panel.room.zeros((len(first), first.shape[1] + second.shape[1]), np.float32)
    for _, rows in blocks(panel.offsets):
        both[rows] = np.concatenate([first[rows], second[rows]], axis=1)
    return both


def _encode_group(panel: Panel, group: tuple[Encoding, ...], values: Floats, offsets: Ints | None) -> Floats:
    """Features of several columns beside each other.

    offsets: of the rows of each series, whose gaps count up to its last observed target; None where each row is one.
    """
    made = panel.room.zeros((len(values), sum(encoding.width for encoding in group)), np.float32)
    missing, strange = [0] * len(group), [Strange() for _ in group]
    for series, rows in [(slice(0, len(panel)), slice(0, len(values)))] if offsets is None else blocks(offsets):
        at = 0
        for j, encoding in enumerate(group):
            column = values[rows, j]
            absent = np.isnan(column)
            if offsets is not None and absent.any():
                absent &= _inside(panel, series)
            missing[j] += int(absent.sum())
            made[rows, at : at + encoding.width] = _features(panel, encoding, column, strange[j])
            at += encoding.width
    for encoding, count, unseen in zip(group, missing, strange, strict=True):
        if count:
            reading = "no category" if encoding.categories else "its mean"
            log.warning("%d values of '%s' are missing and read as %s", count, encoding.name, reading)
        unseen.tell(panel, encoding.name)
    return made


def _inside(panel: Panel, series: slice) -> NDArray[np.bool_]:
    """Which rows of some series lie before the end of their targets."""
    begins, lengths = panel.offsets[:-1][series], np.diff(panel.offsets)[series]
    rows = np.arange(int(begins[0]), int(begins[0] + lengths.sum()))
    return np.asarray(rows < np.repeat(panel.ends[series], lengths))


@dataclass
class Strange:
    """Values of a category without a feature: how many, and the code of the first."""

    count: int = 0
    first: int = 0

    def tell(self, panel: Panel, name: str) -> None:
        """Warn of them, if there are any."""
        if self.count:
            log.warning(
                "%d values of '%s' belong to categories without a feature of their own, as '%s' in row %d",
                self.count, name, panel.labels[name][self.first], panel.label_rows[name][self.first] + 1,
            )  # fmt: skip


def _features(panel: Panel, encoding: Encoding, values: Floats, strange: Strange | None = None) -> Floats:
    """One column as features (T, width). strange: counts categories without a feature."""
    missing = np.isnan(values)
    if not encoding.categories:
        scaled = (values.astype(np.float64) - encoding.mean) / encoding.std
        return np.where(missing, 0.0, scaled).astype(np.float32)[:, None]
    labels = panel.labels.get(encoding.name, ())
    index = {c: i for i, c in enumerate(encoding.categories)}
    column_of = np.array([index.get(label, -1) for label in labels] + [-1])
    column = column_of[np.where(missing, len(labels), values).astype(np.int64)]
    unseen = np.flatnonzero((column < 0) & ~missing)
    if strange is not None and len(unseen):
        strange.first = strange.first if strange.count else int(values[unseen[0]])
        strange.count += len(unseen)
    return np.array(column[:, None] == np.arange(encoding.width), dtype=np.float32)


def _calendar(panel: Panel, encodings: Encodings, line: Timeline, shared: NDArray[np.float32]) -> Calendar:
    """What the calendar decides, computed once for each step of the grid that some series has."""
    cycles, columns = encodings.cycles, shared.shape[1]
    if not cycles:
        return Calendar(shared, line.begins, line.lengths, columns)
    frequency = panel.schema.frequency
    wall = to_wall(frequency.stamps(line.ordinals), panel.schema)
    waves = calendar.cycle_features(frequency, wall, cycles)
    return Calendar(np.concatenate([shared, waves], axis=1), line.begins, line.lengths, columns)
