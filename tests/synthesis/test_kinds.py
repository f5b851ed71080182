"""Walks, regimes, counts and pulses against their moments; the seasons of seasonal kinds against the detector."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from tests.helpers.tables import lay
from tsforge.data.season import detect_season
from tsforge.synthesis import Mixture, draw, make
from tsforge.synthesis.counts import counts, intermittent, negative_binomial
from tsforge.synthesis.kinds import KINDS
from tsforge.synthesis.mixture import NAMES
from tsforge.synthesis.pulses import pulses
from tsforge.synthesis.randomness import Random
from tsforge.synthesis.regimes import reverting
from tsforge.synthesis.trends import garch, trend, walk


@pytest.mark.parametrize(("mean", "r"), [(0.5, 0.7), (8.0, 3.0), (300.0, 20.0)])
def test_counts_have_the_mean_and_the_variance_of_a_negative_binomial(mean: float, r: float) -> None:
    """Prevents: counts that are Poisson, or spread by the wrong parameter."""
    y = negative_binomial(Random((1,)), torch.full((400, 500), mean), torch.full((400, 1), r)).double()
    assert torch.equal(y, y.round())
    assert float(y.mean()) == pytest.approx(mean, rel=0.02)
    assert float(y.var()) == pytest.approx(mean + mean**2 / r, rel=0.04)
    assert float((y == 0).double().mean()) == pytest.approx((r / (r + mean)) ** r, abs=0.005)


@pytest.mark.parametrize("kind", [counts, intermittent])
def test_counts_are_whole_and_never_negative(kind: object) -> None:
    """Prevents: demand of half a piece."""
    y, _ = kind(Random((2,)), torch.full((500,), 80), torch.full((500,), 7), 80)  # type: ignore[operator]
    assert torch.equal(y, y.round())
    assert (y >= 0).all()


def test_intermittent_demand_is_mostly_none() -> None:
    """Prevents: a kind that is like counts, or nothing but zeros."""
    y, _ = intermittent(Random((3,)), torch.full((2000,), 100), torch.ones(2000, dtype=torch.int64), 100)
    zeros = (y == 0).float().mean(1)
    assert 0.5 < float(zeros.mean()) < 0.9
    assert float((zeros < 1).float().mean()) > 0.99
    intervals = 1 / (1 - zeros.clamp(max=0.99))
    assert float(intervals.quantile(0.9)) > 8 > 2 > float(intervals.quantile(0.1))


def test_garch_has_variance_one_and_clusters() -> None:
    """Prevents: a recursion whose variance is not that of its equation, or that forgets it."""
    _, season = garch(Random((4,)), torch.full((3,), 50), torch.full((3,), 12), 50)
    assert season.tolist() == [1, 1, 1]
    values, _ = garch(Random((4,)), torch.full((3000,), 400), torch.ones(3000, dtype=torch.int64), 400)
    prices = (values > 0).all(1)
    assert 0.7 < float(prices.float().mean()) < 0.8
    returns = values[~prices].double()
    returns = returns / returns.std(1, keepdim=True)
    square = returns.clamp(-4, 4).square()
    square = square - square.mean(1, keepdim=True)
    r1 = (square[:, 1:] * square[:, :-1]).mean() / square.square().mean()
    assert float(r1) > 0.05
    own = returns - returns.mean(1, keepdim=True)
    assert abs(float((own[:, 1:] * own[:, :-1]).mean())) < 0.02


@pytest.mark.parametrize(("theta", "size"), [(0.05, 2.0), (0.5, 1.0), (2.0, 0.3)])
def test_reverting_processes_have_the_moments_of_their_equation(theta: float, size: float) -> None:
    """Prevents: a step of Euler in place of the exact one, which is too loud where it reverts fast."""
    B, T = 4000, 200
    fill = lambda x: torch.full((B, T), x)  # noqa: E731
    keep = float(np.exp(-theta))
    x = reverting(fill(keep), fill(3.0), fill(size), Random((5,)).normal(B, T)).double()
    late = x[:, 120:]
    assert float(late.mean()) == pytest.approx(3, abs=0.06 * size / theta**0.5)
    assert float((late - 3).square().mean()) == pytest.approx(size**2, rel=0.05)
    assert float(((late[:, 2:] - 3) * (late[:, :-2] - 3)).mean()) == pytest.approx(
        size**2 * keep**2, rel=0.07, abs=0.002
    )


def test_walks_wander_and_trends_go_somewhere() -> None:
    """Prevents: near random walks that return at once, and trends that are noise."""
    n = 100
    steps, none = torch.full((2000,), n), torch.ones(2000, dtype=torch.int64)
    x, _ = walk(Random((6,)), steps, none, n)
    ratio = x.diff(dim=1).var(1) / x.var(1)
    assert float(ratio.median()) < 0.2
    y, _ = trend(Random((7,)), steps, none, n)
    moved = (y[:, -10:].mean(1) - y[:, :10].mean(1)).abs() / y.diff(dim=1).std(1)
    assert float(moved.median()) > 5


def test_pulses_return_exactly_or_hold_their_levels() -> None:
    """Prevents: shapes whose phase drifts against their season, and machines that never switch."""
    B = 2000
    steps = torch.full((B,), 96)
    y, period = pulses(Random((8,)), steps, torch.full((B,), 12), 96)
    change = y.diff(dim=1)
    again = (change[:, 12:] - change[:, :-12]).abs().mean(1) / change.abs().mean(1)
    assert float(again[period == 12].median()) < 0.5
    _, none = pulses(Random((8,)), steps, torch.ones(B, dtype=torch.int64), 96)
    assert (none == 1).all()
    assert (y.std(1) > 1e-3).all()


@pytest.mark.parametrize("kind", ["ets", "sarima", "gp", "calendar", "regimes", "counts", "pulses", "seasons"])
@pytest.mark.parametrize(("m", "freq"), [(12, "MS"), (24, "h"), (7, "D")])
def test_the_season_that_is_told_is_found(kind: str, m: int, freq: str) -> None:
    """Prevents: a season that the values do not have, or have at another length."""
    mixture = Mixture.only(kind).model_copy(update={"shortest": 240, "longest": 240, "periods": (m,)})
    batch = draw(mixture, 64, 240, 3, 0)
    rows = (batch.season == m).nonzero()[:, 0]
    assert len(rows) > 10
    n = len(rows)
    times = np.tile(pd.date_range("2000-01-01", periods=240, freq=freq), n)
    unit = batch.values[rows].double().numpy().reshape(-1)
    frame = pd.DataFrame({"id": np.repeat(np.arange(n), 240), "ds": times, "y": unit})
    panel = lay(frame, id="id", time="ds", target="y")
    assert detect_season(panel, panel.ends) == m


@pytest.mark.parametrize("kind", ["arima", "trend", "walk", "garch"])
def test_kinds_without_a_season_have_none(kind: str) -> None:
    """Prevents: a season that is told of a random walk."""
    assert (draw(Mixture.only(kind), 100, 300, 1, 0).season == 1).all()


def test_every_kind_has_a_share_and_every_share_a_kind() -> None:
    """Prevents: a kind that is never drawn, or that has no function."""
    assert tuple(KINDS) == NAMES
    assert all(share > 0 for share in Mixture().shares)
    assert sum(Mixture().shares) == pytest.approx(1)


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize(("length", "season"), [(6, 1), (24, 12), (80, 7)])
def test_every_kind_at_every_length(kind: str, length: int, season: int) -> None:
    """Prevents: a kind that cannot be as short as a table, or that is empty or endless there."""
    frame = make(kind, series=20, length=length, season=season, seed=2)
    values = frame["value"].to_numpy().reshape(20, length)
    assert np.isfinite(values).all()
    assert (values.std(axis=1) > 0).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [6, 30, 560])
def test_every_kind_is_finite_and_moves_of_itself(kind: str, n: int) -> None:
    """Prevents: an equation that explodes and hides behind the random walks that stand in for what is not finite."""
    steps = torch.full((1500,), n)
    season = torch.tensor([1, 4, 12, 24, 336])[torch.arange(1500) % 5]
    season = torch.where(1.5 * season <= n, season, 1)
    values, period = KINDS[kind].draw(Random((9,)), steps, season, 560)
    inside = values[:, :n].double()
    assert values.shape == (1500, 560)
    assert torch.isfinite(inside).all()
    assert float(inside.abs().max()) < 1e10
    assert float((inside.std(1) == 0).double().mean()) < 0.02
    assert ((period == season) | (period == 1)).all()
