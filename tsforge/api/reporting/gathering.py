"""What a report of a model is made of: its table, read once, forecast, backtest, and what the forecast looks at."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tsforge.api import models, using
from tsforge.api.reporting import facts
from tsforge.api.reporting.facts import Facts
from tsforge.backtesting import importance
from tsforge.data.catalog import find
from tsforge.data.mapped import building
from tsforge.data.table.reading import read
from tsforge.errors import ConfigError, DataError, TsforgeError
from tsforge.fitted import directory, prediction
from tsforge.fitted.explanation import explain
from tsforge.fitted.model import Model

if TYPE_CHECKING:
    from tsforge.backtesting.importance import Importances
    from tsforge.tracking.runs import Recorded

log = logging.getLogger("tsforge")

WINDOWS = 60  # on which covariates are weighed


@dataclass(frozen=True)
class Request:
    """How a report is wanted: as the arguments of `report` say."""

    data: Any = None
    horizon: int | None = None
    series: tuple[str, ...] = ()
    most: int = 100
    command: str = ""
    run: Recorded | None = None

    def refuse(self, what: str, hint: str) -> None:
        """Raises ConfigError where a table, a horizon or series are named of what has none."""
        if self.data is not None or self.horizon is not None or self.series:
            raise ConfigError(f"the report of {what} takes no table, horizon or series", hint)


class Gathered(NamedTuple):
    """place: of the model, where it has one. lags: how much the forecast looks at each. worth: of the covariates."""

    place: Any
    model: Model
    facts: Facts
    lags: list[tuple[int, float]] | None
    worth: Importances | None


def gather(what: Any, asked: Request) -> Gathered:
    """Forecast a table and judge the model on what it has not seen of it.

    what: a model, or its directory. Raises what `tsforge.predict` raises.
    """
    place, data = models.beside(what, asked.data)
    model = directory.load(place) if isinstance(place, str | Path) else place
    table = _read(model, data)
    made = using.predict(model, table, horizon=asked.horizon)
    try:
        test = using.backtest(model, table)
    except DataError as problem:
        log.warning("no scores: %s", problem.message)
        test = None
    found = facts.collect(made, test, asked.most, asked.series)
    return Gathered(place, model, found, _lags(model, table), _worth(model, table) if test else None)


def _read(model: Model, data: Any) -> Any:
    """The table, read once; by its path where it is brought to disk."""
    given = data if data is not None else prediction.training_data(model)
    given = find(given) if isinstance(given, str) else given
    if building.wanted(given, model.experiment.data.model_copy(update={"mapped": None})):
        return given
    return read(given, usual=model.facts.columns.decimal)


def _lags(model: Model, table: Any) -> list[tuple[int, float]] | None:
    """How much the forecast of the first series looks at each lag; None where the model cannot say."""
    try:
        found = explain(model, table)
        _, by_lag = found.along("gradient", found.target(None))
    except TsforgeError:
        return None
    return [(lag, float(weight)) for lag, weight in enumerate(by_lag.tolist()) if lag and weight == weight]


def _worth(model: Model, table: Any) -> Importances | None:
    """What covariates are worth, on a few windows; None for a model without any."""
    try:
        return importance.covariates(model, table, windows=WINDOWS, moves=importance.FEWEST)
    except TsforgeError:
        return None
