"""A trained model in memory: what was fitted, to which data, and how its intervals are corrected."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from torch import nn

from tsforge.batch import WindowShape
from tsforge.config import Config
from tsforge.data import traits
from tsforge.data.dataset import Dataset
from tsforge.data.encodings import Encodings
from tsforge.data.loader import WindowSource
from tsforge.data.panel import Panel
from tsforge.data.schema import DataConfig, Schema, Season, Steps
from tsforge.data.time.calendar import harmonics
from tsforge.data.traits import Traits
from tsforge.errors import ConfigError
from tsforge.evaluation.conformal import Calibration
from tsforge.evaluation.dependence import Dependence
from tsforge.evaluation.forecasting import Baselines, Forecaster, Reader
from tsforge.experiment import Experiment

Count = Annotated[int, Field(ge=0, le=1_000_000)]  # of columns
Position = Annotated[int, Field(gt=-(2**62), lt=2**62)]  # on a grid
Spread = Annotated[float, Field(ge=0, le=1e37)]  # in units of the data


class Sizes(Config):
    """`WindowShape` as it is stored: sizes that windows can have, lags ascending."""

    context: Steps
    horizon: Steps
    targets: Count
    past: Count
    known: Count
    static: Count
    season: Season = 1
    lags: Annotated[tuple[Season, ...], Field(max_length=32)] = ()
    known_level: bool = False
    fallback: Season | Literal[0] = 0
    covariates: Count = 0


class DataFacts(Config):
    """What a model must know of its training data to read more of it.

    seen: by the words for a series, the grid position of its first step that the model was neither trained on nor
    chosen or calibrated by.
    held_out: steps before that which it was chosen by, and neither trained on nor calibrated by: of an update.
    usual, negative: by the same words, what its training rows say of it, as `Traits`; empty for models of before.
    """

    columns: Schema
    encodings: Encodings
    shape: Sizes
    source: str  # where the training data lay
    series: int
    rows: int
    seen: dict[str, Position] = Field(default_factory=dict)
    held_out: Annotated[int, Field(ge=0, lt=2**31)] = 0
    usual: dict[str, tuple[tuple[Spread, ...], ...]] = Field(default_factory=dict)
    negative: dict[str, tuple[bool, ...]] = Field(default_factory=dict)

    @classmethod
    def of(cls, dataset: Dataset, stops: NDArray[np.int64]) -> DataFacts:
        """Those of a dataset. stops: (n,) the row of each series before which the model has seen all."""
        panel = dataset.panel
        usual, negative = dataset.traits.kept(panel)
        seen = panel.first + stops - panel.offsets[:-1]
        return cls(
            columns=panel.schema, encodings=dataset.encodings, shape=Sizes(**dataset.source.shape._asdict()),
            source=dataset.config.path or "", series=len(panel), rows=int(panel.lengths.sum()),
            seen={panel.key(i): int(stop) for i, stop in enumerate(seen)}, usual=usual, negative=negative,
        )  # fmt: skip

    def unseen(self, panel: Panel) -> NDArray[np.int64]:
        """The first row of each series of a table that the model was neither trained on nor chosen by, (n,).

        Of a series that it does not know the first one; where it has seen all, the row after the last observed target.
        """
        starts = panel.offsets[:-1]
        ordinals = np.array([self.seen.get(panel.key(i), panel.first[i]) for i in range(len(panel))])
        return np.asarray(np.clip(starts + ordinals - panel.first, starts, panel.ends))

    def traits(self, panel: Panel) -> Traits:
        """Of the series of a table, as far as they were kept."""
        return traits.recall(panel, self.window_shape.context, self.usual, self.negative)

    @property
    def window_shape(self) -> WindowShape:
        """The sizes of the windows that the network reads."""
        return WindowShape(**self.shape.model_dump())

    def check(self, config: DataConfig) -> None:
        """Raises ConfigError where the sizes of the windows are not those of the columns, or of the settings."""
        columns, encodings = self.columns, self.encodings
        for role in ("past", "future", "static"):
            stored = [(e.name, bool(e.categories)) for e in getattr(encodings, role)]
            if stored != [(c.name, c.kind == "category") for c in getattr(columns, role)]:
                raise ConfigError(f"schema.json: the encodings of the {role} covariates are not of its columns")
        if [e.name for e in encodings.decided] != [name for o in encodings.occasions for name in o.columns]:
            raise ConfigError("schema.json: the columns of holidays and events are not those of its occasions")
        if strange := [name for o in encodings.occasions for name in o.by if name not in columns.id]:
            raise ConfigError(f"schema.json: '{strange[0]}' of an occasion is no column of ids")
        groups = {"past": encodings.past, "future": encodings.ahead, "static": encodings.static}
        widths = {role: sum(e.width for e in group) for role, group in groups.items()}
        expected = {
            "targets": len(columns.target), "past": widths["past"],
            "known": widths["future"] + 2 * sum(harmonics(columns.frequency, c) for c in encodings.cycles),
            "static": widths["static"], "horizon": config.horizon, "context": config.context, "season": config.season,
        }  # fmt: skip
        if self.shape.covariates not in (0, widths["future"]):  # 0 in models of before
            words = f"shape.covariates is {self.shape.covariates}, but there are {widths['future']}"
            raise ConfigError(f"schema.json: {words}")
        targets = len(columns.target)
        if any(tuple(map(len, spread)) != (targets, targets) for spread in self.usual.values()) or any(
            len(signs) != targets for signs in self.negative.values()
        ):
            raise ConfigError("schema.json: what is usual of a series is of other targets")
        for name, size in expected.items():
            if size is not None and size != getattr(self.shape, name):
                raise ConfigError(f"schema.json: shape.{name} is {getattr(self.shape, name)}, but there are {size}")


@dataclass(frozen=True)
class Model:
    """A fitted model: everything `predict` needs, and the baselines that `backtest` sets beside it.

    dependence: how its errors hang together, for sample paths; None for models of before, and where that is not known.
    """

    experiment: Experiment
    facts: DataFacts
    network: nn.Module
    calibration: Calibration | None = None
    baselines: Baselines = field(default_factory=dict)
    dependence: Dependence | None = None

    @property
    def shape(self) -> WindowShape:
        return self.facts.window_shape

    @property
    def levels(self) -> tuple[float, ...]:
        """The quantile levels of its forecasts, ascending; empty where it has none."""
        return self.experiment.model.levels if self.calibration is None else self.calibration.levels

    @property
    def reach(self) -> tuple[float, ...]:
        """The levels between which a forecast can be asked for at any level: `levels`, and those of the tail."""
        return self.levels if self.calibration is None else self.calibration.reach

    def forecaster(self, source: WindowSource) -> Forecaster:
        """The network reading windows of a source, with its intervals corrected."""
        return Forecaster(Reader(self.network, source), self.calibration)
