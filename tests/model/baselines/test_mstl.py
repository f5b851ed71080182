"""Decomposition into several seasons before exponential smoothing: against loops, and on series that it must know."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tsforge.model.baselines.decomposing import decompose
from tsforge.model.baselines.mstl import forecast, least_context

DAY, WEEK = 24, 168


def hourly(n: int, level: float, seed: int = 0) -> np.ndarray:
    """A day and a week about a slow walk."""
    t, noise = np.arange(n), np.random.default_rng([n, seed]).normal(size=n)
    day, week = np.sin(2 * np.pi * t / DAY), (t // DAY % 7 >= 5) * -1.0
    return level + 10 * day + 6 * week + 0.05 * noise.cumsum() + 0.2 * noise


def ahead(y: np.ndarray, horizon: int, season: int, seen: np.ndarray | None = None) -> np.ndarray:
    target = torch.from_numpy(y)[None, :, None]
    observed = torch.ones_like(target, dtype=torch.bool) if seen is None else torch.from_numpy(seen)[None, :, None]
    return forecast(target * observed, observed, horizon, season)[0, :, 0].numpy()


@pytest.mark.parametrize("level", [100.0, -100.0, 3.0])
@pytest.mark.parametrize("season", [DAY, WEEK])
@pytest.mark.parametrize("cut", [0, 5, 60])
def test_a_day_and_a_week_come_back(level: float, season: int, cut: int) -> None:
    """Prevents: a week that only the season of a day is known of, and a phase counted from the wrong end."""
    y = hourly(8 * WEEK + WEEK + cut, level)
    error = ahead(y[:-WEEK], WEEK, season) - y[-WEEK:]
    assert np.abs(error).mean() < 1.5


@pytest.mark.parametrize("m", [4, 7, 12])
def test_one_season_comes_back(m: int) -> None:
    """Prevents: a second season where there is none to look for."""
    t = np.arange(11 * m)
    y = (50 + 0.3 * t) * (1 + 0.3 * np.sin(2 * np.pi * t / m))
    assert np.abs(ahead(y[:-m], m, m) - y[-m:]).max() < 3


def test_gaps() -> None:
    """Prevents: holes read as zeros, in the means or in the moving average."""
    y = hourly(9 * WEEK, 100)
    seen = np.random.default_rng(5).random(8 * WEEK) > 0.15
    seen[1000:1040] = False
    assert np.abs(ahead(y[:-WEEK], WEEK, DAY, seen) - y[-WEEK:]).mean() < 1.5


def test_series_are_apart_and_padding_is_no_part_of_them() -> None:
    """Prevents: a season of one series in another, or one taken from zeros before the first value."""
    L, lengths = 60, (3, 20, 60)
    series = [20 + 5 * np.sin(2 * np.pi * np.arange(n) / 6) + np.random.default_rng(n).normal(size=n) for n in lengths]
    target, observed = torch.full((3, L, 1), -999.0, dtype=torch.float64), torch.zeros(3, L, 1, dtype=torch.bool)
    for i, y in enumerate(series):
        target[i, L - len(y) :, 0], observed[i, L - len(y) :] = torch.from_numpy(y), True
    together = forecast(target, observed, 7, 6)
    for i in range(3):
        alone = forecast(target[i : i + 1], observed[i : i + 1], 7, 6)
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-6, atol=1e-6)
    assert (together[1] - together[0].mean()).std() > 1  # three values show no season
    assert together[0].std() < 3


def average(y: np.ndarray, m: int, t: int) -> tuple[float, bool]:
    """The moving average about one step, half a weight at its ends where m is even; and whether all of it is there."""
    reach = range(t - m // 2, t + m // 2 + 1)
    weights = {s: 0.5 if m % 2 == 0 and abs(s - t) == m // 2 else 1.0 for s in reach if 0 <= s < len(y)}
    return sum(w * y[s] for s, w in weights.items()) / sum(weights.values()), len(weights) == len(reach)


def loop(y: np.ndarray, m: int) -> np.ndarray:
    """The season of a series by the definition, step by step; periods count from the end."""
    n, season = len(y), np.zeros(len(y))
    count = -(-n // m)
    period = [count - 1 - (n - 1 - t) // m for t in range(n)]
    for turn in range(3):
        trend, whole = zip(*(average(y - season, m, t) for t in range(n)), strict=True)
        part = np.empty(n)
        for t in range(n):
            reach = sorted(abs(k - period[t]) for k in range(count))[min(10, count) - 1] + 1
            alike = [s for s in range(t % m, n, m) if turn or whole[s]]
            weights = [(1 - min(abs(period[s] - period[t]) / reach, 1) ** 3) ** 3 for s in alike]
            part[t] = sum(w * (y[s] - trend[s]) for w, s in zip(weights, alike, strict=True)) / sum(weights)
        season = part - [average(part, m, min(max(t, m // 2), n - 1 - m // 2))[0] for t in range(n)]
    return season


@pytest.mark.parametrize("m", [4, 7])
@pytest.mark.parametrize("n", [16, 61, 90])
def test_a_season_is_what_a_loop_makes_of_the_definition(m: int, n: int) -> None:
    """Prevents: windows of the moving average, or weights of the periods, that are off by one."""
    y = 30 + 5 * np.sin(2 * np.pi * np.arange(n) / m) + np.random.default_rng([m, n]).normal(size=n)
    actual = decompose(torch.from_numpy(y)[None], torch.ones(1, n, dtype=torch.bool), [m])[0][0]
    np.testing.assert_allclose(actual, loop(y, m), rtol=1e-9, atol=1e-9)


def test_the_context_that_it_asks_for() -> None:
    """Prevents: a week that is looked for in a window of a few days."""
    assert [least_context(m) for m in (1, 7, 12, 24, 48, 168, 336)] == [120, 120, 120, 1344, 2688, 1344, 2688]


def test_nothing_and_little() -> None:
    """Prevents: a division by nothing."""
    target = torch.zeros(2, 30, 1, dtype=torch.float64)
    observed = torch.zeros(2, 30, 1, dtype=torch.bool)
    target[1, -1], observed[1, -1] = 5.0, True
    np.testing.assert_allclose(forecast(target, observed, 3, 12)[..., 0], [[0.0] * 3, [5.0] * 3], rtol=1e-6)
