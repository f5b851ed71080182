"""What the training rows of a series say of it: how much it usually varies, whether it was ever negative.

Kept with a model, so that a window without any movement is measured by its series, and what was never negative is not
forecast to be. Axes: n series, C targets.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsforge.data import statistics
from tsforge.data.blocks import edges
from tsforge.data.panel import Floats, Ints, Panel
from tsforge.data.table.times import show_time
from tsforge.data.windows import Windows
from tsforge.errors import ConfigError, DataError
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


class Bound(NamedTuple):
    """What forecasts of a target are kept within, and how often that matters.

    low, high: infinite where there is none. kept: series, or windows, that it holds for. reached: those of which some
    forecast or quantile lies on it.
    """

    target: str
    low: float
    high: float
    kept: int
    reached: int

    def tell(self) -> None:
        """Warn where it matters."""
        low, high = amount(self.low), amount(self.high)
        span = f"at {low} or more" if np.isposinf(self.high) else f"between {low} and {high}"
        span = f"at {high} or less" if np.isneginf(self.low) else span
        if self.reached:
            log.warning("forecasts of '%s' are kept %s (change it with model.bounds)", self.target, span)


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

    def part(self, rows: slice) -> Limits:
        """Those of some series."""
        return Limits(self.low[rows], self.high[rows], self.until[rows])

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

    def report(self, names: Sequence[str], point: Floats, ranges: Floats) -> list[Bound]:
        """Of each target that has limits, given forecasts (n, H, C) and quantiles (n, H, C, Q) that are within them."""
        values = np.concatenate([point[..., None], ranges], axis=-1)
        on_low = (values <= self.low[:, None, :, None]).any(axis=(1, 3))  # NaN is not
        on_high = (values >= self.high[:, None, :, None]).any(axis=(1, 3))
        limited, found = ~np.isneginf(self.low) | ~np.isposinf(self.high), []
        for c in np.flatnonzero(limited.any(axis=0)).tolist():
            first = int(limited[:, c].argmax())
            low, high = float(self.low[first, c]), float(self.high[first, c])
            reached = int((limited & (on_low | on_high))[:, c].sum())
            found.append(Bound(names[c], low, high, int(limited[:, c].sum()), reached))
        return found


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


def check_support(panel: Panel, head: str, *, whole: bool) -> None:
    """Raises DataError where a target has values that a head for counts cannot be trained on: below 0, or fractions.

    head: its name. whole: whether it takes whole numbers alone.
    """
    done = 0
    for part, _ in panel.blocks():
        wrong = part.observed & ((part.values < 0) | (whole & (part.values != np.rint(part.values))))
        if wrong.any():
            row, c = (int(v) for v in np.argwhere(wrong)[0])
            i = int(panel.row_series()[done + row])
            ordinal = int(panel.first[i]) + done + row - int(panel.offsets[i])
            when = show_time(panel.stamps(i, np.array([ordinal]))[0], panel.schema)
            series = f"series {panel.label(i)}, " if panel.ids else ""
            takes = "whole numbers from 0 on" if whole else "numbers from 0 on"
            others = "model.head=tweedie takes fractions too, " if whole and float(part.values[row, c]) >= 0 else ""
            raise DataError(
                f"{panel.name}: '{panel.schema.target[c]}' is {float(part.values[row, c]):.6g} ({series}time "
                f"{when}), and the head '{head}' is for {takes}",
                f"{others}model.head=quantile takes any",
            )
        done += len(wrong)
