"""Metrics against utilsforecast, scikit-learn, scoringrules and slow loops, on data with missing values."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scoringrules
import sklearn.metrics
import utilsforecast.losses as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from tsforge.evaluation import metrics
from tsforge.evaluation.metrics import METRICS, SHOWN, find, lower_is_better
from tsforge.evaluation.outcome import Outcome, concatenated
from tsforge.evaluation.quantiles import Distribution
from tsforge.evaluation.scores import (
    Average,
    averaged,
    best_simple,
    by_series,
    by_step,
    by_window,
    owa,
    primary,
    score,
    scores,
    skill,
    stepwise,
    sums,
)

W, H, C, N, SEASON = 30, 5, 2, 4, 3
LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
POINTS = ("mae", "mse", "rmse", "bias", "mape", "smape", "wape", "mase", "rmsse")
FAMILIES = (*METRICS, "coverage_50", "width_50", "winkler_50", "pinball_0.25", "pinball_.9")


def past(seed: int = 0) -> np.ndarray:
    """What lies before the windows of every series and target, (N, 40, C)."""
    return np.random.default_rng(100 + seed).normal(3, 2, (N, 40, C))


def outcome(missing: float = 0.3, seed: int = 0, levels: tuple[float, ...] = LEVELS) -> Outcome:
    """Windows of four series in no order; the targets of each differ in size, and so do their scales."""
    rng = np.random.default_rng(seed)
    series = rng.integers(0, N, W)
    series[:N] = range(N)
    size = (1 + series[:, None, None]) * np.array([1.0, 10.0])
    observed = rng.random((W, H, C)) >= missing
    truth = np.where(observed, size * rng.normal(1, 1, (W, H, C)), 0).astype(np.float32)
    point = (size * rng.normal(1, 1, (W, H, C))).astype(np.float32)
    spread = size[..., None] * np.sort(rng.normal(0, 1, (W, H, C, len(levels))), axis=-1)
    gap = past()[:, SEASON:] - past()[:, :-SEASON]
    return Outcome(
        truth, observed, point,
        Distribution.of_values(point[..., None] + spread, levels, point, np.ones((W, C), np.float32)),
        scale=np.abs(gap).mean(axis=1)[series], square=(gap**2).mean(axis=1)[series], series=series, time=np.arange(W),
    )  # fmt: skip


def with_quantiles(o: Outcome, quantiles: np.ndarray, levels: tuple[float, ...]) -> Outcome:
    return replace(o, distribution=Distribution.of_values(quantiles, levels, o.point, o.spread))


def frame(o: Outcome, by: str) -> pd.DataFrame:
    """One row of every observed point in the form of utilsforecast, grouped by series and target, or not at all."""
    rows = []
    for w, h, c in np.argwhere(o.observed):
        quantiles = o.quantiles[w, h, c].astype(float)
        rows.append({
            "unique_id": f"{o.series[w]}-{c}" if by == "series" else "all", "ds": len(rows),
            "y": float(o.truth[w, h, c]), "f": float(o.point[w, h, c]),
            **{f"q{level}": q for level, q in zip(o.levels, quantiles, strict=True)},
            "f-lo-80": quantiles[1], "f-hi-80": quantiles[-2], "f-lo-90": quantiles[0], "f-hi-90": quantiles[-1],
        })  # fmt: skip
    return pd.DataFrame(rows)


def history() -> pd.DataFrame:
    columns = {f"{i}-{c}": past()[i, :, c] for i, c in np.ndindex(N, C)}
    parts = [pd.DataFrame({"unique_id": name, "ds": range(-40, 0), "y": y}) for name, y in columns.items()]
    return pd.concat(parts, ignore_index=True)


Library = Callable[[pd.DataFrame], pd.DataFrame]
PLAIN: dict[str, tuple[Library, float]] = {
    "mae": (lambda d: reference.mae(d, ["f"]), 1),
    "mse": (lambda d: reference.mse(d, ["f"]), 1),
    "rmse": (lambda d: reference.rmse(d, ["f"]), 1),
    "bias": (lambda d: reference.bias(d, ["f"]), 1),
    "mape": (lambda d: reference.mape(d, ["f"]), 100),
    "smape": (lambda d: reference.smape(d, ["f"]), 200),  # theirs is a ratio of 0 to 1
    "wape": (lambda d: reference.wape(d, ["f"]), 1),
    "pinball_0.25": (lambda d: reference.quantile_loss(d, {"f": "q0.25"}, 0.25), 1),
    "crps": (lambda d: reference.mqloss(d, {"f": [f"q{v}" for v in LEVELS]}, np.array(LEVELS)), 2),
    "coverage_80": (lambda d: reference.coverage(d, ["f"], 80), 1),
    "coverage_90": (lambda d: reference.coverage(d, ["f"], 90), 1),
    "winkler_80": (lambda d: reference.winkler_score(d, ["f"], 80), 1),
    "winkler_90": (lambda d: reference.winkler_score(d, ["f"], 90), 1),
}


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("missing", [0.0, 0.3, 0.8])
def test_pooled_over_points_and_mean_over_series_against_utilsforecast(name: str, missing: float) -> None:
    """Missing truths counted as zeros, a mean of means, or a definition of our own under a known name.

    And a long series that outweighs short ones, or the targets of one series that count as one.
    """
    o = outcome(missing)
    library, factor = PLAIN[name]
    (pooled,) = library(frame(o, "points"))["f"]
    assert score(o, name) == pytest.approx(factor * pooled, rel=1e-6)
    expected = library(frame(o, "series")).sort_values("unique_id")["f"].to_numpy()
    assert len(expected) == N * C
    assert score(o, name, "series") == pytest.approx(factor * expected.mean(), rel=1e-6)
    np.testing.assert_allclose(by_series(o, name).ravel(), factor * expected, rtol=1e-5)
    assert name == "bias" or score(o, name, "series") != pytest.approx(score(o, name), rel=1e-3)


@pytest.mark.parametrize("name", ["mase", "rmsse"])
@pytest.mark.parametrize("missing", [0.0, 0.3, 0.8])
def test_scaled_errors_against_utilsforecast(name: str, missing: float) -> None:
    """Another series' scale, a scale of the test part, or a root taken before the mean."""
    o = outcome(missing)
    rows = frame(o, "series")
    errors = getattr(reference, name)(rows, ["f"], SEASON, history())
    expected = errors.sort_values("unique_id").set_index("unique_id")["f"]
    assert score(o, name, "series") == pytest.approx(expected.mean(), rel=1e-5)
    count = rows.groupby("unique_id").size()
    power = 2 if name == "rmsse" else 1
    pooled = float((count * expected**power).sum() / count.sum()) ** (1 / power)
    assert score(o, name) == pytest.approx(pooled, rel=1e-5)


def test_weighted_quantile_loss_against_utilsforecast() -> None:
    """Levels or points averaged the wrong way, or half the size of the literature's."""
    o = outcome()
    for by, average in (("points", "points"), ("series", "series")):
        rows = frame(o, by)
        loss = reference.mqloss(rows, {"f": [f"q{v}" for v in LEVELS]}, np.array(LEVELS)).set_index("unique_id")["f"]
        size = rows.assign(y=rows["y"].abs()).groupby("unique_id")["y"].mean()
        assert score(o, "wql", average) == pytest.approx(float((2 * loss / size).mean()), rel=1e-6)


@pytest.mark.parametrize(
    ("name", "library"),
    [
        ("mae", sklearn.metrics.mean_absolute_error), ("mse", sklearn.metrics.mean_squared_error),
        ("rmse", sklearn.metrics.root_mean_squared_error),
        ("mape", lambda y, f: 100 * sklearn.metrics.mean_absolute_percentage_error(y, f)),
    ],
)  # fmt: skip
def test_against_scikit_learn(name: str, library: Callable[..., float]) -> None:
    """The same slip in our metric and in the one library it was compared with."""
    o = outcome()
    assert score(o, name) == pytest.approx(library(o.truth[o.observed], o.point[o.observed]), rel=1e-5)


@pytest.mark.parametrize("q", range(len(LEVELS)))
def test_pinball_against_scikit_learn_and_scoringrules(q: int) -> None:
    """Slopes of the pinball loss swapped, or the quantile of another level."""
    o = outcome()
    y, f = o.truth[o.observed].astype(float), o.quantiles[..., q][o.observed].astype(float)
    actual = score(o, f"pinball_{LEVELS[q]}")
    assert actual == pytest.approx(sklearn.metrics.mean_pinball_loss(y, f, alpha=LEVELS[q]))
    assert actual == pytest.approx(np.mean(scoringrules.quantile_score(y, f, LEVELS[q], backend="numpy")))


def test_crps_against_scoringrules() -> None:
    """Half the score, or one that depends on the number of levels."""
    o = outcome()
    y, f = o.truth[o.observed].astype(float), o.quantiles[o.observed].astype(float)
    expected = scoringrules.crps_quantile(y, f, np.array(LEVELS), backend="numpy")
    assert score(o, "crps") == pytest.approx(float(np.mean(expected)))


def test_crps_of_many_levels_is_that_of_the_normal() -> None:
    """A sum over levels that tends to something else than the integral."""
    levels = tuple((np.arange(999) + 0.5) / 999)
    o = outcome()
    quantiles = np.broadcast_to(o.point[..., None] + norm.ppf(levels), (*o.point.shape, len(levels)))
    dense = with_quantiles(o, quantiles, levels)
    expected = scoringrules.crps_normal(o.truth[o.observed].astype(float), o.point[o.observed].astype(float), 1.0)
    assert score(dense, "crps") == pytest.approx(float(np.mean(expected)), rel=1e-3)


@pytest.mark.parametrize(("nominal", "a", "b"), [(0.5, 2, 4), (0.8, 1, 5), (0.9, 0, 6)])
def test_intervals_against_scoringrules_and_numpy(nominal: float, a: int, b: int) -> None:
    """The wrong two levels, a penalty for the wrong alpha, missing truths counted as hits."""
    o = outcome()
    y, low, high = (v[o.observed].astype(float) for v in (o.truth, o.quantiles[..., a], o.quantiles[..., b]))
    name = f"{100 * nominal:g}"
    expected = scoringrules.interval_score(y, low, high, 1 - nominal, backend="numpy")
    assert score(o, f"winkler_{name}") == pytest.approx(float(np.mean(expected)))
    assert score(o, f"width_{name}") == pytest.approx(np.mean(high - low))
    hits = np.mean((low <= y) & (y <= high))
    assert score(o, f"coverage_{name}") == pytest.approx(hits)
    assert 0 < hits < 1


def test_bounds_count_as_inside() -> None:
    """Counts and constants that lie on a bound and are called misses."""
    o = outcome(missing=0.0)
    for q in (1, 5):
        assert score(replace(o, truth=o.quantiles[..., q]), "coverage_80") == 1


def loop(o: Outcome, name: str, **only: int) -> float:
    """A metric of some of the points (of one w, h, c or series) from its definition, one point at a time."""
    total, weight = 0.0, 0.0
    for w, h, c in np.ndindex(o.truth.shape):
        here = {"w": w, "h": h, "c": c, "series": o.series[w]}
        if not o.observed[w, h, c] or any(here[axis] != place for axis, place in only.items()):
            continue
        y, f = float(o.truth[w, h, c]), float(o.point[w, h, c])
        quantiles = dict(zip(o.levels, o.quantiles[w, h, c].astype(float), strict=True))
        pinball = [max(v * (y - q), (v - 1) * (y - q)) for v, q in quantiles.items()]
        low, high = quantiles[0.1], quantiles[0.9]
        scale = (o.scale[w, c], o.square[w, c])
        above, below = {
            "mae": (abs(y - f), 1), "mse": ((y - f) ** 2, 1), "rmse": ((y - f) ** 2, 1), "bias": (f - y, 1),
            "wape": (abs(y - f), abs(y)), "wql": (2 * np.mean(pinball), abs(y)), "crps": (2 * np.mean(pinball), 1),
            "mape": (100 * abs(y - f) / abs(y) if y else 0, y != 0),
            "smape": (200 * abs(y - f) / (abs(y) + abs(f)) if y or f else 0, bool(y or f)),
            "mase": (abs(y - f) / scale[0] if scale[0] > 0 else 0, scale[0] > 0),
            "rmsse": ((y - f) ** 2 / scale[1] if scale[1] > 0 else 0, scale[1] > 0),
            "coverage_80": (low <= y <= high, 1), "width_80": (high - low, 1),
            "winkler_80": (high - low + 10 * (max(low - y, 0) + max(y - high, 0)), 1), "pinball_0.25": (pinball[2], 1),
        }[name]  # fmt: skip
        total, weight = total + above, weight + below
    if not weight:
        return math.nan
    return math.sqrt(total / weight) if name in ("rmse", "rmsse") else total / weight


LOOPS = (*POINTS, "wql", "crps", "coverage_80", "width_80", "winkler_80", "pinball_0.25")


def awkward(seed: int = 0) -> Outcome:
    """With zeros in truth and forecast, series without a scale, and a step, a window and a series without truths."""
    o = outcome(seed=seed)
    o.truth[5], o.point[5] = 0, 0
    o.truth[6, 0], o.point[6, 0] = 0, 2
    o.scale[o.series == 1, 0], o.square[o.series == 1, 0] = 0.0, 0.0
    o.scale[o.series == 2], o.square[o.series == 2] = np.nan, np.nan
    o.observed[:, 2] = False
    o.observed[7] = False
    o.observed[o.series == 3, :, 1] = False
    return o


@pytest.mark.parametrize("name", LOOPS)
def test_steps_windows_and_series_against_loops(name: str) -> None:
    """Errors by one axis in place of another, or a mean of means within one."""
    o = awkward()
    kinds = (
        (by_step(o, name), [loop(o, name, h=k) for k in range(H)]),
        (by_window(o, name), [loop(o, name, w=k) for k in range(W)]),
        (by_series(o, name).ravel(), [loop(o, name, series=i, c=k) for i in range(N) for k in range(C)]),
        (np.array([score(o, name)]), [loop(o, name)]),
    )
    for actual, expected in kinds:
        np.testing.assert_allclose(actual, expected, rtol=1e-6)
    assert np.isnan(by_step(o, name)[2])
    own = np.array(kinds[2][1])
    assert score(o, name, "series") == pytest.approx(np.nanmean(own), rel=1e-6)


@pytest.mark.parametrize("name", FAMILIES)
def test_one_of_many_is_the_score_of_it_alone(name: str) -> None:
    """Curves by step, window or series that belong to another metric than the score beside them."""
    o = awkward()
    for w in (0, 5, 6, 8):
        assert by_window(o, name)[w] == pytest.approx(score(o.part(slice(w, w + 1)), name), nan_ok=True)
    for i in range(N):
        rows = np.flatnonzero(o.series == i)
        only = concatenated([o.part(slice(w, w + 1)) for w in rows])
        assert np.nanmean([*by_series(only, name)[0], -1]) == pytest.approx(np.nanmean([*by_series(o, name)[i], -1]))


def test_series_keep_their_place() -> None:
    """Numbers of series that are no positions: those without windows would shift the others."""
    o = outcome()
    sparse = replace(o, series=np.array([3, 8, 11, 40])[o.series])
    np.testing.assert_array_equal(by_series(sparse, "mae"), by_series(o, "mae"))


def test_what_has_no_value_is_counted() -> None:
    """Points that a score leaves out without a word."""
    o = awkward()
    zeros = int((o.observed & (o.truth == 0)).sum())
    both = int((o.observed & (o.truth == 0) & (o.point == 0)).sum())
    unscaled = int(o.observed[o.series == 2].sum() + o.observed[o.series == 1][..., 0].sum())
    expected = {"mape": zeros, "smape": both, "mase": unscaled, "rmsse": unscaled, "mae": 0, "wape": 0, "wql": 0}
    assert {name: ratio.left_out for name, ratio in sums(o, expected, "step").items()} == expected
    assert 0 < both < zeros
    assert sums(o, ["coverage_77"], "series")["coverage_77"].left_out == int(o.observed.sum())


@pytest.mark.parametrize("levels", [(), (0.1, 0.5), (0.5, 0.9), (0.2, 0.8)])
@pytest.mark.parametrize("name", ["coverage_80", "width_80", "winkler_80"])
def test_an_interval_needs_its_two_levels(name: str, levels: tuple[float, ...]) -> None:
    """The coverage of some other interval passed off as that of 80 %."""
    assert math.isnan(score(outcome(levels=levels), name))
    assert np.isnan(by_step(outcome(levels=levels), name)).all()


@pytest.mark.parametrize("name", ["wql", "crps", "pinball_0.25"])
def test_a_point_forecast_has_no_quantile_loss(name: str) -> None:
    """A perfect loss for a forecast that says nothing of its uncertainty."""
    o = outcome()
    assert math.isnan(score(with_quantiles(o, o.quantiles[..., :0], ()), name))


@pytest.mark.parametrize("name", FAMILIES)
def test_metrics_that_ask_for_quantiles_are_those_without_a_value_for_a_point_forecast(name: str) -> None:
    """Intervals that are moved for metrics that do not look at them, or not moved for one that does."""
    assert metrics.metric(name).needs_quantiles == math.isnan(score(outcome(levels=()), name))


def test_wql_of_the_median_alone_is_wape() -> None:
    """A weighted quantile loss on another scale than the literature's."""
    o = outcome(levels=(0.5,))
    o = replace(o, point=o.quantiles[..., 0])
    assert score(o, "wql") == pytest.approx(score(o, "wape"))
    assert score(o, "crps") == pytest.approx(score(o, "mae"))


@pytest.mark.parametrize("average", ["points", "series"])
@pytest.mark.parametrize("name", FAMILIES)
def test_nothing_observed_is_unknown_and_quiet(name: str, average: Average) -> None:
    """A perfect score, or a warning of numpy's, for a test part that has no truths."""
    o = outcome(missing=2.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert math.isnan(score(o, name, average))
        for actual in (by_step(o, name), by_window(o, name), by_series(o, name)):
            assert np.isnan(actual).all()
        assert math.isnan(score(o.part(slice(0, 0)), name, average))


def test_zero_denominators_are_unknown() -> None:
    """Infinite scores of series that are 0 or never changed; a silent 0; warnings of numpy's."""
    o = outcome()
    silent = replace(o, truth=np.zeros_like(o.truth))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for average in ("points", "series"):
            for name in ("wape", "mape", "wql"):
                assert math.isnan(score(silent, name, average))
            assert math.isnan(score(replace(silent, point=silent.truth), "smape", average))
            for scale in (np.zeros_like(o.scale), np.full_like(o.scale, np.nan)):
                assert math.isnan(score(replace(o, scale=scale), "mase", average))
                assert math.isnan(score(replace(o, square=scale), "rmsse", average))


@pytest.mark.parametrize("average", ["points", "series"])
@pytest.mark.parametrize("name", FAMILIES)
def test_what_was_not_observed_does_not_matter(name: str, average: Average) -> None:
    """A placeholder that is scored, NaN and infinity among them."""
    o = outcome()
    o = with_quantiles(o, o.quantiles, o.levels)  # rounded as the others are
    hidden = ~o.observed
    for value in (1e6, np.nan, np.inf):
        other = replace(o, truth=np.where(hidden, value, o.truth), point=np.where(hidden, -value, o.point))
        other = with_quantiles(other, np.where(hidden[..., None], value / 2, o.quantiles), o.levels)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert score(other, name, average) == score(o, name, average)


@pytest.mark.parametrize("name", [n for n in FAMILIES if lower_is_better(n)])
def test_a_perfect_forecast_has_no_error(name: str) -> None:
    """An offset that no comparison of two forecasts would show."""
    o = outcome()
    exact = np.repeat(o.truth[..., None], len(LEVELS), axis=-1)
    perfect = with_quantiles(replace(o, point=o.truth), exact, LEVELS)
    assert score(perfect, name) == 0
    assert score(o, name) > 0


@settings(deadline=None, max_examples=30)
@given(factor=st.floats(0.01, 100), seed=st.integers(0, 50))
def test_units(factor: float, seed: int) -> None:
    """A relative score that changes with kW or MW, or an absolute one that does not."""
    o = outcome(seed=seed)
    scaled = replace(
        o, truth=factor * o.truth.astype(float), point=factor * o.point.astype(float),
        scale=factor * o.scale, square=factor**2 * o.square,
    )  # fmt: skip
    scaled = with_quantiles(scaled, factor * o.quantiles.astype(float), o.levels)
    powers = {"mae": 1, "rmse": 1, "bias": 1, "crps": 1, "width_80": 1, "winkler_80": 1, "mse": 2}
    for name in ("mase", "rmsse", "smape", "mape", "wape", "wql", *powers):
        expected = factor ** powers.get(name, 0) * score(o, name)
        assert score(scaled, name) == pytest.approx(expected, rel=1e-5, abs=1e-9)


def test_large_levels_are_scored_in_double_precision() -> None:
    """Squares of float32 numbers near 1e6 that are summed in float32."""
    rng = np.random.default_rng(0)
    truth, point = ((1e6 + rng.normal(0, 1, (2000, 3, 1))).astype(np.float32) for _ in range(2))
    ones, zeros = np.ones((2000, 1)), np.zeros(2000, dtype=np.int64)
    o = Outcome(
        truth, np.ones(truth.shape, dtype=bool), point, Distribution.of_point((), point, ones),
        scale=ones, square=ones, series=zeros, time=zeros,
    )  # fmt: skip
    exact = truth.astype(np.float64) - point.astype(np.float64)
    assert score(o, "rmse") == pytest.approx(np.sqrt((exact**2).mean()), rel=1e-12)


@pytest.mark.parametrize("average", ["points", "series"])
def test_owa_is_its_formula(average: Average) -> None:
    """A ratio of sums in place of the mean of two ratios, or the model and its reference swapped."""
    o, naive = outcome(), outcome(seed=1)
    naive = replace(naive, truth=o.truth, observed=o.observed, series=o.series, scale=o.scale)
    own, reference = ([score(x, name, average) for name in ("smape", "mase")] for x in (o, naive))
    assert owa(own, reference) == pytest.approx((own[0] / reference[0] + own[1] / reference[1]) / 2)
    assert owa(reference, reference) == pytest.approx(1)


def test_scores_are_all_metrics_by_name() -> None:
    """A metric that is defined and never reported, or one under another's name."""
    o = outcome()
    assert scores(o) == {name: score(o, name) for name in METRICS}
    assert scores(o, ("mae", "coverage_50"), "series") == {
        "mae": score(o, "mae", "series"), "coverage_50": score(o, "coverage_50", "series"),
    }  # fmt: skip
    assert set(SHOWN) <= set(METRICS)
    assert all(getattr(metrics, name) is METRICS[name].function for name in (*POINTS, "wql", "crps"))


@pytest.mark.parametrize(
    ("name", "nominal"), [("coverage_95", 0.95), ("width_50", 0.5), ("winkler_99.5", 0.995), ("pinball_0.25", 0.25)]
)
def test_families_of_names(name: str, nominal: float) -> None:
    """A level that is read as another, or refused because only two were foreseen."""
    level = nominal if name.startswith("pinball") else (1 + nominal) / 2
    o = outcome(levels=tuple(sorted({1 - level, level})))
    assert find(name) is not None
    assert math.isfinite(score(o, name))
    assert math.isnan(score(outcome(levels=(0.3, 0.7)), name))


@pytest.mark.parametrize(
    "name", ["maee", "", "coverage", "coverage_", "coverage_0", "coverage_100", "coverage_120", "pinball_0",
             "pinball_1", "pinball_0.0", "pinball_1.5", "pinball", "owa_80", "Coverage_80", "coverage_80 ", "mae_80"],
)  # fmt: skip
def test_unknown_names_are_unknown(name: str) -> None:
    """A mistyped metric that is scored as NaN, or as something else."""
    assert find(name) is None
    with pytest.raises(KeyError):
        score(outcome(), name)


def test_lower_is_better_for_errors_alone() -> None:
    """A skill of a coverage, which has no better direction."""
    assert [n for n in METRICS if not METRICS[n].lower_is_better] == [
        "bias",
        "coverage_80",
        "coverage_90",
        "width_80",
        "width_90",
    ]
    assert lower_is_better("pinball_0.25")
    assert lower_is_better("winkler_50")
    assert lower_is_better("owa")
    assert not lower_is_better("coverage_95")


@pytest.mark.parametrize(("value", "base", "percent"), [(1, 2, 50), (3, 2, -50), (2, 2, 0), (0, 2, 100)])
def test_skill_is_percent_better(value: float, base: float, percent: float) -> None:
    """A sign or a fraction the wrong way round: a worse model that looks better."""
    assert skill(value, base) == pytest.approx(percent)


@pytest.mark.parametrize("base", [0.0, float("nan"), 1e-9])
def test_skill_against_nothing_is_unknown(base: float) -> None:
    """A division by the error of a perfect baseline, or by what rounding left of it."""
    assert math.isnan(skill(1.0, base))


def test_parts_put_together_are_the_whole() -> None:
    """Windows lost, doubled or out of order where an evaluation comes in pieces."""
    o = outcome()
    again = concatenated([o.part(slice(0, 11)), o.part(slice(11, 12)), o.part(slice(12, W))])
    assert scores(again) == scores(o)
    np.testing.assert_array_equal(again.time, o.time)
    assert concatenated([o]) is o


@pytest.mark.parametrize("average", ["points", "series"])
@pytest.mark.parametrize("name", FAMILIES)
def test_several_outcomes_are_scored_as_one(name: str, average: Average) -> None:
    """A mean of means over tables of different size."""
    o = awkward()
    order = np.argsort(o.series, kind="stable")
    rows = [o.part(slice(w, w + 1)) for w in order]
    cut = int((o.series < 2).sum())
    parts = [concatenated(rows[:cut]), concatenated(rows[cut:])]  # each with series of its own
    by = {by: [sums(part, [name], by)[name] for part in parts] for by in ("step", "mean")}  # type: ignore[arg-type]
    assert averaged(by["step" if average == "points" else "mean"]) == pytest.approx(score(o, name, average))
    np.testing.assert_allclose(stepwise(by["step"]), by_step(o, name), rtol=1e-9)


def test_steps_of_different_horizons() -> None:
    """Steps that only some tables have, counted as zeros for the others."""
    o, other = outcome(), outcome(seed=1)
    short = replace(other, **{n: getattr(other, n)[:, :3] for n in ("truth", "observed", "point")})
    short = with_quantiles(short, other.quantiles[:, :3], other.levels)
    actual = stepwise([sums(part, ["mae"], "step")["mae"] for part in (o, short)])
    np.testing.assert_allclose(actual[3:], by_step(o, "mae")[3:])
    np.testing.assert_allclose(actual[:3], by_step(concatenated([o, other]), "mae")[:3])


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"gru": 0.5, "seasonal-naive": 2.0, "naive": 1.0, "drift": 0.1}, "naive"),
        ({"gru": 0.5, "seasonal-naive": 1.0, "naive": 2.0}, "seasonal-naive"),
        ({"gru": 0.5, "seasonal-naive": math.nan, "naive": 2.0}, "naive"),
        ({"naive": 2.0, "drift": 0.1}, "naive"),
        ({"gru": 0.5, "seasonal-naive": 1.0, "naive": 1.0}, "naive"),
        ({"gru": 0.5, "linear": 0.4}, None),
        ({}, None),
    ],
)
def test_the_best_simple_forecaster_is_the_better_of_two(values: dict[str, float], name: str | None) -> None:
    """Prevents: a skill against the worse of naive and seasonal naive, or against a model that is not simple."""
    assert best_simple(values) == name


@pytest.mark.parametrize(
    ("scores", "shown", "name"),
    [
        ({"mase": 1.0, "mae": 2.0}, ("mase", "mae"), "mase"),
        ({"mase": math.nan, "mae": 2.0}, ("mase", "mae"), "mae"),
        ({"coverage_80": 0.8, "rmse": 2.0}, ("coverage_80", "rmse"), "rmse"),
        ({"mase": math.nan}, ("mase",), "mae"),
    ],
)
def test_a_model_is_judged_by_the_first_error_with_a_value(
    scores: dict[str, float], shown: tuple[str, ...], name: str
) -> None:
    """Prevents: models that are compared by a coverage, or by a score that nobody has."""
    assert primary(scores, shown) == name
