"""The project's models under the package fev, on local Parquet files."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tsforge
from tsforge.errors import ConfigError, TsforgeError

MONTHS = "MS"


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare ImportError would name a module that nobody typed."""
    monkeypatch.delitem(sys.modules, "tsforge.adapters.fev", raising=False)
    monkeypatch.setitem(sys.modules, "fev", None)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ConfigError, match="needs the package") as raised:
        importlib.import_module("tsforge.adapters.fev")
    assert raised.value.hint == "pip install fev"


@pytest.fixture
def fev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The package, with its cache in the folder of the test and no way to the net."""
    package = importlib.import_module("fev")
    datasets = importlib.import_module("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    return package


def model(kind: str, settings: dict[str, Any] | None = None) -> Any:
    return importlib.import_module("tsforge.adapters.fev").TsforgeModel(kind, settings)


def wave(steps: int, period: int, seed: int) -> pd.Series:
    """A season that never changes, of values above zero."""
    return pd.Series(np.resize(10 + np.random.default_rng(seed).random(period), steps))


def task(fev: Any, frame: pd.DataFrame, path: Path, **settings: Any) -> Any:
    """A task of fev on a table in long form."""
    frame.to_parquet(path / "table.parquet")
    defaults = {"horizon": 6, "seasonality": 12, "eval_metric": "MASE", "target": "sales"}
    return fev.Task(dataset_path=str(path / "table.parquet"), **(defaults | settings))


def shops(lengths: dict[str, int], period: int = 12) -> pd.DataFrame:
    """Monthly sales of some shops with noise."""
    parts = []
    for seed, (name, steps) in enumerate(lengths.items()):
        months = pd.date_range("2010-01-01", periods=steps, freq=MONTHS)
        noise = np.random.default_rng(100 + seed).normal(size=steps)
        parts.append(pd.DataFrame({"id": name, "timestamp": months, "sales": wave(steps, period, seed) + noise}))
    return pd.concat(parts, ignore_index=True)


def test_predictions_are_those_of_a_fit_on_what_was_known(fev: Any, tmp_path: Path) -> None:
    """Series in another order, a truth that was seen, or levels mixed up, would be scored all the same."""
    frame = shops({"west": 70, "east": 55, "north": 90})
    asked = task(fev, frame, tmp_path, quantile_levels=[0.9, 0.1], num_windows=2)
    wrapper = model("theta")
    predictions = wrapper.fit_predict(asked)
    assert wrapper.training_time > 0 < wrapper.inference_time
    for window, left in zip(predictions, (12, 6), strict=True):
        past = frame[frame.groupby("id").cumcount(ascending=False) >= left]
        settings = {"model.kind": "theta", "data.horizon": 6, "data.season": 12, "data.test": 0, "data.id": "id"}
        fitted = tsforge.fit(tsforge.build(settings | {"data.target": "sales"}), past)
        own = tsforge.predict(fitted.model, past, quantiles=[0.1, 0.9]).frame
        for row, name in enumerate(["east", "north", "west"]):  # fev sorts by id
            mine = own[own["id"] == name]
            for column, same in (("predictions", "forecast"), ("0.1", "q0.1"), ("0.9", "q0.9")):
                assert window["sales"][column][row] == pytest.approx(list(mine[same]), rel=1e-6)


def test_seasonal_naive_scores_what_a_loop_says(fev: Any, tmp_path: Path) -> None:
    """A forecast that is a step early, or of another series, has another error than the loop."""
    frame = shops({"a": 60, "b": 48, "c": 75})
    asked = task(fev, frame, tmp_path, extra_metrics=["WQL"], quantile_levels=[0.1, 0.5, 0.9])
    wrapper = model("seasonal-naive")
    summary = asked.evaluation_summary(wrapper.fit_predict(asked), model_name="naive")
    errors = []
    for _, values in frame.groupby("id")["sales"]:
        past, truth = list(values)[:-6], list(values)[-6:]
        scale = np.mean([abs(past[t] - past[t - 12]) for t in range(12, len(past))])
        errors += [abs(truth[h] - past[len(past) - 12 + h]) / scale for h in range(6)]
    assert summary["test_error"] == pytest.approx(np.mean(errors), rel=1e-5)
    assert 0 < summary["WQL"] < 1


def test_columns_of_a_task_reach_the_model(fev: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A covariate left out, or taken for another kind, is a poorer forecast that nobody notices."""
    frame = shops({"a": 60, "b": 50})
    rng = np.random.default_rng(0)
    frame = frame.assign(
        profit=2 * frame["sales"], price=rng.normal(size=len(frame)), visitors=rng.normal(size=len(frame)),
        town=frame["id"].map({"a": "Bonn", "b": "Kiel"}), area=frame["id"].map({"a": 120.0, "b": 80.0}),
    )  # fmt: skip
    roles = {
        "target": ["sales", "profit"], "known_dynamic_columns": ["price"], "past_dynamic_columns": ["visitors"],
        "static_columns": ["town", "area"],
    }  # fmt: skip
    fits, fit = [], tsforge.fit
    monkeypatch.setattr(
        tsforge, "fit", lambda *args, **more: fits.append(fit(*args, **more)) or fits[-1], raising=False
    )
    asked = task(fev, frame, tmp_path, **roles)
    (window,) = model("gru", {"train.max_steps": 2}).fit_predict(asked)
    schema = fits[0].model.facts.columns
    assert set(schema.target) == {"sales", "profit"}
    assert [(c.name, c.kind) for c in schema.future] == [("price", "number")]
    assert [(c.name, c.kind) for c in schema.past] == [("visitors", "number")]
    assert {c.name: c.kind for c in schema.static} == {"town": "category", "area": "number"}
    assert asked.clean_and_validate_predictions(window).keys() == {"sales", "profit"}
    ratio = np.array(window["profit"]["predictions"]) / np.array(window["sales"]["predictions"])
    assert ratio == pytest.approx(np.full((2, 6), 2.0), abs=0.5)  # not the one in place of the other


def test_series_whose_targets_end_early_are_forecast_for_the_same_months(fev: Any, tmp_path: Path) -> None:
    """Forecast from its last value on, a series with a gap at its end would be set beside other months."""
    frame = shops({"a": 60, "b": 60, "c": 60})
    frame["sales"] = np.concatenate([wave(60, 12, seed) for seed in range(3)])
    frame["price"] = 1.0 + np.arange(len(frame)) % 5
    truth = frame["sales"].to_numpy().reshape(3, 60)[:, -6:].copy()
    for name, gap in (("b", 3), ("c", 8)):  # of what is known, of which the last 6 months are not
        frame.loc[frame.index[frame["id"] == name][-6 - gap : -6], "sales"] = np.nan
    for roles in ({}, {"known_dynamic_columns": ["price"]}):
        asked = task(fev, frame, tmp_path, **roles)
        (window,) = model("seasonal-naive").fit_predict(asked)
        assert np.array(window["sales"]["predictions"]) == pytest.approx(truth, rel=1e-5)


def test_it_is_registered_and_settings_are_checked(fev: Any, tmp_path: Path) -> None:
    """fev looks models up by name; a misspelt setting must not be taken for a default."""
    assert isinstance(model("theta"), fev.ForecastingModel)
    assert fev.ForecastingModel.get_model_cls("tsforge") is type(model("theta"))
    asked = task(fev, shops({"a": 60}), tmp_path)
    with pytest.raises(TsforgeError, match="max_stepz"):
        model("gru", {"train.max_stepz": 2}).fit_predict(asked)
