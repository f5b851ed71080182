"""Rolling origins against fits and forecasts of truncated tables: what a user would do by hand."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tsforge
from tsforge.backtesting.result import Backtest
from tsforge.data.dataset import Dataset
from tsforge.errors import ConfigError, DataError
from tsforge.evaluation.scores import score
from tsforge.experiment import BacktestConfig, Experiment
from tsforge.fitted import directory

H = 6


def table(lengths: tuple[int, ...] = (240,), seed: int = 0) -> pd.DataFrame:
    """Hourly series of a daily wave and noise, which may end at different times."""
    rng = np.random.default_rng(seed)
    parts = []
    for i, n in enumerate(lengths):
        hours = np.arange(n)
        value = 10 * (i + 1) + 3 * np.sin(hours * 2 * np.pi / 24) + rng.normal(0, 0.5, n)
        times = pd.date_range("2024-01-01", periods=n, freq="h")
        parts.append(pd.DataFrame({"id": f"s{i}", "time": times, "value": value}))
    return pd.concat(parts, ignore_index=True)


def experiment(kind: str = "linear", **more: object) -> Experiment:
    settings = {"data.horizon": H, "data.context": 24, "data.season": 24, "data.validation": 24, "model.kind": kind}
    return tsforge.build(settings | more)


def origins(test: Backtest) -> list[tuple[int, int]]:
    """(series, rows before the origin) of every window."""
    w = test.forecasts.windows
    return [(int(s), int(o - test.panel.offsets[s])) for o, s in zip(w.origins, w.series, strict=True)]


@pytest.mark.parametrize(
    ("refit", "gap", "sliding"), [(1, 0, None), (2, 0, None), (2, 5, None), (3, 0, 100), (0, 3, 90)]
)
def test_every_fit_sees_only_what_lies_before_its_origins(refit: int, gap: int, sliding: int | None) -> None:
    """A training part that reaches to the next origin, a gap on the wrong side, a window that does not slide."""
    seen: list[Dataset] = []
    config = BacktestConfig(windows=5, stride=7, refit=refit, gap=gap, train_window=sliding)
    test = tsforge.backtest(
        experiment(), table((240, 200)), config=config,
        on_fit=lambda _e, dataset, _n, _of: seen.append(dataset),  # type: ignore[func-returns-value]
    )  # fmt: skip
    per_fit = refit or 5
    firsts = [[n - H - 7 * k for k in range(4, -1, -1)] for n in (240, 200)]
    assert test.fits == len(seen) == -(-5 // per_fit)
    for f, dataset in enumerate(seen):
        for i in range(2):
            start = int(dataset.panel.offsets[i])
            end = firsts[i][f * per_fit] - gap
            assert dataset.cuts.validation[i] - start == end
            assert dataset.cuts.train[i] - start == end - 24
            assert dataset.cuts.begin[i] - start == (0 if sliding is None else max(0, end - sliding))
            mine = dataset.parts.train.series == i
            assert dataset.parts.train.origins[mine].max() + H <= start + end - 24
    assert sorted(origins(test)) == sorted((i, o) for i in range(2) for o in firsts[i])


def test_refitting_is_fitting_the_truncated_table() -> None:
    """Anything at all that leaks from behind the origin: statistics, encodings, scales, weights, intervals."""
    frame = table()
    test = tsforge.backtest(experiment(), frame, config=BacktestConfig(windows=3, stride=10, refit=1))
    for w, (_, origin) in enumerate(origins(test)):
        fitted = tsforge.fit(experiment(**{"data.test": 0}), frame.iloc[:origin])
        by_hand = tsforge.predict(fitted.model, frame.iloc[:origin]).frame
        o = test.forecasts.static("linear")
        np.testing.assert_allclose(o.point[w, :, 0], by_hand["forecast"], rtol=1e-5)
        np.testing.assert_allclose(o.quantiles[w, :, 0, 0], by_hand["q0.05"], rtol=1e-5)
        np.testing.assert_allclose(o.truth[w, :, 0], frame["value"][origin : origin + H], rtol=1e-6)


def test_a_fitted_model_rolls_as_predict_does(tmp_path: Path) -> None:
    """Contexts, units or intervals that differ between the batched pass and the forecast of one origin."""
    frame = table((240, 210))
    fitted = tsforge.fit(experiment("gru", **{"train.max_steps": 5, "model.width": 4}), frame, out=tmp_path / "m")
    test = tsforge.backtest(tmp_path / "m", frame, config=BacktestConfig(windows=2, stride=9))
    assert test.fits == 0
    o = test.forecasts.static("gru")
    assert fitted.model.calibration is not None
    unmoved = fitted.model.calibration.model_copy(update={"moved": None})  # by the truths that are forecast here
    model = replace(fitted.model, calibration=unmoved)
    for w, (series, origin) in enumerate(origins(test)):
        mine = frame[frame["id"] == f"s{series}"].iloc[:origin]
        by_hand = tsforge.predict(model, mine).frame
        np.testing.assert_allclose(o.point[w, :, 0], by_hand["forecast"], rtol=1e-4)
        np.testing.assert_allclose(o.quantiles[w, :, 0, -1], by_hand["q0.95"], rtol=1e-4)


def test_without_windows_a_model_is_scored_as_its_fit_was(tmp_path: Path) -> None:
    """Two commands that score the same windows of the same model differently."""
    frame = table((300,))
    fitted = tsforge.fit(experiment("gru", **{"train.max_steps": 5, "model.width": 4}), frame, out=tmp_path / "m")
    test = tsforge.backtest(tmp_path / "m", frame)
    assert len(test.forecasts.windows) == len(fitted.dataset.parts.test)
    for name in ("gru", "seasonal-naive", "naive", "drift", "linear"):
        for metric in ("mase", "rmsse", "wql", "coverage_80"):
            expected = fitted.metrics[name][metric]
            assert score(test.outcomes[name], metric) == pytest.approx(expected, rel=1e-5), (name, metric)


def test_what_the_model_has_seen_is_left_out_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Scores on the training data."""
    frame = table((240,))
    tsforge.fit(experiment("seasonal-naive", **{"data.test": 24}), frame, out=tmp_path / "m")
    with caplog.at_level(logging.WARNING, "tsforge"):
        test = tsforge.backtest(tmp_path / "m", frame, config=BacktestConfig(windows=10, stride=6))
    assert [o for _, o in origins(test)] == [216, 222, 228, 234]
    assert "6 of 10 windows are left out" in caplog.text
    assert "2024-01-09 23:00" in caplog.text  # the 216th hour
    with pytest.raises(DataError, match="no window of the data lies after what the model has seen"):
        tsforge.backtest(tmp_path / "m", frame.iloc[:217])


def test_a_new_series_has_not_been_seen(tmp_path: Path) -> None:
    """A series that the model never met, left out or cut by another's times."""
    tsforge.fit(experiment("naive", **{"data.id": ["id"]}), table((240, 240)), out=tmp_path / "m")
    new = table((120,)).assign(id="new")
    test = tsforge.backtest(tmp_path / "m", new, config=BacktestConfig(windows=3, stride=6))
    assert [o for _, o in origins(test)] == [102, 108, 114]


def test_rows_without_history_still_score(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Baselines without intervals beside a model that brought them along; a crash where none learned with it."""
    tsforge.fit(experiment("gru", **{"train.max_steps": 3, "model.width": 4}), table((240,)), out=tmp_path / "m")
    late = table((280,)).iloc[215:].reset_index(drop=True)
    caplog.clear()
    with caplog.at_level(logging.WARNING, "tsforge"):
        test = tsforge.backtest(tmp_path / "m", late, config=BacktestConfig(windows=2))
    assert not caplog.text
    assert list(test.outcomes) == ["gru", "seasonal-naive", "naive", "drift", "linear"]
    for o in test.outcomes.values():
        assert np.isfinite(score(o, "wql"))
    alone = replace(directory.load(tmp_path / "m"), baselines={})
    with caplog.at_level(logging.WARNING, "tsforge"):
        test = tsforge.backtest(alone, late, config=BacktestConfig(windows=2))
    assert "linear is left out" in caplog.text
    assert np.isfinite(score(test.outcomes["gru"], "coverage_80"))
    assert np.isnan(score(test.outcomes["naive"], "coverage_80"))
    assert np.isfinite(score(test.outcomes["naive"], "mae"))


def test_baselines_of_a_model_are_those_that_its_data_would_give(tmp_path: Path) -> None:
    """Another training part, other corrections, or one baseline's matrix or errors for another's."""
    data = table((240, 230))
    given = {"train.max_steps": 3, "model.width": 4, "data.id": ["id"], "data.context": 10, "data.season": 12}
    tsforge.fit(experiment("gru", **given), data, out=tmp_path / "m")
    model = directory.load(tmp_path / "m")
    assert set(model.baselines) == {"seasonal-naive", "naive", "drift", "linear"}
    kept, anew = (tsforge.backtest(m, data) for m in (model, replace(model, baselines={})))
    for name in anew.outcomes:
        for intervals in ("raw", "static", "adaptive"):
            a, b = kept.outcome(name, intervals), anew.outcome(name, intervals)
            np.testing.assert_allclose(a.quantiles, b.quantiles, rtol=1e-5, atol=1e-5)


def test_missing_truths_count_where_observed() -> None:
    """A window with a hole dropped, or its hole scored as 0."""
    frame = table((240,))
    frame.loc[[228, 231, 236], "value"] = np.nan
    test = tsforge.backtest(experiment("naive"), frame, config=BacktestConfig(windows=2))
    o = test.forecasts.raw["naive"]
    assert o.observed.sum() == 2 * H - 3
    last = [frame["value"][227], frame["value"][233]]
    gaps = [abs(frame["value"][228 + k] - last[k // H]) for k in range(12)]
    assert score(o, "mae") == pytest.approx(np.nanmean(gaps), rel=1e-5)


def test_short_series_give_fewer_windows() -> None:
    """A series that is too short for all windows, which takes rows of its neighbour or is lost altogether."""
    test = tsforge.backtest(experiment("naive"), table((240, 60)), config=BacktestConfig(windows=8, stride=6))
    counts = np.bincount(test.forecasts.windows.series)
    assert counts[0] == 8
    assert 1 <= counts[1] <= 8
    assert all(o >= 1 for _, o in origins(test))


def test_standard_units() -> None:
    """z-scores of the whole table, or with the deviation of a sample."""
    frame = table((240,))
    plain = tsforge.backtest(experiment("naive"), frame, config=BacktestConfig(windows=3))
    z = tsforge.backtest(experiment("naive"), frame, config=BacktestConfig(windows=3, units="standard"))
    deviation = frame["value"][: 240 - 3 * H - 24].std(ddof=0)
    a, b = plain.forecasts.raw["naive"], z.forecasts.raw["naive"]
    assert score(a, "mae") / score(b, "mae") == pytest.approx(deviation, rel=1e-5)
    for metric in ("mase", "rmsse", "coverage_80"):
        assert score(a, metric) == pytest.approx(score(b, metric), rel=1e-4)


def test_intervals_of_all_kinds() -> None:
    """Adaptive intervals where there is nothing to adapt to; a choice that changes nothing."""
    frame = table((240, 230))
    once = tsforge.backtest(experiment(), frame, config=BacktestConfig(windows=1))
    assert once.intervals == "static"
    many = tsforge.backtest(experiment(), frame, config=BacktestConfig(windows=9, stride=3))
    assert many.intervals == "adaptive"
    widths = [score(many.outcome("linear", kind), "width_80") for kind in ("raw", "static", "adaptive")]
    assert len(set(widths)) == 3
    raw = tsforge.backtest(experiment(), frame, config=BacktestConfig(windows=9, stride=3, intervals="raw"))
    assert score(raw.outcomes["linear"], "width_80") == widths[0]


def test_refits_join_their_own_corrections() -> None:
    """The first fit's corrections applied to the forecasts of all the others."""
    frame = table((240,))
    both = tsforge.backtest(experiment(), frame, config=BacktestConfig(windows=4, stride=6, refit=2))
    alone = tsforge.backtest(experiment(), frame, config=BacktestConfig(windows=2, stride=6))
    np.testing.assert_allclose(
        both.forecasts.static("linear").quantiles[2:], alone.forecasts.static("linear").quantiles, rtol=1e-4
    )


def test_refusals(tmp_path: Path) -> None:
    """Settings that are taken and do nothing."""
    frame = table((240,))
    with pytest.raises(ConfigError, match="sliding window of 20 steps is too short"):
        tsforge.backtest(experiment(), frame, config=BacktestConfig(windows=2, train_window=20))
    tsforge.fit(experiment("naive"), frame, out=tmp_path / "m")
    with pytest.raises(ConfigError, match="a fitted model is not trained again"):
        tsforge.backtest(tmp_path / "m", frame, config=BacktestConfig(refit=1))
    with pytest.raises(ConfigError, match="leaves nothing to score"):
        tsforge.backtest(experiment(**{"data.test": 0}), frame)


def test_a_fit_without_a_truth_behind_it_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """One hole that ends a backtest of many fits."""
    frame = table((240,))
    frame.loc[222:227, "value"] = np.nan
    with caplog.at_level(logging.WARNING, "tsforge"):
        test = tsforge.backtest(experiment("naive"), frame, config=BacktestConfig(windows=4, refit=1))
    assert [o for _, o in origins(test)] == [216, 228, 234]
    assert test.fits == 3
    assert "no truth was observed behind the origins of fit 2 of 4" in caplog.text


def test_a_model_that_was_fitted_for_refitting_still_rolls(tmp_path: Path) -> None:
    """Settings of the fitting that a fitted model refuses, though nobody gave them now."""
    frame = table((240,))
    settings = {"backtest.refit": 2, "backtest.train_window": 100, "backtest.stride": 3, "backtest.units": "standard"}
    tsforge.fit(experiment("naive", **settings), frame, out=tmp_path / "m")
    test = tsforge.backtest(tmp_path / "m", frame)
    assert (test.stride, test.config.units, test.config.refit) == (3, "standard", 0)


def test_series_that_end_at_different_times_are_spoken_of(caplog: pytest.LogCaptureFixture) -> None:
    """A fit that knows later times of one series than another's origins, in silence."""
    with caplog.at_level(logging.WARNING, "tsforge"):
        tsforge.backtest(experiment("naive"), table((240, 240)), config=BacktestConfig(windows=2))
        assert "end at different times" not in caplog.text
        tsforge.backtest(experiment("naive"), table((240, 200)), config=BacktestConfig(windows=2))
    assert "2 series end at different times" in caplog.text


def test_rows_before_a_sliding_window_do_not_matter() -> None:
    """A level, a deviation or a covariate's scale of rows that are not trained on."""
    frame, other = table((240,)), table((240,))
    other.loc[:59, "value"] = 500 + np.arange(60)
    for kind in ("linear", "naive"):
        config = BacktestConfig(windows=2, train_window=120, units="standard")
        a, b = (tsforge.backtest(experiment(kind), f, config=config).forecasts.static(kind) for f in (frame, other))
        np.testing.assert_array_equal(a.point, b.point)
        np.testing.assert_array_equal(a.quantiles, b.quantiles)


def test_rows_that_are_all_old_are_told_from_rows_that_are_too_few(tmp_path: Path) -> None:
    """One message for two mistakes, with a time that is not the model's."""
    frame = table((240,))
    tsforge.fit(experiment("naive", **{"data.test": 24}), frame, out=tmp_path / "m")
    with pytest.raises(DataError, match=r"no window .* \(up to 2024-01-09 23:00"):
        tsforge.backtest(tmp_path / "m", frame.iloc[:100])
    with pytest.raises(DataError, match="too short: the longest series has 5 rows"):
        tsforge.backtest(tmp_path / "m", frame.iloc[-5:])
