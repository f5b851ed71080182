"""Exponential smoothing of a panel: what it forecasts, for series of any length, size and sign, each by itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tsforge.model.baselines.ets import ets, forecast


def rows(y: np.ndarray) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(np.asarray(y, dtype=float))[None], torch.ones(1, len(y), dtype=torch.bool)


def made(kind: str, n: int, m: int, seed: int = 0) -> np.ndarray:
    """A series that one form of the model makes, with little noise."""
    t, noise = np.arange(n), np.random.default_rng([n, m, seed]).normal(size=n)
    wave = np.sin(2 * np.pi * t / m)
    return {
        "level": 50 + noise / 10,
        "walk": 200 + noise.cumsum(),
        "line": 10 + 0.7 * t + noise / 10,
        "added": 40 + 0.2 * t + 8 * wave + noise / 10,
        "shares": (40 + 0.2 * t) * (1 + 0.3 * wave) * (1 + noise / 300),
        "below zero": -30 + 0.3 * t + 8 * wave + noise / 10,
    }[kind]


@pytest.mark.parametrize(("kind", "near"), [
    ("level", 0.3), ("line", 1.0), ("added", 1.0), ("shares", 1.5), ("below zero", 1.0),
])  # fmt: skip
@pytest.mark.parametrize("m", [4, 7, 12])
def test_a_series_of_a_form_goes_on_as_it_was(kind: str, near: float, m: int) -> None:
    """Prevents: a season that is forecast one phase late, a trend that is lost, or logarithms of negative values."""
    y = made(kind, 10 * m + 12, m)
    ahead = ets(*rows(y[:-12]), 12, m)[0].numpy()
    assert np.abs(ahead - y[-12:]).max() < near


@pytest.mark.parametrize("m", [48, 96])
def test_a_long_season_is_taken_off(m: int) -> None:
    """Prevents: a state for each of many steps of a season, or none of them."""
    y = made("added", 10 * m + m, m)
    target = torch.from_numpy(y[:-m])[None, :, None]
    ahead = forecast(target, torch.ones_like(target, dtype=torch.bool), m, m)[0, :, 0].numpy()
    assert np.abs(ahead - y[-m:]).max() < 2.5


def test_the_last_value_of_a_walk() -> None:
    """Prevents: smoothing of what is no noise."""
    for seed in range(4):
        y = made("walk", 100, 1, seed)
        np.testing.assert_allclose(ets(*rows(y), 3, 1)[0], y[-1], atol=1.5)


def test_series_are_apart_and_padding_is_no_part_of_them() -> None:
    """Prevents: forecasts that depend on what stands beside a series or before its first value."""
    lengths, L = (4, 9, 30, 47, 80), 80
    series = [
        made(kind, n, 6) for kind, n in zip(("walk", "line", "shares", "added", "below zero"), lengths, strict=True)
    ]
    values, seen = torch.full((5, L), -999.0, dtype=torch.float64), torch.zeros(5, L, dtype=torch.bool)
    for i, y in enumerate(series):
        values[i, L - len(y) :], seen[i, L - len(y) :] = torch.from_numpy(y), True
    together = ets(values, seen, 7, 6)
    for i, y in enumerate(series):
        torch.testing.assert_close(together[i : i + 1], ets(*rows(y), 7, 6), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", ["added", "shares", "line"])
def test_gaps(kind: str) -> None:
    """Prevents: a hole read as zeros, a season out of step after it, and a forecast that begins at the last value."""
    y = made(kind, 84, 6)
    values, seen = rows(y[:72])
    seen = seen.clone()
    seen[0, 20:25] = False
    seen[0, 68:] = False
    ahead = ets(values * seen, seen, 12, 6)[0].numpy()
    assert np.abs(ahead - y[72:]).max() < 2.5


@pytest.mark.parametrize("value", [0.0, 7.5, -3e9])
@pytest.mark.parametrize("count", [0, 1, 2, 5, 30])
def test_values_that_do_not_change(value: float, count: int) -> None:
    """Prevents: a division by nothing where a series has hardly begun, and the logarithm of no error."""
    values, seen = torch.full((1, 30), value, dtype=torch.float64), torch.arange(30)[None] >= 30 - count
    expected = value if count else 0.0
    np.testing.assert_allclose(ets(values, seen, 3, 4)[0], [expected] * 3, rtol=1e-6)


@pytest.mark.parametrize("factor", [1e-6, 3.0, 1e7])
def test_other_units(factor: float) -> None:
    """Prevents: parameters that depend on the unit of a series."""
    for kind in ("walk", "shares", "below zero"):
        y = made(kind, 60, 6)
        torch.testing.assert_close(ets(*rows(factor * y), 9, 6), factor * ets(*rows(y), 9, 6), rtol=1e-5, atol=0)


def test_zeros_among_values() -> None:
    """Prevents: shares of a mean that is 0, as where nothing is sold in most periods."""
    y = np.random.default_rng(3).poisson(0.4, 80).astype(float)
    ahead = ets(*rows(y), 12, 12)[0].numpy()
    assert np.isfinite(ahead).all()
    assert np.abs(ahead - y.mean()).max() < 1


def test_its_forecast_has_a_gradient() -> None:
    """Prevents: an explanation of a forecast that is NaN, or nothing."""
    target = torch.from_numpy(made("added", 40, 4))[None, :, None].requires_grad_()
    forecast(target, torch.ones_like(target, dtype=torch.bool), 4, 4).sum().backward()
    assert target.grad is not None
    assert target.grad.isfinite().all()
    assert float(target.grad[0, -4:].sum()) > 0.5
