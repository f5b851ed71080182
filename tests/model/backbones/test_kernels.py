"""Cells over whole sequences against torch's own, value by value and gradient by gradient."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
import torch
from torch import Tensor, nn

from tests.helpers.draw import noise
from tsforge.model.backbones import kernels
from tsforge.model.backbones.recurrent import Recurrent, unroll
from tsforge.model.tokens.point import TokenShape

CELLS = {"GRU": nn.GRU, "RNN_TANH": nn.RNN}
USES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {  # of all states, of the last one, of both
    "all": lambda states, _: (states * noise(*states.shape, seed=9)).sum(),
    "last": lambda _, last: last.square().sum(),
    "both": lambda states, last: (states * noise(*states.shape, seed=9)).sum() + last.square().sum(),
}


def cell(mode: str, inputs: int, width: int) -> nn.RNNBase:
    torch.manual_seed(0)
    return CELLS[mode](inputs, width, batch_first=True).double()


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("mode", CELLS)
@pytest.mark.parametrize(("S", "T", "inputs", "width"), [(3, 6, 5, 7), (1, 1, 1, 1), (4, 40, 2, 3)])
def test_values_and_gradients_are_torchs(mode: str, use: str, S: int, T: int, inputs: int, width: int) -> None:
    """A gate's slope of the wrong gate, a bias counted once too often, a step's gradient lost between steps."""
    torchs = cell(mode, inputs, width)
    given = [noise(S, T, inputs).requires_grad_(), noise(S, width, seed=1).requires_grad_(), *torchs.parameters()]
    x, state = given[:2]
    states, last = torchs(x, state.unsqueeze(0))
    expected = torch.autograd.grad(USES[use](states, last[0]), given)
    ours = kernels.run(mode, x, state, torchs.all_weights[0])
    torch.testing.assert_close(ours, (states, last[0]), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(torch.autograd.grad(USES[use](*ours), given), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("mode", CELLS)
def test_gradients_are_slopes(mode: str) -> None:
    """Gradients that agree with torch's by accident of the loss, and not with the function."""
    weights = [w.detach().requires_grad_() for w in cell(mode, 2, 3).all_weights[0]]
    x, state = noise(2, 5, 2).requires_grad_(), noise(2, 3, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda *g: kernels.run(mode, g[0], g[1], g[2:]), (x, state, *weights))


@pytest.mark.parametrize("mode", CELLS)
def test_of_single_numbers_they_are_as_exact_as_torchs(mode: str) -> None:
    """A tanh by sigmoid that loses digits: what is wrong by more than a few roundings of single precision."""
    torchs, x = cell(mode, 3, 16), noise(8, 100, 3)
    expected = torchs(x)[0]
    torchs, x = torchs.float(), x.float()
    state = torch.zeros(8, 16)
    ours, own = kernels.run(mode, x, state, torchs.all_weights[0])[0], torchs(x)[0]
    assert (ours - expected).abs().max() < 4 * (own - expected).abs().max() + 1e-6


@pytest.mark.parametrize(("name", "layers", "dropout"), product(["gru", "rnn"], [1, 2, 3], [0.0, 0.4]))
def test_a_stack_is_torchs_stack(name: str, layers: int, dropout: float) -> None:
    """Layers in the wrong order, a state of another layer, dropout that acts where nothing is between layers."""
    torch.manual_seed(0)
    backbone = Recurrent(cell=name, layers=layers, dropout=dropout).build(TokenShape(40, 4, 6)).double()
    stack, x, state = backbone.encoder, noise(3, 40, 6), noise(layers, 3, 6, seed=1)
    assert kernels.suits(stack.mode, x, training=True)
    if dropout and layers > 1:
        assert not torch.equal(unroll(stack, x, state)[0], unroll(stack, x, state)[0])
        return
    torch.testing.assert_close(unroll(stack, x, state), stack(x, state), rtol=1e-12, atol=1e-12)


def test_forecasts_are_left_to_torch() -> None:
    """A model of before that forecasts otherwise in its last digits; a chain of operations that is hidden."""
    x = torch.zeros(2, 100, 3)
    assert kernels.suits("GRU", x, training=True)
    assert not kernels.suits("GRU", x, training=False)
    assert not kernels.suits("LSTM", x, training=True)
    assert not kernels.suits("GRU", x[:, : kernels.SHORT - 1], training=True)
    with torch.no_grad():
        assert not kernels.suits("GRU", x, training=True)
    with torch.backends.mkldnn.flags(enabled=False):
        assert not kernels.suits("GRU", x, training=True)
    with torch.autocast("cpu", torch.bfloat16):
        assert not kernels.suits("GRU", x, training=True)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("begun", [False, True])
def test_an_lstm_in_brain_floats_is_the_lstm_but_for_their_rounding(layers: int, begun: bool) -> None:
    """Gates in another order, a state that is dropped, gradients that stay in brain floats or reach no weight."""
    torch.manual_seed(0)
    torchs = nn.LSTM(5, 16, layers, batch_first=True)
    x = noise(4, 30, 5).float().requires_grad_()
    state = tuple(0.5 * noise(layers, 4, 16, seed=i).float() for i in (1, 2)) if begun else None
    states, last = torchs(x, state)
    with kernels.brain_cells(True):
        ours, end = unroll(torchs, x, state)
    assert (ours.dtype, end[0].dtype) == (torch.bfloat16, torch.float32)
    torch.testing.assert_close((ours.float(), *end), (states, *last), rtol=0.0, atol=0.03)
    for result, expected in zip(
        gradients(ours.float(), end[0], x, torchs), gradients(states, last[0], x, torchs), strict=True
    ):
        assert result.dtype == torch.float32
        assert float((result - expected).norm() / expected.norm()) < 0.03


def gradients(states: Tensor, last: Tensor, x: Tensor, cells: nn.Module) -> tuple[Tensor, ...]:
    return torch.autograd.grad(USES["both"](states.double(), last.double()), [x, *cells.parameters()])


def test_only_training_is_in_brain_floats() -> None:
    """Forecasts in brain floats, or validations: three digits where there were seven."""
    torch.manual_seed(0)
    torchs, x = nn.LSTM(3, 4, batch_first=True), noise(2, 30, 3).float()
    with kernels.brain_cells(True):
        assert not kernels.brains("GRU", x, training=True)
        assert unroll(torchs, x)[0].dtype == torch.bfloat16
        assert unroll(torchs.eval(), x)[0].dtype == torch.float32
        with torch.no_grad():
            assert unroll(torchs.train(), x)[0].dtype == torch.float32
        with kernels.brain_cells(False):
            assert unroll(torchs, x)[0].dtype == torch.float32
    assert unroll(torchs, x)[0].dtype == torch.float32
