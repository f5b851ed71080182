"""P-values of scores: as often as promised in normal times, whatever their distribution, and beyond the largest."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tsforge.detecting.tail import MOST, Tail, clean


def test_inside_it_is_the_rank() -> None:
    """Prevents: p-values of usual scores that are no p-values."""
    scores = np.random.default_rng(0).normal(size=200)
    tail = Tail(scores.tolist())
    for z in (-1.0, 0.0, 0.7):
        assert tail.p(z) == pytest.approx(((scores >= z).sum() + 1) / 201)


def test_beyond_it_is_the_ratio_of_exponentials() -> None:
    """Prevents: a false exponent. The excess of a new value over the mean of k is F-distributed, where all are
    exponential."""
    scores = np.random.default_rng(1).exponential(size=300)
    k, ordered = 9, np.sort(scores)  # 300^0.4 = 9.8
    u = ordered[-k - 1]
    for x in (0.5, 2.0, 8.0):
        expected = (k + 1) / 301 * stats.f(2, 2 * k).sf(x / (ordered[-k:] - u).mean())
        assert Tail(scores.tolist()).p(u + x) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("rate", [0.3, 0.05, 0.01, 1e-3, 1e-6])
def test_the_border_is_where_p_is_the_rate(rate: float) -> None:
    """Prevents: an interval that flags other values than p does."""
    tail = Tail(np.random.default_rng(2).normal(size=150).tolist())
    border = tail.border(rate)
    assert tail.p(border * 1.0001 + 1e-9) < rate + 1e-12
    assert tail.p(border - 1e-4) >= rate - 1e-12


@pytest.mark.parametrize(("draw", "most"), [("normal", 1.2), ("laplace", 1.5), ("t", 2.5)])
def test_false_alarms_are_as_many_as_asked_for(draw: str, most: float) -> None:
    """Prevents: ten times the alarms that were promised, with few scores or a heavy tail."""
    random, rate, found, total = np.random.default_rng(3), 0.005, 0, 0
    for _ in range(12):
        size = 1060
        made = {"normal": random.normal, "laplace": random.laplace, "t": lambda size: random.standard_t(4, size)}
        scores = np.abs(made[draw](size=size))
        tail = Tail(scores[:60].tolist())
        for score in scores[60:].tolist():
            found += tail.p(score) < rate
            tail.add(min(score, tail.border(rate / 20)))
            total += 1
    assert 0.4 * rate * total < found < most * rate * total + 3 * (rate * total) ** 0.5


def test_outliers_among_the_scores_are_left_out() -> None:
    """Prevents: one mishap in the history that hides all later ones; or normal scores cut off."""
    scores = np.abs(np.random.default_rng(4).normal(size=200)).tolist()
    spoiled = [*scores[:100], 30.0, 45.0, *scores[100:]]
    assert clean(spoiled) == clean(scores)
    kept = [len(clean(np.abs(np.random.default_rng(s).normal(size=200)).tolist())) == 200 for s in range(40)]
    assert np.mean(kept) > 0.85


def test_old_scores_go() -> None:
    """Prevents: a memory without end, or a sorted list that no longer holds what it should."""
    tail, scores = Tail(), np.random.default_rng(5).normal(size=MOST + 300).tolist()
    for score in scores:
        tail.add(score)
    assert tail._ordered == sorted(scores[300:])
