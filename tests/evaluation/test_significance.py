"""Paired comparisons against statsmodels, scipy and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import t, ttest_1samp

from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.quantiles import Distribution
from tsforge.evaluation.scores import by_window
from tsforge.evaluation.significance import Paired, diebold_mariano, paired


def outcome(errors: np.ndarray, series: np.ndarray, time: np.ndarray) -> Outcome:
    """Forecasts that miss by `errors` (W, H) a truth of 0."""
    W = len(errors)
    point = errors[..., None].astype(np.float32)
    ones = np.ones((W, 1))
    return Outcome(
        truth=np.zeros_like(point), observed=np.ones(point.shape, dtype=bool), point=point,
        distribution=Distribution.of_point((), point, ones), scale=ones, square=ones, series=series, time=time,
    )  # fmt: skip


def compare(a: Outcome, b: Outcome) -> Paired:
    return paired([by_window(a, "mae") - by_window(b, "mae")], [a])


@pytest.mark.parametrize("overlap", [1, 2, 5, 12])
def test_against_statsmodels(overlap: int) -> None:
    """Autocovariances of the wrong number or weight, or the small-sample factor upside down."""
    rng = np.random.default_rng(overlap)
    noise = rng.normal(0.1, 1, 150 + overlap)
    d = np.convolve(noise, np.ones(overlap) / overlap, "valid")[:150]
    n, h = len(d), overlap
    robust = {"maxlags": h - 1, "kernel": "uniform", "use_correction": False}
    fitted = sm.OLS(d, np.ones(n)).fit(cov_type="HAC", cov_kwds=robust)
    statistic = d.mean() / fitted.bse[0] * math.sqrt((n + 1 - 2 * h + h * (h - 1) / n) / n)
    assert diebold_mariano(d, h) == pytest.approx(2 * t.sf(abs(statistic), n - 1), rel=1e-9)


def test_without_overlap_it_is_the_t_test() -> None:
    """A variance over n where n - 1 belongs, once corrected."""
    d = np.random.default_rng(0).normal(0.3, 1, 25)
    assert diebold_mariano(d, 1) == pytest.approx(ttest_1samp(d, 0).pvalue, rel=1e-12)


def test_variance_below_zero_falls_back_to_bartlett() -> None:
    """The root of a negative number, for differences that alternate."""
    d = np.tile([1.0, -1.0], 20) + 0.05
    h = 2
    off = d - d.mean()
    raw = off @ off / 40 + 2 * (off[1:] @ off[:-1] / 40)
    assert raw <= 0
    weighted = off @ off / 40 + 2 * 0.5 * (off[1:] @ off[:-1] / 40)
    statistic = d.mean() / math.sqrt(weighted / 40) * math.sqrt((40 + 1 - 4 + 2 / 40) / 40)
    assert diebold_mariano(d, h) == pytest.approx(2 * t.sf(abs(statistic), 39))


def test_says_better_no_more_often_than_it_may() -> None:
    """Overlapping windows taken for independent: then one in two equal forecasters would be "better"."""
    rng = np.random.default_rng(3)
    h, believed, naive = 8, 0, 0
    for _ in range(300):
        d = np.convolve(rng.normal(0, 1, 160 + h - 1), np.ones(h), "valid")
        believed += diebold_mariano(d, h) < 0.05
        naive += diebold_mariano(d, 1) < 0.05
    assert believed / 300 < 0.12
    assert naive / 300 > 0.3


@pytest.mark.parametrize(("d", "overlap"), [([1.0, 2, 1], 1), ([1.0, 2, 3, 2, 1], 5), ([], 1), ([1.0] * 10, 9)])
def test_too_few_say_nothing(d: list[float], overlap: int) -> None:
    """A verdict from three windows."""
    assert math.isnan(diebold_mariano(np.array(d), overlap))


def test_no_difference_is_no_difference() -> None:
    """0 / 0 for two models that are one."""
    assert diebold_mariano(np.zeros(10), 1) == 1


def test_origins_are_averaged_over_series() -> None:
    """Series that move together counted as so many independent windows."""
    rng = np.random.default_rng(1)
    common = rng.normal(0, 1, 12)
    series, time = np.repeat(np.arange(5), 12), np.tile(np.arange(0, 120, 10), 5)
    a = outcome(np.abs(np.tile(common, 5))[:, None] + 1.0 + np.zeros((60, 10)), series, time)
    b = outcome(np.ones((60, 10)), series, time)
    result = compare(a, b)
    assert (result.count, result.of) == (12, "origins")
    assert result.p == pytest.approx(ttest_1samp(np.abs(common), 0).pvalue, rel=1e-4)
    assert result.difference == pytest.approx(np.abs(common).mean(), rel=1e-5)


def test_overlap_follows_from_the_stride() -> None:
    """Windows of 10 steps, 5 apart, taken as independent."""
    rng = np.random.default_rng(2)
    errors = np.abs(rng.normal(0, 1, (40, 10)))
    time = np.arange(0, 200, 5)
    a, b = (outcome(e, np.zeros(40, dtype=int), time) for e in (errors, np.ones((40, 10))))
    assert compare(a, b).p == pytest.approx(diebold_mariano(errors.mean(1) - 1, 2), rel=1e-4)


def test_one_origin_each_compares_series() -> None:
    """A competition's series, of which each has one window, taken as a time series."""
    rng = np.random.default_rng(4)
    errors = np.abs(rng.normal(0, 1, (30, 4)))
    time = rng.integers(10, 90, 30)
    a, b = (outcome(e, np.arange(30), time) for e in (errors, np.full((30, 4), 0.5)))
    result = compare(a, b)
    assert (result.count, result.of) == (30, "series")
    assert result.p == pytest.approx(ttest_1samp(errors.mean(1) - 0.5, 0).pvalue, rel=1e-4)


def test_verdicts() -> None:
    """ "better" for the worse one, or where nothing is sure."""
    rng = np.random.default_rng(5)
    n, zero = 30, np.zeros(30, dtype=int)
    small, large = (np.abs(rng.normal(m, 0.1, (n, 1))) for m in (1, 2))
    a, b = (outcome(e, zero, np.arange(n)) for e in (small, large))
    assert compare(a, b).verdict == "better"
    assert compare(b, a).verdict == "worse"
    again = outcome(np.abs(rng.normal(1, 0.1, (n, 1))), zero, np.arange(n))
    assert compare(a, again).verdict == "no difference to be told"
    first = outcome(small[:2], zero[:2], np.arange(2))
    assert compare(first, first).verdict == "too few to tell"
