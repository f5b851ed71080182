"""Sums of waves against sines one by one; patterns that return."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tsforge.synthesis.randomness import Random
from tsforge.synthesis.waves import pattern, standard, waves


@pytest.mark.parametrize("length", [1, 6, 97, 560])
def test_sums_of_waves_are_those_of_sines_one_by_one(length: int) -> None:
    """Prevents: a wrong addition theorem, or a slip where the blocks of time meet."""
    rng = Random((1,))
    w, c, s = rng.uniform(4, 5, high=3.0), rng.normal(4, 5), rng.normal(4, 5)
    t = np.arange(length)
    expected = [
        sum(c[i, r].item() * np.cos(w[i, r].item() * t) + s[i, r].item() * np.sin(w[i, r].item() * t) for r in range(5))
        for i in range(4)
    ]
    np.testing.assert_allclose(waves(w, c, s, length), np.array(expected), atol=2e-3)


def test_patterns_return_after_their_season_in_standard_units() -> None:
    """Prevents: a pattern with a season of another length, a level, or a size of its own."""
    season = torch.tensor([2, 4, 5, 7, 12, 24, 52, 168])
    values = pattern(Random((2,)), season, 400).double().numpy()
    for m, y in zip(season.tolist(), values, strict=True):
        np.testing.assert_array_equal(y[m:], y[:-m])
        assert y[:m].mean() == pytest.approx(0, abs=1e-4)
        assert (y[:m] ** 2).mean() == pytest.approx(1, abs=1e-3)
        assert all(np.abs(y[k:] - y[:-k]).max() > 0.05 for k in range(1, m))  # and after no fewer steps


def test_no_season_has_no_pattern() -> None:
    """Prevents: a constant, or what is not a number, where a season has one step."""
    assert torch.equal(pattern(Random((3,)), torch.ones(5, dtype=torch.int64), 30), torch.zeros(5, 30))


def test_standard_units_look_at_what_is_within_alone() -> None:
    """Prevents: a level or a size taken from steps that are no part of the series."""
    values = torch.tensor([[1.0, 2.0, 3.0, 1e9], [5.0, 5.0, 5.0, 0.0]])
    inside = torch.tensor([[True, True, True, False]] * 2)
    unit = (1.5**0.5) * torch.tensor([-1.0, 0.0, 1.0, 0.0])
    torch.testing.assert_close(standard(values, inside), torch.stack([unit, torch.zeros(4)]))
