"""Minimal recurrent nets: gates see the token but not the state before it, so that one scan finds all states at once.

    gru   h_t = (1 - z_t) h_{t-1} + z_t g(v_t);  z_t = sigmoid(k_t)
    lstm  h_t = (f_t h_{t-1} + i_t g(v_t)) / (f_t + i_t);  f_t = sigmoid(j_t), i_t = sigmoid(k_t)
          j_t, k_t, v_t = W x_t + b;  g(v) = v + 1/2 where v is not negative, else sigmoid(v)

(minGRU and minLSTM of Feng et al. 2024, "Were RNNs All We Needed?", sections 3.1, 3.2 and appendix B.) Encode the past,
carry the state over, decode the future. Axes: S sequences, N past and M future tokens, T tokens, D width.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from tsforge.config import Config, Range
from tsforge.model.tokens.point import TokenShape

GATES = {"gru": 1, "lstm": 2}


class Minimal(Config):
    """Stacks of minimal cells; "parallel" decodes every future token from the last state of the past."""

    type: Literal["minimal"] = "minimal"
    cell: Literal["gru", "lstm"] = "gru"  # whose gates are taken
    layers: Annotated[int, Field(ge=1, le=100), Range(1, 3)] = (
        1  # gates depend on earlier tokens from the second one on
    )
    dropout: Annotated[float, Field(ge=0, lt=1), Range(0.0, 0.3)] = 0.0  # of what a layer adds
    decode: Literal["sequence", "parallel"] = "sequence"  # from future token to future token, or each from the past

    def build(self, shape: TokenShape) -> MinimalStacks:
        return MinimalStacks(self, shape)


class MinimalStacks(nn.Module):
    """Two stacks of one kind; each layer of the decoder starts from the state in which the encoder's layer ended."""

    def __init__(self, config: Minimal, shape: TokenShape) -> None:
        super().__init__()
        self.parallel = config.decode == "parallel"
        top = config.layers - 1
        encoder = (Layer(config, shape, output=n < top) for n in range(config.layers))
        self.encoder = nn.ModuleList(encoder) if shape.past else None
        self.decoder = nn.ModuleList(Layer(config, shape) for _ in range(config.layers))
        self.norm = nn.LayerNorm(shape.width)

    def forward(self, past: Tensor, future: Tensor) -> Tensor:
        """past (S, N, D), future (S, M, D) -> (S, M, D).

        1. Encode the past and keep the last state of every layer, (S, 1, D).
        2. Decode the future tokens from these states, one after the other or each by itself.
        """
        states: list[Tensor] = []
        for layer in self.encoder or ():
            past, h = layer(past, past.new_zeros(past.shape[0], 1, past.shape[-1]))
            states.append(h[:, -1:])
        if not states:
            states = [future.new_zeros(future.shape[0], 1, future.shape[-1])] * len(self.decoder)
        for layer, state in zip(self.decoder, states, strict=True):
            future, _ = layer(future, state, apart=self.parallel)
        decoded: Tensor = self.norm(future)
        return decoded


class Layer(nn.Module):
    """A recurrence over normalised tokens, added to them.

    output: whether anything but its states is used.
    """

    def __init__(self, config: Minimal, shape: TokenShape, *, output: bool = True) -> None:
        super().__init__()
        self.gates = GATES[config.cell]
        self.norm = nn.LayerNorm(shape.width)
        self.project = nn.Linear(shape.width, (self.gates + 1) * shape.width)
        self.out = nn.Linear(shape.width, shape.width) if output else None
        self.drop = nn.Dropout(config.dropout)
        self._remember(shape)

    def _remember(self, shape: TokenShape) -> None:
        """Biases by which every channel begins with a memory of its own length: a = τ / (τ + 1), τ from 1 to all steps.

        (After the chrono initialisation of Tallec & Ollivier 2018, whose τ are drawn evenly; here their logarithms are
        even, which leaves many short memories.) From a = 1/2 throughout, nothing would reach further than a few steps.
        """
        scales = torch.linspace(0.0, math.log(shape.past + shape.future), shape.width)
        with torch.no_grad():
            forget_and_input = self.project.bias.view(-1, shape.width)
            forget_and_input[self.gates - 1] = -scales
            if self.gates == 2:
                forget_and_input[0] = scales

    def forward(self, x: Tensor, state: Tensor, *, apart: bool = False) -> tuple[Tensor, Tensor]:
        """x (S, T, D) from a state (S, 1, D) -> what goes on to the next layer, and the states, both (S, T, D).

        apart: every token takes its step from the same state.
        """
        a, b = self.coefficients(self.norm(x))
        h = torch.addcmul(b, a, state) if apart else scan(a, b, state)
        return x if self.out is None else x + self.drop(self.out(h)), h

    def coefficients(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """a and b of h_t = a_t h_{t-1} + b_t, at least in single precision: a bfloat16 next to 1 is 0.996."""
        projected = self.project(x)
        *gates, v = projected.to(torch.promote_types(projected.dtype, torch.float32)).chunk(self.gates + 1, dim=-1)
        # f / (f + i) = sigmoid(log f - log i), which neither overflows nor divides 0 by 0.
        k = gates[0] if self.gates == 1 else F.logsigmoid(gates[1]) - F.logsigmoid(gates[0])
        # Both by sigmoid: 1 - a has no digits left where a is next to 1.
        return torch.sigmoid(-k), torch.sigmoid(k) * torch.where(v >= 0, v + 0.5, torch.sigmoid(v))


def scan(a: Tensor, b: Tensor, state: Tensor) -> Tensor:
    """All h_t = a_t h_{t-1} + b_t from a state (S, 1, D): a, b (S, T, D) -> h (S, T, D).

    Two steps are one step, h_t = (a_t a_{t-1}) h_{t-2} + (a_t b_{t-1} + b_t), so that every second state is a scan of
    half the length, and each of the others is one step on from there: 2 log2 T operations in a row, 3 T products in all
    (odd-even reduction; Blelloch 1990, "Prefix sums and their applications"). Only products with factors below 1, and
    sums: rounding costs what it costs the loop, and nothing overflows. Left to autograd, so that its chain is counted.
    """
    T = b.shape[1]
    if T == 1:
        return torch.addcmul(b, a, state)
    first, second = slice(0, T - 1, 2), slice(1, None, 2)
    pairs = scan(a[:, second] * a[:, first], torch.addcmul(b[:, second], a[:, second], b[:, first]), state)
    before = torch.cat([state, pairs], dim=1)[:, : T - T // 2]
    singles = torch.addcmul(b[:, ::2], a[:, ::2], before)
    if T % 2:
        pairs = F.pad(pairs, (0, 0, 0, 1))
    return torch.stack([singles, pairs], dim=2).flatten(1, 2)[:, :T]
