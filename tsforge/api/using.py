"""predict and backtest as Python users call them: with a fit, a model, its directory or its address."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsforge.api import models
from tsforge.api.results import Backtested, Predicted
from tsforge.experiment import BacktestConfig, Experiment
from tsforge.runtime import logs

if TYPE_CHECKING:
    from tsforge.backtesting.rolling import Fold
    from tsforge.fitted.model import Model
    from tsforge.training.fitting import Fit


def predict(
    model: Fit | Model | str | Path, data: Any = None, *, horizon: int | None = None,
    quantiles: Sequence[float] | None = None, future_data: Any = None, settings: dict[str, Any] | None = None,
    reconcile: str | None = None,
) -> Predicted:  # fmt: skip
    """Forecast the steps after each series' last observed target.

    model: a fit, a model, its directory or its address in MLflow; or "zero", a pretrained one that needs no fit.
    data: path, pandas or Polars frame; that of a fit, or the training data, where None.
    horizon: steps; the trained horizon where None. A longer one is rolled out by feeding forecasts back.
    quantiles: levels, of those that the model has; all of them where None. They come out ascending, each once.
    future_data: path or frame with ids, times and the covariates known in advance, as `future` gives it with the values
    filled in; where None, such rows stand at the end of `data`, with the target empty.
    settings: how a pretrained model reads the table, as {"data.id": "store"}; what is left out is detected. Of a
    fitted one "data.events" alone, as for `with_events`, and "model.bounds", what forecasts are kept within.
    reconcile: how forecasts of a hierarchy (data.hierarchy) are made to add up: "bottom-up", "ols", "wls", "mint" or
    "none"; as the model was fitted with where None. The forecasts of all levels come out, sums before their series.
    Raises ModelError and DataError for what does not fit together, ConfigError for a level the model does not have.
    """
    from tsforge.fitted import reconciled

    logs.heard()
    ahead: dict[str, Any] = {"horizon": horizon, "quantiles": quantiles, "future_data": future_data}
    own, data = models.beside(model, data)
    made = reconciled.predict(own, data, settings, **ahead, reconcile=reconcile)
    return Predicted.of(made, data, models.scores(model, own, made.model))


def backtest(
    what: Experiment | Fit | Model | str | Path, data: Any = None, *, config: BacktestConfig | None = None,
    baselines: str | Sequence[str] | None = None, on_fit: Fold | None = None, reconcile: str | None = None,
) -> Backtested:  # fmt: skip
    """Judge a forecaster on data it never saw, beside naive, seasonal naive, drift, linear, and what is asked for.

    what: an experiment, which is fitted on what lies before each (first) origin; or a fit, a model, its directory or
    its address, which forecasts every origin after what it has seen. Origins are counted back from the end of each
    series; where series end at different times, a fit knows times of one that lie after the origins of another, with a
    warning.
    data: path, name of a data set, pandas or Polars frame; the experiment's or the training data where None.
    config: how to roll; the experiment's own where None. Windows whose truth is partly missing count where observed.
    baselines: others that it stands beside, as ("theta", "ets"); those of the experiment where None.
    reconcile: how forecasts of a hierarchy are made to add up, as for `predict`; they stand beside the base forecasts.
    on_fit: called before each fit with what is fitted, which fit it is, and of how many.
    Raises TsforgeError for what the user can fix.
    """
    from tsforge.backtesting import rolling

    logs.heard()
    own, data = (what, data) if isinstance(what, Experiment) else models.beside(what, data)
    test = rolling.backtest(own, data, config=config, baselines=baselines, on_fit=on_fit, reconcile=reconcile)
    return Backtested.of(test, data)
