"""What a backtest gives: forecasts of the same windows by all models, scored and as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tsforge.backtesting.forecasts import Forecasts
from tsforge.data import rolled
from tsforge.data.panel import Panel
from tsforge.data.traits import Bound
from tsforge.evaluation.bounds import bounds
from tsforge.evaluation.gaps import Points, points
from tsforge.evaluation.metrics import Ratio, metric
from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.scores import By, sums
from tsforge.evaluation.significance import Differences, differences
from tsforge.experiment import BacktestConfig, Experiment

ROWS = 1_000_000  # of a part of the forecasts as a table


@dataclass(frozen=True)
class Backtest:
    """Forecasts of the same windows by the model and by the baselines.

    experiment: as resolved. forecasts: the forecasts and how their intervals are corrected, the model's first.
    stride: steps between origins. fits: how many models were fitted, 0 for a model that was there before.
    fallback: steps that seasonal naive goes back where there is no season; 0 for none.
    """

    experiment: Experiment
    panel: Panel
    forecasts: Forecasts
    stride: int
    fits: int
    seconds: float = 0.0
    fallback: int = 0

    @property
    def config(self) -> BacktestConfig:
        """How it was rolled and is scored."""
        return self.experiment.backtest or BacktestConfig()

    @property
    def models(self) -> tuple[str, ...]:
        """What was scored: the model, then the baselines."""
        return tuple(self.forecasts.raw)

    @property
    def windows(self) -> int:
        """How many were scored."""
        return len(self.forecasts.windows)

    @property
    def series(self) -> int:
        """How many have a window."""
        return len(np.unique(self.forecasts.windows.series))

    @property
    def read(self) -> int:
        """How many series the table has; of a hierarchy those of the levels at hand."""
        return self.series if self.panel.schema.hierarchy else len(self.panel)

    @property
    def origins(self) -> int:
        """Forecast origins of the series that has most."""
        return int(np.bincount(self.forecasts.windows.series).max())

    @property
    def rolls(self) -> bool:
        """Whether intervals can adapt: there is an origin to learn from before another."""
        return self.origins > 1

    @cached_property
    def outcomes(self) -> dict[str, Outcome]:
        """By model, with the intervals that were asked for."""
        return {name: self.outcome(name, self.intervals) for name in self.forecasts.raw}

    def outcome(self, name: str, intervals: str) -> Outcome:
        """The forecasts of one model with "raw", "static" or "adaptive" intervals."""
        if intervals == "raw":
            return self.forecasts.raw[name]
        if intervals == "static" or not self.rolls:
            return self.forecasts.static(name)
        return self.forecasts.adaptive(name, self.config.gamma)

    @cached_property
    def bounds(self) -> list[Bound]:
        """What the model's forecasts are kept within, and in how many windows that mattered; in units of the data."""
        if self.config.units == "standard":
            return []
        return bounds(self.outcomes[self.experiment.model.kind], self.panel.schema.target)

    @property
    def points(self) -> Points:
        """Observed points, and those whose series has no scale."""
        return points(self.forecasts.raw[self.models[0]])

    def summed(self, model: str, intervals: str, names: Sequence[str], by: By) -> dict[str, Ratio]:
        """Metrics of one model with one kind of intervals, before they are averaged."""
        return sums(self.outcome(model, intervals), names, by)

    def against(self, other: str, name: str) -> Differences:
        """The model's error of every window less another's, with the intervals that were asked for."""
        kind = self.intervals if metric(name).needs_quantiles else "raw"
        own, rival = (self.summed(model, kind, [name], "window")[name].value for model in (self.models[0], other))
        return differences(own - rival, self.forecasts.raw[other])

    @property
    def frame(self) -> Any:
        """Every forecast beside its truth, as a pandas frame: a row for each model, series, origin, step and target.

        Columns: those of the ids, `model`, `origin` (the last time that was there to forecast from), that of the time,
        `step`, `target` where there are several, `forecast`, the quantiles as "q0.1", and `truth`, NaN where nothing
        was observed. In units of the data, or those of `config.units`.
        """
        return rolled.joined(self.frames())

    def frames(self) -> Iterator[Any]:
        """The parts of `frame`, one after the other, each of some windows of one model."""
        rolled.check(self.panel)
        size = max(1, ROWS // max(1, self.forecasts.raw[self.experiment.model.kind].truth[0].size))
        levels = sorted({level for outcome in self.outcomes.values() for level in outcome.levels})
        for name, outcome in self.outcomes.items():
            for begin in range(0, len(outcome.truth), size):
                part = outcome.part(slice(begin, begin + size))
                yield rolled.frame(self.panel, name, part.series, part.time, part.columns(levels))

    @property
    def intervals(self) -> str:
        """ "raw", "static" or "adaptive": what the outcomes have."""
        return self.config.intervals if self.rolls or self.config.intervals == "raw" else "static"
