"""What the training rows of a series say of it: how much it usually varies, whether it was ever negative.

Kept with a model, so that a window without any movement is measured by its series, and what was never negative is not
forecast to be. Axes: n series, C targets.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsforge.data import statistics
from tsforge.data.blocks import edges
from tsforge.data.panel import Floats, Ints, Panel
from tsforge.data.windows import Windows
from tsforge.errors import ConfigError
from tsforge.runtime.numbers import amount

log = logging.getLogger("tsforge")

Usual = tuple[tuple[float, ...], ...]
Bounds = Literal["auto", "none"] | tuple[float, float]


class Traits(NamedTuple):
    """Of every series and target.

    usual: (n, 2, C), how much windows deviate and change from step to step, as `statistics.usual`; 0 where unknown.
    negative: (n, C), whether a value below 0 was ever observed, or may have been.
    """

    usual: Floats
    negative: NDArray[np.bool_]

    def kept(self, panel: Panel) -> tuple[dict[str, Usual], dict[str, tuple[bool, ...]]]:
        """As plain values by the key of each series."""
        keys = [panel.key(i) for i in range(len(panel))]
        usual = [tuple(tuple(float(f"{v:.7g}") for v in row) for row in rows) for rows in self.usual.tolist()]
        return dict(zip(keys, usual, strict=True)), dict(zip(keys, map(tuple, self.negative.tolist()), strict=True))


def fit(
    panel: Panel, context: int, stops: Ints, begins: Ints | None = None, moments: statistics.Moments | None = None
) -> Traits:  # fmt: skip
    """From the rows of each series before its stop. context: steps of a window. moments: of these rows, if known."""
    parts = [
        np.logical_or.reduceat(part.observed & (part.values < 0) & part.between(*marks)[:, None], part.offsets[:-1])
        for part, marks in panel.blocks(stops, begins)
    ]
    negative = np.concatenate(parts)
    return Traits(statistics.usual(panel, context, stops, begins, moments), negative)


def recall(panel: Panel, context: int, usual: Mapping[str, Usual], negative: Mapping[str, tuple[bool, ...]]) -> Traits:
    """Those kept with a model, for the series of any table; of a series that the model does not know, its own rows'.

    usual, negative: by key, as `Traits.kept` gives them; where both are empty, nothing is known of any series.
    A value below 0 in the table itself counts as well.
    """
    own = fit(panel, context, panel.ends)
    if not negative:
        return Traits(np.zeros_like(own.usual), np.ones_like(own.negative))
    keys = [panel.key(i) for i in range(len(panel))]
    spread = [usual.get(key, mine) for key, mine in zip(keys, own.usual, strict=True)]
    below = [negative.get(key, mine) for key, mine in zip(keys, own.negative, strict=True)]
    shape = own.usual.shape
    return Traits(
        np.array(spread, dtype=own.usual.dtype).reshape(shape), np.array(below, dtype=np.bool_) | own.negative
    )


class Limits(NamedTuple):
    """What forecasts of each series and target are kept within, (n, C) each; infinite where there is no limit.

    until: the row of the table from which on the lower limit is known to be none; infinite where it always holds.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    until: NDArray[np.float64]

    @property
    def none(self) -> bool:
        """Whether there is no limit at all."""
        return bool(np.isneginf(self.low).all() and np.isposinf(self.high).all())

    def of(self, windows: Windows) -> Limits:
        """Those of some windows, (W, C) each, as far as their rows before the origin tell."""
        until = self.until[windows.series]
        low = np.where(windows.origins[:, None] > until, -np.inf, self.low[windows.series])
        return Limits(low, self.high[windows.series], until)

    def keep(self, values: Floats) -> Floats:
        """Values (n, H, C) or (n, H, C, Q) within the limits; what is no number stays as it is."""
        if self.none:
            return values
        low, high = (side[:, None, :, *[None] * (values.ndim - 3)] for side in (self.low, self.high))
        inside = np.clip(values, low.astype(values.dtype), high.astype(values.dtype))
        return np.where(np.isfinite(values), inside, values)

    def explain(self, panel: Panel, point: Floats, ranges: Floats) -> None:
        """Warn of the targets of which some forecast (n, H, C), or quantile (n, H, C, Q), lies on a limit."""
        values = np.concatenate([point[..., None], ranges], axis=-1)
        least, most = values.min(axis=(1, 3)), values.max(axis=(1, 3))
        for c, name in enumerate(panel.schema.target):
            on_low, on_high = (least <= self.low)[:, c], (most >= self.high)[:, c]
            if not (on_low | on_high).any():
                continue
            low, high = self.low[:, c][on_low | on_high][0], self.high[:, c][on_low | on_high][0]
            span = f"at {amount(low)} or more" if np.isposinf(high) else f"between {amount(low)} and {amount(high)}"
            span = f"at {amount(high)} or less" if np.isneginf(low) else span
            log.warning("forecasts of '%s' are kept %s (change it with model.bounds)", name, span)


def limits(bounds: Bounds, panel: Panel, traits: Traits) -> Limits:
    """What forecasts are kept within: "auto" is 0 or more for series that were never negative until then.

    Raises ConfigError where the bounds given leave out values of the table.
    """
    free = np.full(traits.negative.shape, np.inf)
    if bounds == "none":
        return Limits(-free, free, free)
    if bounds == "auto":
        return Limits(np.where(traits.negative, -np.inf, 0.0), free, _first_negative(panel))
    low, high = bounds
    for part, _ in panel.blocks():
        outside = part.observed & ((part.values < low) | (part.values > high))
        if outside.any():
            row, c = (int(v) for v in np.argwhere(outside)[0])
            raise ConfigError(
                f"model.bounds: {amount(low)} to {amount(high)} leaves out {amount(float(part.values[row, c]))}, "
                f"a value of '{panel.schema.target[c]}'",
                "give bounds that hold all values, or model.bounds=none",
            )
    return Limits(np.full_like(free, low), np.full_like(free, high), free)


def _first_negative(panel: Panel) -> NDArray[np.float64]:
    """The first row of each series and target with a value below 0, (n, C); infinite where there is none."""
    firsts, done = [], 0
    for part, _ in panel.blocks():
        below = part.observed & (part.values < 0)
        first = np.stack([edges(column, part.offsets)[0] for column in below.T], axis=1)
        firsts.append(np.where(first < len(below), first + done, np.inf))
        done += len(below)
    return np.concatenate(firsts)
