"""predict: a model and a table to a tidy forecast of what comes next. No Trainer, no optimiser."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from tsforge.data import covariates, magnitude, tidy, windows
from tsforge.data.catalog import find
from tsforge.data.hierarchy import build
from tsforge.data.loader import WindowSource
from tsforge.data.panel import Panel
from tsforge.data.table import table
from tsforge.data.table.ahead import with_rows_ahead
from tsforge.data.traits import Bound, Limits, limits
from tsforge.errors import ConfigError, DataError, ModelError
from tsforge.evaluation.conformal import Calibration
from tsforge.fitted import between, directory, rounding
from tsforge.fitted.model import Model
from tsforge.runtime.threads import sparing
from tsforge.runtime.timing import stage

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger("tsforge")

BATCH, BATCH_STEPS = 1024, 2**22  # series per forward pass, and their steps all together
LONGEST = 100_000  # steps of a forecast
Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Prediction:
    """Forecasts from the end of every series: point (n, H, C), quantiles (n, H, C, Q) at `levels`.

    within: what they are kept within, (n, C). model: the kind of the one that made them.
    reconcile: how those of a hierarchy were made to add up; None where there is none, or they were not.
    """

    panel: Panel
    point: Floats
    quantiles: Floats
    levels: tuple[float, ...]
    within: Limits | None = None
    model: str = ""
    reconcile: str | None = None

    @property
    def bounds(self) -> list[Bound]:
        """What forecasts are kept within, target by target; nothing where they are not."""
        if self.within is None:
            return []
        return self.within.report(self.panel.schema.target, self.point, self.quantiles)

    def rounded(self) -> Self:
        """In whole numbers, where the observed values of a series and target are such throughout.

        Forecasts and quantiles alike are rounded to the nearest one, within the bounds: the quantiles of a rounded
        variable are the rounded quantiles. An interval holds every whole number that it held before.
        Warns of the targets that have fractions. Raises ConfigError for forecasts of a hierarchy.
        """
        if self.panel.schema.hierarchy:
            raise ConfigError("rounded forecasts of a hierarchy would not add up", "leave out the rounding")
        whole = rounding.whole(self.panel)
        rounding.tell(self.panel, whole)
        point, quantiles = (rounding.rounded(part, whole, self.within) for part in (self.point, self.quantiles))
        return replace(self, point=point, quantiles=quantiles)

    @property
    @stage("saving")
    def frame(self) -> pd.DataFrame:
        """The tidy table: ids, time, `target` where there are several, `forecast`, `q0.1`, ..."""
        return tidy.forecasts(self.panel, self.point, self.quantiles, self.levels)


@sparing()
def predict(
    model: Model | str | Path, data: Any = None, *, horizon: int | None = None,
    quantiles: Sequence[float] | None = None, future_data: Any = None,
) -> Prediction:  # fmt: skip
    """Forecast the steps after each series' last observed target: `tsforge.predict` with a model or its directory."""
    check_horizon(horizon, LONGEST)
    model = model if isinstance(model, Model) else directory.load(model)
    levels, steps = wanted(model, quantiles), horizon or model.shape.horizon
    panel = read(model, data, rolled(model, steps), future_data)
    check_future(panel, steps, rolled(model, steps), future_data)
    return of_panel(model, panel, steps, levels)


def wanted(model: Model, quantiles: Sequence[float] | None) -> tuple[float, ...]:
    """The levels to forecast, ascending: the model's own where None. Raises ConfigError for those that it has not."""
    return model.levels if quantiles is None else between.checked(model.reach, quantiles)


def rolled(model: Model, steps: int) -> int:
    """Steps that are forecast for so many: whole horizons of the model."""
    return -(-steps // model.shape.horizon) * model.shape.horizon


def of_panel(model: Model, panel: Panel, steps: int, levels: tuple[float, ...]) -> Prediction:
    """Forecast a table that is on its grid, with rows for the steps ahead.

    levels: of the quantiles, within the model's reach.
    """
    whole = rolled(model, steps)
    if whole > model.shape.horizon:
        _hold_past(panel)
        log.warning(
            "%d steps are rolled out from a model of %d: intervals grow with the error of the steps fed back",
            steps, model.shape.horizon,
        )  # fmt: skip
    features = covariates.encode(panel, model.facts.encodings)
    traits = model.facts.traits(panel)
    source = WindowSource(panel, features, model.shape, usual=traits.usual)
    within = limits(model.experiment.model.bounds, panel, traits)
    point, ranges = _forward(model, source, panel, whole, within)
    never = np.broadcast_to(panel.never[:, None], point.shape)
    _check_finite(panel, never, point, ranges)
    point, ranges = np.where(never, np.nan, point), np.where(never[..., None], np.nan, ranges)
    quantiles, kind = between.at(ranges[:, :steps], model.reach, levels), model.experiment.model.kind
    made = Prediction(panel, point[:, :steps], quantiles, levels, within, kind)
    for bound in made.bounds:
        bound.tell()
    return made


def check_horizon(horizon: int | None, most: int) -> None:
    """Raises ConfigError for a count of steps that cannot be forecast."""
    if horizon is not None and horizon < 1:
        raise ConfigError(f"horizon {horizon} is not positive", "ask for 1 step or more")
    if horizon is not None and horizon > most:
        raise ConfigError(f"horizon {horizon} is more than {most} steps", f"ask for {most} steps or less")


@stage("reading")
def read(model: Model, data: Any, ahead: int, future_data: Any = None) -> Panel:
    """The table that a model forecasts from, on its grid; the training data where None.

    ahead: steps after the last observed target that there are at least.
    future_data: a table of what is known in advance of these steps.
    """
    source = data if data is not None else training_data(model)
    source = find(source) if isinstance(source, str) else source
    rows = table.load_like(source, model.facts.columns)
    panel = build(rows if future_data is None else with_rows_ahead(rows, future_data), extend=ahead)
    magnitude.check(panel)
    return panel


def _check_finite(panel: Panel, never: NDArray[np.bool_], point: Floats, ranges: Floats) -> None:
    """Refuse forecasts that are no numbers, with the series and the size of its values.

    never: where the target has no value, (n, H, C), and so no forecast.
    """
    good = (never | (np.isfinite(point) & np.isfinite(ranges).all(axis=-1))).all(axis=(1, 2))
    if good.all():
        return
    i = int(np.argmin(good))
    rows = slice(panel.offsets[i], panel.ends[i])
    size = float(np.abs(panel.values[rows]).max(initial=0.0))
    label = f" of series {panel.label(i)}" if panel.ids else ""
    raise DataError(
        f"{panel.name}: the forecast{label} is not a number ({np.count_nonzero(~good)} such series of {len(panel)}); "
        f"its values reach {size:.3g} in size",
        "fit a model on values of this size, or another model",
    )


def training_data(model: Model) -> str:
    """Where the table lies that a model was fitted on; ModelError where it is not there any more."""
    source = model.facts.source
    if not source or not Path(source).exists():
        raise ModelError(
            f"the training data{f' ({source})' if source else ''} is not at hand",
            "name the table after the model, as in: predict MODEL DATA",
        )
    return source


@stage("forecasting")
def _forward(model: Model, source: WindowSource, panel: Panel, steps: int, within: Limits) -> tuple[Floats, Floats]:
    """Point (n, steps, C) and quantiles (n, steps, C, Q) at the model's levels, within limits.

    Forecast block by block, with calibrated intervals; each block's point forecast becomes context of the next, but
    for targets that were never observed.
    """
    H, shape = model.shape.horizon, model.shape
    batch = max(1, min(BATCH, BATCH_STEPS // (shape.context + H + shape.season)))
    seen = torch.from_numpy(~panel.never)[:, None]
    here = windows.last(panel)
    points, quantiles = [], []
    first: Floats | None = None  # the units of the first block, (n, C)
    with torch.inference_mode():
        for done in range(0, steps, H):
            block = windows.Windows(here.origins + done, here.series)
            starts, series = source.starts(block), torch.from_numpy(block.series)
            parts = []
            for i in range(0, len(starts), batch):
                forecast = model.network(source.gather(starts[i : i + batch], series[i : i + batch]).context)
                parts.append((forecast.point, forecast.quantiles(), forecast.scaling.scale.squeeze(1)))
            point, ranges, spread = (torch.cat(column).numpy() for column in zip(*parts, strict=True))
            if model.calibration is not None:
                ranges = model.calibration.correct(point, ranges, spread)
            first = spread if first is None else first
            if done:  # what was fed back varies less than what was observed, and would make later units smaller
                wider = growth(model.calibration, done // H) * np.maximum(first / spread, 1)[:, None, :, None]
                ranges = point[..., None] + (ranges - point[..., None]) * wider
            points.append(within.keep(point))
            quantiles.append(within.keep(ranges))
            if done + H < steps:
                source.feed(starts, torch.from_numpy(points[-1]), seen)
    return np.concatenate(points, axis=1), np.concatenate(quantiles, axis=1)


def growth(calibration: Calibration | None, fed: int) -> Floats:
    """How many times as wide intervals are once the last steps of `fed` blocks were read as if observed, (H, C, 1).

    Variances add: that of each block's last step, which the later ones go on from, as often as blocks were fed, to that
    of the step itself; both from errors of held-out windows. Without any, all steps count alike.
    """
    if calibration is None:
        return np.full((1, 1, 1), np.sqrt(1 + fed), dtype=np.float32)
    variance = np.square(np.array(calibration.unit, dtype=np.float64))
    ratio = np.divide(variance[-1:], variance, out=np.ones_like(variance), where=variance > 0)
    return np.asarray(np.sqrt(1 + fed * ratio), dtype=np.float32)[..., None]


def check_future(panel: Panel, steps: int, rolled: int, future_data: Any = None) -> None:
    """Known-in-advance covariates must reach as far as the forecast; what the model looks at beyond it is filled.

    future_data: where the rows ahead were read from, if not from the table itself.
    """
    from tsforge.data.table.times import show_time

    for j, column in enumerate(panel.schema.future):
        beyond = panel.ends[:, None] + np.arange(steps, rolled)
        if np.isnan(panel.future[beyond, j]).any():
            log.warning("'%s' is read as its mean beyond the %d steps asked for", column.name, steps)
        rows = panel.ends[:, None] + np.arange(steps)  # (n, H)
        missing = np.isnan(panel.future[rows, j])
        if not missing.any():
            continue
        i, h = (int(v) for v in np.argwhere(missing)[0])
        ordinal = int(panel.first[i] + panel.ends[i] - panel.offsets[i] + h)
        when = show_time(panel.stamps(i, np.array([ordinal]))[0], panel.schema)
        series = f"series {panel.label(i)}, " if panel.ids else ""
        place = future_data if isinstance(future_data, str | Path) else panel.name
        hint = (
            f"pass `future_data`: a table of the {steps} steps to forecast with {column.name} filled in, as "
            "tsforge future writes it; or add such rows to the table, with the target empty"
        )
        if future_data is not None:
            hint = f"fill in {column.name}, in a row for every series and each of the {steps} steps"
        raise DataError(
            f"{place}: column '{column.name}' is known in advance but has no value for {series}time {when} "
            f"({int(missing.sum())} such steps of {missing.size})",
            hint,
        )


def _hold_past(panel: Panel) -> None:
    """Past covariates keep their last known value where a roll-out reaches beyond them."""
    rows = np.arange(len(panel.past))
    series = panel.row_series()
    ahead = rows >= panel.ends[series]
    for j, column in enumerate(panel.schema.past):
        values = panel.past[:, j]
        newest = np.where(~np.isnan(values) & ~ahead, rows, -1)
        newest = np.maximum.accumulate(newest)[np.maximum(panel.ends - 1, 0)]
        newest = np.where(newest >= panel.offsets[:-1], newest, -1)  # not the row of a series before
        held = np.where(newest >= 0, values[newest], np.nan)[series]
        values[ahead] = np.where(np.isnan(values), held, values)[ahead]
        log.warning("'%s' keeps its last value where the roll-out reaches beyond it", column.name)
