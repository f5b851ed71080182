"""Random numbers of a batch: their distributions, and that they leave the caller's alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from tsforge.synthesis.calendar import weibull
from tsforge.synthesis.randomness import NORMAL, Random


def p_of(numbers: torch.Tensor, distribution: stats.rv_continuous) -> float:
    """How likely numbers as far from a distribution are (Kolmogorov-Smirnov)."""
    return float(stats.kstest(numbers.double().numpy().reshape(-1), distribution.cdf).pvalue)


@pytest.mark.parametrize("freedom", [1.5, 3.0, 8.0, NORMAL])
def test_student_numbers_have_the_distribution_of_scipy(freedom: float) -> None:
    """Prevents: tails that are too heavy or too light."""
    numbers = Random((1,)).student(torch.full((20,), freedom), 500)
    assert p_of(numbers, stats.t(freedom)) > 0.01


@pytest.mark.parametrize("shape", [0.7, 1.0, 2.5, 5.0])
def test_weibull_numbers_have_mean_one_and_the_distribution_of_scipy(shape: float) -> None:
    """Prevents: noise that lifts a series."""
    numbers = weibull(Random((2,)), torch.full((20, 1), shape), 500)
    mean = stats.weibull_min(shape).mean()
    assert p_of(numbers, stats.weibull_min(shape, scale=1 / mean)) > 0.01


def test_noise_has_mean_zero_and_variance_one() -> None:
    """Prevents: a skewed or a tailed form that moves its series or makes them louder."""
    noise = Random((3,)).noise(4000, 400).double()
    assert abs(float(noise.mean())) < 0.005
    each = noise.var(1)
    assert abs(float(each.mean()) - 1) < 0.02
    assert 0.9 < float(each.median()) < 1.02
    skew = ((noise / noise.std(1, keepdim=True)) ** 3).mean(1)
    assert float((skew > 0.5).float().mean()) > 0.1  # some are skewed, either way
    assert float((skew < -0.5).float().mean()) > 0.05


def test_spread_makes_equal_ratios_equally_likely() -> None:
    """Prevents: lengths and scales that are nearly all long and large."""
    numbers = Random((4,)).spread(5000, low=0.01, high=1e6)
    assert p_of(numbers.log(), stats.uniform(np.log(0.01), np.log(1e8))) > 0.01


def test_choices_have_their_shares_and_none_is_impossible() -> None:
    """Prevents: a choice beyond the last, or of a share of nothing."""
    chosen = Random((5,)).choice(20_000, (0.5, 0.0, 0.2, 0.3))
    shares = torch.bincount(chosen, minlength=4) / 20_000
    assert len(shares) == 4
    assert shares.tolist() == pytest.approx([0.5, 0, 0.2, 0.3], abs=0.015)
    assert Random((5,)).choice(0, (1, 1)).shape == (0,)


def test_the_same_words_give_the_same_numbers_and_spare_the_callers() -> None:
    """Prevents: batches that differ between two runs, or a training whose own numbers shift when series are drawn."""
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    first = Random((1, 2)).normal(5)
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(first, Random((1, 2)).normal(5))
    assert not torch.equal(first, Random((2, 1)).normal(5))
    assert not torch.equal(first, Random((1, 3)).normal(5))
