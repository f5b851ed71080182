"""The probes measure what they say: against a closed form, a count by hand, or a net whose reach is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tsforge.comparison import rules
from tsforge.comparison.probes import cost
from tsforge.comparison.probes.cost import Curve
from tsforge.model.network import Neural
from tsforge.settings import build

RECURRENT = ("rnn", "lstm", "gru")
MINIMAL = ("min-gru", "min-lstm")
KINDS = (*RECURRENT, *MINIMAL, "transformer", "transformer-encoder", "transformer-decoder")


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

    monkeypatch.setattr(cost, "Sequences", Toy)
    curve = cost.saved_bytes(config("rnn"), (5, 50), sequences=3)
    answer = 3 * 4  # the loss squares the answer (3,), which is saved
    assert curve.values == tuple(3 * (3 * length * 2 * 4) + answer for length in (5, 50))


@pytest.mark.parametrize("kind", KINDS)
def test_saved_bytes_are_the_same_again_and_grow_with_length(kind: str) -> None:
    """Prevents: a figure that depends on chance or on what ran before."""
    first, again = (cost.saved_bytes(config(kind), (8, 16, 32), 4) for _ in range(2))
    assert first == again
    assert list(first.values) == sorted(first.values)
    assert 0.5 < first.exponent < 2.1


def test_dependent_operations_are_those_a_person_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: a chain that forgets a branch, or counts what could run at once."""

    class Toy(nn.Module):
        def __init__(self, *_: object) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(()))

        def forward(self, x: Tensor) -> Tensor:
            h = self.weight * x[0, 0, 0]  # 1, and 1 for the weight itself
            for _ in range(x.shape[1]):  # 2 each: tanh, add; the exponential runs beside them
                h = torch.tanh(h) + torch.exp(self.weight)
            return h

    monkeypatch.setattr(cost, "Sequences", Toy)
    assert cost.dependent_operations(config("rnn"), (3, 10)).values == (2 + 6, 2 + 20)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in MINIMAL])
def test_recurrent_nets_have_a_chain_and_attention_has_not(kind: str) -> None:
    """As in table 1 of Vaswani et al. 2017."""
    curve = cost.dependent_operations(config(kind), (16, 64, 256))
    more = np.diff(curve.values) / np.diff(curve.lengths)
    assert more[0] == more[1]  # so many for each step more
    assert (more[0] == 0) == kind.startswith("transformer")


@pytest.mark.parametrize("kind", MINIMAL)
def test_the_chain_of_a_scan_grows_with_the_logarithm(kind: str) -> None:
    """Prevents: a scan that is counted as one operation, and one that is a chain and counted as attention."""
    curve = cost.dependent_operations(config(kind), (16, 64, 256, 1024))
    more = np.diff(curve.values)
    assert more[0] == more[1] == more[2] > 0  # so many for each doubling
    assert rules.parallel(curve.exponent) == rules.YES


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_reach_is_what_finite_differences_say(kind: str) -> None:
    torch.manual_seed(3)
    network, x = cost.Sequences(config(kind), 6, 1).double(), torch.randn(2, 6, 1).double()
    norms = cost.gradient_reach(network, x)
    expected = []
    for k in range(1, 7):
        up, down = x.clone(), x.clone()
        up[:, -k] += 1e-5
        down[:, -k] -= 1e-5
        with torch.inference_mode():
            expected.append(float(((network(up) - network(down)) / 2e-5).abs().mean()))
    assert norms == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_half_life_of_an_exponential() -> None:
    assert cost.half_life([0.5 ** (k / 7) for k in range(40)]) == pytest.approx(7)
    assert cost.half_life([1.0, 1.0, 1.0]) == math.inf
    assert math.isnan(cost.half_life([0.0, 0.0, 0.0]))


def test_step_times_measures_every_model_at_every_length() -> None:
    configs = {"rnn": config("rnn"), "transformer": config("transformer")}
    times = cost.step_times(configs, (4, 16), tokens=64, repeats=2)
    assert set(times) == set(configs)
    for curve in times.values():
        assert curve.lengths == (4, 16)
        assert min(curve.values) > 0


def test_random_numbers_outside_stay_as_they_were() -> None:
    torch.manual_seed(9)
    expected = torch.rand(3)
    torch.manual_seed(9)
    cost.saved_bytes(config("gru"), (4,), 1)
    cost.dependent_operations(config("gru"), (4,))
    assert torch.equal(torch.rand(3), expected)
