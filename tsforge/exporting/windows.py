"""Windows as the inputs of an exported model: from a table, and drawn at random to check it with.

This is the recipe that `description` puts into words, and shares nothing with `WindowSource`, which `predict` reads.
Axes: W windows, L context, H horizon, C targets; P past, K known and F static columns.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tsforge.data.occasions.choosing import keys
from tsforge.data.occasions.occasion import numbers
from tsforge.data.panel import Floats, Ints, Panel
from tsforge.data.table.times import to_wall
from tsforge.data.time import calendar
from tsforge.exporting import columns
from tsforge.exporting.columns import Column
from tsforge.exporting.portable import needs_ordinal, needs_series
from tsforge.fitted.model import Model

Arrays = dict[str, NDArray[np.generic]]


def cut(panel: Panel, origins: Ints, series: Ints, context: int, horizon: int) -> Panel:
    """Windows as series of their own: at most `context` rows before the origin, and `horizon` behind it, unobserved.

    origins: (W,) the rows of the panel of the first steps to forecast, of series (W,); the steps ahead are rows too.
    """
    begins = np.maximum(origins - context, panel.offsets[:-1][series])
    lengths = origins + horizon - begins
    offsets = np.r_[0, np.cumsum(lengths)].astype(np.int64)
    rows = np.arange(offsets[-1]) + np.repeat(begins - offsets[:-1], lengths)
    behind = rows >= np.repeat(origins, lengths)
    return replace(
        panel, values=np.where(behind[:, None], 0, panel.values[rows]).astype(panel.values.dtype),
        observed=panel.observed[rows] & ~behind[:, None], past=panel.past[rows], future=panel.future[rows],
        static=panel.static[series], offsets=offsets, ends=offsets[1:] - horizon, phase=panel.phase[series],
        first=panel.first[series] + begins - panel.offsets[:-1][series], ids=tuple(part[series] for part in panel.ids),
    )  # fmt: skip


def newest(panel: Panel, shape: tuple[int, int], most: int) -> Panel:
    """At most so many windows of a table: the ends of its series, and origins before them, a horizon apart.

    shape: context and horizon. Windows of which nothing was observed are left out.
    """
    context, horizon = shape
    some = np.unique(np.linspace(0, len(panel) - 1, min(len(panel), most)).astype(np.int64))
    back = np.arange(max(1, most // len(some))) * horizon
    series = np.repeat(some, len(back))
    origins = panel.ends[series] - np.tile(back, len(some))
    seen = np.r_[0, np.cumsum(panel.observed.any(axis=1))]
    begins = np.maximum(origins - context, panel.offsets[series])
    good = (origins > panel.offsets[series]) & (seen[np.maximum(origins, 0)] > seen[begins])
    return cut(panel, origins[good], series[good], context, horizon)


def arrays(model: Model, panel: Panel) -> Arrays:
    """The inputs of one window per series, its origin behind the last observed target, by name."""
    L, H, facts = model.shape.context, model.shape.horizon, model.facts
    place = panel.ends[:, None] + np.arange(-L, H)
    inside = (place >= panel.offsets[:-1, None]) & (place < panel.offsets[1:, None])
    rows = np.where(inside, place, 0)
    past, inside_past = rows[:, :L], inside[:, :L]
    observed = inside_past[..., None] & panel.observed[past]
    found: Arrays = {"target": np.where(observed, panel.values[past], 0).astype(panel.values.dtype)}
    found["observed"] = observed
    if needs_series(model):
        number = {key: i for i, key in enumerate(facts.negative)}
        found["series"] = np.array([number.get(panel.key(i), -1) for i in range(len(panel))], dtype=np.int64)
    if model.shape.past:
        found["past"] = _coded(panel, panel.past, columns.of(facts.encodings.past), past, inside_past)
    if model.shape.known:
        future = _coded(panel, panel.future, columns.of(facts.encodings.future), rows, inside)
        parts = [future, _occasions(model, panel, place, inside), _calendar(model, panel, place, inside)]
        found["known"] = np.concatenate(parts, axis=-1, dtype=future.dtype)
    if model.shape.static:
        each = np.arange(len(panel))
        found["static"] = _coded(
            panel, panel.static, columns.of(facts.encodings.static), each, np.ones(len(panel), dtype=np.bool_)
        )
    if needs_ordinal(model.network):
        found["ordinal"] = panel.first + panel.ends - panel.offsets[:-1] - L
    return found


def _coded(panel: Panel, values: Floats, described: list[Column], rows: Ints, inside: NDArray[np.bool_]) -> Floats:
    """Columns of covariates at some rows, (..., columns): numbers as they are, a 1 for the category; else NaN or 0."""
    names = list(dict.fromkeys(column.name for column in described))
    parts = []
    for column in described:
        own = np.where(inside, values[rows, names.index(column.name)], np.nan)
        if column.kind == "category":
            labels = panel.labels.get(column.name, ())
            code = labels.index(column.category) if column.category in labels else -1
            own = (own == code).astype(values.dtype)
        parts.append(own)
    return np.stack(parts, axis=-1) if parts else np.zeros((*rows.shape, 0), values.dtype)


def _occasions(model: Model, panel: Panel, place: Ints, inside: NDArray[np.bool_]) -> Floats:
    """Holidays and events at grid places (W, L+H), NaN before a series begins."""
    ordinals = panel.first[:, None] + place - panel.offsets[:-1, None]
    parts = [np.zeros((*place.shape, 0), np.float32)]
    for occasion in model.facts.encodings.occasions:
        whose = keys(panel, occasion.by).tolist()
        own = [numbers(occasion, panel.schema, steps, key) for steps, key in zip(ordinals, whose, strict=True)]
        parts.append(np.where(inside[..., None], np.stack(own), np.float32(np.nan)))
    return np.concatenate(parts, axis=-1)


def _calendar(model: Model, panel: Panel, place: Ints, inside: NDArray[np.bool_]) -> Floats:
    """The waves of the calendar at grid places (W, L+H), 0 before a series begins."""
    schema, cycles = panel.schema, model.facts.encodings.cycles
    if not cycles:
        return np.zeros((*place.shape, 0), np.float32)
    ordinals = panel.first[:, None] + place - panel.offsets[:-1, None]
    wall = to_wall(schema.frequency.stamps(ordinals.reshape(-1)), schema)
    waves = calendar.cycle_features(schema.frequency, wall, cycles)
    return np.asarray(np.where(inside[..., None], waves.reshape(*place.shape, -1), 0), dtype=np.float32)
