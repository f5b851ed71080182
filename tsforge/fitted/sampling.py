"""Sample paths: futures of all steps, targets and series together, each as likely as any other.

What a forecast says of each step alone stays: over all paths, its quantiles. Which values of neighbouring steps,
targets and series come together follows how errors of held-out windows did (`evaluation.dependence`): normal fields of
that correlation are drawn, and the values of each step put in the order of the field (the Schaake shuffle; Clark et al.
2004, "The Schaake Shuffle: A Method for Reconstructing Space–Time Variability").
Beyond the horizon that a model was trained for, a path goes on from the last error of the block before, as
`prediction.growth` widens the quantiles.

Axes: S samples, n series, H horizon, C targets, R levels of a model's reach.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from tsforge.data import dataset as datasets
from tsforge.data import frames, sampled, split
from tsforge.data.dataset import Dataset
from tsforge.data.panel import Panel
from tsforge.data.traits import limits
from tsforge.data.windows import Windows
from tsforge.errors import ConfigError, DataError, ModelError
from tsforge.evaluation import dependence, held_out
from tsforge.evaluation.conformal import Calibration
from tsforge.evaluation.dependence import Dependence
from tsforge.evaluation.quantiles import Ints
from tsforge.fitted import directory, occasions, prediction, rounding, totals, zero_shot
from tsforge.fitted.model import Model
from tsforge.fitted.prediction import Floats, Prediction
from tsforge.fitted.totals import Totals
from tsforge.runtime.threads import sparing
from tsforge.runtime.timing import stage

log = logging.getLogger("tsforge")

USUAL, FEWEST, MOST = 1000, 10, 100_000  # samples
MOST_VALUES = 2**28  # of all paths: 1 GB


@dataclass(frozen=True, repr=False)
class Samples:
    """Sample paths from the end of every series.

    prediction: the forecast whose quantiles they have.
    values: (S, n, H, C), NaN where there is nothing to forecast from.
    seed: by which they come again.
    polars: whether frames are of Polars, as the table was.
    """

    prediction: Prediction
    values: Floats
    seed: int
    polars: bool = False

    @property
    def panel(self) -> Panel:
        """The table that they go on from."""
        return self.prediction.panel

    @property
    def frame(self) -> Any:
        """The tidy table: ids, `sample` (from 1), time, `target` where there are several, and `value`."""
        return frames.like(sampled.paths(self.panel, self.values), polars=self.polars)

    def rounded(self) -> Samples:
        """Paths of whole numbers, of series whose values always were; with a note of those that had fractions.

        Each value goes to the nearest whole number within the bounds, as forecasts do (`Predicted.rounded`). Raises
        ConfigError for paths of a hierarchy, which would not add up any more.
        """
        forecast = self.prediction.rounded()  # which says what is not
        paths = np.moveaxis(self.values, 0, -1)
        made = rounding.rounded(paths, rounding.whole(self.panel), forecast.within)
        return replace(self, prediction=forecast, values=np.moveaxis(made, -1, 0))

    def total(self, period: str | None = None, quantiles: Sequence[float] | None = None) -> Totals:
        """Sums of every path over the horizon, or by "day", "week", "month", "quarter" or "year" of the local clock.

        quantiles: levels of `Totals.frame`; 0.05, 0.1, 0.5, 0.9 and 0.95 where None.
        Raises ConfigError for a period that there is none of, DataError for one of times that are numbers.
        """
        return replace(totals.total(self.panel, self.values, period, quantiles), polars=self.polars)

    def probability(self, level: str) -> Any:
        """The chance of every step to pass a level, as "> 1000", ">= 0.5", "< 0" or "<= 12".

        Columns: ids, time, `target` where there are several, `probability`, and `ever`: the chance that this step or
        one before it passes, which in the last row is that of the whole horizon. Where the values of a series always
        were whole numbers, paths count as the nearest one, so that "> 0" and ">= 1" are the same. Raises ConfigError
        for no level.
        """
        each, ever = totals.chances(self.panel, self.values, level)
        return frames.like(sampled.steps(self.panel, {"probability": each, "ever": ever}), polars=self.polars)

    def __repr__(self) -> str:
        S, n, H, C = self.values.shape
        return f"<{S:,} paths of {n:,} series x {H} steps x {C} targets: .frame, .total(), .probability('> 10')>"


@sparing()
def sample(
    model: Model | str | Path, data: Any = None, samples: int = USUAL, *, horizon: int | None = None,
    future_data: Any = None, settings: dict[str, Any] | None = None, seed: int = 1,
) -> Samples:  # fmt: skip
    """Draw paths of what comes next: `tsforge.sample` with a model or its directory."""
    check_count(samples)
    work = opened(model, data, horizon, future_data, settings)
    return of_panel(*work, (samples, seed))


def check_count(samples: int) -> None:
    """Raises ConfigError for a number of paths that is too small or too large."""
    if not FEWEST <= samples <= MOST:
        raise ConfigError(f"{samples} samples", f"ask for {FEWEST} to {MOST:,} of them")


class Work(NamedTuple):
    """A model, the table that it forecasts from, with rows for the steps ahead, and how many these are."""

    model: Model
    panel: Panel
    steps: int


def opened(
    model: Model | str | Path, data: Any, horizon: int | None, future_data: Any, settings: dict[str, Any] | None
) -> Work:
    """A model and a table as they are forecast; of a pretrained one the model that it becomes for this table."""
    if (place := zero_shot.place(model)) is not None:
        config, bounds = zero_shot.of_table(settings or {}, horizon)
        made, panel = zero_shot.for_table(place, data, config, future_data, bounds)
        steps = rolled = made.shape.horizon
    else:
        model = occasions.with_settings(model, settings)
        prediction.check_horizon(horizon, prediction.LONGEST)
        made = model if isinstance(model, Model) else directory.load(model)
        steps = horizon or made.shape.horizon
        rolled = prediction.rolled(made, steps)
        panel = prediction.read(made, data, rolled, future_data)
    prediction.check_future(panel, steps, rolled, future_data)
    return Work(made, panel, steps)


def of_panel(model: Model, panel: Panel, steps: int, draw: tuple[int, int], how: Dependence | None = None) -> Samples:
    """Draw paths of a table that is on its grid, with rows for the steps ahead.

    draw: how many, and the seed.
    how: errors hang together; as the model says, else as the table at hand shows, where None.
    """
    count, seed = draw
    check(model)
    values = count * len(panel) * steps * model.shape.targets
    if values > MOST_VALUES:
        most = MOST_VALUES * count // values
        hint = f"ask for {most:,} samples at most, or for fewer series" if most >= FEWEST else "name fewer series"
        raise ConfigError(f"{count:,} samples of {len(panel):,} series x {steps} steps are too many to hold", hint)
    how = how or model.dependence or of_table(model, panel)
    made = prediction.of_panel(model, panel, steps, model.reach)
    with stage("sampling"):
        field = _of_series(how, panel, -(-steps // model.shape.horizon), model.calibration, draw)[:, :steps]
        within = limits(model.experiment.model.bounds, panel, model.facts.traits(panel))
        drawn = field if made.quantiles.dtype == field.dtype else np.empty(field.shape, made.quantiles.dtype)
        for i in range(len(panel)):  # one by one: places in an order take twice the room of the paths
            own = within.part(slice(i, i + 1)).keep(spread_out(made.quantiles[i : i + 1], made.levels, count))
            drawn[i] = np.take_along_axis(own[0], places(field[i]), axis=-1)
    return Samples(made, np.moveaxis(drawn, -1, 0), seed)


def ranks(how: Dependence, panel: Panel, blocks: int, calibration: Calibration | None, draw: tuple[int, int]) -> Ints:
    """In which order the values of each step come on the paths, (n, blocks · H, C, S)."""
    return places(_of_series(how, panel, blocks, calibration, draw))


def places(field: Floats) -> Ints:
    """The place of each value among those along the last axis, from 0."""
    return np.argsort(np.argsort(field, axis=-1), axis=-1)


def _of_series(
    how: Dependence, panel: Panel, blocks: int, calibration: Calibration | None, draw: tuple[int, int]
) -> Floats:
    """Normal fields of the series of a table, (n, blocks · H, C, S)."""
    rows = dependence.places([panel.key(i) for i in range(len(panel))], how)
    return _field(how, rows, blocks, calibration, draw)


def spread_out(quantiles: Floats, levels: tuple[float, ...], count: int) -> Floats:
    """Quantiles (..., R) as so many values that ascend, (..., S), at evenly spaced levels."""
    return np.asarray(quantiles @ _spread(levels, count).astype(quantiles.dtype))


def check(model: Model) -> None:
    """Raises ModelError for a model without quantiles on both sides of the median."""
    if not model.reach or not model.reach[0] < 0.5 < model.reach[-1]:
        raise ModelError(
            "the model has no intervals to draw from: no held-out windows corrected them",
            "fit it with quantiles on both sides of 0.5, and with windows to validate by (data.validation)",
        )


def of_table(model: Model, panel: Panel) -> Dependence:
    """How errors hang together in windows of the table at hand, for a model that does not say it itself.

    Raises DataError where the table is too short for that.
    """
    found = held_out.learn(model.network, at_hand(model, panel))
    if found is None:
        raise DataError(
            f"{panel.name}: too short to see how errors hang together: {dependence.FEWEST} windows of "
            f"{model.shape.horizon} steps are needed",
            "bring a longer table, or ask for a shorter horizon of a model fitted for it",
        )
    log.warning("how errors hang together is taken from %d windows of the table at hand", found.windows)
    return found


def at_hand(model: Model, panel: Panel) -> Dataset:
    """A table as the dataset that a model's windows are gathered from, all of it before the forecast."""
    shape, starts, ends = model.shape, panel.offsets[:-1], panel.ends
    sizes = datasets.Sizes(shape.context, shape.horizon, shape.season, 0, 0, fallback=shape.fallback)
    cuts = split.Split(starts, ends, ends, ends, ends, 0)
    layout = datasets.Layout(model.experiment.data, sizes, cuts, model.experiment.model.bounds)
    estimates = datasets.Estimates(model.facts.encodings, model.facts.traits(panel))
    nothing = Windows(starts[:0], starts[:0])
    return datasets.encode(panel, layout, split.Parts(nothing, nothing, nothing), estimates)


def _field(how: Dependence, rows: Ints, blocks: int, calibration: Calibration | None, draw: tuple[int, int]) -> Floats:
    """Normal fields of a dependence, (n, blocks · H, C, S); only their order over the samples counts.

    rows: (n,) the row of each series in `how.series`, -1 where none.
    """
    count, seed = draw
    random = np.random.default_rng(seed)
    H, C, n = len(how.steps), len(how.targets), len(rows)
    known = rows >= 0
    table = how.series[np.ix_(rows[known], rows[known])]
    steps, targets = (dependence.factor(t).astype(np.float32) for t in (how.steps, how.targets))
    series = dependence.factor(table).astype(np.float32) if known.any() else None
    share = max(how.common, 0.0)
    parts = []
    for _ in range(blocks):
        part = random.standard_normal((n + 1, H, C, count), dtype=np.float32)
        part = np.einsum("hk,nkcs->nhcs", steps, part, optimize=True)
        part = np.einsum("cd,nhds->nhcs", targets, part, optimize=True)
        shared, own = part[-1], part[:-1]
        if series is not None:
            own[known] = np.tensordot(series, own[known], 1)
            shared = own[known].mean(axis=0) / np.float32(np.sqrt(table.mean()))
        own[~known] = np.float32(np.sqrt(share)) * shared + np.float32(np.sqrt(1 - share)) * own[~known]
        parts.append(own)
    if blocks > 1:
        unit = np.ones((H, C)) if calibration is None else np.array(calibration.unit)
        unit = np.where(unit.max() > 0, unit, 1.0).astype(np.float32)[None, :, :, None]
        fed = np.zeros_like(parts[0][:, :1])
        for k, part in enumerate(parts):
            last = unit[:, -1:] * part[:, -1:]
            parts[k] = unit * part + fed
            fed = fed + last
    return np.concatenate(parts, axis=1)


def _spread(levels: tuple[float, ...], count: int) -> Floats:
    """What makes values at evenly spaced levels of quantiles (..., R): a matrix (R, S).

    Linear between levels; beyond them as far from the median as those of a normal distribution lie.
    """
    normal, has = NormalDist(), np.array(levels)
    wanted = (np.arange(count) + 0.5) / count
    unit = np.eye(len(has))
    between = np.stack([np.interp(wanted, has, row) for row in unit])
    middle = np.array([np.interp(0.5, has, row) for row in unit])[:, None]
    for q, beyond in ((0, wanted < has[0]), (-1, wanted > has[-1])):
        times = np.array([normal.inv_cdf(p) / normal.inv_cdf(has[q]) for p in wanted[beyond]])
        between[:, beyond] = middle + (unit[q][:, None] - middle) * times
    return between
