"""The tasks are as they are defined, are solved where they can be, and end where they cannot."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tests.comparison.probes.test_cost import config
from tsforge.comparison.probes import memory_tasks
from tsforge.comparison.probes.memory_tasks import Attempt, Budget


@pytest.mark.parametrize(
    ("draw", "lag"), [(memory_tasks.draw_adding, 10), (memory_tasks.draw_adding, 100), (memory_tasks.draw_recall, 30)]
)
def test_tasks_are_as_defined(draw: Any, lag: int) -> None:
    """The answer is the sum of the marked values; the first mark is early, the last step of adding's second half."""
    x, y = draw(500, lag, torch.Generator().manual_seed(1))
    values, marks = x.numpy()[..., 0], x.numpy()[..., 1]
    np.testing.assert_allclose(y.numpy(), (values * marks).sum(axis=1), rtol=1e-6)
    assert ((values >= 0) & (values < 1)).all()
    first = marks.argmax(axis=1)
    assert (first < max(1, lag // 10)).all()
    if draw is memory_tasks.draw_adding:
        assert (marks.sum(axis=1) == 2).all()
        assert (marks[:, lag // 2 :].sum(axis=1) == 1).all()
        assert np.mean((y.numpy() - 1) ** 2) == pytest.approx(1 / 6, rel=0.15)  # what guessing the mean costs


def test_a_short_task_is_solved_and_the_same_seed_gives_the_same() -> None:
    budget = Budget(steps=600, lr=1e-2)
    first, network = memory_tasks.attempt(config("lstm", 16), "recall", 5, 0, budget)
    assert first.solved
    x, y = memory_tasks.draw_recall(1000, 5, torch.Generator().manual_seed(77))
    with torch.inference_mode():
        assert float((network(x) - y).square().mean()) < 0.01
    assert memory_tasks.attempt(config("lstm", 16), "recall", 5, 0, budget)[0] == first


def test_a_budget_of_tokens_is_kept_at_every_lag() -> None:
    budget = Budget(steps=100, tokens=32_000, batch=32)
    assert [budget.of(lag) for lag in (5, 10, 30, 1000, 5000)] == [100, 100, 33, 1, 1]


def test_lags_end_where_most_seeds_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: hours on lags that are hopeless, or a lag that one lucky seed solved."""
    asked = []

    def attempt(_config: Any, _task: str, lag: int, seed: int, _budget: Any) -> tuple[Attempt, None]:
        asked.append(lag)
        good = lag <= 30 or (lag == 100 and seed == 0)
        return Attempt(lag, seed, 0.0 if good else 0.2, 1.0 if good else 0.1, 1), None

    monkeypatch.setattr(memory_tasks, "attempt", attempt)
    attempts = memory_tasks.longest_lag(config("rnn"), "adding", (10, 30, 100, 300, 1000), 3, Budget(1))
    assert asked == [10] * 3 + [30] * 3 + [100] * 3
    assert memory_tasks.solved_lag(attempts) == 30
    assert memory_tasks.solved_lag([]) == 0
