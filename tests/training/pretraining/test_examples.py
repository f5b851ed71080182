"""Series cut into what is read and what follows."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from tsforge.batch import WindowShape
from tsforge.model.heads import LEVELS
from tsforge.model.zero.network import Zero
from tsforge.model.zero.pooling import stretch
from tsforge.synthesis import Mixture, Series, draw
from tsforge.training.pretraining.examples import Examples, examples


def cut(series: Series, cuts: int = 1, seed: int = 0) -> Examples:
    return examples(series, cuts, torch.Generator().manual_seed(seed))


def counting(lengths: list[int], season: int = 1, T: int = 300) -> Series:
    """Series whose values count their steps, from 1000 times their number on."""
    values, observed = torch.zeros(len(lengths), T), torch.zeros(len(lengths), T, dtype=torch.bool)
    for i, n in enumerate(lengths):
        values[i, T - n :] = 1000 * i + torch.arange(n)
        observed[i, T - n :] = True
    return Series(values, observed, torch.full((len(lengths),), season), torch.zeros(len(lengths), dtype=torch.int64))


@pytest.mark.parametrize("seed", range(4))
def test_what_follows_is_what_follows(seed: int) -> None:
    """Prevents: a truth that is a step early or late, or of another series.

    Of values that count steps, x falls by one unit a step before the origin, and rises by one behind it.
    """
    parts = cut(counting([6, 20, 50, 299, 300] * 4), cuts=3, seed=seed)
    reading = parts.reading
    for i in range(len(parts)):
        n, ahead = int(reading.lengths[i]), int(parts.seen[i].sum())
        assert n >= 4
        assert 1 <= ahead <= 48
        x = reading.steps[i, -n:, 0]
        assert float(x[-1]) == 0.0
        unit = float(x[-1] - x[-2])
        assert 0 < unit <= 1
        torch.testing.assert_close(x, unit * torch.arange(-n + 1.0, 1.0), rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(parts.truth[i, :ahead], unit * torch.arange(1.0, ahead + 1), rtol=1e-3, atol=1e-3)
        assert not parts.seen[i, ahead:].any()


@pytest.mark.parametrize("season", [4, 12, 96])
def test_a_season_is_out_of_what_follows_too(season: int) -> None:
    """Prevents: a truth with a season beside readings without, or stretches of the truth that begin elsewhere."""
    k = stretch(season)
    plain, pattern = (
        counting([600] * 6, T=600),
        torch.rand(season, generator=torch.Generator().manual_seed(season)) + 0.5,
    )
    wavy = plain._replace(
        values=torch.where(plain.observed, (plain.values + 500) * pattern[torch.arange(600) % season], 0.0),
        season=torch.full((6,), season),
    )
    parts = cut(wavy, cuts=8)
    long = parts.reading.lengths * k > 3 * season
    assert long.sum() > 5
    for i in torch.nonzero(long).flatten().tolist():
        ahead = int(parts.seen[i].sum()) - 1  # the last stretch may be short
        change = parts.truth[i, :ahead].diff()
        assert change.numel() < 2 or (change - change.mean()).abs().max() < 2 * change.mean()  # 100 times with it


@pytest.mark.parametrize("seed", range(3))
def test_the_same_numbers_cut_the_same(seed: int) -> None:
    """Prevents: a pretraining that cannot be made again."""
    series = draw(Mixture(), 32, 200, seed=seed, index=5)
    first, again, other = cut(series, 2, 1), cut(series, 2, 1), cut(series, 2, 2)
    assert all(torch.equal(a, b) for a, b in zip(first.reading, again.reading, strict=True))
    assert torch.equal(first.truth, again.truth)
    assert first.reading.even.shape != other.reading.even.shape or not torch.equal(
        first.reading.even, other.reading.even
    )


def test_chunks_are_all_examples_each_once() -> None:
    """Prevents: sequences that are computed twice, left out, or cut short with the padding."""
    parts = cut(draw(Mixture(), 64, 400, seed=1, index=0), 2)
    chunks = list(parts.chunks(4))
    assert sum(map(len, chunks)) == len(parts)
    lengths = [chunk.reading.lengths for chunk in chunks]
    assert all((a.max() <= b.min()) for a, b in pairwise(lengths))
    assert torch.equal(torch.cat(lengths).sort().values, parts.reading.lengths.sort().values)
    net = Zero(width=32).build(WindowShape(1, 48, 1, 0, 0, 0))
    whole, sums = parts.loss(net), sum(chunk.loss(net) for chunk in chunks)
    torch.testing.assert_close(whole, sums, rtol=1e-4, atol=1e-4)


def test_a_loss_is_the_pinball_loss_in_units_of_mase() -> None:
    """Prevents: long horizons, or volatile series, that count more than others."""
    parts = cut(draw(Mixture(gaps=0), 16, 200, seed=2, index=0))
    net = Zero(width=32).build(WindowShape(1, 48, 1, 0, 0, 0)).train()
    answer, total = net.answer(parts.reading, 48).detach(), 0.0
    for i in range(len(parts)):
        errors = []
        for h in torch.nonzero(parts.seen[i]).flatten().tolist():
            for q, level in enumerate(LEVELS):
                gap = float(parts.truth[i, h] - answer[i, h, q])
                errors.append(2 * max(level * gap, (level - 1) * gap))
        total += float(parts.weight[i]) * sum(errors) / len(errors)
    assert float(parts.loss(net).detach()) == pytest.approx(total, rel=1e-4)
