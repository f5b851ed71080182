"""shape-ridge: its parts against loops and scikit-learn; seasons, holes, short windows, and some without a season."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from tsforge.batch import Context, WindowShape
from tsforge.model.baselines import theta
from tsforge.model.baselines.forecaster import Baseline
from tsforge.model.baselines.naive import seasonal_naive
from tsforge.model.baselines.shape_ridge import PENALTIES, fading, forecast, indices, levels, means, ridge

DAY, WEEK = 24, 168


def demand(days: int, seed: int = 0, noise: float = 0.02) -> np.ndarray:
    """Hours of days whose level wanders, with a shape of their own on Saturday and Sunday."""
    rng = np.random.default_rng(seed)
    hours = np.arange(DAY)
    work = 1 + 0.4 * np.sin((hours - 8) * np.pi / 12) + 0.2 * (hours == 19)
    rest = 1 + 0.2 * np.sin((hours - 11) * np.pi / 12)
    level = 100 * np.exp(0.02 * rng.normal(size=days).cumsum())
    level *= np.where(np.arange(days) % 7 >= 5, 0.8, 1.0)
    shape = np.stack([rest if d % 7 >= 5 else work for d in range(days)])
    return (level[:, None] * shape * np.exp(noise * rng.normal(size=(days, DAY)))).ravel()


def window(y: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    values = torch.from_numpy(y)[None, :, None]
    return values.nan_to_num(0.0), ~values.isnan()


def test_coefficients_against_scikit_learn() -> None:
    """Prevents: errors left out by a wrong leverage, and λ in other units."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(25, 3)) * [1, 5, 0.2]
    y = X @ [0.5, -0.1, 2] + rng.normal(size=25)
    grid = np.logspace(-4, 4, PENALTIES) * np.linalg.eigvalsh(X.T @ X).mean()
    coefficients, errors = [], []
    for penalty in grid:
        model = Ridge(alpha=penalty, fit_intercept=False, solver="cholesky")
        left = [y[i] - model.fit(np.delete(X, i, 0), np.delete(y, i)).predict(X[i : i + 1])[0] for i in range(len(y))]
        errors.append(np.mean(np.square(left)))
        coefficients.append(model.fit(X, y).coef_)
    weight = np.array(errors) ** (-25 / 2.0)
    expected = weight / weight.sum() @ np.array(coefficients)
    inputs, outputs = torch.zeros(2, 30, 3, dtype=torch.float64), torch.zeros(2, 30, dtype=torch.float64)
    inputs[1, 5:], outputs[1, 5:] = torch.from_numpy(X), torch.from_numpy(y)  # behind rows that do not count
    actual = ridge(inputs, outputs, torch.tensor([0, 25]))
    np.testing.assert_allclose(actual[1], expected, rtol=1e-6)
    assert actual[0].abs().sum() == 0


@pytest.mark.parametrize(("count", "stride"), [(1, 1), (4, 7), (7, 1), (28, 1), (3, 2)])
def test_means_of_periods_before(count: int, stride: int) -> None:
    """Prevents: a mean that sees its own period, or those before a series begins."""
    g = torch.Generator().manual_seed(count)
    values, there = torch.randn(2, 20, 3, generator=g, dtype=torch.float64), torch.ones(2, 20, dtype=torch.bool)
    there[1, :6] = False
    actual = means(values, there, count, stride)
    for s in range(2):
        for j in range(20 + stride):
            lags = range(stride, stride * count + 1, stride)
            before = [j - lag for lag in lags if 0 <= j - lag < 20 and there[s, j - lag]]
            expected = values[s, before].mean(dim=0) if before else torch.full((3,), torch.nan, dtype=torch.float64)
            torch.testing.assert_close(actual[s, j], expected, equal_nan=True)


@pytest.mark.parametrize(("start", "slope"), [(10.0, 0.5), (-3.0, 0.0), (5.0, -0.2)])
def test_a_line_of_levels_is_continued(start: float, slope: float) -> None:
    """Prevents: levels that are drawn back to their mean where they never were."""
    level = torch.tensor([[start + slope * t for t in range(30)]], dtype=torch.float64)
    there = torch.ones(1, 30, dtype=torch.bool)
    there[0, :4] = False
    fitted, ahead = levels(torch.where(there, level, 0.0), there, 3)
    np.testing.assert_allclose(ahead[0], [start + slope * t for t in range(30, 33)], atol=1e-2)
    np.testing.assert_allclose(fitted[0, 7:], level[0, 7:], atol=1e-2)
    assert fitted[0, :5].isnan().all()


def test_levels_that_return_to_their_mean_do() -> None:
    """Prevents: the last level for ever, where every level before it came back."""
    rng = np.random.default_rng(0)
    y = np.zeros((50, 60))
    for t in range(1, 60):
        y[:, t] = 0.5 * y[:, t - 1] + rng.normal(size=50)
    level = torch.from_numpy(y + 20)
    _, ahead = levels(level, torch.ones_like(level, dtype=torch.bool), 4)
    kept = ((ahead[:, 3] - 20) * (level[:, -1] - 20)).sum() / (level[:, -1] - 20).square().sum()
    assert -0.1 < kept < 0.4  # 0.5⁴ = 0.06, drawn to the last one


def test_indices_of_the_second_season() -> None:
    """Prevents: indices of the wrong weekday, and some that are noise."""
    index = np.array([0.3, 0.1, 0.0, -0.1, 0.1, -0.2, -0.2])
    level = torch.from_numpy(np.tile(index, 9)[3:] + 0.01 * np.arange(60))[None]
    there = torch.ones_like(level, dtype=torch.bool)
    there[0, :10] = False
    actual = indices(torch.where(there, level, 0.0), there, 7)[0]
    np.testing.assert_allclose(actual, np.roll(index, -(63 % 7)), atol=1e-9)
    noise = torch.from_numpy(np.random.default_rng(5).normal(size=(40, 56)))
    drawn = indices(noise, torch.ones_like(noise, dtype=torch.bool), 7)
    assert drawn.square().mean() < 0.6 * (1 / 8)  # of the variance that means of eight have
    assert indices(noise, torch.ones_like(noise, dtype=torch.bool), 1).abs().sum() == 0


@pytest.mark.parametrize(("share", "phi"), [(1.0, 0.9), (0.5, 1.0), (0.8, 0.5)])
def test_errors_fade_as_they_did(share: float, phi: float) -> None:
    """Prevents: an error at the last step that is forgotten, or kept for ever."""
    last = torch.from_numpy(np.random.default_rng(2).normal(size=(1, 20)))
    curve = share * phi ** torch.arange(1, 31, dtype=torch.float64)
    actual = fading(last[..., None] * curve[:10], last, 30)
    torch.testing.assert_close(actual[0], curve)
    assert fading(torch.zeros(1, 20, 10, dtype=torch.float64), 0 * last, 5).abs().sum() == 0


@pytest.mark.parametrize("shift", [0.0, -200.0])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_day_and_a_week(seed: int, shift: float) -> None:
    """Prevents: Saturdays forecast as Fridays; in values below 0 shapes are added."""
    y = demand(60, seed) + shift
    errors = []
    for end in (56 * DAY, 54 * DAY, 52 * DAY):
        target, observed = window(y[end - 49 * DAY : end])
        ahead = forecast(target, observed, 2 * DAY, DAY, (DAY, WEEK))
        alone = forecast(target, observed, 2 * DAY, DAY, ())
        naive = seasonal_naive(target, observed, 2 * DAY, WEEK)
        errors.append([np.abs(part[0, :, 0].numpy() - y[end : end + 2 * DAY]).mean() for part in (ahead, alone, naive)])
    error, without, last = np.mean(errors, axis=0)
    assert error < 0.6 * without
    assert error < 0.9 * last


@pytest.mark.parametrize("hole", [(20, 23), (WEEK, WEEK + 30), (48 * DAY, 49 * DAY), (49 * DAY - 5, 49 * DAY)])
def test_holes(hole: tuple[int, int]) -> None:
    """Prevents: a missing night, day or end of the window that a forecast feels for days."""
    y = demand(51)
    whole, gone = y[: 49 * DAY], y[: 49 * DAY].copy()
    gone[slice(*hole)] = np.nan
    ahead, other = (forecast(*window(part), DAY, DAY, (DAY, WEEK))[0, :, 0].numpy() for part in (whole, gone))
    error, after = (np.abs(part - y[49 * DAY : 50 * DAY]).mean() for part in (ahead, other))
    assert after < error + (1 if hole[0] < 48 * DAY else 4)  # a level moves by 2 % of 100 in a day


def test_series_and_channels_are_apart_and_padding_is_no_part_of_them() -> None:
    """Prevents: forecasts that depend on what stands beside a series or before its first value."""
    drawn = [demand(days, seed) for seed, days in enumerate((49, 30, 14, 5))]
    drawn += [np.random.default_rng(9).normal(size=49 * DAY).cumsum(), drawn[0] - 300]
    target = torch.full((3, 49 * DAY, 2), 7.0, dtype=torch.float64)
    observed = torch.zeros_like(target, dtype=torch.bool)
    for i, y in enumerate(drawn):
        target[i // 2, -len(y) :, i % 2], observed[i // 2, -len(y) :, i % 2] = torch.from_numpy(y), True
    together = forecast(target, observed, 30, DAY, (DAY, WEEK))
    for i, y in enumerate(drawn):
        alone = forecast(*window(y), 30, DAY, (DAY, WEEK))[0, :, 0]
        torch.testing.assert_close(together[i // 2, :, i % 2], alone, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", ["a walk", "a short day", "a line", "few steps"])
def test_without_a_season_it_is_theta(kind: str) -> None:
    """Prevents: shapes of noise. The known weakness of folding is a series without a period."""
    rng = np.random.default_rng(3)
    y = {
        "a walk": 50 + rng.normal(size=120).cumsum(),
        "a short day": demand(10),
        "a line": 5 + 0.5 * np.arange(110) + rng.normal(size=110),
        "few steps": rng.normal(size=9),
    }[kind]
    m = DAY if kind == "a short day" else 7
    target, observed = window(y)
    torch.testing.assert_close(forecast(target, observed, 9, m, (m,)), theta.forecast(target, observed, 9, m))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_long_walks_and_lines_stay_what_they_are(seed: int) -> None:
    """Prevents: a regression that bends what has no season, where there is much of it."""
    noise = np.random.default_rng(seed).normal(size=(40, 1000))
    for y in (noise.cumsum(axis=1), 0.3 * np.arange(1000) + noise):
        target, observed = torch.from_numpy(y[:, :970, None]), torch.ones(40, 970, 1, dtype=torch.bool)
        ours, other = (f[..., 0].numpy() - y[:, 970:] for f in (
            forecast(target, observed, 30, DAY, (DAY, WEEK)), theta.forecast(target, observed, 30, DAY),
        ))  # fmt: skip
        assert np.abs(ours).mean() < 1.15 * np.abs(other).mean()


@pytest.mark.parametrize("unit", [1e-6, 1e7])
def test_the_unit_does_not_matter(unit: float) -> None:
    """Prevents: penalties that are of one size of series."""
    for y in (demand(49), demand(49) - 150):
        plain, other = (forecast(*window(k * y), DAY, DAY, (DAY, WEEK)) for k in (1.0, unit))
        torch.testing.assert_close(other / unit, plain, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 5.0, -2.0])
def test_constant_and_empty_windows(value: float) -> None:
    """Prevents: NaN from levels that never change."""
    target, observed = window(np.full(40 * DAY, value))
    torch.testing.assert_close(forecast(target, observed, 5, DAY, (DAY, WEEK)), torch.full((1, 5, 1), value).double())
    assert forecast(target, observed & False, 5, DAY, (DAY, WEEK)).isfinite().all()
    exact, _ = window(np.tile(demand(7, noise=0.0)[:WEEK], 8))
    ahead = forecast(exact, torch.ones_like(exact, dtype=torch.bool), WEEK, DAY, (DAY, WEEK))
    torch.testing.assert_close(ahead, exact[:, -WEEK:], rtol=1e-2, atol=1e-2)  # a week that repeats to the last digit


@pytest.mark.parametrize(("season", "lags"), [(DAY, (DAY, WEEK)), (WEEK, (DAY, WEEK)), (DAY, (DAY,))])
def test_the_model_knows_the_seasons_of_the_calendar(season: int, lags: tuple[int, ...]) -> None:
    """Prevents: a named model that sees the day alone, where its windows hold weeks."""
    target, observed = window(demand(49))
    L, nothing = target.shape[1], torch.zeros(1, 0)
    shape = WindowShape(L, 30, 1, 0, 0, 0, season=season, lags=lags)
    given = Context(target, observed, torch.zeros(1, L, 0), torch.zeros(1, L + 30, 0), nothing, torch.zeros(1).long())
    network = Baseline(kind="shape-ridge").build(shape)
    expected = forecast(target, observed, 30, season, lags)
    torch.testing.assert_close(network(given).point, expected)


@pytest.mark.parametrize(("season", "steps"), [(1, 120), (7, 392), (24, 1344), (48, 2688), (168, 2700), (336, 2700)])
def test_it_asks_for_eight_weeks(season: int, steps: int) -> None:
    """Prevents: a context of two days, in which no weekday comes back."""
    assert Baseline(kind="shape-ridge").least_context(season) == steps
    assert Baseline(kind="shape-ridge").any_history
