"""Covariances of Gaussian processes against the formulas of their kernels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from tsforge.synthesis.gaussian import PERIODIC, SMOOTH, STUDENT, Kernel, frequencies, gaussian, process
from tsforge.synthesis.randomness import Random

B, T = 20_000, 40
D = np.arange(T, dtype=np.float64)
Formula = Callable[[np.ndarray], np.ndarray]


def kernel(form: int, scale: float, shape: float) -> Kernel:
    return Kernel(torch.full((B,), form), torch.full((B,), scale), torch.full((B,), shape))


RBF = (kernel(SMOOTH, 6.0, np.inf), lambda d: np.exp(-(d**2) / (2 * 6.0**2)))
QUADRATIC = (kernel(SMOOTH, 4.0, 0.7), lambda d: (1 + d**2 / (2 * 0.7 * 4.0**2)) ** -0.7)
MATERN1 = (kernel(STUDENT, 8.0, 1.0), lambda d: np.exp(-d / 8))
MATERN3 = (kernel(STUDENT, 8.0, 3.0), lambda d: (1 + 3**0.5 * d / 8) * np.exp(-(3**0.5) * d / 8))
MATERN5 = (kernel(STUDENT, 5.0, 5.0), lambda d: (1 + 5**0.5 * d / 5 + d**2 / 15) * np.exp(-(5**0.5) * d / 5))
WAVE = (kernel(PERIODIC, 0.6, 12.0), lambda d: np.exp(-2 * np.sin(np.pi * d / 12) ** 2 / 0.6**2))
SHARP = (kernel(PERIODIC, 0.3, 7.0), lambda d: np.exp(-2 * np.sin(np.pi * d / 7) ** 2 / 0.3**2))


@pytest.mark.parametrize(
    ("shape", "formula"),
    [RBF, QUADRATIC, MATERN1, MATERN3, MATERN5, WAVE, SHARP],
    ids=["rbf", "quadratic", "matern1", "matern3", "matern5", "periodic", "sharp"],
)
def test_covariance_is_the_kernel(shape: Kernel, formula: Formula) -> None:
    """Prevents: frequencies from another spectral measure than the kernel's."""
    x = process(rng := Random((1,)), frequencies(rng, shape, 32), T).double().numpy()
    for s in (0, 10):  # stationary: alike from any step on
        covariance = (x[:, s : s + 1] * x[:, s:]).mean(0)
        np.testing.assert_allclose(covariance, formula(D[: T - s]), atol=0.04)


@pytest.mark.parametrize(("first", "second"), [(WAVE, RBF), (MATERN3, RBF), (WAVE, SHARP)])
def test_covariance_of_a_product_is_the_product(first: tuple[Kernel, Formula], second: tuple[Kernel, Formula]) -> None:
    """Prevents: products of kernels that are sums."""
    rng = Random((2,))
    x = process(rng, frequencies(rng, first[0], 32) + frequencies(rng, second[0], 32), T).double().numpy()
    np.testing.assert_allclose((x[:, :1] * x).mean(0), first[1](D) * second[1](D), atol=0.04)


def test_values_are_normal() -> None:
    """Prevents: so few waves that a process looks like none."""
    x = process(rng := Random((3,)), frequencies(rng, MATERN3[0], 32), 1).double().numpy()
    assert (x**4).mean() / (x**2).mean() ** 2 == pytest.approx(3, abs=0.15)


def test_a_season_is_told_where_a_kernel_is_periodic_and_nowhere_else() -> None:
    """Prevents: a season for a process that has none."""
    season = torch.tensor([1, 12]).repeat(500)
    values, period = gaussian(Random((4,)), torch.full((1000,), 120), season, 120)
    assert torch.isfinite(values).all()
    assert (period[season == 1] == 1).all()
    assert 0.2 < float((period[season == 12] == 12).float().mean()) < 0.8
