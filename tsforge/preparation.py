"""From an experiment and a table to windows on a device: what every fit and every evaluation starts from."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsforge.data import covariates, split, statistics, table
from tsforge.data.catalog import find
from tsforge.data.defaults import default_context, default_horizon
from tsforge.data.loader import WindowSource, window_shape
from tsforge.data.panel import Panel, build
from tsforge.data.schema import DataConfig
from tsforge.errors import ConfigError
from tsforge.experiment import Experiment

log = logging.getLogger("tsforge")


@dataclass(frozen=True)
class Prepared:
    """A panel cut into parts, with everything learned from its training part.

    experiment: with every setting of the data resolved. scale (n, C): denominators of MASE.
    """

    experiment: Experiment
    panel: Panel
    cuts: split.Split
    parts: split.Parts
    encodings: covariates.Encodings
    features: covariates.Features
    level: statistics.Level
    source: WindowSource
    scale: NDArray[np.float64]

    @property
    def title(self) -> str:
        """The experiment's name, else as "lstm-demand-h48"; what a folder's name cannot hold is left out."""
        data = self.experiment.data
        target = data.target[0] if len(data.target) == 1 else f"{len(data.target)}-targets"
        name = self.experiment.name or f"{self.experiment.model.kind}-{target}-h{data.horizon}"
        return re.sub(r"[^\w.-]+", "_", name)


def prepare(experiment: Experiment, data: Any, device: str = "cpu") -> Prepared:
    """Read, lay out, cut and encode a table; settle horizon, context, season and parts.

    data: path of a table, name of a catalogued data set, or a pandas or Polars frame; data.path where None.
    Raises DataError or ConfigError for what the user can mend.
    """
    source = experiment.data.path if data is None else data
    if source is None:
        raise ConfigError("no data is named", "fit DATA, or data.path in the TOML file")
    source = find(source) if isinstance(source, str) else source
    panel = build(table.load(source, experiment.data))
    experiment, cuts = resolve(experiment, panel)
    where = str(Path(source).resolve()) if isinstance(source, str | Path) else None
    experiment = experiment.model_copy(update={"data": experiment.data.model_copy(update={"path": where})})
    config = experiment.data
    assert config.horizon is not None
    assert config.context is not None
    assert config.season is not None
    parts = split.parts(panel, cuts, config.context, config.horizon)
    encodings = covariates.learn(panel, cuts.train, use_calendar=config.calendar)
    features = covariates.encode(panel, encodings)
    shape = window_shape(panel, features, config.context, config.horizon, config.season)
    source = WindowSource(panel, features, shape, device)
    level = statistics.level(panel, cuts.train)
    scale = statistics.seasonal_error(panel, cuts.train, config.season)
    return Prepared(experiment, panel, cuts, parts, encodings, features, level, source, scale)


def resolve(experiment: Experiment, panel: Panel) -> tuple[Experiment, split.Split]:
    """Settle what the experiment leaves open, from the panel's frequency, length and training part."""
    config = experiment.data
    lengths = panel.ends - panel.offsets[:-1]
    horizon = config.horizon or default_horizon(panel)
    if config.horizon is None:
        log.warning("no horizon given: forecasting %d steps (change it with --horizon)", horizon)
    validation, test = split.sizes(panel, horizon, config.validation, config.test)
    cuts = split.split(panel, validation, test)
    season = config.season or statistics.detect_season(panel, cuts.train)
    longest = int((cuts.train - panel.offsets[:-1]).max(initial=0)) - horizon
    context = config.context or default_context(horizon, season)
    least = experiment.model.least_context(season)
    if context < least:
        log.warning("context raised from %d to %d, one season", context, least)
        context = least
    if config.context is None and context > max(longest, 1):
        context = max(longest, 1)
    elif context > int(lengths.max(initial=0)):
        log.warning("every series is shorter than the context of %d steps; all are padded and masked", context)
    schema = panel.schema
    update = {
        "time": schema.time, "id": schema.id, "target": schema.target, "freq": schema.frequency.name,
        "horizon": horizon, "context": context, "season": season, "validation": validation, "test": test,
    }  # fmt: skip
    resolved = DataConfig.model_validate(config.model_dump() | update)
    return experiment.model_copy(update={"data": resolved}), cuts


def pick_device(wanted: str) -> str:
    """ "cpu" or "cuda", never a surprise: cuda is refused where there is none."""
    import torch

    if wanted == "cuda" and not torch.cuda.is_available():
        raise ConfigError("no CUDA device is available", "pass --device auto or --device cpu")
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted
