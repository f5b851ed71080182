"""Forecasts of a table that no model was fitted to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tsforge
from tests.helpers.tables import daily, hourly, walk
from tsforge.errors import ConfigError, DataError
from tsforge.fitted import zero_shot
from tsforge.fitted.starting import WEIGHTS

ITEM = {"data.id": "item"}
TABLES: dict[str, tuple[pd.DataFrame, dict[str, Any]]] = {
    "hourly": (hourly(12, gap=True), {}),
    "daily": (daily(n=60), ITEM),
    "unlike": (walk((9, 80, 33), seed=4), ITEM),
    "months": (walk((30,), freq="MS", seed=5), {"data.target": "y", "data.time": "ds"}),
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("horizon", [1, 7, 60])
def test_a_forecast_goes_on_where_each_series_ends(name: str, horizon: int) -> None:
    """Prevents: rows of the past, times off the grid, or series in another order."""
    table, settings = TABLES[name]
    frame = tsforge.predict("zero", table, horizon=horizon, settings=settings).frame
    time = next(column for column in ("time", "date", "ds") if column in table)
    keys = [column for column in ("item",) if column in table]
    groups = table.groupby(keys, sort=False) if keys else [("", table)]
    for key, rows in groups:
        mine = frame[frame["item"] == (key[0] if isinstance(key, tuple) else key)] if keys else frame
        past = pd.to_datetime(rows[time], dayfirst=name == "daily")
        ahead = pd.to_datetime(mine[time], dayfirst=name == "daily")
        freq = pd.infer_freq(past[-8:])
        expected = pd.date_range(past.iloc[-1], periods=horizon + 1, freq=freq)[1:]
        assert list(ahead) == list(expected)
    values = frame.filter(regex=r"^q0\.").to_numpy()
    assert np.isfinite(values).all()
    assert (np.diff(values, axis=1) >= 0).all()


@pytest.mark.parametrize("name", ["hourly", "daily", "months"])
def test_a_forecast_is_that_of_a_fit(name: str) -> None:
    """Prevents: a table read otherwise than by `fit`: another season, another context, other columns."""
    table, settings = TABLES[name]
    asked = settings | {"data.horizon": 5, "data.test": 0}
    fitted = tsforge.fit(tsforge.build(asked | {"model.kind": "zero", "data.context": 25}), table)
    mine = tsforge.predict("zero", table, horizon=5, settings=settings | {"data.context": 25})
    theirs = tsforge.predict(fitted.model, table)
    np.testing.assert_allclose(mine.point, theirs.point, rtol=1e-5)
    assert fitted.model.shape.season == (24 if name == "hourly" else 7 if name == "daily" else 1)


def test_long_histories_correct_the_intervals_and_short_ones_do_not() -> None:
    """Prevents: corrections by a handful of windows, or none where there are many."""
    short, long = (walk((n,), seed=6) for n in (12, 400))
    settings = {"data.target": "y", "data.time": "ds"}
    place = zero_shot.place("zero")
    assert place is not None
    config = tsforge.build(settings | {"data.horizon": 4}).data
    assert zero_shot.for_table(place, short, config)[0].calibration is None
    calibration = zero_shot.for_table(place, long, config)[0].calibration
    assert calibration is not None
    assert calibration.windows >= 30


@pytest.mark.parametrize("scale", [0.001, 1e6])
def test_intervals_hold_what_they_promise_once_corrected(scale: float) -> None:
    """Prevents: corrections in other units than the forecast's, or on the wrong side."""
    rng = np.random.default_rng(1)
    values = scale * (50 + rng.normal(size=700))
    times = pd.date_range("2020-01-01", periods=700, freq="D")
    hits = []
    for end in range(500, 700, 10):
        table = pd.DataFrame({"ds": times[:end], "y": values[:end]})
        frame = tsforge.predict("zero", table, horizon=10).frame
        hits.append((frame["q0.1"].to_numpy() <= values[end : end + 10]) & (values[end : end + 10] <= frame["q0.9"]))
    assert 0.7 < np.mean(hits) < 0.95


def test_a_name_is_a_folder_first(home: Path) -> None:
    """Prevents: a user's own folder of that name that is never read."""
    assert zero_shot.place("zero") == WEIGHTS / "zero"
    tsforge.fit(tsforge.build({"model.kind": "zero", "data.horizon": 4}), hourly(6), out=home / "zero")
    assert zero_shot.place("zero") is None
    assert len(tsforge.predict("zero", hourly(6)).frame) == 4
    assert zero_shot.place(WEIGHTS / "zero") == WEIGHTS / "zero"
    assert zero_shot.place(home) is None


def test_one_value_is_enough_and_none_is_too_few() -> None:
    """Prevents: an error of torch where a series has hardly begun."""
    frame = tsforge.predict("zero", walk((3,)), horizon=4, settings={"data.target": "y", "data.time": "ds"}).frame
    assert np.isfinite(frame["forecast"]).all()
    with pytest.raises(DataError):
        tsforge.predict("zero", walk((3,)).assign(y=np.nan), horizon=4, settings={"data.target": "y"})


@pytest.mark.parametrize(("arguments", "named"), [
    ({"settings": {"train.lr": 0.1}}, "train.lr"),
    ({"settings": {"data.tarket": "y"}}, "data.tarket"),
    ({"future_data": "ahead.csv"}, "covariates"),
    ({"quantiles": [0.001]}, "quantile"),
    ({"horizon": 0}, "horizon"),
])  # fmt: skip
def test_what_a_pretrained_model_cannot_do_is_said(arguments: dict[str, Any], named: str) -> None:
    """Prevents: settings that are read by nobody."""
    with pytest.raises(ConfigError) as caught:
        tsforge.predict("zero", hourly(5), **({"horizon": 3} | arguments))
    assert named in caught.value.message


def test_a_fitted_model_keeps_its_columns(tmp_path: Path) -> None:
    """Prevents: columns named beside a fitted model, which reads others."""
    tsforge.fit(tsforge.build({"model.kind": "naive", "data.horizon": 3}), hourly(6), out=tmp_path / "m")
    with pytest.raises(ConfigError, match=r"data\.target"):
        tsforge.predict(tmp_path / "m", hourly(6), settings={"data.target": "load"})


def test_covariates_are_left_out_with_a_word(caplog: pytest.LogCaptureFixture) -> None:
    """Prevents: a covariate that was named, and is neither read nor spoken of."""
    table = hourly(6).assign(price=1.0)
    frame = tsforge.predict("zero", table, horizon=3, settings={"data.past": "price", "data.target": "load"}).frame
    assert len(frame) == 3
    assert "price left out" in caplog.text
