"""The forecaster under sktime, in an environment with a pandas that sktime takes: `make test-sktime`.

The pandas that this project is pinned to is newer than sktime 1.2 allows, so that the two are not installed together:
what needs sktime is not collected elsewhere.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tsforge
from tsforge.errors import ConfigError


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*sys.modules]:
        if name == "tsforge.adapters.sktime" or name.partition(".")[0] == "sktime":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sktime", None)
    with pytest.raises(ConfigError, match="needs the package sktime") as raised:
        importlib.import_module("tsforge.adapters.sktime")
    assert "an environment of its own" in raised.value.hint


def forecaster(*arguments: Any) -> Any:
    return importlib.import_module("tsforge.adapters.sktime").Forecaster(*arguments)


def wave(n: int, seed: int = 0) -> pd.Series:
    rng, months = np.random.default_rng(seed), pd.period_range("2010-01", periods=n, freq="M")
    return pd.Series(50 + 9 * np.sin(np.arange(n) * np.pi / 6) + rng.normal(size=n), index=months, name="a, b.c")


@pytest.mark.sktime
def test_sktimes_own_checks() -> None:
    """All of them: none is left out."""
    from sktime.utils import check_estimator

    found = check_estimator(importlib.import_module("tsforge.adapters.sktime").Forecaster, verbose=False)
    assert len(found) > 800
    assert {name: why for name, why in found.items() if why != "PASSED"} == {}


@pytest.mark.sktime
def test_steps_are_those_of_predict() -> None:
    """Prevents: a step early or late, a level of another, a name of a column that is cut at its comma."""
    y = wave(72)
    made = forecaster("theta").fit(y, fh=[2, 5, 12])
    table = pd.DataFrame({"month": y.index.to_timestamp(), "y": y.to_numpy()})
    settings = {"model.kind": "theta", "data.target": "y", "data.horizon": 12, "data.test": 0}
    own = tsforge.predict(tsforge.fit(tsforge.build(settings), table).model, table, quantiles=[0.1, 0.9])
    point = made.predict()
    assert list(point.index) == list(pd.PeriodIndex(["2016-02", "2016-05", "2016-12"], freq="M"))
    assert point.name == "a, b.c"
    assert point.to_numpy() == pytest.approx(own.point[0, [1, 4, 11], 0], rel=1e-6)
    interval = made.predict_interval(coverage=0.8)
    assert interval.to_numpy() == pytest.approx(own.quantiles[0, [1, 4, 11], 0], rel=1e-6)


@pytest.mark.sktime
def test_series_of_several_lengths_are_one_fit() -> None:
    """Prevents: a shop that closed before the others forecast from its own end, as if time had stopped there."""
    parts = {"west": wave(72), "east": wave(70, 1)}
    y = pd.concat({shop: s.rename("sold").to_frame() for shop, s in parts.items()}, names=["shop", "month"])
    y.index = y.index.set_levels(y.index.levels[1].to_timestamp(), level=1)
    made = forecaster("seasonal-naive", {"data.season": 12}).fit(y, fh=[1, 3])
    point = made.predict()
    assert made.model_.facts.series == 2
    for shop, s in parts.items():
        own = point.loc[shop]["sold"]
        months = [t.to_period("M") for t in own.index]
        assert own.to_numpy() == pytest.approx([s[m - 12] for m in months], rel=1e-6)


@pytest.mark.sktime
def test_what_is_known_in_advance_moves_the_forecast() -> None:
    rng = np.random.default_rng(0)
    promo = pd.DataFrame(
        {"promo": (rng.random(150) < 0.3).astype(float)}, index=pd.date_range("2024-01-01", periods=150)
    )
    y = 100 + 10 * np.sin(2 * np.pi * np.arange(150) / 7) + 40 * promo["promo"] + rng.normal(size=150)
    made = forecaster("zero", {"data.season": 7}).fit(y.iloc[:-7], X=promo.iloc[:-7], fh=range(1, 8))
    gap = made.predict(X=promo.iloc[-7:] * 0 + 1) - made.predict(X=promo.iloc[-7:] * 0)
    assert gap.to_numpy() == pytest.approx(40, abs=8)
