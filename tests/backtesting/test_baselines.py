"""Baselines that are asked for by name, beside a model: the same figures as a fit of their own, on the same windows."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import tsforge
from tests.helpers.tables import hourly
from tsforge.batch import Context
from tsforge.errors import ConfigError, ModelError
from tsforge.experiment import BacktestConfig, Experiment
from tsforge.fitted import directory
from tsforge.model.baselines.naive import baseline

USUAL = ["seasonal-naive", "naive", "drift", "linear"]
QUICK = {"model.kind": "gru", "model.width": 4, "train.max_steps": 2}


def months() -> pd.DataFrame:
    """Monthly series with a season and a trend, of different lengths."""
    rng = np.random.default_rng(1)
    parts = []
    for i, n in enumerate((150, 131, 90)):
        t = np.arange(n)
        value = (50 + 0.4 * t) * (1 + 0.2 * np.sin(t * 2 * np.pi / 12 + i)) + rng.normal(0, 2, n)
        times = pd.date_range("2008-01-01", periods=n, freq="MS")
        parts.append(pd.DataFrame({"id": f"s{i}", "time": times, "value": value}))
    return pd.concat(parts, ignore_index=True)


def demands() -> pd.DataFrame:
    """Days on most of which nothing is asked for, and some of which are missing."""
    rng = np.random.default_rng(2)
    value = np.where(rng.random(300) < 0.2, rng.integers(1, 9, 300), 0).astype(float)
    value[[50, 51, 200]] = np.nan
    return pd.DataFrame({"time": pd.date_range("2023-01-01", periods=300, freq="D"), "value": value})


def hours() -> pd.DataFrame:
    """Hours with a day and a week."""
    rng = np.random.default_rng(3)
    t = np.arange(24 * 7 * 10)
    day, week = np.sin(t * 2 * np.pi / 24), np.where(t // 24 % 7 < 5, 1.0, 0.6)
    value = 100 + 30 * week * (1.5 + day) + rng.normal(0, 2, len(t))
    return pd.DataFrame({"time": pd.date_range("2024-01-01", periods=len(t), freq="h"), "value": value})


TABLES = {
    "months": (months, {"data.id": ["id"], "data.horizon": 6, "data.season": 12}, ("theta", "ets", "mstl")),
    "demands": (demands, {"data.horizon": 7, "data.season": 7}, ("croston", "tsb", "theta")),
    "hours": (hours, {"data.horizon": 24, "data.season": 24, "data.test": 72}, ("shape-ridge", "mstl")),
}


def asked(name: str, **more: object) -> tuple[Experiment, pd.DataFrame, tuple[str, ...]]:
    """A quick fit of a table with the baselines that suit it."""
    make, settings, kinds = TABLES[name]
    return tsforge.build(settings | QUICK | {"baselines": kinds} | more), make(), kinds


@pytest.mark.parametrize("context", [None, 250])
@pytest.mark.parametrize("name", TABLES)
def test_each_has_the_scores_of_a_fit_by_its_name(name: str, context: int | None) -> None:
    """Prevents: a bar that is lower than the model of its name: a shorter context, fewer seasons, other intervals."""
    experiment, data, kinds = asked(name, **{"data.context": context} if context else {})
    fitted = tsforge.fit(experiment, data)
    assert list(fitted.metrics) == ["gru", *USUAL, *kinds]
    assert fitted.model.experiment.data.context == (context or experiment_context(name))
    for kind in kinds:
        config = {"model.kind": kind} | ({"data.context": context} if context else {})
        alone = tsforge.fit(tsforge.build(TABLES[name][1] | config), data)
        np.testing.assert_array_equal(alone.outcomes[kind].truth, fitted.outcomes[kind].truth)
        np.testing.assert_allclose(fitted.outcomes[kind].point, alone.outcomes[kind].point, rtol=1e-5)
        for metric, value in alone.metrics[kind].items():
            if context or metric in ("mase", "mae", "mse", "smape"):  # else it has validation windows of its own
                assert fitted.metrics[kind][metric] == pytest.approx(value, rel=1e-5, nan_ok=True), (kind, metric)


def experiment_context(name: str) -> int:
    """Of a network that nobody gave a context: two horizons, a season, 16 steps at least."""
    settings = TABLES[name][1]
    return max(2 * int(str(settings["data.horizon"])), int(str(settings["data.season"])), 16)


def test_a_row_of_the_table_by_a_loop() -> None:
    """Prevents: forecasts of other windows than the model's, or of what lies behind an origin."""
    experiment, data, _ = asked(
        "months", **{"data.context": 30, "data.validation": 12, "baselines": ["theta", "ets", "tsb"]}
    )
    test = tsforge.backtest(experiment, data, config=BacktestConfig(windows=3, stride=5))
    windows = test.forecasts.windows
    assert len(windows) == 9
    longest = 150 - 16 - 12 - 6  # without the test part, validation and a horizon
    least = {"theta": min(120, longest), "ets": min(120, longest), "tsb": longest}
    for kind, context in least.items():
        point = test.forecasts.raw[kind].point
        for w, (origin, series) in enumerate(zip(windows.origins, windows.series, strict=True)):
            mine = data[data["id"] == f"s{series}"]["value"].to_numpy()
            past = mine[: origin - test.panel.offsets[series]][-context:]
            target = torch.tensor(past)[None, :, None]
            empty = torch.zeros(1, 0)
            given = Context(target, torch.ones_like(target).bool(), empty, empty, empty, empty)
            expected = baseline(kind, given, 6, 12)[0, :, 0]  # type: ignore[arg-type]
            np.testing.assert_allclose(point[w, :, 0], expected, rtol=1e-4)


@pytest.mark.parametrize("name", TABLES)
def test_a_saved_model_has_those_that_it_was_fitted_with(name: str, tmp_path: Path) -> None:
    """Prevents: baselines that are lost with the training, or rebuilt from other rows, seasons and contexts."""
    experiment, data, kinds = asked(name)
    fitted = tsforge.fit(experiment, data, out=tmp_path / "m")
    model = directory.load(tmp_path / "m")
    assert set(model.baselines) == {*USUAL, *kinds}
    for kind, (network, _) in fitted.model.baselines.items():
        assert model.baselines[kind][0].shape == network.shape
    again = tsforge.backtest(tmp_path / "m", data)
    anew = tsforge.backtest(replace(model, baselines={}), data)
    assert list(again.outcomes) == ["gru", *USUAL, *kinds]
    for kind in (*USUAL, *kinds):
        np.testing.assert_allclose(again.outcomes[kind].point, fitted.outcomes[kind].point, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(again.outcomes[kind].quantiles, anew.outcomes[kind].quantiles, rtol=1e-4, atol=1e-5)


def test_a_model_that_was_fitted_without_is_set_beside_them(tmp_path: Path) -> None:
    """Prevents: a model that has to be fitted again for a bar beside it, and bars that cannot be left out again."""
    experiment, data, _ = asked("months", baselines=())
    tsforge.fit(experiment, data, out=tmp_path / "without")
    fitted = tsforge.fit(tsforge.build(experiment.flat() | {"baselines": "theta, ets"}), data, out=tmp_path / "with")
    later = tsforge.backtest(tmp_path / "without", data, baselines=("theta", "ets"))
    assert list(later.outcomes) == ["gru", *USUAL, "theta", "ets"]
    assert later.experiment.baselines == ("theta", "ets")
    kept = tsforge.backtest(tmp_path / "with", data)
    for kind in ("theta", "ets"):
        np.testing.assert_allclose(later.outcomes[kind].quantiles, kept.outcomes[kind].quantiles, rtol=1e-4)
        np.testing.assert_allclose(later.outcomes[kind].point, fitted.outcomes[kind].point, rtol=1e-5)
    assert list(tsforge.backtest(tmp_path / "with", data, baselines=()).outcomes) == ["gru", *USUAL]
    assert list(tsforge.backtest(tmp_path / "with", data, baselines="tsb").outcomes) == ["gru", *USUAL, "tsb"]


def test_rows_without_history_score_by_what_needs_none(tmp_path: Path) -> None:
    """Prevents: intervals made of nothing, where no row lies before the first origin."""
    data = hourly(12)
    fit = tsforge.build(QUICK | {"data.horizon": 6, "data.context": 24})
    tsforge.fit(fit, data.iloc[:240], out=tmp_path / "m")
    late = data.iloc[215:].reset_index(drop=True)
    test = tsforge.backtest(tmp_path / "m", late, config=BacktestConfig(windows=2), baselines=["theta"])
    assert np.isfinite(test.outcomes["theta"].point).all()
    assert test.outcomes["theta"].levels == ()
    assert test.outcomes["naive"].levels


@pytest.mark.parametrize(("kind", "names"), [
    ("theta", ["theta", "ets"]), ("naive", ["naive", "naive", "theta"]), ("linear", ["linear", "tsb", "tsb"]),
])  # fmt: skip
def test_each_is_shown_once(kind: str, names: list[str]) -> None:
    """Prevents: a model beside itself, whose verdict is that it is level."""
    fit = tsforge.build(TABLES["months"][1] | {"model.kind": kind, "baselines": names})
    expected = [kind, *(k for k in dict.fromkeys([*USUAL, *names]) if k != kind)]
    assert list(tsforge.fit(fit, months()).scores) == expected
    assert list(tsforge.backtest(fit, months()).outcomes) == expected


def test_the_best_of_all_is_judged_against_and_the_skill_stays_with_the_simple_ones() -> None:
    """Prevents: a verdict that does not know of the best forecast shown, and a skill that another bar lowers."""
    experiment, data, _ = asked("months")
    fitted, without = (tsforge.fit(e, data) for e in (experiment, experiment.model_copy(update={"baselines": ()})))
    errors = {name: values["mase"] for name, values in fitted.metrics.items() if name != "gru"}
    assert fitted.judgement is not None
    assert fitted.judgement.rival == min(errors, key=lambda name: errors[name])
    assert fitted.judgement.rival in ("theta", "ets", "mstl")
    assert fitted.skill == without.skill
    assert fitted.best_simple == without.best_simple == "seasonal-naive"
    assert {name: fitted.metrics[name] for name in without.metrics} == without.metrics


def test_usual_ones_are_the_same_beside_any_model() -> None:
    """Prevents: a bar that falls because the model beside it reads more: drift of ten years, a matrix of two months."""
    settings = TABLES["hours"][1] | {"train.max_steps": 2}
    fits = [tsforge.fit(tsforge.build(settings | {"model.kind": k}), hours()) for k in ("gru", "theta", "mstl")]
    assert len({fit.model.experiment.data.context for fit in fits}) == 3
    for kind in USUAL:
        for fit in fits[1:]:
            np.testing.assert_allclose(fit.outcomes[kind].point, fits[0].outcomes[kind].point, rtol=1e-5)


@pytest.mark.parametrize(("names", "hint"), [
    ("teta", "did you mean 'theta'"), (["ets", "seasonal_naive"], "did you mean 'seasonal-naive'"),
    ("gru", "known: naive, seasonal-naive, drift, naive2, theta"), ("theta,blend", "known: "), (["auto"], "known: "),
])  # fmt: skip
def test_what_is_no_baseline_is_refused(names: object, hint: str, tmp_path: Path) -> None:
    """Prevents: a name that is left out without a word, or one that has to be trained."""
    with pytest.raises(ConfigError, match="there is no baseline") as caught:
        tsforge.build({"baselines": names})
    assert hint in str(caught.value.hint)
    file = tmp_path / "experiment.toml"
    file.write_text(f"baselines = {names!r}\n")
    with pytest.raises(ConfigError, match="there is no baseline"):
        tsforge.build({}, file)


def test_a_stored_context_is_none_that_the_baseline_could_not_read(tmp_path: Path) -> None:
    """Prevents: a directory from elsewhere that takes all memory for the windows of a baseline."""
    experiment, data, _ = asked("months")
    fitted = tsforge.fit(experiment, data)
    network, corrections = fitted.model.baselines["theta"]
    network.shape = network.shape._replace(context=90_000)
    baselines = dict(fitted.model.baselines) | {"theta": (network, corrections)}
    directory.save(replace(fitted.model, baselines=baselines), tmp_path / "m", lambda _: None)
    with pytest.raises(ModelError, match=re.escape("theta reads 120 steps at most, not 90000")):
        directory.load(tmp_path / "m")
