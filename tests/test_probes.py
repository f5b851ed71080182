"""The probes measure what they say: against a closed form, a count by hand, or a net whose reach is known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tsforge import probes
from tsforge.experiment import build
from tsforge.model.network import Neural
from tsforge.probes import Attempt, Budget, Curve

KINDS = ("rnn", "lstm", "gru", "transformer", "transformer-encoder", "transformer-decoder")


def config(kind: str, width: int = 8) -> Neural:
    model = build({"model.kind": kind, "model.width": width}).model
    assert isinstance(model, Neural)
    return model


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
def test_the_exponent_of_a_power_is_its_power(power: float) -> None:
    lengths = (16, 64, 256, 1024)
    curve = Curve(lengths, tuple(3.0 * length**power for length in lengths))
    assert curve.exponent == pytest.approx(power, abs=1e-9)
    assert curve.ratio == pytest.approx(64.0**power)


def test_saved_bytes_are_those_a_person_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: weights, or a storage that two operations share, counted as activations."""

    class Toy(nn.Module):
        def __init__(self, *_: object) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(2))

        def forward(self, x: Tensor) -> Tensor:
            y = x * self.scale  # saves x, and the weight, which does not count
            z = y.square()  # saves y
            return (z * y).sum(dim=(1, 2))  # saves z, and y once more

    monkeypatch.setattr(probes, "Sequences", Toy)
    found = probes.saved_bytes(config("rnn"), (5, 50), sequences=3)
    answer = 3 * 4  # the loss squares the answer (3,), which is saved
    assert found.values == tuple(3 * (3 * length * 2 * 4) + answer for length in (5, 50))


@pytest.mark.parametrize("kind", KINDS)
def test_saved_bytes_are_the_same_again_and_grow_with_length(kind: str) -> None:
    """Prevents: a figure that depends on chance or on what ran before."""
    first, again = (probes.saved_bytes(config(kind), (8, 16, 32), 4) for _ in range(2))
    assert first == again
    assert list(first.values) == sorted(first.values)
    assert 0.5 < first.exponent < 2.1


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_reach_is_what_finite_differences_say(kind: str) -> None:
    norms = probes.gradient_reach(config(kind), length=6, sequences=2, seed=3)
    torch.manual_seed(3)
    network = probes.Sequences(config(kind), 6, 1).double()
    torch.manual_seed(3)
    probes.Sequences(config(kind), 6, 1)
    x = torch.randn(2, 6, 1).double()
    expected = []
    for k in range(1, 7):
        up, down = x.clone(), x.clone()
        up[:, -k] += 1e-5
        down[:, -k] -= 1e-5
        with torch.inference_mode():
            expected.append(float(((network(up) - network(down)) / 2e-5).abs().mean()))
    assert norms == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_half_life_of_an_exponential() -> None:
    assert probes.half_life([0.5 ** (k / 7) for k in range(40)]) == pytest.approx(7)
    assert probes.half_life([1.0, 1.0, 1.0]) == math.inf


@pytest.mark.parametrize(
    ("make", "lag"), [(probes.draw_adding, 10), (probes.draw_adding, 100), (probes.draw_recall, 30)]
)
def test_tasks_are_as_defined(make: Any, lag: int) -> None:
    """The answer is the sum of the marked values; the first mark is early, the last step of adding's second half."""
    x, y = make(500, lag, torch.Generator().manual_seed(1))
    values, marks = x.numpy()[..., 0], x.numpy()[..., 1]
    np.testing.assert_allclose(y.numpy(), (values * marks).sum(axis=1), rtol=1e-6)
    assert ((values >= 0) & (values < 1)).all()
    first = marks.argmax(axis=1)
    assert (first < max(1, lag // 10)).all()
    if make is probes.draw_adding:
        assert (marks.sum(axis=1) == 2).all()
        assert (marks[:, lag // 2 :].sum(axis=1) == 1).all()
        assert np.mean((y.numpy() - 1) ** 2) == pytest.approx(1 / 6, rel=0.15)  # what guessing the mean costs


def test_a_short_task_is_solved_and_the_same_seed_gives_the_same() -> None:
    budget = Budget(steps=600, lr=1e-2)
    first = probes.attempt(config("lstm", 16), "recall", 5, 0, budget)
    assert first.solved
    again = probes.attempt(config("lstm", 16), "recall", 5, 0, budget)
    assert (again.error, again.within, again.steps) == (first.error, first.within, first.steps)


def test_lags_end_where_no_seed_solves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: hours on lags that are hopeless, or a lag that one lucky seed solved."""
    asked = []

    def attempt(_config: Any, _task: str, lag: int, seed: int, _budget: Any) -> Attempt:
        asked.append(lag)
        good = lag <= 30 or (lag == 100 and seed == 0)
        return Attempt(lag, seed, 0.0 if good else 0.2, 1.0 if good else 0.1, 1, 0.0)

    monkeypatch.setattr(probes, "attempt", attempt)
    found = probes.longest_lag(config("rnn"), "adding", (10, 30, 100, 300, 1000), 3, Budget(1))
    assert asked == [10] * 3 + [30] * 3 + [100] * 3 + [300] * 3
    assert probes.solved_lag(found) == 30
    assert probes.solved_lag([]) == 0


def test_step_times_measures_every_model_at_every_length() -> None:
    configs = {"rnn": config("rnn"), "transformer": config("transformer")}
    found = probes.step_times(configs, (4, 16), tokens=64, repeats=2)
    assert set(found) == set(configs)
    for curve in found.values():
        assert curve.lengths == (4, 16)
        assert min(curve.values) > 0


def test_random_numbers_outside_stay_as_they_were() -> None:
    torch.manual_seed(9)
    expected = torch.rand(3)
    torch.manual_seed(9)
    probes.saved_bytes(config("gru"), (4,), 1)
    probes.gradient_reach(config("gru"), 4, 1)
    assert torch.equal(torch.rand(3), expected)
