"""Forecasts of a hierarchy add up: point forecasts and every path, of closed forms, networks and pretrained weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tsforge
from tests.helpers import commands
from tsforge.backtesting.hierarchies import BASE, by_level
from tsforge.cli.main import run
from tsforge.data.hierarchy import structure
from tsforge.errors import ConfigError
from tsforge.fitted import directory
from tsforge.fitted.model import Model
from tsforge.fitted.prediction import Floats, Prediction

H, STORES = 6, (("north", 2), ("south", 3))


def sales(months: int = 96, seed: int = 0, level: float = 60.0) -> pd.DataFrame:
    """Sales of five stores: noise of the country, of each region and of each store."""
    random, parts = np.random.default_rng(seed), []
    country = np.cumsum(random.normal(size=months))
    for region, count in STORES:
        shared = country + np.cumsum(random.normal(size=months))
        for store in range(count):
            sold = level + 10 * store + shared + 3 * random.normal(size=months)
            dates = pd.date_range("2015-01-01", periods=months, freq="MS")
            parts.append(pd.DataFrame({"region": region, "store": store, "month": dates, "sold": sold.round(2)}))
    return pd.concat(parts, ignore_index=True)


def fitted(data: pd.DataFrame, **settings: Any) -> Model:
    """A model of all levels, of closed form where nothing else is said."""
    own = {"data.horizon": H, "data.hierarchy": "region/store", "data.target": "sold", "model.kind": "linear"}
    return tsforge.fit(tsforge.build(own | {k.replace("__", "."): v for k, v in settings.items()}), data).model


@pytest.fixture(scope="module")
def model() -> Model:
    """Of this table."""
    return fitted(sales())


def gap(made: Prediction, values: Floats) -> float:
    """By how much values (..., n, H, C) of a forecast do not add up, of their size."""
    parts = structure(made.panel)
    sums = np.einsum("nm,...mhc->...nhc", parts.summing, values[..., parts.bottom, :, :])
    return float(np.abs(sums - values).max() / np.abs(values).max())


@pytest.mark.parametrize("reconcile", ["bottom-up", "ols", "wls", "mint"])
def test_forecasts_and_paths_add_up(model: Model, reconcile: str) -> None:
    """Prevents: a total that is not that of its stores; intervals of forecasts that are other ones."""
    made = tsforge.predict(model, sales(), reconcile=reconcile)
    assert made.point.shape == (8, H, 1)
    assert gap(made, made.point) < 1e-9
    drawn = tsforge.sample(model, sales(), 300, reconcile=reconcile)
    assert gap(made, drawn.values) < 1e-9
    np.testing.assert_allclose(drawn.prediction.point, made.point)
    middle = made.quantiles[..., made.levels.index(0.5)]
    np.testing.assert_allclose(np.median(drawn.values, axis=0), middle, rtol=0.05)
    assert (np.diff(made.quantiles, axis=-1) >= 0).all()
    base = tsforge.predict(model, sales(), reconcile="none")
    assert gap(base, base.point) > 1e-4
    if reconcile == "bottom-up":
        np.testing.assert_allclose(made.point[3:], base.point[3:])


@pytest.mark.parametrize("kind", ["theta", "blend", "zero"])
def test_every_model_adds_up(kind: str) -> None:
    """Prevents: a kind of model whose levels are not forecast, or rolled out, or not added up."""
    data, settings = sales(), {"train__max_steps": 3, "data__context": 24}
    if kind == "zero":
        own = {"data.hierarchy": "region/store", "data.target": "sold", "data.reconcile": "ols"}
        made = tsforge.predict("zero", data, horizon=H, settings=own)
    else:
        members = {"model__members": [{"model": {"kind": "rnn", "width": 4}}, {"model": "naive"}]}
        size = members if kind == "blend" else {}
        made = tsforge.predict(fitted(data, model__kind=kind, **settings, **size), data, horizon=9)
    assert len(made.point) == 8
    assert gap(made, made.point) < 1e-9


def test_what_cannot_be_negative_is_not_and_still_adds_up() -> None:
    """Prevents: stores that are forecast to sell less than nothing, or totals that are clipped by themselves."""
    data = sales(level=0.0).assign(sold=lambda frame: frame["sold"].clip(lower=0))
    model = fitted(data)
    drawn = tsforge.sample(model, data, 200, reconcile="ols")
    assert drawn.values.min() >= 0
    assert drawn.prediction.point.min() >= 0
    assert gap(drawn.prediction, drawn.values) < 1e-9


def test_a_backtest_scores_levels_beside_the_base() -> None:
    """Prevents: scores of forecasts that are not those of predict; levels mixed up; windows lost."""
    own = {"data.horizon": H, "data.hierarchy": "region/store", "data.target": "sold", "model.kind": "linear"}
    asked = tsforge.build(own | {"backtest.windows": 3, "backtest.stride": 3, "backtest.refit": 2})
    test = tsforge.backtest(asked, sales())
    assert list(test.forecasts.raw)[:2] == ["linear", BASE]
    assert (test.fits, test.windows) == (2, 8 * 3)
    parts = structure(test.panel)
    for name, coherent in (("linear", True), (BASE, False)):
        o = test.outcomes[name]
        for time in np.unique(o.time):
            rows = np.flatnonzero(o.time == time)
            values = o.point[rows[np.argsort(o.series[rows])]]
            sums = np.einsum("nm,mhc->nhc", parts.summing, values[parts.bottom])
            assert (np.abs(sums - values).max() < 1e-6 * np.abs(values).max()) == coherent
    levels = by_level(test)
    assert {level: part.windows for level, part in levels.items()} == {"total": 3, "region": 6, "region/store": 15}
    whole = sum(float(np.abs(part.outcomes["linear"].error).sum()) for part in levels.values())
    assert whole == pytest.approx(float(np.abs(test.outcomes["linear"].error).sum()))
    share = np.mean([o.quantiles[..., 1] <= o.quantiles[..., -2] for o in [test.outcomes["linear"]]])
    assert share == 1


@pytest.mark.usefixtures("home", "forked")
def test_of_the_command_line(model: Model, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: flags that do nothing, levels that a backtest does not show."""
    sales().to_csv("sales.csv", index=False)
    directory.save(model, Path("m"), lambda _: None)
    found = commands.document(capsys, "predict", "m", "sales.csv", "--reconcile", "wls", "--output", "f.csv", "--quiet")
    assert found["series"] == 8
    frame = pd.read_csv("f.csv")
    top = frame[frame["region"] == "(all)"]["forecast"].to_numpy()
    bottom = frame[frame["store"] != "(all)"].groupby("month")["forecast"].sum()
    np.testing.assert_allclose(top, bottom, rtol=1e-9)
    assert run(["predict", "m", "sales.csv", "--total", "--reconcile", "ols", "--quiet"]) == 0
    assert "8 series x 6 steps" in capsys.readouterr().out
    words = ["backtest", "sales.csv", "--hierarchy", "region/store", "--target", "sold", "--model", "naive"]
    assert run([*words, "--horizon", "6", "--windows", "2", "--no-track", "--quiet"]) == 0
    shown = capsys.readouterr().out
    assert "naive on total, region, region/store: 16 windows of 8 series, fitted once" in shown
    assert "base" in shown
    rolled = ["backtest", "m", "sales.csv", "--no-track", "--quiet"]
    scores = {way: commands.document(capsys, *rolled, "--reconcile", way)["scores"] for way in ("none", "bottom-up")}
    assert scores["bottom-up"]["base"]["mae"] == pytest.approx(scores["none"]["linear"]["mae"], rel=1e-6)
    assert scores["bottom-up"]["linear"]["mae"] != pytest.approx(scores["none"]["linear"]["mae"], rel=1e-6)


def test_what_is_no_hierarchy_is_refused(model: Model) -> None:
    """Prevents: a word that is read as another; forecasts that are said to add up and are of single series."""
    with pytest.raises(ConfigError, match="no reconciliation 'mnt'"):
        tsforge.predict(model, sales(), reconcile="mnt")
    data = sales().drop(columns="region").assign(store=lambda f: np.repeat(np.arange(5), len(f) // 5))
    plain = tsforge.fit(tsforge.build({"data.horizon": H, "data.id": "store", "model.kind": "naive"}), data).model
    with pytest.raises(ConfigError, match="no hierarchy to reconcile"):
        tsforge.predict(plain, data, reconcile="ols")
    with pytest.raises(ConfigError, match="hierarchy"):
        tsforge.what_if(model, sales(), ["price*2"])


def test_rows_ahead_of_a_hierarchy_are_those_that_predict_takes() -> None:
    """Prevents: rows of sums to fill in, which no table has and `predict` refuses."""
    data = sales().assign(promo=lambda table: table["store"] % 2)
    own = fitted(data, data__future="promo")
    rows = tsforge.future(own, data)
    assert len(rows) == 5 * H
    assert not (rows[["region", "store"]].astype(str) == "(all)").any(axis=None)
    made = tsforge.predict(own, data, future_data=rows.assign(promo=1))
    assert made.point.shape == (8, H, 1)
