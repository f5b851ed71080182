"""Recurrent nets, sequence to sequence: encode the past, carry the state over, decode the future.

    rnn   h_t = tanh(W x_t + U h_{t-1} + b)
    lstm  i, f, o = sigmoid(W x_t + U h_{t-1} + b);  c_t = f c_{t-1} + i tanh(W x_t + U h_{t-1} + b);  h_t = o tanh(c_t)
    gru   r, z = sigmoid(W x_t + U h_{t-1} + b);  h_t = z h_{t-1} + (1 - z) tanh(W x_t + r (U h_{t-1} + b))

(Elman 1990; Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000; Cho et al. 2014; the encoder and
decoder of Sutskever et al. 2014; decoding in parallel as in SegRNN, Lin et al. 2023, and without a cell as in the
multi-horizon recurrent forecaster of Wen et al. 2017.)
Axes: S sequences, N past and M future tokens, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Literal, cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from tsforge.config import Config, Range
from tsforge.model.backbones import kernels
from tsforge.model.backbones.kernels import HiddenState
from tsforge.model.tokens.point import GAIN, TokenShape, gain

Change = Callable[[Tensor], Tensor]
CELLS: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class Recurrent(Config):
    """A recurrent encoder and a decoder.

    decode: "sequence" carries the state over from future token to future token; "parallel" takes one step of the cell
    from the last state of the past to each; "direct" has a layer of that state and the token in place of a cell.
    """

    type: Literal["recurrent"] = "recurrent"
    cell: Literal["rnn", "lstm", "gru"] = "lstm"  # what carries the state from step to step
    layers: Annotated[int, Field(ge=1, le=100), Range(1, 3)] = 1  # of cells, one on top of the other
    dropout: Annotated[float, Field(ge=0, lt=1), Range(0.0, 0.3)] = 0.0  # between the layers
    decode: Literal["sequence", "parallel", "direct"] = "sequence"

    def build(self, shape: TokenShape) -> EncoderDecoder:
        return EncoderDecoder(self, shape)


class EncoderDecoder(nn.Module):
    """Two recurrent stacks of one kind, or one and a layer; decoding starts from the state in which encoding ended."""

    def __init__(self, config: Recurrent, shape: TokenShape) -> None:
        super().__init__()
        self.parallel = config.decode == "parallel"
        between = config.dropout if config.layers > 1 else 0.0

        def stack(inputs: int) -> nn.RNNBase:
            return CELLS[config.cell](inputs, shape.width, config.layers, batch_first=True, dropout=between)

        self.encoder = stack(shape.inputs) if shape.past else None
        if self.encoder is not None and shape.features:
            limit = shape.features**-0.5 / gain(shape.features, shape.width)
            nn.init.uniform_(cast("Tensor", self.encoder.weight_ih_l0), -limit, limit)
        self.decoder = Direct(shape.width) if config.decode == "direct" else stack(shape.width)

    def forward(self, past: Tensor, future: Tensor) -> Tensor:
        """past (S, N, D), or (S, N, .) as it is, future (S, M, D) -> (S, M, D).

        1. Encode the past and keep the last state of every layer.
        2. Decode the future tokens from that state, one after the other or each by itself.
        """
        state = None if self.encoder is None else unroll(self.encoder, past)[1]
        decoder = self.decoder
        if isinstance(decoder, Direct):
            answer: Tensor = decoder(future, None if state is None else top(state))
            return answer
        if not self.parallel:
            return unroll(decoder, future, state)[0].to(future.dtype)
        between = partial(F.dropout, p=decoder.dropout, training=decoder.training)
        return single_steps(decoder.mode, decoder.all_weights, future, state, between)


class Direct(nn.Module):
    """relu(g (W x_m + V h) + b) of each future token and the last state; g is `GAIN`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.token = nn.Linear(width, width, bias=False)
        self.state = nn.Linear(width, width, bias=False)
        self.bias = nn.Parameter(torch.zeros(width))
        for layer in (self.token, self.state):
            nn.init.uniform_(layer.weight, -(width**-0.5) / GAIN, width**-0.5 / GAIN)

    def forward(self, future: Tensor, state: Tensor | None) -> Tensor:
        """future (S, M, D), state (S, D) -> (S, M, D)."""
        held = self.bias if state is None else torch.add(self.bias, self.state(state), alpha=GAIN).unsqueeze(1)
        return torch.add(held, self.token(future), alpha=GAIN).relu()


def unroll(stack: nn.RNNBase, x: Tensor, state: HiddenState | None = None) -> tuple[Tensor, HiddenState]:
    """A stack over x (S, T, .) from a state: its states (S, T, D), and the last one of every layer."""
    if kernels.brains(stack.mode, x, training=stack.training):
        before = cast("tuple[Tensor, Tensor] | None", state)
        weights = [weight for layer in stack.all_weights for weight in layer]
        return kernels.brain_lstm(x, before, weights, stack.num_layers, stack.dropout)
    if not kernels.suits(stack.mode, x, training=stack.training):
        outputs: tuple[Tensor, HiddenState] = stack(x, state)
        return outputs
    begin = x.new_zeros(stack.num_layers, x.shape[0], stack.hidden_size) if state is None else cast("Tensor", state)
    ends = []
    for layer, weights in enumerate(stack.all_weights):
        if layer:
            x = F.dropout(x, stack.dropout, stack.training)
        x, end = kernels.run(stack.mode, x, begin[layer], weights)
        ends.append(end)
    return x, torch.stack(ends)


def top(state: HiddenState) -> Tensor:
    """(S, D) of the last layer."""
    return (state[0] if isinstance(state, tuple) else state)[-1]


def single_steps(
    mode: str, layers: Sequence[Sequence[Tensor]], x: Tensor, state: HiddenState | None, between: Change
) -> Tensor:
    """One step for each of M inputs, all from the same state: x (S, M, D), state (layers, S, D) -> (S, M, D).

    mode: of the cell, as torch names it.
    layers: both matrices and both biases of each layer.
    between: what is done from layer to layer.

    What the state adds to the gates is the same for all inputs and computed once: at M = 30 a third of the products of
    S·M separate steps are left.
    """
    parts = state if isinstance(state, tuple) else (state, state)
    for layer, (w, u, b, c) in enumerate(layers):
        if layer:
            x = between(x)
        before = [x.new_zeros(x.shape[0], u.shape[1]) if part is None else part[layer] for part in parts]
        held = F.linear(before[0], u, c).unsqueeze(1)  # (S, 1, gates · D)
        x = _STEPS[mode](F.linear(x, w, b), held, [part.unsqueeze(1) for part in before])
    return x


def _rnn_step(seen: Tensor, held: Tensor, _before: list[Tensor]) -> Tensor:
    return (seen + held).tanh()


def _lstm_step(seen: Tensor, held: Tensor, before: list[Tensor]) -> Tensor:
    i, f, g, o = (seen + held).chunk(4, dim=-1)
    cell = f.sigmoid() * before[1] + i.sigmoid() * g.tanh()
    return o.sigmoid() * cell.tanh()


def _gru_step(seen: Tensor, held: Tensor, before: list[Tensor]) -> Tensor:
    D = before[0].shape[-1]
    r, z = (seen[..., : 2 * D] + held[..., : 2 * D]).sigmoid().chunk(2, dim=-1)
    new = torch.addcmul(seen[..., 2 * D :], r, held[..., 2 * D :]).tanh()
    return torch.lerp(new, before[0].to(new.dtype), z)  # which brain floats are not


_STEPS = {"RNN_TANH": _rnn_step, "LSTM": _lstm_step, "GRU": _gru_step}
