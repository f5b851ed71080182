"""The recurrent backbone against its equations, step by step."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor, nn

from tests.helpers.draw import noise
from tsforge.model.backbones.recurrent import Recurrent
from tsforge.model.tokens.point import GAIN, TokenShape

SHAPE = TokenShape(past=5, future=4, width=3)
State = tuple[Tensor, Tensor]  # h and c; c stays 0 where the cell has none


def step(cell: str, stack: nn.RNNBase, layer: int, x: Tensor, state: State) -> State:
    """One step of the textbook equation for one sequence."""
    h, c = state
    W, U = getattr(stack, f"weight_ih_l{layer}"), getattr(stack, f"weight_hh_l{layer}")
    b, d = getattr(stack, f"bias_ih_l{layer}"), getattr(stack, f"bias_hh_l{layer}")
    if cell == "rnn":
        return torch.tanh(W @ x + b + U @ h + d), c
    if cell == "lstm":
        i, f, g, o = (W @ x + b + U @ h + d).chunk(4)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c
    (Wr, Wz, Wn), (Ur, Uz, Un), (br, bz, bn), (dr, dz, dn) = (part.chunk(3) for part in (W, U, b, d))
    r = torch.sigmoid(Wr @ x + br + Ur @ h + dr)
    z = torch.sigmoid(Wz @ x + bz + Uz @ h + dz)
    return z * h + (1 - z) * torch.tanh(Wn @ x + bn + r * (Un @ h + dn)), c


def unroll(cell: str, stack: nn.RNNBase, xs: Tensor, states: list[State]) -> Tensor:
    """Outputs of the top layer; the states are updated in place."""
    out = []
    for x in xs:
        for layer in range(len(states)):
            states[layer] = step(cell, stack, layer, x, states[layer])
            x = states[layer][0]
        out.append(x)
    return torch.stack(out)


@pytest.mark.parametrize("decode", ["sequence", "parallel"])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("layers", [1, 3])
def test_encode_carry_the_state_decode(cell: str, layers: int, decode: str) -> None:
    """A wrong gate, a decoder from zero, another's state, tokens that go on where each starts from the past."""
    torch.manual_seed(0)
    backbone = Recurrent(cell=cell, layers=layers, decode=decode).build(SHAPE).double()
    past, future = noise(2, SHAPE.past, SHAPE.width), noise(2, SHAPE.future, SHAPE.width, seed=1)
    expected = torch.empty_like(future)
    for s in range(2):
        zero = torch.zeros(SHAPE.width, dtype=torch.float64)
        states = [(zero, zero)] * layers
        unroll(cell, backbone.encoder, past[s], states)
        for m in range(SHAPE.future):
            begin = states if decode == "sequence" else list(states)
            expected[s, m] = unroll(cell, backbone.decoder, future[s, m : m + 1], begin)[0]
    torch.testing.assert_close(backbone(past, future), expected)


@pytest.mark.parametrize("decode", ["sequence", "parallel"])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_without_a_past_it_starts_from_zero(cell: str, decode: str) -> None:
    """An encoder that fails on nothing, or is kept and learns nothing."""
    backbone = Recurrent(cell=cell, decode=decode).build(SHAPE._replace(past=0)).double()
    future, zero = noise(1, SHAPE.future, SHAPE.width), torch.zeros(SHAPE.width, dtype=torch.float64)
    states = [(zero, zero)]
    expected = [
        unroll(cell, backbone.decoder, future[0, m : m + 1], states if decode == "sequence" else list(states))
        for m in range(SHAPE.future)
    ]
    torch.testing.assert_close(backbone(future[:, :0], future)[0], torch.cat(expected))
    assert all(name.startswith("decoder.") for name, _ in backbone.named_parameters())


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_an_output_knows_no_later_token(cell: str) -> None:
    """A decoder that runs in both directions, and so sees later covariates first."""
    backbone = Recurrent(cell=cell, layers=2).build(SHAPE).double()
    past, future = noise(2, SHAPE.past, SHAPE.width), noise(2, SHAPE.future, SHAPE.width, seed=1)
    before = backbone(past, future)
    future[:, 2] += 1
    changed = (backbone(past, future) != before).flatten(2).any(-1).any(0)
    assert changed.tolist() == [False, False, True, True]


def test_dropout_acts_in_training_only() -> None:
    """Dropout that is forgotten between the layers, or that stays on when forecasting."""
    backbone = Recurrent(layers=2, dropout=0.5).build(SHAPE).double()
    past, future = noise(2, SHAPE.past, SHAPE.width), noise(2, SHAPE.future, SHAPE.width, seed=1)
    assert not torch.equal(backbone(past, future), backbone(past, future))
    backbone.eval()
    torch.testing.assert_close(backbone(past, future), backbone(past, future), rtol=0, atol=0)


def test_dropout_of_a_single_layer_is_quiet() -> None:
    """torch's warning that one layer has nothing between layers, shown to a user who cannot act on it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Recurrent(layers=1, dropout=0.5).build(SHAPE)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("past", [0, 5])
def test_a_direct_decoder_is_a_layer_of_the_last_state_and_each_token(cell: str, past: int) -> None:
    """The state of the first layer, or of another sequence; tokens that are answered by their neighbour's."""
    torch.manual_seed(0)
    shape = SHAPE._replace(past=past, features=2)
    backbone = Recurrent(cell=cell, layers=2, decode="direct").build(shape).double()
    decoder, x, future = backbone.decoder, noise(2, past, 2), noise(2, shape.future, shape.width, seed=1)
    actual = backbone(x, future)
    for s in range(2):
        zero = torch.zeros(shape.width, dtype=torch.float64)
        states = [(zero, zero)] * 2
        if past:
            unroll(cell, backbone.encoder, x[s], states)
        for m in range(shape.future):
            seen = decoder.token.weight @ future[s, m] + decoder.state.weight @ states[-1][0]
            torch.testing.assert_close(actual[s, m], (GAIN * seen + decoder.bias).clamp(min=0))
