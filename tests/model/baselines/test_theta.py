"""The theta model: parameters and forecasts against the paper's equations in a loop, and against a general search."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from tsforge.model.baselines.theta import forecast, smooth, theta

KINDS = ("a trend", "a walk", "noise", "a bend", "large")


def series(kind: str, n: int) -> np.ndarray:
    noise, t = np.random.default_rng([n, KINDS.index(kind)]).normal(size=n), np.arange(n)
    return {
        "a trend": 50 + 0.8 * t + noise,
        "a walk": 100 + noise.cumsum(),
        "noise": 10 + noise,
        "a bend": np.where(t < n // 2, 20.0, 20.0 + 2 * (t - n // 2)) + noise,
        "large": 1e9 + 1e4 * noise.cumsum(),
    }[kind]


def steps(y: np.ndarray, start: float, alpha: float, weight: float, horizon: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Errors of one step and forecasts, by the recursions of Fiorucci et al. (2016), section 3."""
    level, mean, slope, intercept = start, 0.0, 0.0, 0.0
    errors, ahead = [], []
    for t in range(1, len(y) + horizon + 1):
        mu = level + weight * ((1 - alpha) ** (t - 1) * intercept + (1 - (1 - alpha) ** t) / alpha * slope)
        value = y[t - 1] if t <= len(y) else mu
        (errors if t <= len(y) else ahead).append(value - mu if t <= len(y) else mu)
        level = alpha * value + (1 - alpha) * level
        before = mean
        mean = ((t - 1) * mean + value) / t
        if t > 1:
            slope = ((t - 2) * slope + 6 * (value - before) / t) / (t + 1)
        intercept = mean - slope * (t + 1) / 2
    return np.array(errors), np.array(ahead)


def optimum(y: np.ndarray) -> float:
    """The least squared errors from the fourth step on that a search from several points finds."""
    centre, size = y[0], y.std()
    z = (y - centre) / size

    def cost(p: np.ndarray) -> float:
        return float((steps(z, p[0], p[1], p[2])[0][3:] ** 2).sum())

    bounds = [(-50, 50), (0.1, 0.99), (0, 1)]
    starts = [(0.0, a, w) for a in (0.15, 0.5, 0.9) for w in (0.1, 0.6)]
    return min(minimize(cost, s, bounds=bounds, method="L-BFGS-B").fun for s in starts) * size**2


def rows(y: np.ndarray) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(y)[None], torch.ones(1, len(y), dtype=torch.bool)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("alpha", [0.1, 0.37, 0.99])
def test_errors_of_given_parameters(kind: str, alpha: float) -> None:
    """Prevents: errors that are no longer linear in ℓ_0 and w, which the closed form needs."""
    y = (series(kind, 40) - series(kind, 1)[0]) / 100
    passed = smooth(*rows(y), torch.tensor([[alpha]], dtype=torch.float64))
    start, weight = float(passed.start), float(passed.weight)
    errors, _ = steps(y, start, alpha, weight)
    cost = (errors[3:] ** 2).sum()
    assert float(passed.error) == pytest.approx(cost + 1e-6 * start**2, rel=1e-6)
    for other in ((start + 0.1, weight), (start, min(weight + 0.1, 1.0)), (start, max(weight - 0.1, 0.0))):
        assert (steps(y, other[0], alpha, other[1])[0][3:] ** 2).sum() >= cost * (1 - 1e-6) - 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_are_as_good_as_a_general_search(kind: str) -> None:
    """Prevents: a grid that misses the optimum."""
    for n in (12, 40, 90):
        y = series(kind, n)
        centre, size = y[0], np.sqrt(((y - y[0]) ** 2).mean())
        grid = torch.linspace(0.1, 0.99, 200, dtype=torch.float64)[None]
        fine = smooth(*rows((y - centre) / size), grid).error.min() * size**2
        assert float(fine) <= 1.001 * optimum(y) + 1e-6 * size**2
        ahead = theta(*rows(y), 6)[0].numpy()
        chosen = smooth(*rows((y - centre) / size), grid)
        best = int(chosen.error.argmin())
        parameters = (float(chosen.start[0, best]), float(grid[0, best]), float(chosen.weight[0, best]))
        _, expected = steps((y - centre) / size, *parameters, horizon=6)
        np.testing.assert_allclose(ahead, centre + size * expected, atol=0.05 * y.std())


def test_series_are_apart_and_padding_is_no_part_of_them() -> None:
    """Prevents: forecasts that depend on what stands beside a series or before its first value."""
    lengths, L = (5, 23, 60), 60
    drawn = [series("a trend", n) for n in lengths]
    values, seen = torch.full((3, L), -999.0, dtype=torch.float64), torch.zeros(3, L, dtype=torch.bool)
    for i, y in enumerate(drawn):
        values[i, L - len(y) :], seen[i, L - len(y) :] = torch.from_numpy(y), True
    together = theta(values, seen, 7)
    for i, y in enumerate(drawn):
        torch.testing.assert_close(together[i : i + 1], theta(*rows(y), 7))


def test_gaps() -> None:
    """Prevents: a hole read as zeros; and a last value that is taken for the newest one."""
    y = 3 * np.arange(50.0)
    values, seen = rows(y)
    seen = seen.clone()
    seen[0, 20:24] = False
    seen[0, 47:] = False
    np.testing.assert_allclose(theta(values * seen, seen, 4)[0], 3 * np.arange(50.0, 54.0), rtol=0.03)


@pytest.mark.parametrize("value", [0.0, 7.5, -3e9])
@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_few_values(value: float, count: int) -> None:
    """Prevents: a division by nothing where a series has hardly begun."""
    values, seen = torch.full((1, 8), value, dtype=torch.float64), torch.arange(8)[None] >= 8 - count
    expected = value if count else 0.0
    np.testing.assert_allclose(theta(values, seen, 3)[0], [expected] * 3, rtol=1e-12)


@pytest.mark.parametrize("shift", [0.0, 60.0])
@pytest.mark.parametrize("hole", [False, True])
def test_a_season_comes_back(shift: float, *, hole: bool) -> None:
    """Prevents: a season that is forecast as its mean; where values lie below 0 it is taken off, not divided by."""
    t = np.arange(96.0 + 12)
    y = (
        (40 + 0.1 * t) * (1 + 0.3 * np.sin(t * np.pi / 6))
        if not shift
        else 15 * np.sin(t * np.pi / 6) - shift + 0.1 * t
    )
    target, observed = torch.from_numpy(y[:96])[None, :, None], torch.ones(1, 96, 1, dtype=torch.bool)
    if hole:
        observed[0, 30:33] = False
    ahead = forecast(target * observed, observed, 12, 12)[0, :, 0].numpy()
    assert np.abs(ahead - y[96:]).max() < 1.5


def test_other_units() -> None:
    """Prevents: parameters that depend on the units of a series: shifted and stretched values are forecast so."""
    y = series("a walk", 70)
    plain, other = theta(*rows(y), 9), theta(*rows(1e6 + 250 * y), 9)
    torch.testing.assert_close(other, 1e6 + 250 * plain, rtol=1e-9, atol=1e-4)
