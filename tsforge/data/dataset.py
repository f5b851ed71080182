"""From an experiment and a table to windows on a device: what every fit and every evaluation starts from."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tsforge.data import covariates, split, statistics
from tsforge.data.catalog import find
from tsforge.data.defaults import default_context, default_horizon, long_context
from tsforge.data.loader import WindowSource, window_shape
from tsforge.data.panel import Panel, build
from tsforge.data.schema import DataConfig
from tsforge.data.season import detect_season
from tsforge.data.table import table
from tsforge.data.windows import cut
from tsforge.errors import ConfigError
from tsforge.experiment import Experiment

log = logging.getLogger("tsforge")


@dataclass(frozen=True)
class Prepared:
    """A panel cut into parts, with everything learned from its training part.

    experiment: with every setting of the data resolved. level: of the training part alone.
    in_sample: seasonal differences of all that lies before the test part, by which MASE and RMSSE divide.
    began: when the work on it began, on the clock of `time.perf_counter`: a tournament's time counts from there.
    """

    experiment: Experiment
    panel: Panel
    cuts: split.Split
    parts: split.Parts
    encodings: covariates.Encodings
    features: covariates.Features
    level: statistics.Level
    source: WindowSource
    in_sample: statistics.SeasonalError
    began: float = field(default_factory=time.perf_counter)


def prepare(experiment: Experiment, data: Any, device: str = "cpu") -> Prepared:
    """Read, lay out, cut and encode a table; settle horizon, context, season and parts.

    data: path of a table, name of a catalogued data set, or a pandas or Polars frame; data.path where None.
    Raises DataError or ConfigError for what the user can mend.
    """
    began = time.perf_counter()
    experiment, panel = read(experiment, data)
    experiment, cuts = resolve(experiment, panel)
    return replace(arrange(experiment, panel, cuts, device), began=began)


def read(experiment: Experiment, data: Any) -> tuple[Experiment, Panel]:
    """The table on its grid, and the experiment with the path it was read from."""
    source = experiment.data.path if data is None else data
    if source is None:
        raise ConfigError("no data is named", "name a table, or data.path in the TOML file")
    source = find(source) if isinstance(source, str) else source
    panel = build(table.load(source, experiment.data))
    where = str(Path(source).resolve()) if isinstance(source, str | Path) else None
    return experiment.model_copy(update={"data": experiment.data.model_copy(update={"path": where})}), panel


def arrange(experiment: Experiment, panel: Panel, cuts: split.Split, device: str = "cpu") -> Prepared:
    """Cut a panel into the windows of a resolved experiment, and learn from its training part what they need."""
    data = experiment.data
    assert data.context is not None
    assert data.horizon is not None
    parts = split.parts(panel, cuts, data.context, data.horizon, least_history(data))
    encodings = covariates.fit(panel, cuts.train, cuts.begin, use_calendar=data.calendar)
    return encode(experiment, panel, Cut(cuts, parts, encodings), device)


def least_history(data: DataConfig) -> int | None:
    """Steps before the origin of a training window at least; None for a full context where a series has one."""
    return 2 * (data.season or 1) if data.history == "season" else data.history


def widened(prepared: Prepared) -> Prepared:
    """With training windows up to the end of the validation part."""
    cuts, data = prepared.cuts, prepared.experiment.data
    assert data.context is not None
    assert data.horizon is not None
    windows = cut(prepared.panel, cuts.begin, cuts.validation, data.context, data.horizon, history=least_history(data))
    return replace(prepared, parts=prepared.parts._replace(train=windows))


class Cut(NamedTuple):
    """Where a panel is cut, the windows of the parts, and how its covariates are encoded."""

    cuts: split.Split
    parts: split.Parts
    encodings: covariates.Encodings


def encode(experiment: Experiment, panel: Panel, cut: Cut, device: str = "cpu") -> Prepared:
    """The second half of `arrange`: features, window source and scales of what was cut."""
    config = experiment.data
    assert config.horizon is not None
    assert config.context is not None
    assert config.season is not None
    cuts, parts, encodings = cut
    features = covariates.encode(panel, encodings)
    shape = window_shape(panel, features, config.context, config.horizon, config.season)
    source = WindowSource(panel, features, shape, device)
    level = statistics.level(panel, cuts.train, cuts.begin)
    in_sample = statistics.seasonal_error(panel, cuts.origin, config.season)
    return Prepared(experiment, panel, cuts, parts, encodings, features, level, source, in_sample)


def resolve(
    experiment: Experiment, panel: Panel, rolling: split.Rolling | None = None
) -> tuple[Experiment, split.Split]:
    """Settle what the experiment leaves open, from the panel's frequency, length and training part."""
    config = experiment.data
    lengths = panel.ends - panel.offsets[:-1]
    horizon = settle_horizon(experiment, panel)
    validation, test = split.sizes(panel, horizon, config.validation, config.test)
    cuts = split.split(panel, validation, test, rolling)
    season = config.season or detect_season(panel, cuts.train)
    longest = max(int((cuts.train - panel.offsets[:-1]).max(initial=0)) - horizon, 1)
    context = config.context or default_context(horizon, season)
    if config.context is None and experiment.model.long_context:
        context = long_context(context, season, int(np.median(cuts.train - panel.offsets[:-1])))
    least = experiment.model.least_context(season)
    if context < min(least, longest):  # a context that was settled before, at the longest there is, stays
        log.warning("context raised from %d to %d, as %s needs", context, least, experiment.model.kind)
        context = least
    if config.context is None and context > longest:
        context = longest
    elif context > int(lengths.max(initial=0)):
        log.warning("every series is shorter than the context of %d steps; all are padded and masked", context)
    schema = panel.schema
    update = {
        "time": schema.time, "id": schema.id, "target": schema.target, "freq": schema.frequency.name,
        "horizon": horizon, "context": context, "season": season, "validation": validation, "test": test,
    }  # fmt: skip
    resolved = DataConfig.model_validate(config.model_dump() | update)
    return experiment.model_copy(update={"data": resolved}), cuts


def settle_horizon(experiment: Experiment, panel: Panel) -> int:
    """The horizon asked for, else one that suits the data, which is said."""
    if experiment.data.horizon is not None:
        return experiment.data.horizon
    horizon = default_horizon(panel)
    log.warning("no horizon given: forecasting %d steps (change it with --horizon)", horizon)
    return horizon


def pick_device(wanted: str) -> str:
    """ "cpu" or "cuda", never a surprise: cuda is refused where there is none."""
    import torch

    if wanted == "cuda" and not torch.cuda.is_available():
        raise ConfigError("no CUDA device is available", "pass --device auto or --device cpu")
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted
