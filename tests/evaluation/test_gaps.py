"""What scores leave out and why they are missing: counted against what was put into the tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tsforge
from tsforge.backtesting.scoreboard import Scoreboard, document
from tsforge.evaluation.gaps import Gap, Reason, gaps
from tsforge.evaluation.scores import distinct, scores
from tsforge.training.fitting import Fit

PATTERNS = {
    "whole numbers": np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0]),
    "tenths": np.array([0.1, 0.2, 0.7, 0.4, 0.3, 0.6, 0.5]),
    "thirds far from 0": 1e6 + np.arange(7.0) ** 2 / 3,
}


def table(values: Any, freq: str = "D") -> pd.DataFrame:
    return pd.DataFrame({"t": pd.date_range("2020-01-01", periods=len(values), freq=freq), "y": values})


def fit(frame: Any, kind: str = "drift", **data: Any) -> Fit:
    settings = {"data.horizon": 7, "data.time": "t", "data.target": "y"} | {f"data.{k}": v for k, v in data.items()}
    return tsforge.fit(tsforge.build({**settings, "model.kind": kind}), frame)


@pytest.mark.parametrize("name", PATTERNS)
def test_what_repeats_exactly_has_no_mase(name: str) -> None:
    """Prevents: an empty cell that nobody explains, or an error divided by what rounding left of 0."""
    fitted = fit(table(np.resize(PATTERNS[name], 98)))
    assert fitted.dataset.sizes.season == 7
    assert np.isnan(fitted.metrics["drift"]["mase"])
    points = int(fitted.outcomes["drift"].observed.sum())
    assert fitted.gaps["mase"] == Gap(points, points, Reason.ALIKE, missing=True)
    assert fitted.primary == "mae"


@pytest.mark.parametrize("period", [7, 14, 28])
def test_a_wave_is_alike_but_for_rounding(period: int) -> None:
    """Prevents: a MASE of millions where the sine of the same phase is rounded otherwise."""
    fitted = fit(table(100 * np.sin(2 * np.pi * np.arange(20 * period) / period)), season=period)
    assert fitted.gaps["mase"].reason == Reason.ALIKE


@pytest.mark.parametrize("still", [1, 2, 3])
def test_series_that_never_change_are_counted(still: int) -> None:
    """Prevents: a mean over some series that is taken for one over all of them."""
    rng = np.random.default_rng(0)
    parts = [table(rng.normal(size=80).cumsum()).assign(id=f"m{i}") for i in range(2)]
    parts += [table(np.full(80, 4.0 + i)).assign(id=f"s{i}") for i in range(still)]
    fitted = fit(pd.concat(parts), id="id")
    o = fitted.outcomes["drift"]
    flat = [i for i in range(2 + still) if fitted.dataset.panel.label(i).startswith("s")]
    count = sum(int(o.observed[w].sum()) for w in range(len(o.truth)) if o.series[w] in flat)
    assert count > 0
    assert fitted.gaps == {"mase": Gap(count, int(o.observed.sum()), Reason.ALIKE, missing=False)}


def test_other_reasons() -> None:
    """Prevents: a season longer than the data, zeros and missing quantiles that are all one empty cell."""
    walk = np.random.default_rng(0).normal(size=60).cumsum()
    assert fit(table(walk), season=100).gaps["mase"].reason == Reason.SHORT
    zeros = fit(table(np.r_[np.abs(walk[:40]), np.zeros(20)]))
    assert zeros.gaps["wql"] == Gap(0, int(zeros.outcomes["drift"].observed.sum()), Reason.ZERO, missing=True)
    o = fit(table(walk)).outcomes["drift"]
    points = int(o.observed.sum())
    bare = replace(o, distribution=o.distribution.without_levels())
    found = gaps(bare, scores(bare, ("mae", "wql", "coverage_80")))
    assert found == dict.fromkeys(("wql", "coverage_80"), Gap(points, points, Reason.LEVELS, missing=True))


@pytest.mark.parametrize("name", PATTERNS)
def test_a_backtest_says_the_same(name: str) -> None:
    """Prevents: two commands with two explanations of one empty cell."""
    experiment = tsforge.build({"data.horizon": 7, "model.kind": "drift"})
    plain = document(Scoreboard({"": tsforge.backtest(experiment, table(np.resize(PATTERNS[name], 98)))}))
    assert np.isnan(plain["scores"]["drift"]["mase"])
    assert plain["reasons"] == {"mase": "alike"}
    assert plain["left_out"]["mase"] > 0


@pytest.mark.parametrize(("freq", "n"), [("YS", 60), ("MS", 20), ("h", 45), ("11h", 80)])
@pytest.mark.parametrize("kind", ["drift", "naive", "seasonal-naive"])
def test_naive_without_a_season_stands_there_once(freq: str, n: int, kind: str) -> None:
    """Prevents: two columns of one forecast under two names; the scores themselves are all there."""
    fitted = fit(table(np.random.default_rng(0).normal(size=n).cumsum(), freq), kind, horizon=2)
    assert fitted.dataset.source.shape.naive_season == 1
    assert {"naive", "seasonal-naive"} <= set(fitted.metrics)
    once = {"drift": "naive"}.get(kind, kind)
    assert [name for name in fitted.shown if "naive" in name] == [once]
    assert next(iter(fitted.shown)) == kind
    assert fitted.best_simple == once
    columns = [tuple(values.values()) for values in fitted.shown.values()]
    assert len(set(columns)) == len(columns)


def test_forecasters_that_differ_are_all_shown() -> None:
    """Prevents: a forecaster hidden since one score of it is that of another."""
    apart = {"gru": {"mae": 1.0}, "seasonal-naive": {"mae": 2.0}, "naive": {"mae": 3.0}, "drift": {"mae": 3.0}}
    assert distinct(apart) == list(apart)
    alike = {"gru": {"mae": 1.0, "mase": np.nan}} | {name: {"mase": np.nan} for name in ("seasonal-naive", "naive")}
    assert distinct(alike) == ["gru", "naive"]
