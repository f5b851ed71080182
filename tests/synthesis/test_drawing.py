"""Batches of series: what holds of every one of them, whatever is drawn."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tsforge.config import parse
from tsforge.errors import ConfigError
from tsforge.synthesis import Mixture, Series, draw
from tsforge.synthesis.drawing import _replaced
from tsforge.synthesis.kinds import KINDS
from tsforge.synthesis.mixture import NAMES, PERIODS
from tsforge.synthesis.randomness import Random


def same(a: Series, b: Series) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.fixture(scope="module")
def batch() -> Series:
    return draw(Mixture(), 4000, 300, 1, 0)


def test_the_same_numbers_again_whatever_came_before() -> None:
    """Prevents: a pretraining that cannot be repeated or resumed."""
    first = draw(Mixture(), 100, 200, 1, 3)
    torch.manual_seed(99)
    draw(Mixture(), 50, 100, 2, 0)
    assert same(first, draw(Mixture(), 100, 200, 1, 3))


@pytest.mark.parametrize("words", [(1, 4), (2, 3), (3, 1)])
def test_other_batches_are_other_series(words: tuple[int, int]) -> None:
    """Prevents: the same series in every batch or for every seed."""
    assert not torch.equal(draw(Mixture(), 50, 100, 1, 3).values, draw(Mixture(), 50, 100, *words).values)


def test_drawing_leaves_the_callers_random_numbers_alone() -> None:
    """Prevents: weights that depend on how often series are drawn."""
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    expected = torch.rand(2), np.random.rand()  # noqa: NPY002
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    draw(Mixture(), 60, 100, 1, 0)
    assert torch.equal(torch.rand(2), expected[0])
    assert np.random.rand() == expected[1]  # noqa: NPY002


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("length", [6, 7, 40, 600])
def test_every_series_is_finite_and_never_constant(seed: int, length: int) -> None:
    """Prevents: a loss that is no number, and a scale of zero."""
    values, observed, season, kind = draw(Mixture(), 1500, length, seed, 7)
    assert values.dtype == torch.float32
    assert (observed.dtype, season.dtype, kind.dtype) == (torch.bool, torch.int64, torch.int64)
    assert torch.isfinite(values).all()
    assert float(values.abs().max()) < 1e12
    highest = torch.where(observed, values, -torch.inf).max(1).values
    lowest = torch.where(observed, values, torch.inf).min(1).values
    assert (highest > lowest).all()
    assert (season >= 1).all()
    assert (1.5 * season <= observed.shape[1]).logical_or(season == 1).all()


def test_series_stand_at_the_end_of_their_rows(batch: Series) -> None:
    """Prevents: a network whose last step is no step of the series."""
    values, observed, _, _ = batch
    assert observed[:, -1].all()
    assert (values[~observed] == 0).all()
    first = observed.int().argmax(1)
    steps = 300 - first
    assert int(steps.min()) == 6
    assert int(steps.max()) <= 300
    logs = steps.double().log()
    shares = torch.histc(logs, 4, float(np.log(6)), float(np.log(300))) / len(steps)
    assert shares.max() < 0.35  # equal ratios are about equally likely; sampled ones are shorter
    assert shares.min() > 0.15


def test_gaps_lie_inside_series_and_only_in_some(batch: Series) -> None:
    """Prevents: gaps in every series, or in none."""
    observed = batch.observed
    first = observed.int().argmax(1)
    gaps = ((300 - first) - observed.sum(1)) > 0
    assert 0.08 < float(gaps.float().mean()) < 0.2
    assert not (~draw(Mixture(gaps=0), 500, 100, 1, 0).observed.int().diff(dim=1).ge(0)).any()


def test_kinds_have_their_shares(batch: Series) -> None:
    """Prevents: a batch that is made of one kind, or shares that are not those asked for."""
    counts = torch.bincount(batch.kind, minlength=len(NAMES))
    expected = torch.tensor(Mixture().shares) * 4000
    assert (counts - expected).abs().max() <= 1
    other = Mixture(**(dict.fromkeys(NAMES, 0.0) | {"walk": 1.0, "gp": 0.5}))
    counts = torch.bincount(draw(other, 300, 60, 1, 0).kind, minlength=len(NAMES))
    assert {NAMES[i]: int(n) for i, n in enumerate(counts) if n} == {"walk": 200, "gp": 100}


def test_seasons_are_those_of_the_mixture_that_a_series_holds() -> None:
    """Prevents: a season that nobody can see in the series."""
    mixture = Mixture(sampled=0)
    _, observed, season, _ = draw(mixture, 8000, 600, 2, 0)
    assert set(season.tolist()) == set(PERIODS)
    steps = 600 - observed.int().argmax(1)
    assert ((1.5 * season <= steps) | (season == 1)).all()
    only = draw(Mixture(periods=(24,), sampled=0), 500, 200, 1, 0)
    assert set(only.season.tolist()) == {1, 24}


@pytest.mark.parametrize("kind", ["ets", "trend", "gp"])
def test_levels_and_scales_are_unlike(kind: str) -> None:
    """Prevents: series that are all of one size, so that a network relies on it."""
    values, observed, _, _ = draw(Mixture.only(kind), 1000, 100, 4, 0)
    size = (values.abs() * observed).sum(1) / observed.sum(1)
    assert float(size.quantile(0.05)) < 0.1
    assert float(size.quantile(0.95)) > 1e5
    positive = (values >= 0).all(1).float().mean()
    assert 0.6 < float(positive) < 0.97


def test_what_cannot_be_used_is_a_random_walk() -> None:
    """Prevents: a row that is not finite, constant or endless and gets through."""
    values = torch.ones(5, 30)
    values[0, 3], values[1, 4], values[2] = torch.nan, torch.inf, torch.arange(30) * 1e20
    values[4] = torch.arange(30)
    observed = torch.ones(5, 30, dtype=torch.bool)
    observed[:, -3:] = False
    out, season = _replaced(Random((1,)), values.clone(), observed, torch.full((5,), 12))
    assert season.tolist() == [1, 1, 1, 1, 12]
    assert torch.isfinite(out).all()
    assert torch.equal(out[4, :27], values[4, :27])
    for row in out[:4, :27]:
        assert float((row - 100).abs().max()) < 40
        assert float(row.std()) > 0.1
    assert (out[:, -3:] == 0).all()


def test_only_one_kind_and_nothing_done_to_it() -> None:
    """Prevents: a lesson on random walks with gaps and outliers in it."""
    for name in KINDS:
        batch = draw(Mixture.only(name), 8, 60, 1, 0)
        assert {NAMES[int(k)] for k in batch.kind} == {name}
        assert (batch.observed.int().diff(dim=1) >= 0).all()


@pytest.mark.parametrize(("setting", "words"), [
    ({"ets": 1.5}, ("ets", "1")),
    ({"longest": 601}, ("longest", "600")),
    ({"shortest": 5}, ("shortest", "6")),
    ({"shortest": 50, "longest": 20}, ("shortest (50)", "longest (20)")),
    (dict.fromkeys(NAMES, 0.0), ("no kind has a share",)),
    ({"periods": (0,)}, ("periods",)),
    ({"walks": 0.5}, ("walks",)),
])  # fmt: skip
def test_impossible_mixtures_say_what_is_right(setting: dict[str, object], words: tuple[str, ...]) -> None:
    """Prevents: a share or a length that is taken for another."""
    with pytest.raises(ConfigError) as caught:
        parse(Mixture, setting, "mixture")
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(("size", "length"), [(0, 100), (10, 5)])
def test_impossible_batches_say_what_is_right(size: int, length: int) -> None:
    """Prevents: an empty batch, or one that cannot hold its shortest series."""
    with pytest.raises(ConfigError, match="cannot be drawn"):
        draw(Mixture(), size, length, 1, 0)


def changed(**chances: float) -> tuple[Series, Series]:
    """Long walks as they are, and what the mixture with these probabilities makes of the same ones."""
    plain = Mixture.only("walk").model_copy(update={"shortest": 100, "longest": 100})
    return draw(plain, 2000, 100, 8, 0), draw(plain.model_copy(update=chances), 2000, 100, 8, 0)


@pytest.mark.parametrize("share", [0.2, 0.7])
def test_what_happens_to_a_series_happens_as_often_as_asked(share: float) -> None:
    """Prevents: a probability that is another one's, or none."""
    for name in ("flipped", "shifted", "clipped", "mixed"):
        before, after = changed(**{name: share})
        z = [(b.values - b.values.mean(1, keepdim=True)) / b.values.std(1, keepdim=True) for b in (before, after)]
        same_shape = ((z[0] - z[1]).abs().amax(1) < 0.02).double().mean()
        assert float(1 - same_shape) == pytest.approx(share, abs=0.08), name
    _, gaps = changed(gaps=share)
    assert float((~gaps.observed).any(1).double().mean()) == pytest.approx(share, abs=0.1)
    _, sampled = changed(sampled=share)
    assert float((sampled.observed.sum(1) < 100).double().mean()) == pytest.approx(share, abs=0.05)
    _, rounded = changed(rounded=share)
    distinct = torch.tensor([len(row.unique()) for row in rounded.values])
    assert float((distinct < 95).double().mean()) == pytest.approx(share, abs=0.25 * share)
