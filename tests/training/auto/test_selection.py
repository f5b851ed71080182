"""What is blended: greedy draws against all possible ones, and what is believed of a difference."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations_with_replacement

import numpy as np
import pytest

from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.quantiles import Distribution
from tsforge.evaluation.scores import by_window
from tsforge.training.auto import selection
from tsforge.training.auto.selection import Yardstick


def outcome(W: int = 12, H: int = 5, C: int = 2, series: int = 3, seed: int = 0) -> Outcome:
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(W, H, C)).cumsum(axis=1).astype(np.float32)
    scale = rng.uniform(0.5, 2.0, size=(series, C))
    which = np.sort(rng.integers(0, series, W))
    return Outcome(
        truth, rng.random((W, H, C)) > 0.1, truth * 0, Distribution.of_point((), truth * 0, np.ones((W, C))),
        scale[which],
        scale[which] ** 2, which, np.arange(W),
    )  # fmt: skip


def points(o: Outcome, count: int, seed: int = 1) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [o.truth + rng.normal(size=o.truth.shape) * size for size in np.linspace(0.6, 1.4, count)]


def test_the_score_is_the_mean_over_windows_of_mase() -> None:
    """Prevents: another weighting of windows, gaps or targets than the metric has."""
    o = outcome()
    for point in points(o, 3):
        expected = np.nanmean(by_window(replace(o, point=point), "mase"))
        assert Yardstick.of(o).score(point) == pytest.approx(expected, rel=1e-6)


def test_series_that_never_changed_have_no_say_unless_there_is_no_other() -> None:
    o = outcome()
    flat = replace(o, scale=np.where(o.series[:, None] == 0, 0.0, o.scale))
    seen = Yardstick.of(flat)
    assert (seen.weight[o.series == 0] == 0).all()
    assert seen.score(o.truth + np.where(o.series == 0, 1e9, 0.0)[:, None, None]) == pytest.approx(0.0, abs=1e-6)
    assert (Yardstick.of(replace(o, scale=0 * o.scale)).weight[o.observed] == 1).all()


def test_a_forecast_that_is_not_finite_is_the_worst() -> None:
    o = outcome()
    assert Yardstick.of(o).score(np.where(o.observed, np.nan, o.truth)) == np.inf


@pytest.mark.parametrize("seed", range(5))
def test_greedy_draws_are_the_best_at_every_step(seed: int) -> None:
    """Against brute force: of all single additions the best one, and of all prefixes the best."""
    o = outcome(seed=seed)
    found, yardstick = points(o, 4, seed), Yardstick.of(o)
    drawn: list[int] = []
    scores = []
    for _ in range(selection.ROUNDS):
        tries = [yardstick.score(np.mean([found[j] for j in [*drawn, k]], axis=0)) for k in range(4)]
        drawn.append(int(np.argmin(tries)))
        scores.append(min(tries))
    counts = selection.greedy(found, yardstick)
    assert counts == [drawn[: sum(counts)].count(k) for k in range(4)]
    assert scores[sum(counts) - 1] <= min(scores) * (1 + selection.ROUNDS * selection.GAIN)
    every = min(
        yardstick.score(np.mean([found[j] for j in some], axis=0))
        for n in (1, 2, 3) for some in combinations_with_replacement(range(4), n)
    )  # fmt: skip
    assert scores[sum(counts) - 1] <= every * 1.05


def test_one_forecast_that_is_right_is_drawn_alone() -> None:
    o = outcome()
    assert selection.greedy([points(o, 1)[0], o.truth.astype(float)], Yardstick.of(o)) == [0, 1]


def test_no_more_members_than_allowed() -> None:
    o = outcome()
    counts = selection.greedy(points(o, 6), Yardstick.of(o), most=2)
    assert sum(count > 0 for count in counts) <= 2


def test_a_gap_is_believed_where_it_is_and_not_where_it_is_noise() -> None:
    """Prevents: a model preferred for having been lucky in a few windows that overlap."""
    rng = np.random.default_rng(0)
    o = outcome(W=400, H=6, C=1, series=1)
    noise = rng.normal(size=o.truth.shape)
    better = selection.gap(o.truth + 0.5 * noise, o.truth + noise, Yardstick.of(o))
    assert better.gain > 0
    assert better.sure
    believed = 0
    for seed in range(200):
        # Errors that are alike but for luck, and that neighbouring windows share, as overlapping truths do.
        luck = np.random.default_rng(seed).normal(size=(2, 405))
        a, b = (np.lib.stride_tricks.sliding_window_view(x, 6)[:400, :, None] for x in luck)
        believed += selection.gap(o.truth + a, o.truth + b, Yardstick.of(o)).sure
    assert believed / 200 < 0.15


def test_the_best_of_many_is_judged_where_it_was_not_chosen() -> None:
    """Prevents: a blend of guesses preferred to a baseline because some of many guesses always were lucky."""
    H, origins = 24, np.arange(96, 272)
    o = outcome(W=len(origins), H=H, C=1, series=1)
    o = replace(o, observed=np.ones_like(o.observed))
    yardstick, truth = Yardstick.of(o), o.truth.astype(float)
    chosen, crossed = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        walk = rng.normal(size=320).cumsum()
        ahead = np.stack([walk[i : i + H] - walk[i - 1] for i in origins])[..., None]
        back = np.stack([walk[i - 96 : i].mean() - walk[i - 1] for i in origins])[:, None, None]
        slow = 1 - np.exp(-np.arange(1, H + 1) / 8)[:, None]
        guesses = [a * back * slow for a in rng.normal(0, 0.25, size=10)]  # back to the mean, or away from it
        found = [truth - ahead, *(truth - ahead + guess for guess in guesses)]
        mean = selection.blended(found, selection.greedy(found, yardstick))
        chosen.append(selection.gap(mean, found[0], yardstick))
        crossed.append(selection.crossed(found, found[0], yardstick))
    assert np.mean([gap.gain for gap in chosen]) > 0.02
    assert np.mean([gap.gain for gap in crossed]) < 0
    assert np.mean([gap.sure for gap in crossed]) < 0.2


def test_halves_judge_what_the_other_half_drew() -> None:
    """Prevents: a half that is judged by its own choice, or windows of one stretch in both halves."""
    o = outcome(W=48, H=6, C=1, series=1)
    o = replace(o, observed=np.ones_like(o.observed))
    yardstick, truth = Yardstick.of(o), o.truth.astype(float)
    late = (np.arange(48) >= 24)[:, None, None]
    early_right, late_right = truth + late, truth + ~late
    found = selection.crossed([truth + 0.5, early_right, late_right], truth + 0.5, yardstick)
    assert found.gain < 0
    assert selection.gap(early_right, truth + 0.5, yardstick).gain == pytest.approx(0.0, abs=1e-6)
    assert selection.crossed([truth + 0.5, truth + 0.1], truth + 0.5, yardstick).sure
    once = outcome(W=4, H=6, C=1, series=1)
    once = replace(once, observed=np.ones_like(once.observed))
    right = once.truth.astype(float)
    assert selection.crossed([right + 1.0, right], right + 1.0, Yardstick.of(once)).sure


def test_one_window_is_judged_by_its_steps_and_one_step_by_nothing() -> None:
    o = outcome(W=1, H=12, C=1, series=1)
    o = replace(o, observed=np.ones_like(o.observed))
    sure = selection.gap(o.truth.astype(float), o.truth + 1.0, Yardstick.of(o))
    assert sure.sure
    assert sure.error == pytest.approx(0.0, abs=1e-6)
    once = outcome(W=1, H=1, C=1, series=1)
    once = replace(once, observed=np.ones_like(once.observed))
    assert not selection.gap(once.truth.astype(float), once.truth + 1.0, Yardstick.of(once)).sure


@pytest.mark.parametrize(("W", "series", "count"), [(1, 1, 4), (30, 1, 5), (600, 1, 100)])
def test_a_baseline_that_never_won_keeps_the_share_of_one_piece(W: int, series: int, count: int) -> None:
    """Prevents: a blend that drops the baseline altogether after one good week. Stretches are counted by hand."""
    o = outcome(W=W, H=6, C=1, series=series)
    o = replace(o, observed=np.ones_like(o.observed))
    found = selection.gap(o.truth.astype(float), o.truth + 1.0, Yardstick.of(o))
    assert found.pieces == count
    assert 1 - found.trust == pytest.approx(1 / (1 + count))


@pytest.mark.parametrize("true", [0.3, 1.0, 2.0])
def test_trust_shrinks_a_gain_as_an_estimate_is_best_shrunk(true: float) -> None:
    """Against trial: of estimates of a gain with a known error, the factor with the least squared error is found."""
    estimates = true + np.random.default_rng(0).normal(size=400_000)
    factors = np.linspace(0, 1, 201)
    best = factors[np.argmin([np.mean((a * estimates - true) ** 2) for a in factors])]
    assert selection.Gap(true, 1.0, 10_000).trust == pytest.approx(best, abs=0.01)


def test_nothing_is_trusted_that_is_worse_or_of_one_piece() -> None:
    assert selection.Gap(-1.0, 0.1, 50).trust == 0.0
    assert selection.Gap(0.0, 0.0, 50).trust == 0.0
    assert selection.Gap(1.0, float("inf"), 1).trust == 0.0


@pytest.mark.parametrize("seed", range(3))
def test_weights_are_the_mean_of_the_draws_and_the_bar(seed: int) -> None:
    """Against the same by hand. Prevents: weights that are not 1 in all, or members of a per mille."""
    o = outcome(W=120, H=4, C=1, series=4, seed=seed)
    yardstick, forecasts = Yardstick.of(o), points(o, 5, seed)
    bars = [selection.Bar("the mean of two", (0, 0, 0, 1, 1)), selection.Bar("one", (0, 0, 0, 0, 1))]
    weights = np.array(selection.weights(forecasts, yardstick, bars, 5))
    bar = np.array([0, 0, 0, 0.5, 0.5])
    trust = selection.crossed(forecasts, selection.blended(forecasts, (0, 0, 0, 1, 1)), yardstick, 5).trust
    counts = np.array(selection.greedy(forecasts, yardstick, 5))
    wanted = trust * counts / counts.sum() + (1 - trust) * bar
    wanted[wanted < 0.02] = 0
    assert 0 < trust < 1
    np.testing.assert_allclose(weights, wanted / wanted.sum())
