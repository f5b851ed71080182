"""What is done to a series, each against plain arithmetic on one series at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tsforge.synthesis import augmentation
from tsforge.synthesis.augmentation import within
from tsforge.synthesis.randomness import Random

B, T = 400, 120


def walks(seed: int = 1) -> tuple[Random, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Random numbers, random walks (B, T), steps (B,) from 30 to T, every other row (n,)."""
    rng = Random((seed,))
    values = rng.normal(B, T).cumsum(1) * 3 + 5
    return rng, values, rng.integer(B, low=30, high=T), torch.arange(0, B, 2)


def unit(values: torch.Tensor, n: torch.Tensor) -> np.ndarray:
    y = values[: int(n)].double().numpy()
    return (y - y.mean()) / y.std()


def test_mixing_keeps_most_of_a_series_and_its_season() -> None:
    """Prevents: a series that is drowned by what it is mixed with, or by one of another season."""
    rng, values, steps, rows = walks()
    season = torch.tensor([1, 12, 7, 1]).repeat(B // 4)
    mixed = augmentation.mix(rng, values, steps, season, rows)
    assert torch.equal(mixed[1::2], values[1::2])
    alike = [np.corrcoef(unit(values[i], steps[i]), mixed[i, : steps[i]].numpy())[0, 1] for i in rows.tolist()]
    assert np.median(alike) > 0.6
    assert sum(r < 0.999 for r in alike) > len(alike) / 3
    # Alone: 12s may not hear of 7s. A wave of 12 and a wave of 7, one of each, stay as they are.
    t = torch.arange(T)
    waves = torch.stack([torch.sin(2 * torch.pi * t / 12), torch.sin(2 * torch.pi * t / 7)])
    out = augmentation.mix(rng, waves, torch.tensor([84, 84]), torch.tensor([12, 7]), torch.arange(2))
    for i in range(2):
        assert np.corrcoef(out[i, :84].numpy(), waves[i, :84].numpy())[0, 1] == pytest.approx(1, abs=1e-5)


def test_sampling_takes_each_kth_value_or_the_mean_of_k() -> None:
    """Prevents: values that are no values of the series, steps that count too many, a season of another length."""
    rng, values, steps, rows = walks(2)
    season = torch.tensor([1, 12, 24, 5]).repeat(B // 4)
    before = values.clone(), steps.clone()
    out, left, period = augmentation.sample(rng, values, steps, season, rows)
    assert torch.equal(values, before[0])
    assert torch.equal(steps, before[1])
    ways = set()
    for i in range(B):
        k = round(int(steps[i]) / int(left[i])) if left[i] < steps[i] else 1
        n = int(left[i])
        ks = [j for j in (1, 2, 3, 4, 6, 7, 12) if int(steps[i]) // j == n]
        matches = []
        for k in ks:
            y = values[i, : n * k].double().numpy()
            for way, expected in (("pick", y[::k]), ("mean", y.reshape(n, k).mean(1))):
                if np.allclose(out[i, :n].numpy(), expected, atol=1e-3):
                    matches.append((way, k))
        assert matches, i
        way, k = matches[0]
        ways.add(way if k > 1 else "alone")
        assert n >= 6
        assert int(period[i]) == (max(1, int(season[i]) // k))
        assert int(season[i]) == 1 or int(season[i]) % k == 0
    assert ways == {"pick", "mean", "alone"}


def test_levels_are_those_of_tables() -> None:
    """Prevents: series that are nearly all around zero, all of one size, or so level that they are constant."""
    rng = Random((3,))
    values = rng.normal(4000, 50).cumsum(1)
    inside = within(torch.full((4000,), 50), 50)
    out = augmentation.level(rng, values, inside).double()
    size = out.abs().mean(1)
    assert float(size.min()) > 0.0099
    assert float(size.max()) < 1.01e6
    assert 1e1 < float(size.median()) < 1e3
    assert 0.75 < float((out > 0).all(1).float().mean()) < 0.9
    relative = out.std(1) / size
    assert float((relative < 0.01).float().mean()) < 0.2
    assert float((relative > 0.1).float().mean()) > 0.4
    shape = [np.corrcoef(values[i].numpy(), out[i].numpy())[0, 1] for i in range(100)]
    assert min(shape) > 0.999


def test_what_is_positive_stays_in_proportion() -> None:
    """Prevents: prices and products that lose their zero."""
    rng = Random((4,))
    values = rng.normal(200, 30).exp()
    out = augmentation.level(rng, values, within(torch.full((200,), 30), 30))
    ratio = out / values
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio), rtol=1e-4, atol=0)


def test_clipped_series_stand_at_zero_for_a_while() -> None:
    """Prevents: a floor that is none, or a series that is nothing else."""
    rng, values, steps, rows = walks(5)
    out = augmentation.clip(rng, values, within(steps, T), rows)
    assert torch.equal(out[1::2], values[1::2])
    zeros = np.array([(out[i, : steps[i]] == 0).float().mean() for i in rows.tolist()])
    assert (np.array([out[i, : steps[i]].min() for i in rows.tolist()]) >= 0).all()
    assert 0.1 < np.median(zeros) < 0.6
    assert zeros.max() < 1


def test_a_shift_moves_one_stretch_by_one_number() -> None:
    """Prevents: a level that moves more than once, or a shape that changes with it."""
    rng, values, steps, rows = walks(6)
    out = augmentation.shift(rng, values, steps, rows)
    back = 0
    for i in rows.tolist():
        moved = out[i, : steps[i]].double().numpy() - unit(values[i], steps[i])
        jumps = np.flatnonzero(np.abs(np.diff(moved)) > 1e-3)
        assert len(jumps) <= 2
        back += len(jumps) == 2
    assert 30 < back < 150
    assert torch.equal(out[1::2], values[1::2])


def test_outliers_are_few_and_far() -> None:
    """Prevents: noise in place of outliers."""
    rng, values, steps, rows = walks(7)
    out = augmentation.outliers(rng, values, steps, rows)
    counts, sizes = [], []
    for i in rows.tolist():
        off = np.abs(out[i, : steps[i]].double().numpy() - unit(values[i], steps[i]))
        counts.append((off > 1e-3).mean())
        sizes += off[off > 1e-3].tolist()
    assert 0.005 < np.mean(counts) < 0.05
    assert min(sizes) > 2.99
    assert max(sizes) < 12.01


def test_rounded_values_are_multiples_of_a_round_number() -> None:
    """Prevents: steps of 0.37, or steps so large that nothing is left."""
    rng, values, steps, rows = walks(8)
    values = values * rng.spread(B, 1, low=1e-3, high=1e4)
    inside = within(steps, T)
    out = augmentation.rounding(rng, values, inside, rows)
    fewest = []
    for i in rows.tolist():
        y = out[i, : steps[i]].double().numpy()
        distinct = np.unique(y)
        fewest.append(len(distinct))
        gaps = np.diff(distinct) / values[i, : steps[i]].double().numpy().std()
        quantum = np.diff(distinct).min()
        lead = quantum / 10.0 ** np.floor(np.log10(quantum * 1.0001))
        assert lead == pytest.approx(round(lead), abs=0.05)
        assert gaps.min() < 1.01
        assert np.abs(y - values[i, : steps[i]].double().numpy()).max() < quantum
    assert min(fewest) >= 2


def test_gaps_leave_both_ends_and_most_of_a_series() -> None:
    """Prevents: a series with nothing to forecast from."""
    rng, _, steps, rows = walks(9)
    inside = within(steps, T)
    observed = augmentation.gaps(rng, inside, steps, rows)
    assert torch.equal(observed[1::2], inside[1::2])
    assert not (observed & ~inside).any()
    assert observed[:, 0].all()
    assert observed[torch.arange(B), steps - 1].all()
    share = (observed.sum(1) / steps)[rows]
    assert float(share.min()) > 0.3
    assert 0.03 < float(1 - share.mean()) < 0.3
