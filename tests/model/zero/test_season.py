"""The season out of a sequence, beside loops and series whose season is known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from tsforge.model.zero.season import without_season


def sequences(*rows: list[float]) -> tuple[Tensor, Tensor]:
    """Left-padded values and whether they were observed; NaN for what was not."""
    L = max(map(len, rows))
    values = torch.tensor([[math.nan] * (L - len(row)) + row for row in rows], dtype=torch.float64)
    return values.nan_to_num(0.0), ~values.isnan()


def seasonal(m: int, L: int, positive: bool, seed: int = 0, noise: float = 0.0) -> list[float]:
    generator = torch.Generator().manual_seed(seed)
    pattern = torch.rand(m, generator=generator, dtype=torch.float64) + 0.5
    steps, apart = torch.arange(L), torch.randn(L, generator=generator, dtype=torch.float64) * noise
    cycle = pattern[steps % m]
    values = (100 + steps) * cycle * (1 + apart) if positive else steps + 20 * (cycle - 1) + apart - 30
    return values.tolist()


def slow(row: list[float], m: int) -> list[float]:
    """Indices by the phase counted from the end, drawn in, by loops over one sequence without gaps."""
    L, positive = len(row), min(row) > 0
    by_phase: list[list[float]] = [[] for _ in range(m)]
    for t in range(m // 2, L - m // 2):
        if m % 2:
            trend = sum(row[t - m // 2 : t + m // 2 + 1]) / m
        else:
            inner = row[t - m // 2 + 1 : t + m // 2]
            trend = (sum(inner) + row[t - m // 2] / 2 + row[t + m // 2] / 2) / m
        by_phase[(t - L) % m].append(row[t] / trend if positive else row[t] - trend)
    means = [sum(values) / len(values) for values in by_phase]
    level = sum(means) / m
    index = [mean / level if positive else mean - level for mean in means]
    counts = [len(values) for values in by_phase]
    error = sum((v - i) ** 2 for values, i in zip(by_phase, index, strict=True) for v in values)
    noise = error / max(sum(counts) - m, 1) * sum(1 / n for n in counts) / m
    centre = 1.0 if positive else 0.0
    spread = sum((i - centre) ** 2 for i in index) / (m - 1)
    share = max(0.0, min(1.0, 1 - noise / spread))
    return [centre + share * (i - centre) for i in index]


@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize(("m", "L"), [(4, 9), (7, 40), (12, 60), (24, 101)])
def test_indices_are_those_of_a_loop(m: int, L: int, positive: bool) -> None:
    """Prevents: a phase that is off by one, an even season's average taken wrong, differences where ratios are due."""
    row = seasonal(m, L, positive, seed=m, noise=0.1 if positive else 2.0)
    parts = without_season(*sequences(row), m, horizon=2 * m + 1)
    index = torch.tensor([slow(row, m)[h % m] for h in range(2 * m + 1)], dtype=torch.float64)
    none = torch.ones_like(index) if positive else torch.zeros_like(index)
    torch.testing.assert_close(parts.factor[0], index if positive else torch.ones_like(index))
    torch.testing.assert_close(parts.offset[0], torch.zeros_like(index) if positive else index)
    assert (index - none).abs().max() > 0.05
    past = torch.tensor([slow(row, m)[t % m] for t in range(-L, 0)], dtype=torch.float64)
    values = torch.tensor(row, dtype=torch.float64)
    torch.testing.assert_close(parts.values[0], values / past if positive else values - past)


@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("m", [4, 12, 52])
def test_a_season_without_noise_goes_and_comes_back(m: int, positive: bool) -> None:
    """Prevents: a season that is not given back to the phase that it was taken from."""
    row = seasonal(m, 6 * m + 3, positive, seed=m)
    past, ahead = row[: 5 * m], torch.tensor([row[5 * m :]], dtype=torch.float64)
    parts = without_season(*sequences(past), m, horizon=m + 3)
    torch.testing.assert_close(parts.restore(parts.remove(ahead)), ahead)
    level = parts.remove(ahead)[0]
    assert (level.diff() - 1).abs().max() < 0.05 * ahead.diff().abs().max()  # what is left is the trend, of 1 a step


@pytest.mark.parametrize("seed", range(3))
def test_noise_has_no_season(seed: int) -> None:
    """Prevents: indices of chance, which a forecast would repeat."""
    rows = torch.randn(200, 72, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 50
    parts = without_season(rows, torch.ones_like(rows, dtype=torch.bool), 12, 12)
    removed = (parts.factor - 1).abs().mean(dim=1) * 50
    assert parts.share.mean() < 0.25
    assert removed.mean() < 0.15  # of a deviation


@pytest.mark.parametrize("gap", [(30, 31), (20, 26), (5, 17)])
def test_steps_that_are_missing_are_not_read(gap: tuple[int, int]) -> None:
    """Prevents: what stands in unobserved cells, or lines drawn through gaps, counted among the season's values."""
    row = seasonal(12, 72, positive=True, seed=3)
    values, observed = sequences(row)
    observed[:, slice(*gap)] = False
    parts = without_season(values, observed, 12, 12)
    other = without_season(torch.where(observed, values, 1e9), observed, 12, 12)
    assert torch.equal(parts.values, other.values)
    assert torch.equal(parts.factor, other.factor)
    whole = without_season(*sequences(row), 12, 12)
    torch.testing.assert_close(parts.factor, whole.factor, atol=0.05, rtol=0)


@pytest.mark.parametrize(("m", "L"), [(1, 50), (12, 24), (48, 90)])
def test_less_than_two_seasons_keep_their_values(m: int, L: int) -> None:
    """Prevents: indices of a single season, which are the values themselves."""
    row = seasonal(max(m, 4), L, positive=True)
    parts = without_season(*sequences(row), m, 5)
    assert torch.equal(parts.values, torch.tensor([row], dtype=torch.float64))
    assert torch.equal(parts.factor, torch.ones(1, 5, dtype=torch.float64))
    assert not parts.offset.any()
    assert not parts.share.any()
    padded = without_season(*sequences(row, [1.0] * (3 * m + 2)), m, 5)  # by what was observed, not by what is padded
    torch.testing.assert_close(padded.values[0, -L:], torch.tensor(row, dtype=torch.float64))
