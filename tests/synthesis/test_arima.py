"""ARIMA against theory: roots, partial autocorrelations, autocovariances, and recursions in plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tsforge.synthesis.arima import BURN, arima, arma, coefficients, sarima
from tsforge.synthesis.randomness import Random
from tsforge.synthesis.recursion import autoregression, first_order, seasonal

PARTIAL = [[0.9], [-0.6, 0.3], [0.5, -0.9, 0.2], [0.8, 0.8, 0.8], [-0.8, 0.7, -0.8]]


def weights(phi: np.ndarray, theta: np.ndarray, count: int) -> np.ndarray:
    """ψ of x_t = Σ ψ_j e_{t-j} (Brockwell & Davis 1991, section 3.3)."""
    psi = np.zeros(count)
    psi[0] = 1.0
    for j in range(1, count):
        psi[j] = (theta[j - 1] if j <= len(theta) else 0.0) + sum(
            phi[k] * psi[j - 1 - k] for k in range(min(len(phi), j))
        )
    return psi


@pytest.mark.parametrize("partial", PARTIAL)
def test_coefficients_are_stationary_and_have_their_partial_autocorrelations(partial: list[float]) -> None:
    """Prevents: a series that explodes, or a form of another order than drawn."""
    phi = coefficients(torch.tensor([partial], dtype=torch.float64))[0].numpy()
    assert (np.abs(np.roots(np.r_[1, -phi])) < 1).all()
    psi = weights(phi, np.zeros(0), 20_000)
    gamma = np.array([(psi[: len(psi) - k] * psi[k:]).sum() for k in range(len(phi) + 1)])
    for order in range(1, len(phi) + 1):
        toeplitz = np.array([[gamma[abs(i - j)] for j in range(order)] for i in range(order)])
        assert np.linalg.solve(toeplitz, gamma[1 : order + 1])[-1] == pytest.approx(partial[order - 1], abs=1e-4)


@pytest.mark.parametrize("partial", [[-0.3], [0.8], [0.5, -0.7, 0.4]])
def test_moving_averages_are_invertible(partial: list[float]) -> None:
    """Prevents: a moving average whose errors cannot be told from its values."""
    theta = -coefficients(torch.tensor([partial], dtype=torch.float64))[0].numpy()
    assert (np.abs(np.roots(np.r_[1, theta])) < 1).all()


@pytest.mark.parametrize(("phi", "theta"), [([0.7], [0.0]), ([0.5, -0.4], [0.6]), ([0.0], [-0.8, 0.3, 0.2])])
def test_autocovariances_are_those_of_theory(phi: list[float], theta: list[float]) -> None:
    """Prevents: errors that are lagged wrongly, and a start that is not forgotten."""
    B, T = 20_000, 12
    rng = Random((1,))
    repeat = lambda x: torch.tensor(x).expand(B, len(x))  # noqa: E731
    x = arma(repeat(phi), repeat(theta), rng.normal(B, BURN + len(theta) + T)).double().numpy()
    assert x.shape == (B, T)
    psi = weights(np.array(phi), np.array(theta), 400)
    for k in range(6):
        gamma = float((psi[: len(psi) - k] * psi[k:]).sum())
        assert (x[:, 0] * x[:, k]).mean() == pytest.approx(gamma, abs=0.06)
        assert (x[:, T - 1 - k] * x[:, -1]).mean() == pytest.approx(gamma, abs=0.06)


def test_recursions_are_those_of_plain_loops() -> None:
    """Prevents: a lag off by one, a season read from another series, or an argument that is written over."""
    rng = Random((2,))
    B, T = 4, 50
    b, phi, a = rng.normal(B, T), rng.uniform(B, 3) * 0.3, rng.uniform(B, T)
    m, Phi = torch.tensor([2, 3, 7, 5]), rng.uniform(B, 2) * 0.4
    past = rng.normal(B, 14)
    kept = b.clone()
    plain = {name: np.zeros((B, T)) for name in ("first", "auto", "season")}
    for i in range(B):
        x, y, z = 1.0, [0.0] * 3, past[i].tolist()
        for t in range(T):
            e = b[i, t].item()
            x = a[i, t].item() * x + e
            y.append(e + sum(phi[i, j].item() * y[-1 - j] for j in range(3)))
            z.append(e + sum(Phi[i, j].item() * z[-(j + 1) * int(m[i])] for j in range(2)))
            plain["first"][i, t], plain["auto"][i, t], plain["season"][i, t] = x, y[-1], z[-1]
    np.testing.assert_allclose(first_order(a, b, torch.ones(B)), plain["first"], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(autoregression(phi, b), plain["auto"], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(seasonal(Phi, m, past, b), plain["season"], rtol=1e-4, atol=1e-4)
    first_order(a, b.T.contiguous().T, torch.ones(B))
    assert torch.equal(b, kept)


@pytest.mark.parametrize("draw", [arima, sarima])
def test_draws_neither_explode_nor_stand_still(draw: object) -> None:
    """Prevents: orders or coefficients outside the stable ones."""
    B = 2000
    season = torch.tensor([1, 4, 12, 52]).repeat(B // 4)
    values, period = draw(Random((3,)), torch.full((B,), 300), season, 300)  # type: ignore[operator]
    assert torch.isfinite(values).all()
    assert (values.std(1) > 0).all()
    assert float(values.abs().max()) < 1e6
    assert torch.equal(period, season if draw is sarima else torch.ones(B, dtype=torch.int64))


def test_a_season_that_is_integrated_starts_with_a_pattern() -> None:
    """Prevents: seasonal series whose first years have no season."""
    B, m = 3000, 12
    values, _ = sarima(Random((4,)), torch.full((B,), 60), torch.full((B,), m), 60)
    change = values.diff(dim=1)[:, :36].double()
    change = change - change.mean(1, keepdim=True)
    r = (change[:, m:] * change[:, :-m]).sum(1) / change.square().sum(1)
    other = (change[:, 9:] * change[:, :-9]).sum(1) / change.square().sum(1)
    assert float(r.median()) > 0.3 > 0.1 > float(other.median())
