"""Forecasts and intervals of what was never negative, of long stretches of zeros, and beyond the trained horizon."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tsforge
from tsforge.backtesting import rolling
from tsforge.errors import ConfigError

SMALL = {"data.horizon": 5, "data.context": 20, "train.max_steps": 40, "model.width": 8}


def settings(kind: str, **more: Any) -> dict[str, Any]:
    neural = kind not in ("naive", "seasonal-naive", "drift", "linear", "theta")
    return {k: v for k, v in SMALL.items() if neural or k != "model.width"} | {"model.kind": kind} | more


def falling(kind: str) -> pd.DataFrame:
    """Never below 0, and heading there."""
    rng, n = np.random.default_rng(2), 150
    line = np.linspace(30, 0.5, n)
    y = {
        "stock": np.maximum(line + rng.normal(size=n), 0), "counts": rng.poisson(line / 8),
        "rain": rng.gamma(0.3, 3, n) * (rng.random(n) < 0.4), "share": np.abs(line / 30 + 0.1 * rng.normal(size=n)),
    }[kind]  # fmt: skip
    return pd.DataFrame({"day": pd.date_range("2024-01-01", periods=n), "y": np.round(y, 3)})


@pytest.mark.parametrize("kind", ["gru", "drift", "linear", "naive"])
@pytest.mark.parametrize("data", ["stock", "counts", "rain", "share"])
def test_what_was_never_negative_is_not_forecast_to_be(kind: str, data: str, caplog: pytest.LogCaptureFixture) -> None:
    """Minus three umbrellas sold tomorrow, in one of the places where forecasts are made."""
    fitted = tsforge.fit(tsforge.build(settings(kind)), falling(data))
    for outcome in fitted.outcomes.values():
        assert outcome.point.min() >= 0
        assert outcome.quantiles.min() >= 0
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        found = tsforge.predict(fitted.model, falling(data), horizon=12, quantiles=[0.025, 0.5])
    assert found.point.min() >= 0
    assert found.quantiles.min() >= 0
    assert ("model.bounds" in caplog.text) == (min(found.point.min(), found.quantiles.min()) == 0)
    rolled = rolling.backtest(fitted.model, falling(data))
    assert all(o.quantiles.min() >= 0 and o.point.min() >= 0 for o in rolled.outcomes.values())


def test_bounds_can_be_lifted_and_given() -> None:
    """A setting that is read and not used, or of which a model knows nothing when it predicts."""
    data = falling("counts")
    free = tsforge.fit(tsforge.build(settings("drift", **{"model.bounds": "none"})), data)
    assert tsforge.predict(free.model, data).quantiles.min() < 0
    given = tsforge.fit(tsforge.build(settings("drift", **{"model.bounds": [-1, 20]})), data)
    found = tsforge.predict(given.model, data, horizon=40)
    assert found.quantiles.min() == -1
    assert found.quantiles.max() <= 20
    with pytest.raises(ConfigError, match="bounds"):
        tsforge.build(settings("drift", **{"model.bounds": [3, 1]}))


def test_each_series_has_its_own_limit() -> None:
    """Degrees below zero cut off because the shop beside them counts umbrellas, or the other way round."""
    parts = [falling("counts").assign(item="sold"), falling("counts").assign(item="degrees")]
    parts[1]["y"] = parts[1]["y"] - 3.0
    both = pd.concat(parts)
    fitted = tsforge.fit(tsforge.build(settings("drift", **{"data.target": "y", "data.id": "item"})), both)
    found = tsforge.predict(fitted.model, both)
    least = {found.panel.key(i): found.quantiles[i].min() for i in range(2)}
    assert least["sold"] == 0
    assert least["degrees"] < -3


@pytest.mark.parametrize("level", [1.0, 40.0, 1e6])
@pytest.mark.parametrize("kind", ["gru", "patch-gru", "growth-gru", "naive"])
def test_after_thirty_days_of_nothing_intervals_are_those_of_the_series(kind: str, level: float) -> None:
    """An interval of a hundredth for a shop that sells several a day; a loss that jumps where such a window comes."""
    rng, n = np.random.default_rng(0), 300
    y = level * rng.poisson(1.5, n).astype(float)
    y[100:130] = y[-30:] = 0
    data = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=n), "y": y})
    fitted = tsforge.fit(tsforge.build(settings(kind, **{"train.max_steps": 60, "train.validations": 6})), data)
    found = tsforge.predict(fitted.model, data)
    assert (found.quantiles[..., -1] - found.quantiles[..., 0]).min() > 0.3 * level
    losses = [loss for r in fitted.rounds for loss in (r.train, r.validation)]
    assert not losses or max(losses) < 5


@pytest.mark.parametrize(("kind", "growth"), [("walk", 0.5), ("walk-in-steps", 0.5), ("large", 0.5)])
def test_a_roll_out_is_as_uncertain_as_a_random_walk(kind: str, growth: float) -> None:
    """Step 60 of a walk with the interval of step 5. Of naive on a walk it grows as the root of the step."""
    rng, n = np.random.default_rng(1), 1500
    steps = {"walk": rng.normal(size=n), "walk-in-steps": rng.choice([-1.0, 1.0], n), "large": 1e7 * rng.normal(size=n)}
    y = steps[kind].cumsum()
    data = pd.DataFrame({"day": pd.date_range("2019-01-01", periods=n), "y": y - y.min() - 10})
    fitted = tsforge.fit(tsforge.build(settings("naive")), data)
    found = tsforge.predict(fitted.model, data, horizon=60)
    width = (found.quantiles[0, :, 0, -2] - found.quantiles[0, :, 0, 1]).astype(float)
    step = np.arange(1, 61)
    slope = np.polyfit(np.log(step), np.log(width), 1)[0]
    assert slope == pytest.approx(growth, abs=0.12)
    assert (np.diff(found.quantiles, axis=-1) >= 0).all()


@pytest.mark.parametrize("kind", ["linear", "theta", "gru", "naive"])
@pytest.mark.parametrize("data", ["walk", "two walks", "walk with a week"])
def test_a_roll_out_widens_whatever_the_model(kind: str, data: str) -> None:
    """Prevents: blocks after the first with the interval of the first, in models that are no naive one."""
    rng, n = np.random.default_rng(4), 400
    week = 3 * np.sin(2 * np.pi * np.arange(n) / 7) if data == "walk with a week" else 0
    days = pd.date_range("2019-01-01", periods=n)
    parts = [
        pd.DataFrame({"id": f"s{i}", "day": days, "y": 500 + rng.normal(size=n).cumsum() + week})
        for i in range(2 if data == "two walks" else 1)
    ]
    frame = pd.concat(parts).drop(columns=["id"] if len(parts) == 1 else [])
    fitted = tsforge.fit(tsforge.build(settings(kind)), frame)
    found = tsforge.predict(fitted.model, frame, horizon=40)
    width = (found.quantiles[..., -1] - found.quantiles[..., 0]).astype(float)[:, :, 0]  # (series, steps)
    ends = width[:, 4::5]  # of each block of five
    assert (ends[:, 1:] > ends[:, :-1]).all()
    assert (ends[:, -1] > 1.5 * ends[:, 0]).all()


@pytest.mark.parametrize("levels", [(0.025, 0.975), (0.03, 0.05, 0.33, 0.5, 0.875), (0.96,)])
@pytest.mark.parametrize("kind", ["gru", "naive"])
def test_any_level_lies_between_its_neighbours(kind: str, levels: tuple[float, ...]) -> None:
    """A level that is refused, rounded to another one, or out of order."""
    data = falling("stock")
    model = tsforge.fit(tsforge.build(settings(kind)), data).model
    has = model.reach
    own, found = (tsforge.predict(model, data, quantiles=q) for q in (has, levels))
    assert found.levels == levels
    for w, level in enumerate(levels):
        expected = [np.interp(level, has, values) for values in own.quantiles[0, :, 0]]
        np.testing.assert_allclose(found.quantiles[0, :, 0, w], expected, rtol=1e-5)
    for beyond in (0.001, 0.02, 0.99):
        with pytest.raises(ConfigError, match=f"no quantile {beyond:g}"):
            tsforge.predict(model, data, quantiles=[beyond])
