"""A table to windows on a device, with every size settled: what each fit and each evaluation starts from.

`prepare` goes the whole way; its steps are `read` (a table on its grid), `resolve` (sizes and cuts) and `arrange`
(windows, features, scales).
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from tsforge.data import covariates, magnitude, split, statistics, traits
from tsforge.data.catalog import find
from tsforge.data.encodings import Encodings, Features
from tsforge.data.hierarchy import build
from tsforge.data.loader import WindowSource, window_shape
from tsforge.data.mapped import building as mapped
from tsforge.data.occasions.choosing import located
from tsforge.data.panel import Panel
from tsforge.data.room import pieces
from tsforge.data.schema import DataConfig, Schema
from tsforge.data.season import detect_season, fallback
from tsforge.data.table import ahead, table
from tsforge.data.table.piped import path_of
from tsforge.data.table.reading import give_back
from tsforge.data.traits import Bounds, Limits, Traits
from tsforge.data.windows import cut
from tsforge.errors import ConfigError
from tsforge.runtime.timing import stage

log = logging.getLogger("tsforge")

FAR = 10  # times the longest series: a context that would be padding, and take time for it


class Needs(Protocol):
    """What a model asks of its windows; every model's configuration answers it."""

    @property
    def kind(self) -> str:
        """Its name, for messages."""

    @property
    def any_history(self) -> bool:
        """Whether its training windows may be shorter than the context, where nobody says."""

    @property
    def long_context(self) -> bool:
        """Whether it wants a context of more than a few seasons where nobody says."""

    @property
    def bounds(self) -> Bounds:
        """What its forecasts are kept within."""

    def roomy_context(self, season: int) -> int:
        """Steps of context that it reads where nobody says, of series that have them; 0 for no more than any model."""

    def least_context(self, season: int, fallback: int = 0) -> int:
        """Steps of context below which it cannot work; fallback: of seasonal naive's season where there is no other."""


class Sizes(NamedTuple):
    """Lengths in steps, all settled.

    validation, test: of the parts at the end of every series. history: steps before the origin of a training window
    at least; None for a full context where a series has one. fallback: the calendar's cycle, which seasonal naive goes
    back where no season was detected; 0 for none. narrow: the context of networks, where others read more beside them.
    """

    context: int
    horizon: int
    season: int
    validation: int
    test: int
    history: int | None = None
    fallback: int = 0
    narrow: int = 0


class Layout(NamedTuple):
    """How a panel is to be cut.

    config: with every column and size settled, as a model directory keeps it.
    bounds: what forecasts are kept within.
    """

    config: DataConfig
    sizes: Sizes
    cuts: split.Split
    bounds: Bounds = "auto"


class Estimates(NamedTuple):
    """What was estimated from training rows and is kept with a model, to read other rows alike.

    moments: of each series' training rows, where they were computed along the way; no model keeps these.
    """

    encodings: Encodings
    traits: Traits
    moments: statistics.Moments | None = None


@dataclass(frozen=True)
class Dataset:
    """A panel cut into parts, with everything that is estimated from its training part.

    It knows columns and lengths, and no model.

    level: location and scale of each target, of the training part alone.
    traits: of each series, from its training rows; limits: what its forecasts are kept within.
    in_sample: seasonal differences of all that lies before the test part, by which MASE and RMSSE divide.
    began: when the work on it began, on the clock of `time.perf_counter`: a tournament's time counts from there.
    """

    config: DataConfig
    sizes: Sizes
    panel: Panel
    cuts: split.Split
    parts: split.Parts
    encodings: Encodings
    features: Features
    level: statistics.Level
    source: WindowSource
    in_sample: statistics.SeasonalError
    traits: Traits
    limits: Limits
    began: float = field(default_factory=time.perf_counter)


def prepare(config: DataConfig, data: Any, needs: Needs, device: str = "cpu") -> Dataset:
    """Read, lay out, cut and encode a table; settle horizon, context, season and parts.

    data: path of a table, name of a catalogued data set, or a pandas or Polars frame; `config.path` where None.
    needs: the configuration of the model that will read the windows.
    device: where the windows are gathered, "cpu" or "cuda".
    Raises DataError or ConfigError for what the user can fix.
    """
    began = time.perf_counter()
    config, panel = read(config, data)
    return replace(arrange(panel, resolve(config, panel, needs), device), began=began)


@stage("reading")
def read(config: DataConfig, data: Any, future_data: Any = None) -> tuple[DataConfig, Panel]:
    """The table on its grid, with the rows ahead of `future_data`, and the configuration with the path it came from."""
    source = config.path if data is None else data
    if source is None:
        raise ConfigError("no data is named", "name a table, or data.path in the TOML file")
    source = find(source) if isinstance(source, str) else source
    if future_data is None and mapped.wanted(source, config):
        panel = mapped.panel(Path(source), config)
    else:
        panel = build(ahead.with_rows_ahead(table.load(source, config), future_data))
    give_back()  # what the table held
    magnitude.check(panel)
    return located(config.model_copy(update={"path": path_of(source)})), panel


@stage("reading")
def read_like(data: Any, config: DataConfig, schema: Schema) -> Panel:
    """A later table on the grid of a model's schema. config: its `rows`, and where a large table lies on disk."""
    source = find(data) if isinstance(data, str) else data
    if mapped.wanted(source, config.model_copy(update={"mapped": None})):  # which was asked for another table
        panel = mapped.panel(Path(source), config, schema)
    else:
        rows = table.load_like(source, schema)
        panel = build(rows if config.rows is None else table.head(rows, config.rows))
    magnitude.check(panel)
    return panel


@stage("preparing")
def resolve(config: DataConfig, panel: Panel, needs: Needs, rolling: split.Rolling | None = None) -> Layout:
    """Settle what the configuration leaves open, from the panel's frequency, length and training part."""
    horizon = settle_horizon(config, panel)
    validation, test = split.sizes(panel, horizon, config.validation, config.test)
    cuts = split.split(panel, validation, test, rolling)
    season = config.season or detect_season(panel, cuts.train)
    back = fallback(panel, cuts.train) if season == 1 else 0
    context, narrow = _context(config, panel, needs, cuts, (horizon, season, back))
    schema = panel.schema
    rows = schema.frequency if schema.resampling is None else schema.resampling.source  # the grid that data.freq names
    update = {
        "time": schema.time_columns, "id": schema.id, "target": schema.target,
        "freq": rows.name if rows else config.freq, "horizon": horizon, "context": context,
        "season": season, "validation": validation, "test": test,
    }  # fmt: skip
    resolved = DataConfig.model_validate(config.model_dump() | update)
    history = least_history(config, needs, season)
    lengths = Sizes(context, horizon, season, validation, test, history, back, narrow)
    return Layout(resolved, lengths, cuts, needs.bounds)


@stage("preparing")
def arrange(panel: Panel, layout: Layout, device: str = "cpu") -> Dataset:
    """Cut a panel into windows, and estimate from its training part what they need."""
    sizes, cuts = layout.sizes, layout.cuts
    parts = split.parts(panel, cuts, sizes.context, sizes.horizon, sizes.history)
    config = layout.config
    encodings = covariates.fit(panel, cuts.train, cuts.begin, use_calendar=config.calendar, config=config)
    moments = statistics.moments(panel, cuts.train, cuts.begin)
    series = traits.fit(panel, sizes.context, cuts.train, cuts.begin, moments)
    return encode(panel, layout, parts, Estimates(encodings, series, moments), device)


def encode(panel: Panel, layout: Layout, parts: split.Parts, estimates: Estimates, device: str = "cpu") -> Dataset:
    """The dataset of windows and estimates that are given: features, window source and scales."""
    config, sizes, cuts, bounds = layout
    encodings, series, moments = estimates
    features = covariates.encode(panel, encodings)
    shape = window_shape(panel, features, sizes.context, sizes.horizon, sizes.season)
    shape = shape._replace(known_level=encodings.level, fallback=sizes.fallback)
    source = WindowSource(panel, features, shape, device, series.usual)
    level = statistics.level_of(moments or statistics.moments(panel, cuts.train, cuts.begin))
    in_sample = statistics.seasonal_error(panel, cuts.origin, sizes.season)
    limits = traits.limits(bounds, panel, series)
    return Dataset(config, sizes, panel, cuts, parts, encodings, features, level, source, in_sample, series, limits)


def widened(dataset: Dataset) -> Dataset:
    """With training windows up to the end of the validation part."""
    cuts, sizes = dataset.cuts, dataset.sizes
    windows = cut(dataset.panel, cuts.begin, cuts.validation, sizes.context, sizes.horizon, history=sizes.history)
    return replace(dataset, parts=dataset.parts._replace(train=windows))


def narrowed(dataset: Dataset, context: int | None, needs: Needs) -> Dataset:
    """The same windows with so many steps of context at most, and the training part that a model has by default."""
    most = dataset.sizes.context
    return reaching(dataset, min(context or most, most), needs)


def reaching(dataset: Dataset, context: int, needs: Needs) -> Dataset:
    """The same windows with so many steps of context, and the training part that a model has by default."""
    source, cuts, sizes = dataset.source, dataset.cuts, dataset.sizes
    history = least_history(dataset.config, needs, sizes.season)
    if (context, history) == (sizes.context, sizes.history):
        return dataset
    if context != sizes.context:
        shape = source.shape.with_context(context, dataset.panel.schema.frequency.seasons())
        source = WindowSource(dataset.panel, dataset.features, shape, source.device, source.usual)
    train = dataset.parts.train
    wide = any((train.origins[p] >= cuts.train[train.series[p]]).any() for p in pieces(len(train)))
    end = cuts.validation if wide else cuts.train
    train = cut(dataset.panel, cuts.begin, end, context, sizes.horizon, history=history)
    sizes = sizes._replace(context=context, history=history)
    return replace(dataset, source=source, sizes=sizes, parts=dataset.parts._replace(train=train))


def least_history(config: DataConfig, needs: Needs, season: int) -> int | None:
    """Steps before the origin of a training window at least: two seasons where the model reads whatever there is."""
    asked = "season" if config.history is None and needs.any_history else config.history
    return 2 * season if asked == "season" else asked


def settle_horizon(config: DataConfig, panel: Panel) -> int:
    """The horizon asked for, else one that suits the data, with a warning that names it."""
    if config.horizon is not None:
        return config.horizon
    horizon = split.default_horizon(panel)
    log.warning("no horizon given: forecasting %d steps (change it with data.horizon)", horizon)
    return horizon


def _context(
    config: DataConfig, panel: Panel, needs: Needs, cuts: split.Split, of: tuple[int, int, int]
) -> tuple[int, int]:
    """The context asked for or one that suits the model and the data, raised where the model needs more.

    The second value is that of a network, where the model has others that read more by default.
    """
    horizon, season, back = of
    training = cuts.train - panel.offsets[:-1]
    longest = max(int(training.max(initial=0)) - horizon, 1)
    context = config.context or split.default_context(horizon, season)
    if config.context is None and needs.long_context:
        context = split.long_context(context, season, int(np.median(training)))
    narrow = min(context, longest) if config.context is None else context
    if config.context is None:
        context = max(context, min(needs.roomy_context(season), longest))
    least = needs.least_context(season, back)
    if context < min(least, longest):  # a context that was settled before, at the longest there is, stays
        log.warning("context raised from %d to %d, as %s needs", context, least, needs.kind)
        context = least
    there = int(panel.lengths.max(initial=0))
    if config.context is None and context > longest:
        context = longest
    elif context > max(FAR * there, least):
        hint = f"data.context={there} reads all there is"
        raise ConfigError(f"a context of {context} steps is far longer than every series, of {there} at most", hint)
    elif context > there:
        log.warning("every series is shorter than the context of %d steps; all are padded and masked", context)
    return context, min(narrow, context)
