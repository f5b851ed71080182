"""tsforge: from a CSV to a trained, tracked, compared and trustworthy forecast.

import tsforge
fitted = tsforge.fit("data.csv", horizon=48, model="lstm")
fitted.scores, fitted.plot()
fitted.predict().frame

Whatever takes a model here takes a fit, a model, its directory, or the address of a recorded one in MLflow: runs:/RUN,
models:/NAME@ALIAS or models:/NAME/VERSION. Tables are paths, names of data sets, or frames of pandas or Polars;
whatever comes back as a frame has the same kind, for paths and names that of pandas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tsforge.version import __version__

if TYPE_CHECKING:
    from tsforge.api.answers import Detected, Foreseen, Sampled
    from tsforge.api.extending import register
    from tsforge.api.fitted import Fitted
    from tsforge.api.fitting import fit, resume
    from tsforge.api.reporting import report
    from tsforge.api.results import Backtested, Predicted
    from tsforge.api.searching import compare, sweep
    from tsforge.api.surveys import Survey, inspect
    from tsforge.api.using import backtest, predict
    from tsforge.backtesting.importance import Importances
    from tsforge.comparison.running import Compared
    from tsforge.detecting.running import Detection
    from tsforge.errors import TsforgeError
    from tsforge.experiment import BacktestConfig, Experiment
    from tsforge.exporting.writing import Exported
    from tsforge.fitted.explanation import Explanation
    from tsforge.fitted.model import Model
    from tsforge.fitted.sampling import Samples
    from tsforge.fitted.scenarios import Scenarios
    from tsforge.fitted.totals import Totals
    from tsforge.settings import build
    from tsforge.sweeping.running import Sweep
    from tsforge.training.fitting import Fit
    from tsforge.updating.running import Update

# Resolved on first use: `import tsforge` loads neither torch nor pandas.
_HOMES = {
    "register": "api.extending", "Experiment": "experiment", "build": "settings", "fit": "api.fitting",
    "resume": "api.fitting", "Fitted": "api.fitted",
    "predict": "api.using", "Predicted": "api.results", "backtest": "api.using",
    "Backtested": "api.results", "report": "api.reporting", "inspect": "api.surveys", "Survey": "api.surveys",
    "BacktestConfig": "experiment",
    "Model": "fitted.model", "Scenarios": "fitted.scenarios", "Explanation": "fitted.explanation",
    "Samples": "fitted.sampling", "Totals": "fitted.totals",
    "TsforgeError": "errors", "compare": "api.searching", "Importances": "backtesting.importance",
    "Compared": "comparison.running", "sweep": "api.searching", "Sweep": "sweeping.running",
    "Update": "updating.running", "Detection": "detecting.running",
}  # fmt: skip

__all__ = [
    "BacktestConfig", "Backtested", "Compared", "Detection", "Experiment", "Explanation", "Fitted", "Importances",
    "Model", "Predicted", "Samples", "Scenarios", "Survey", "Sweep", "Totals", "TsforgeError", "Update", "__version__",
    "backtest", "build", "compare", "covariates", "datasets", "detect", "explain", "export", "fit", "future", "inspect",
    "load", "predict", "register", "report", "resume", "sample", "sweep", "update", "what_if", "with_events",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"tsforge.{_HOMES[name]}"), name)
    if name == "datasets":
        return import_module("tsforge.api.datasets")
    raise AttributeError(f"module 'tsforge' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__


def load(model: str | Path) -> Model:
    """Read a fitted model from its directory, or a recorded one from its address.

    Raises ModelError naming the file that is missing, damaged or from a newer version, TrackingError for a recorded
    model that is not there.
    """
    from tsforge.fitted import directory
    from tsforge.tracking import registry

    return directory.load(registry.local(model))


def sample(
    model: Fit | Model | str | Path, data: Any = None, samples: int = 1000, *, horizon: int | None = None,
    future_data: Any = None, settings: dict[str, Any] | None = None, seed: int = 1, reconcile: str | None = None,
) -> Sampled:  # fmt: skip
    """Draw sample paths of what comes next: of all steps, series and targets together, each as likely as any other.

    model, data, horizon, future_data, settings, reconcile: as for `predict`; paths of a hierarchy add up, each of them.
    samples: how many, 10 to 100,000.
    seed: the same paths for the same seed.
    `Samples.values` has the paths, (S, n, H, C); `Samples.total` their sums over the horizon or by calendar period, and
    `Samples.probability` the chance to pass a level. Step by step they have the quantiles of `predict`; what comes
    together follows the order of the errors of held-out windows. Raises ModelError for a model without intervals,
    DataError where a model does not say how errors hang together and the table is too short to see it, ConfigError for
    more paths than memory holds; else as `predict`.
    """
    from tsforge.api import answers, models
    from tsforge.fitted import reconciled

    ahead: dict[str, Any] = {"horizon": horizon, "future_data": future_data, "settings": settings}
    own, data = models.beside(model, data)
    made = reconciled.sample(own, data, samples, **ahead, seed=seed, reconcile=reconcile)
    return answers.Sampled(**answers.own(made, data))


def what_if(
    model: Fit | Model | str | Path, data: Any = None, scenarios: Sequence[str] = (), *, horizon: int | None = None,
    quantiles: Sequence[float] | None = None, future_data: Any = None,
) -> Foreseen:  # fmt: skip
    """Forecast several futures of the covariates known in advance, and how they differ from the one that is planned.

    model, data, horizon, quantiles, future_data: as for `predict`.
    scenarios: what is changed over the steps ahead, as "price*1.1", "promo=1", or "sale: price*0.9, promo=1".
    What comes out is what the model has learned of these columns, which need not be a cause. Raises ConfigError for a
    column that the model does not know in advance or a value that it cannot have; else as `predict`.
    """
    from tsforge.api import answers, models
    from tsforge.fitted import scenarios as futures

    own, data = models.beside(model, data)
    asked: dict[str, Any] = {"horizon": horizon, "quantiles": quantiles, "future_data": future_data}
    return answers.Foreseen(**answers.own(futures.what_if(own, data, scenarios, **asked), data))


def with_events(model: Fit | Model | str | Path, events: Any) -> Model:
    """A fitted model with other days of the events that it was fitted with: those planned since.

    model: a fit, a model, its directory or its address.
    events: path or frame with the columns date and name, and those of ids that the fit had. Its days replace those of
    the model from its first day on; earlier ones stay, as the forecast reads them too.
    Raises ConfigError where the model knows no events, DataError for one that it was fitted without.
    """
    from tsforge.api import models
    from tsforge.fitted import occasions

    return occasions.with_events(models.of(model), events)


def future(model: Fit | Model | str | Path, data: Any = None, *, horizon: int | None = None) -> Any:
    """The rows ahead of a table as a frame, in which what is known in advance is to be filled in for `predict`.

    model, data, horizon: as for `predict`.
    Values that the calendar decides, and those that the table has, are there. Raises ConfigError for a model that knows
    nothing in advance, ModelError and DataError for what does not fit together.
    """
    from tsforge.api import models
    from tsforge.data import frames
    from tsforge.fitted import ahead

    own, data = models.beside(model, data)
    return frames.like(ahead.rows_ahead(own, data, horizon), polars=frames.is_polars(data))


def explain(
    model: Fit | Model | str | Path, data: Any = None, *, series: object = None, origin: object = None
) -> Explanation:
    """Say which past steps the forecast of one window looks at.

    model: a fit, a model, its directory or its address.
    data: path, pandas or Polars frame; that of a fit, or the training data, where None.
    series: an id; the first one where None.
    origin: the time of the first step to forecast; the step after the last observed target where None.
    Raises TsforgeError for a series or time that is not there, or a forecast without a gradient.
    """
    from tsforge.api import models
    from tsforge.fitted import explanation

    own, data = models.beside(model, data)
    return models.as_given(explanation.explain(own, data, series=series, origin=origin), data)


def covariates(
    model: Fit | Model | str | Path, data: Any = None, *, metric: str | None = None, windows: int = 300,
    ablate: bool = False, seed: int = 1,
) -> Importances:  # fmt: skip
    """Say which covariates the forecasts of a model depend on, and how much.

    model: a fit, a model, its directory or its address.
    data: path, pandas or Polars frame, with rows that the model has not seen; the training data where None.
    metric: the error that is taken, as "mae" or "wql"; MASE where None.
    windows: held-out windows that are forecast, at most.
    ablate: whether the model is fitted without each of them too, with three seeds, on `data`.
    seed: of the moves. Each covariate is moved in time within each series, 99 times otherwise (statics: among series),
    and the error of the same windows taken again; for a column that means nothing, the range of the changes leaves out
    0 in one of fifty cases. Gradient × input stands beside it, where forecasts have gradients.
    Raises ModelError for a model without covariates, DataError where no window lies after what the model has seen.
    """
    from tsforge.api import models
    from tsforge.backtesting import ablation, importance

    importance.refuse_pretrained(model)
    own, data = models.beside(model, data)
    result = importance.covariates(own, data, metric=metric, windows=windows, seed=seed)
    return models.as_given(ablation.ablate(result, own, data) if ablate else result, data)


def export(
    model: Fit | Model | str | Path, output: str | Path, *, format: Literal["onnx", "pt2"] | None = None,  # noqa: A002
    data: Any = None, quantiles: Sequence[float] | None = None,
) -> Exported:  # fmt: skip
    """Write a model as one file that runs without tsforge, with everything that `predict` does to a window inside.

    output: the file, which a JSON of the same name and ".json" behind it describes; both are written over.
    format: "onnx", or "pt2" of torch.export; by the ending of the file where None.
    data: the table on whose windows the file is checked, beside random ones; the training data where None.
    quantiles: levels that it gives, of those that the model has; all of them where None.
    Raises ModelError for a model without a graph, and where the file would answer otherwise than `predict` by more than
    1e-5 of the size of a window; ConfigError for a format that does not exist or lacks its packages.
    """
    from tsforge.api import models
    from tsforge.exporting import writing

    own, data = models.beside(model, data)
    return writing.export(own, output, form=format, data=data, quantiles=quantiles)


def update(
    model: Fit | Model | str | Path, data: Any, *, out: str | Path | None = None,
    when: Literal["always", "drift"] = "always", test: int | None = None, settings: dict[str, Any] | None = None,
) -> Update:  # fmt: skip
    """Bring a model up to date with new rows: train on from its weights, and keep what comes out if it is not worse.

    model: a model directory, a fit, a model, or the address of a recorded one.
    data: path, pandas or Polars frame: the table as it is now, with its history.
    out: folder for the new model; that of the old one where None, which it replaces in one move. Needed for an address,
    and for a fit or a model that lies in no folder: these are written there first, and replaced there.
    when: "drift" trains only if the intervals miss the new rows otherwise than the rows they were calibrated by.
    test: newest rows of each series that are held out, and both models forecast; half of the new ones where None.
    settings: of the training, as {"train.max_steps": 200}; else as the model was trained.
    Where the new model is worse, by the test of a backtest or by more than 5 per cent, the old one stays, and the new
    one is written to OUT.candidate. With too few new rows, or no drift, nothing is trained: `Update.decision` says it.
    Raises ConfigError, DataError and ModelError for what does not fit together.
    """
    from tsforge.api import models
    from tsforge.api.fitted import Fitted
    from tsforge.updating import running

    done = running.update(models.folder_of(model, out), data, out=out, when=when, test=test, settings=settings)
    return done if done.fit is None else replace(done, fit=Fitted.of(done.fit, data, done.written))


def detect(
    model: Fit | Model | str | Path, data: Any = None, *, rate: float = 0.001, everything: bool = False,
    state: dict[str, Any] | None = None,
) -> Detected:  # fmt: skip
    """Find the values of a table that a model did not expect, one step ahead.

    model: a fit, a model, its directory or its address.
    data: path, pandas or Polars frame, with its history before the rows to judge; the training data where None.
    rate: false alarms per value in normal times, above 0 and at most 0.2.
    everything: judge all rows that have enough before them, not only those after what the model has seen; not with a
    state.
    state: `Detection.state` of an earlier detection by the same model, which this one goes on from: rows one by one get
    the verdicts that they get at once.
    `Detection.frame` has the unusual values with what was expected, the interval, p-value, severity and kind; `events`
    those that belong together. Raises DataError where there is nothing to judge, ModelError for a model without
    intervals, ConfigError for a state of another model.
    """
    from tsforge.api import answers, models
    from tsforge.detecting import running

    own, data = models.beside(model, data)
    made = running.detect(own, data, rate=rate, everything=everything, state=state)
    return answers.Detected(**answers.own(made, data))
