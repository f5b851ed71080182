"""Metrics against scikit-learn and slow loops, on data with missing values."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import (
    mean_absolute_error,
    mean_pinball_loss,
    mean_squared_error,
    root_mean_squared_error,
)

from tsforge import metrics
from tsforge.metrics import ERRORS, METRICS, Outcome, by_step, scores, skill

W, H, C = 6, 5, 2
LEVELS = (0.1, 0.5, 0.9)


def outcome(missing: float = 0.3, seed: int = 0, levels: tuple[float, ...] = LEVELS) -> Outcome:
    rng = np.random.default_rng(seed)
    observed = rng.random((W, H, C)) >= missing
    truth = np.where(observed, rng.normal(3, 2, (W, H, C)), 0).astype(np.float32)
    spread = np.sort(rng.normal(0, 2, (W, H, C, len(levels))), axis=-1)
    point = rng.normal(3, 2, (W, H, C)).astype(np.float32)
    quantiles = (point[..., None] + spread).astype(np.float32)
    return Outcome(truth, observed, point, quantiles, levels, scale=rng.random((W, C)) + 0.5)


def pairs(o: Outcome) -> tuple[np.ndarray, np.ndarray]:
    return o.truth[o.observed].astype(np.float64), o.point[o.observed].astype(np.float64)


@pytest.mark.parametrize(
    ("name", "other"),
    [("mae", mean_absolute_error), ("mse", mean_squared_error), ("rmse", root_mean_squared_error)],
)
@pytest.mark.parametrize("missing", [0.0, 0.3, 0.9])
def test_against_scikit_learn(name: str, other: object, missing: float) -> None:
    """Missing truths counted as zeros, or a mean of means."""
    o = outcome(missing)
    assert METRICS[name](o) == pytest.approx(other(*pairs(o)))


def test_smape_against_a_loop() -> None:
    """Half or double the usual definition, or a step of two zeros that divides by 0."""
    o = outcome()
    o.truth[0], o.point[0], o.observed[0] = 0, 0, True
    o.truth[1, 0], o.point[1, 0], o.observed[1, 0] = 0, 2, True
    found = []
    for w, h, c in np.ndindex(W, H, C):
        if o.observed[w, h, c]:
            y, f = float(o.truth[w, h, c]), float(o.point[w, h, c])
            found.append(200 * abs(y - f) / (abs(y) + abs(f)) if y or f else 0.0)
    assert metrics.smape(o) == pytest.approx(np.mean(found))
    assert 200 in found


def test_mase_against_a_loop() -> None:
    """Another series' scale, or a series without one that makes the whole score infinite or NaN."""
    o = outcome()
    o.scale[1, 0], o.scale[2] = 0.0, np.nan
    found = []
    for w, h, c in np.ndindex(W, H, C):
        if o.observed[w, h, c] and o.scale[w, c] > 0:
            found.append(abs(float(o.truth[w, h, c]) - float(o.point[w, h, c])) / o.scale[w, c])
    assert metrics.mase(o) == pytest.approx(np.mean(found))


@pytest.mark.parametrize("levels", [LEVELS, (0.5,), (0.05, 0.3, 0.7, 0.99)])
def test_wql_against_scikit_learn_and_a_loop(levels: tuple[float, ...]) -> None:
    """Slopes of the pinball loss swapped, or levels and steps averaged the wrong way."""
    o = outcome(levels=levels)
    y = o.truth[o.observed].astype(np.float64)
    by_level, by_loop = [], []
    for i, level in enumerate(levels):
        q = o.quantiles[..., i][o.observed].astype(np.float64)
        by_level.append(2 * mean_pinball_loss(y, q, alpha=level) * len(y) / np.abs(y).sum())
        total = sum(level * (a - b) if a > b else (1 - level) * (b - a) for a, b in zip(y, q, strict=True))
        by_loop.append(2 * total / sum(abs(a) for a in y))
    assert metrics.wql(o) == pytest.approx(np.mean(by_level))
    assert metrics.wql(o) == pytest.approx(np.mean(by_loop))


def test_wql_of_the_median_alone_is_wape() -> None:
    """A weighted quantile loss on another scale than the literature's."""
    o = outcome(levels=(0.5,))
    y, f = o.truth[o.observed], o.quantiles[..., 0][o.observed]
    assert metrics.wql(o) == pytest.approx(np.abs(y - f).sum() / np.abs(y).sum())


def test_coverage_against_a_loop() -> None:
    """The wrong two levels, missing truths counted as hits, or a bound that does not count as inside."""
    o = outcome(levels=(0.1, 0.2, 0.8, 0.9))
    o.quantiles[0, 0, 0, 0] = o.truth[0, 0, 0]
    o.observed[0, 0, 0] = True
    hits = [
        o.quantiles[w, h, c, 0] <= o.truth[w, h, c] <= o.quantiles[w, h, c, 3]
        for w, h, c in np.ndindex(W, H, C)
        if o.observed[w, h, c]
    ]
    assert metrics.coverage_80(o) == pytest.approx(np.mean(hits))
    assert 0 < np.mean(hits) < 1


@pytest.mark.parametrize("levels", [(), (0.1, 0.5), (0.5, 0.9), (0.2, 0.8)])
def test_coverage_needs_its_two_levels(levels: tuple[float, ...]) -> None:
    """The coverage of some other interval passed off as that of 80 %."""
    assert math.isnan(metrics.coverage_80(outcome(levels=levels)))


def test_by_step_against_a_loop() -> None:
    """Errors by window or channel in place of by step."""
    o = outcome()
    o.observed[:, 2] = False
    expected = []
    for h in range(H):
        step = [
            abs(float(o.truth[w, h, c]) - float(o.point[w, h, c])) for w, c in np.ndindex(W, C) if o.observed[w, h, c]
        ]
        expected.append(np.mean(step) if step else np.nan)
    np.testing.assert_allclose(by_step(o), expected)


@pytest.mark.parametrize("name", METRICS)
def test_nothing_observed_is_unknown_and_quiet(name: str) -> None:
    """A perfect score, or a warning of numpy's, for a test part that has no truths."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert math.isnan(METRICS[name](outcome(missing=2.0)))


@pytest.mark.parametrize("name", METRICS)
def test_what_was_not_observed_does_not_matter(name: str) -> None:
    """A placeholder that is scored."""
    o = outcome()
    hidden = ~o.observed
    other = replace(
        o,
        truth=np.where(hidden, 1e6, o.truth),
        point=np.where(hidden, -1e6, o.point),
        quantiles=np.where(hidden[..., None], 5e5, o.quantiles),
    )
    assert METRICS[name](other) == METRICS[name](o)


@pytest.mark.parametrize("name", ERRORS)
def test_a_perfect_forecast_has_no_error(name: str) -> None:
    """An offset that no comparison of two forecasts would show."""
    o = outcome()
    perfect = replace(o, point=o.truth, quantiles=np.repeat(o.truth[..., None], len(LEVELS), axis=-1))
    assert METRICS[name](perfect) == 0
    assert METRICS[name](o) > 0


def test_zero_denominators_are_unknown() -> None:
    """Infinite scores of series that are 0 or never changed; warnings of numpy's."""
    o = outcome()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert math.isnan(metrics.wql(replace(o, truth=np.zeros_like(o.truth))))
        assert math.isnan(metrics.wql(replace(o, levels=(), quantiles=o.quantiles[..., :0])))
        assert math.isnan(metrics.mase(replace(o, scale=np.zeros_like(o.scale))))
        assert math.isnan(metrics.mase(replace(o, scale=np.full_like(o.scale, np.nan))))


def test_large_levels_are_scored_in_double_precision() -> None:
    """Squares of float32 numbers near 1e6 that are summed in float32."""
    rng = np.random.default_rng(0)
    truth = (1e6 + rng.normal(0, 1, (2000, 3, 1))).astype(np.float32)
    point = (1e6 + rng.normal(0, 1, (2000, 3, 1))).astype(np.float32)
    seen = np.ones(truth.shape, dtype=bool)
    o = Outcome(truth, seen, point, truth[..., None][..., :0], (), np.ones((2000, 1)))
    exact = truth.astype(np.float64) - point.astype(np.float64)
    assert metrics.rmse(o) == pytest.approx(np.sqrt((exact**2).mean()), rel=1e-12)


def test_scores_are_all_metrics_by_name() -> None:
    """A metric that is defined and never reported."""
    o = outcome()
    assert scores(o) == {name: getattr(metrics, name)(o) for name in METRICS}
    assert set(ERRORS) == set(METRICS) - {"coverage_80"}


@pytest.mark.parametrize(("score", "reference", "percent"), [(1, 2, 50), (3, 2, -50), (2, 2, 0), (0, 2, 100)])
def test_skill_is_percent_better(score: float, reference: float, percent: float) -> None:
    """A sign or a fraction the wrong way round: a worse model that looks better."""
    assert skill(score, reference) == pytest.approx(percent)


@pytest.mark.parametrize("reference", [0.0, float("nan")])
def test_skill_against_nothing_is_unknown(reference: float) -> None:
    """A division by the error of a perfect baseline."""
    assert math.isnan(skill(1.0, reference))
