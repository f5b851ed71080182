"""What a model may look at while rows are judged one after the other: the table without what was found in it.

A value that was found unusual is replaced for the forecasts of later rows; a shift of the level moves what lies before
it, so that the series reads as if it had always been where it is now. Only the context changes, never what is judged.
Axes: W windows, L context, H horizon, C targets, Q quantile levels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from tsforge.batch import Context
from tsforge.data import covariates
from tsforge.data.loader import WindowSource
from tsforge.data.panel import Floats, Ints, Panel
from tsforge.data.traits import limits
from tsforge.data.windows import Windows
from tsforge.evaluation.forecasting import batch_size
from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.quantiles import Distribution
from tsforge.fitted.model import Model
from tsforge.forecast import Forecast


class History:
    """A panel as a model reads it, and what was changed in it."""

    def __init__(self, model: Model, panel: Panel) -> None:
        traits = model.facts.traits(panel)
        features = covariates.encode(panel, model.facts.encodings)
        self.model, self.panel = model, panel
        self._source = WindowSource(panel, features, model.shape, usual=traits.usual)
        self._limits = limits(model.experiment.model.bounds, panel, traits)
        self._values = panel.values.copy()

    def replace(self, series: int, row: int, target: int, value: float) -> None:
        """Let later forecasts read another value."""
        self._values[row, target] = value
        self._write(series, row, row + 1, target)

    def restore(self, series: int, rows: list[int], target: int) -> None:
        """Let later forecasts read values as they are."""
        for row in rows:
            self.replace(series, row, target, float(self.panel.values[row, target]))

    def shift(self, series: int, begin: int, end: int, target: int, by: float) -> None:
        """Move what lies in rows [begin, end), as if the level had been there then."""
        self._values[begin:end, target] += by
        self._write(series, begin, end, target)

    def least(self, begin: int, end: int, target: int) -> float:
        """The smallest value that a model sees in some rows; 0 where it sees none."""
        seen = self.panel.observed[begin:end, target]
        return float(self._values[begin:end, target][seen].min()) if seen.any() else 0.0

    def _write(self, series: int, begin: int, end: int, target: int) -> None:
        parts = (part[begin:end, target].copy() for part in (self._values, self.panel.observed))
        values, seen = map(torch.from_numpy, parts)
        self._source.rewrite(series, begin, target, values, seen)

    def first_steps(self, rows: Ints, series: Ints) -> Outcome:
        """The first step of the forecasts from before some rows of the panel, beside what came, (W, 1, C).

        Of a target without any value in the context nothing counts as observed: there is nothing to expect.
        What is known in advance is known of that step alone, as it would be if rows came one by one.
        """
        windows = Windows(rows, series)
        starts, which = self._source.starts(windows), torch.from_numpy(series)
        size = batch_size(self._source)
        parts: list[tuple[Floats, ...]] = []
        levels: tuple[float, ...] = ()
        with torch.inference_mode():
            for begin in range(0, len(rows), size):
                context = self._source.gather(starts[begin : begin + size], which[begin : begin + size]).context
                forecast = self.model.network(self._of_one_step(context))
                levels = forecast.levels
                parts.append((*_first(forecast), context.observed.any(dim=1).cpu().numpy()))
        point, centre, spread, offset, told = (np.concatenate(column) for column in zip(*parts, strict=True))
        panel, kept = self.panel, self._limits.of(windows)
        low, high = (None, None) if self._limits.none else kept[:2]
        if not self._limits.none:
            point = kept.keep(point)
        distribution = Distribution(levels, centre, spread, np.moveaxis(offset, -1, 0), low=low, high=high)
        if not levels:
            distribution = Distribution.of_point((), point, spread)
        none = np.full(spread.shape, np.nan)
        time = panel.first[series] + rows - panel.offsets[series]
        truth, observed = panel.values[rows][:, None], (panel.observed[rows] & told)[:, None]
        return Outcome(truth, observed, point, distribution, none, none, series, time)

    def _of_one_step(self, context: Context) -> Context:
        """Without covariates known in advance beyond the first step; the calendar is known as ever."""
        own, L = self.model.shape.covariates, self.model.shape.context
        if not own:
            return context
        known = context.known.clone()
        known[:, L + 1 :, :own] = 0.0  # as missing values are encoded
        return context._replace(known=known)


def _first(forecast: Forecast) -> tuple[Any, ...]:
    """(point (W, 1, C), centre (W, 1, C), spread (W, C), quantiles in normalised units (W, 1, C, Q)) of one step."""
    loc, scale, normalised = (part.cpu().numpy() for part in (*forecast.scaling, forecast.normalised))
    point = forecast.point[:, :1].cpu().numpy()
    if not forecast.levels:
        return point, loc[:, :1], scale[:, 0], np.zeros((*point.shape, 0), dtype=np.float32)
    if normalised.ndim == 3:  # the same in all windows
        normalised = np.broadcast_to(normalised, (len(point), *normalised.shape))
    return point, loc[:, :1], scale[:, 0], normalised[:, :1]
