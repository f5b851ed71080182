"""A model as the package fev asks for it: fitted anew on what each window of a task may know, then asked for forecasts.

    model = TsforgeModel("theta")
    predictions = model.fit_predict(task)
    task.evaluation_summary(predictions, model.model_name, model.training_time, model.inference_time)

Importing it registers "tsforge" with fev. Targets, covariates known in the past and in advance, and statics of a task
are those of the fit. Nothing is pretrained: a forecast never rests on another data set.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import tsforge
from tsforge.errors import ConfigError
from tsforge.fitted.model import Model

try:
    import datasets
    import fev
except ImportError as problem:
    raise ConfigError(f"tsforge.adapters.fev needs the package {problem.name}", "pip install fev") from problem

if TYPE_CHECKING:
    from tsforge.data.tidy import Frame

Floats = NDArray[np.float64]
POINT = "predictions"  # the column of point forecasts, as fev calls it


class TsforgeModel(fev.ForecastingModel):  # type: ignore[misc]
    """kind: of the model by name, as "theta", "gru" or "auto"; the default one where None.

    settings: further dotted ones, as {"train.max_time": "60s"}. A season is that of the task where it has one.
    """

    model_name = "tsforge"

    def __init__(self, kind: str | None = None, settings: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.settings = ({} if kind is None else {"model.kind": kind}) | (settings or {})

    def _fit_predict(self, task: fev.Task) -> list[datasets.DatasetDict]:
        """Predictions for every window, each by a model of its own."""
        return [self._window(task, window) for window in task.iter_windows()]

    def _window(self, task: fev.Task, window: fev.EvaluationWindow) -> datasets.DatasetDict:
        past, ahead, static = fev.convert_input_data(window, adapter="pandas")
        past = past if static is None else past.merge(static, on=window.id_column, how="left")
        experiment = tsforge.build(columns(window) | sizes(task) | self.settings)
        with self._record_training_time():
            model = tsforge.fit(experiment, past).model
        with self._record_inference_time():
            forecasts = predict(model, past, ahead, task.quantile_levels)
        return datasets.DatasetDict({
            target: datasets.Dataset.from_dict({name: list(rows) for name, rows in of_target.items()})
            for target, of_target in forecasts.items()
        })  # fmt: skip


def columns(window: fev.EvaluationWindow) -> dict[str, Any]:
    """The columns of a window's tables as settings."""
    return {
        "data.id": (window.id_column,), "data.time": (window.timestamp_column,),
        "data.target": tuple(window.target_columns), "data.past": tuple(window.past_dynamic_columns),
        "data.future": tuple(window.known_dynamic_columns), "data.static": tuple(window.static_columns),
    }  # fmt: skip


def sizes(task: fev.Task) -> dict[str, Any]:
    """The horizon, and the season where a task has one; nothing is kept back to test on."""
    season = {"data.season": task.seasonality} if task.seasonality > 1 else {}
    return {"data.horizon": task.horizon, "data.test": 0} | season


def predict(model: Model, past: Frame, ahead: Frame, levels: Sequence[float]) -> dict[str, dict[str, Floats]]:
    """Forecasts of the steps ahead, by target: "predictions" and each level as text, (n, H) in the order of `past`.

    past, ahead: each series in one piece, in the same order; ahead has the covariates known in advance.
    Series whose targets end before their table does are forecast from there, over the gap as well.
    """
    schema, H, levels = model.facts.columns, model.shape.horizon, sorted(levels)
    (name,) = schema.id
    begin = starts(past[name].to_numpy())
    known = [name, *schema.time_columns, *(c.name for c in schema.future)] if schema.future else None
    gaps = trailing(past[list(schema.target)].to_numpy(np.float64), begin)
    shape = (len(begin), H, len(schema.target))
    point, quantiles = np.empty(shape), np.empty((*shape, len(levels)))
    for gap in np.unique(gaps).tolist():
        here = gaps == gap
        rows = past[np.repeat(here, np.diff(begin, append=len(past)))]
        later = ahead.loc[np.repeat(here, H), known] if known else None
        made = tsforge.predict(model, rows, horizon=H + gap, quantiles=levels, future_data=later)
        place = {key: i for i, key in enumerate(made.panel.ids[0])}
        order = [place[key] for key in past[name].to_numpy()[begin[here]]]
        point[here], quantiles[here] = made.point[order, gap:], made.quantiles[order, gap:]
    return {
        target: {POINT: point[..., c]} | {str(level): quantiles[..., c, q] for q, level in enumerate(levels)}
        for c, target in enumerate(schema.target)
    }


def starts(names: NDArray[np.object_]) -> NDArray[np.int64]:
    """The first row of each series, (n,), of the name in each row."""
    return np.flatnonzero(np.r_[True, names[1:] != names[:-1]])


def trailing(values: Floats, begin: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many steps at the end of each series have no target, (n,); 0 where none of them has one.

    values: of the targets, (rows, C). begin: the first row of each series.
    """
    seen = ~np.isnan(values).all(axis=1)
    last = np.maximum.reduceat(np.where(seen, np.arange(len(values)), -1), begin)
    return np.where(last >= 0, np.append(begin[1:], len(values)) - 1 - last, 0)
