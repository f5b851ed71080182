"""A tournament's time: how it is divided, checked by adding it up again. No clock runs here."""

from __future__ import annotations

import pytest

from tsforge.training.auto import time_budget
from tsforge.training.auto.time_budget import Pace

SIZES = [(0, [0]), (1, [1]), (2, [2]), (3, [3, 2]), (6, [6, 3, 2]), (8, [8, 4, 2])]


@pytest.mark.parametrize(("count", "expected"), SIZES)
def test_the_better_half_goes_on_until_two_are_left(count: int, expected: list[int]) -> None:
    assert time_budget.rungs(count) == expected


@pytest.mark.parametrize("count", [1, 2, 3, 6, 12])
def test_rungs_spend_all_the_time_and_the_last_has_twice_as_much(count: int) -> None:
    """Prevents: shares of what is left mistaken for shares of the whole."""
    sizes, left, spent = time_budget.rungs(count), 120.0, []
    for rung in range(len(sizes)):
        spent.append(left * time_budget.share(sizes, rung))
        left -= spent[-1]
    assert left == pytest.approx(0.0)
    assert all(seconds == pytest.approx(spent[0]) for seconds in spent[:-1])
    assert len(sizes) == 1 or spent[-1] == pytest.approx(2 * spent[0])


def test_steps_and_validations_fit_into_their_slot() -> None:
    """Prevents: a schedule that ends after its slot, or one that leaves much of it unused."""
    pace = Pace(0.02, 0.1)
    steps = pace.within(10.0, 10)
    assert pace.seconds(steps, 10) <= 10.0 < pace.seconds(steps + 1, 10)
    assert pace.within(0.5, 10) == 0


def test_too_slow_candidates_leave_their_time_to_the_others() -> None:
    """Prevents: one slow network for whose sake none of the others learns anything."""
    paces = {"fast": Pace(0.01, 0.0), "slow": Pace(10.0, 0.0), "middle": Pace(0.02, 0.0), "slower": Pace(20.0, 0.0)}
    kept, out = time_budget.fitting(paces, 10.0, 10)
    assert (kept, out) == (["fast", "middle"], ["slow", "slower"])
    assert time_budget.fitting(paces, 0.1, 10) == ([], list(paces))
    assert time_budget.fitting(paces, 1e6, 10) == (list(paces), [])
    for name in kept:
        assert paces[name].within(10.0 * time_budget.share(time_budget.rungs(2), 0) / 2, 10) >= time_budget.LEAST_STEPS


def test_a_slow_machine_keeps_more_for_the_end() -> None:
    assert time_budget.reserve(40.0, 0.0) > time_budget.reserve(4.0, 0.0) >= time_budget.LEAST
    assert time_budget.reserve(4.0, 10.0) - time_budget.reserve(4.0, 0.0) >= 10.0
