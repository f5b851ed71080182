"""Windows that no table has: random walks of many levels with gaps, of series known and unknown, and random covariates.

Axes: W windows, L context, H horizon, C targets.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tsforge.data.encodings import Encoding
from tsforge.data.panel import Floats, Panel
from tsforge.fitted.model import Model

UNKNOWN, UNSEEN = "unknown series", "unseen category"
MISSING = 0.1  # of the values, in every second window


def windows(model: Model, count: int, like: Panel | None = None, seed: int = 0) -> Panel:
    """So many windows in the columns of a model, each a series of its own of 1 to L rows, and H rows ahead.

    like: a table whose precision they have; single where None.
    """
    exact = [np.float32] * 4
    if like is not None:
        exact = [part.dtype.type for part in (like.values, like.past, like.future, like.static)]
    rng, facts = np.random.default_rng(seed), model.facts
    L, H, C = model.shape.context, model.shape.horizon, model.shape.targets
    lengths = np.where(rng.random(count) < 0.7, L, rng.integers(1, L + 1, count))
    offsets = np.r_[0, np.cumsum(lengths + H)].astype(np.int64)
    ends = offsets[1:] - H
    T = int(offsets[-1])
    behind = np.arange(T) >= np.repeat(ends, lengths + H)
    gaps = np.repeat(np.arange(count) % 2 == 1, lengths + H)
    observed = ~behind[:, None] & ((rng.random((T, C)) >= MISSING) | ~gaps[:, None])
    observed[ends - 1] = True
    encodings = facts.encodings
    labels = {
        e.name: (*e.categories, UNSEEN)
        for e in (*encodings.past, *encodings.future, *encodings.static) if e.categories
    }  # fmt: skip
    start = max(facts.seen.values(), default=0)
    return Panel(
        schema=facts.columns, name="random windows",
        values=np.where(observed, _values(model, offsets, rng), 0).astype(exact[0]), observed=observed,
        past=_covariates(encodings.past, T, rng).astype(exact[1]),
        future=_covariates(encodings.future, T, rng).astype(exact[2]),
        static=_covariates(encodings.static, count, rng).astype(exact[3]), offsets=offsets,
        first=start + rng.integers(0, 1000, count), ends=ends, ids=_ids(model, count), labels=labels,
        label_rows={name: np.zeros(len(words), dtype=np.int64) for name, words in labels.items()},
        phase=np.zeros(count, dtype=np.int64),
    )  # fmt: skip


def _values(model: Model, offsets: np.ndarray, rng: np.random.Generator) -> Floats:
    """Random walks about levels of 0 to 30 times what series usually vary by, one in four of them of either sign."""
    C, count, T = model.shape.targets, len(offsets) - 1, int(offsets[-1])
    usual = np.array([spread[0] for spread in model.facts.usual.values()]).reshape(-1, C)
    unit = np.median(usual, axis=0) if len(usual) else np.ones(C)
    unit = np.where(unit > 0, unit, 1.0)
    walk = rng.normal(size=(T, C)).cumsum(axis=0)
    lengths = np.diff(offsets)
    walk -= np.repeat(walk[offsets[:-1]], lengths, axis=0)
    level = rng.uniform(0, 30, (count, C)) * rng.choice([0.3, 1.0], (count, 1))
    values = (np.repeat(level, lengths, axis=0) + walk * 0.5) * unit
    signed = np.repeat(np.arange(count) % 4 == 3, lengths)[:, None]
    values = np.where(signed, values, np.abs(values) + 1e-3 * unit)
    bounds = model.experiment.model.bounds
    return np.asarray(np.clip(values, *bounds) if isinstance(bounds, tuple) else values)


def _covariates(encodings: Sequence[Encoding], rows: int, rng: np.random.Generator) -> Floats:
    """Numbers, or codes of categories, one of which was never seen; some are missing."""
    parts = []
    for e in encodings:
        own = e.mean + e.std * rng.normal(size=rows)
        if e.categories:
            own = rng.integers(0, len(e.categories) + 1, rows).astype(np.float64)
        parts.append(np.where(rng.random(rows) < MISSING / 2, np.nan, own))
    return np.stack(parts, axis=1) if parts else np.zeros((rows, 0))


def _ids(model: Model, count: int) -> tuple[np.ndarray, ...]:
    """Series that the model knows, and every fourth one that it does not."""
    names = len(model.facts.columns.id)
    known = list(model.facts.negative)
    keys = [known[i % len(known)].split("\x1f") if known and i % 4 else [UNKNOWN] * names for i in range(count)]
    return tuple(np.array([key[j] for key in keys], dtype=object) for j in range(names))
