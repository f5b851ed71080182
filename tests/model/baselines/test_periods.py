"""Folding into periods, and the test for a season, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tsforge.model.baselines.periods import PERIODS, Seasons, combine, fold, seasons, shows

WAVE = np.array([0.4, 0.7, 1.3, 1.6, 1.0])


def rows(y: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Sequences (S, L) with NaN for what was not observed."""
    values = torch.from_numpy(np.atleast_2d(y))
    return values.nan_to_num(0.0), ~values.isnan()


@pytest.mark.parametrize("shift", [0.0, -50.0])
@pytest.mark.parametrize("length", [20, 23, 24])
def test_levels_and_shapes_against_numpy(length: int, shift: float) -> None:
    """Prevents: periods that do not end at the origin, and shares of a level that may be 0."""
    y = np.random.default_rng(length).uniform(10, 20, length) + shift
    folded = fold(*rows(y), 5)
    parts = y[length % 5 :].reshape(-1, 5)
    level = parts.mean(axis=1)
    np.testing.assert_allclose(folded.level[0], level)
    np.testing.assert_allclose(folded.shape[0], parts / level[:, None] if shift == 0 else parts - level[:, None])
    assert bool(folded.positive) == (shift == 0)
    torch.testing.assert_close(combine(folded.positive, folded.level, folded.shape), folded.values)


@pytest.mark.parametrize("shift", [0.0, -50.0])
@pytest.mark.parametrize("missing", [[7], [7, 8, 13], [3, 20, 21], [28, 29]])
def test_what_is_missing_lies_on_the_shape_of_the_others(missing: list[int], shift: float) -> None:
    """Prevents: holes read as 0, which bend the level of their day."""
    level = np.array([10.0, 12.0, 12.0, 16.0, 11.0, 12.0])
    whole = (level[:, None] * WAVE if shift == 0 else level[:, None] + 3 * (WAVE - 1) + shift).ravel()
    y = whole.copy()
    y[missing] = np.nan
    folded = fold(*rows(y), 5)
    np.testing.assert_allclose(folded.values[0].flatten(), whole, rtol=1e-12)
    assert folded.there.all()
    assert bool(folded.ends) == (29 not in missing)


def test_padding_is_not_there() -> None:
    """Prevents: the steps before a series begins, or a day without any, taken for days of nothing."""
    y = np.r_[np.full(12, np.nan), 5 + np.tile(WAVE, 4)[2:]]  # two steps are missing of the first period
    folded = fold(*rows(y), 5)
    assert folded.there[0].tolist() == [False, False, True, True, True, True]
    assert folded.values[0, :2].abs().sum() == 0
    y[15:18] = np.nan
    assert fold(*rows(y), 5).there[0].tolist() == [False, False, True, False, True, True]
    assert not fold(*rows(np.full(30, np.nan)), 5).there.any()


def series(kind: str, n: int, m: int, seed: int) -> np.ndarray:
    """A series with a season of m steps, or without one where m is 0."""
    noise, t = np.random.default_rng(seed).normal(size=n), np.arange(n)
    wave = np.sin(2 * np.pi * t / m) if m else 0 * t
    if kind == "growth":
        return 20 * np.exp(0.004 * t + 0.02 * noise) * (1 + 0.3 * wave)
    plain = {"walk": 500 + noise.cumsum(), "a walk about 0": noise.cumsum(), "noise": 30 + noise}
    return plain.get(kind, 30 + 0.3 * t + noise) + 6 * wave


@pytest.mark.parametrize("kind", ["walk", "a walk about 0", "noise", "a trend", "growth"])
@pytest.mark.parametrize("m", [7, 12, 24])
def test_a_season_shows_where_there_is_one(kind: str, m: int) -> None:
    """Prevents: random walks and trends forecast as seasons, the known weakness of folding."""
    with_, without = (np.stack([series(kind, 30 * m, k, seed) for seed in range(20)]) for k in (m, 0))
    assert shows(fold(*rows(with_), m)).all()
    assert not shows(fold(*rows(without), m)).any()


def test_few_periods_show_nothing() -> None:
    """Prevents: a shape of a handful of periods, which is noise."""
    few, enough = (np.tile(WAVE, n) for n in (PERIODS - 1, PERIODS))
    assert not shows(fold(*rows(few), 5)).any()
    assert shows(fold(*rows(enough), 5)).all()


@pytest.mark.parametrize(
    ("cycles", "steps", "expected"),
    [
        ((24, 168), 1344, [(24, 7)]),
        ((48, 336), 2700, [(48, 7)]),
        ((336, 48), 4032, [(48, 7), (336, 1)]),
        ((24, 168), 400, [(24, 1)]),  # two weeks and a half are no second season
        ((7,), 84, [(7, 1)]),
        ((7,), 83, []),
        ((60, 1440, 10080), 40_000, [(60, 24), (1440, 7)]),
        ((7, 365), 5000, [(7, 1), (365, 1)]),
        ((1,), 100, []),
        ((), 100, []),
    ],
)
def test_seasons_that_a_window_holds(cycles: tuple[int, ...], steps: int, expected: list[tuple[int, int]]) -> None:
    """Prevents: a week of days that is no multiple, or was hardly seen."""
    assert seasons(cycles, steps) == [Seasons(*pair) for pair in expected]
