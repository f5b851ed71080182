"""Several networks of one shape in one computation: their backbones side by side, each with its own weights.

Recurrent cells become one cell over all members' channels, whose matrices are zero between members: a step over P·D
channels instead of P steps over D. Others run under `torch.vmap` over stacked weights. Gradients reach each
member's weights and no other's; results differ from those of a member alone by rounding, as sums are taken in another
order, and by dropout, which draws for all at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from tsforge.batch import Context
from tsforge.forecast import Forecast
from tsforge.model.backbones import kernels
from tsforge.model.backbones.kernels import HiddenState
from tsforge.model.backbones.recurrent import Direct, EncoderDecoder, single_steps, top
from tsforge.model.network import Network

GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1}


def forward(networks: Sequence[Network], contexts: Sequence[Context]) -> list[Forecast]:
    """`Network.forward` of each network for its own context, with the backbones, all of one shape, side by side."""
    windows = [network.transform(context) for network, context in zip(networks, contexts, strict=True)]
    tokens = [network.tokens.embed(window.context) for network, (window, _) in zip(networks, windows, strict=True)]
    backbones, pasts, futures = [network.backbone for network in networks], *zip(*tokens, strict=True)
    if isinstance(backbones[0], EncoderDecoder):
        added = _recurrent(cast("list[EncoderDecoder]", backbones), pasts, futures)
    else:
        added = _stacked(backbones, pasts, futures)
    return [
        network.undo(network.read(window, future + more), states)
        for network, (window, states), future, more in zip(networks, windows, futures, added, strict=True)
    ]


def _recurrent(backbones: Sequence[EncoderDecoder], pasts: Sequence[Tensor], futures: Sequence[Tensor]) -> list[Tensor]:
    """`EncoderDecoder.forward` over the channels of all members."""
    encoders = [backbone.encoder for backbone in backbones]
    state = None
    if encoders[0] is not None:
        state = _run(cast("list[nn.RNNBase]", encoders), torch.cat(list(pasts), dim=-1), None)[1]
    decoders = [backbone.decoder for backbone in backbones]
    if isinstance(decoders[0], Direct):
        lasts = [None] * len(decoders) if state is None else top(state).chunk(len(decoders), dim=-1)
        return [decoder(future, last) for decoder, future, last in zip(decoders, futures, lasts, strict=True)]
    stacks = cast("list[nn.RNNBase]", decoders)
    future = torch.cat(list(futures), dim=-1)
    if backbones[0].parallel:
        between = partial(_dropped, cells=stacks)
        decoded = single_steps(stacks[0].mode, _weights(stacks), future, state, between)
    else:
        decoded = _run(stacks, future, state)[0].to(future.dtype)
    return list(decoded.chunk(len(backbones), dim=-1))


def _run(cells: Sequence[nn.RNNBase], x: Tensor, state: HiddenState | None) -> tuple[Tensor, HiddenState]:
    """One stack over x (S, N, P·I), layer by layer: all members' weights in blocks, and the dropout of each."""
    first, lstm = cells[0], cells[0].mode == "LSTM"
    function: Any = {"LSTM": torch.lstm, "GRU": torch.gru, "RNN_TANH": torch.rnn_tanh}[first.mode]
    if state is None:
        zeros = x.new_zeros(first.num_layers, x.shape[0], len(cells) * first.hidden_size)
        state = (zeros, zeros) if lstm else zeros
    parts = state if isinstance(state, tuple) else (state,)
    ends: list[tuple[Tensor, ...]] = []
    for layer, weights in enumerate(_weights(cells)):
        if layer:
            x = _dropped(x, cells)
        begin = tuple(part[layer : layer + 1] for part in parts)
        if kernels.brains(first.mode, x, training=first.training):
            x, end_of_both = kernels.brain_lstm(x, (begin[0], begin[1]), weights)
            ends.append(end_of_both)
            continue
        if kernels.suits(first.mode, x, training=first.training):
            x, last = kernels.run(first.mode, x, begin[0][0], weights)
            ends.append((last.unsqueeze(0),))
            continue
        x, *end = function(x, begin if lstm else begin[0], weights, True, 1, 0.0, first.training, False, True)
        ends.append(tuple(end))
    joined = [torch.cat(part) for part in zip(*ends, strict=True)]
    return x, (joined[0], joined[1]) if lstm else joined[0]


def _dropped(x: Tensor, cells: Sequence[nn.RNNBase]) -> Tensor:
    """x (S, N, P·D) on its way from one layer to the next, with the dropout of each member."""
    if not cells[0].training:
        return x
    pieces = zip(x.chunk(len(cells), dim=-1), cells, strict=True)
    return torch.cat([nn.functional.dropout(piece, cell.dropout) for piece, cell in pieces], dim=-1)


def _weights(cells: Sequence[nn.RNNBase]) -> list[list[Tensor]]:
    """All members' weights in blocks, layer by layer."""
    layers = zip(*(cell.all_weights for cell in cells), strict=True)
    gates = GATES[cells[0].mode]
    return [[_blocks(list(members), gates) for members in zip(*layer, strict=True)] for layer in layers]


def _blocks(members: list[Tensor], gates: int) -> Tensor:
    """Weights (G·D, I) of each member as (G·P·D, P·I), gate by gate; biases (G·D,) as (G·P·D,)."""
    parts = [member.chunk(gates) for member in members]
    join = torch.block_diag if members[0].ndim == 2 else lambda *biases: torch.cat(biases)
    return torch.cat([join(*(part[g] for part in parts)) for g in range(gates)])


def _stacked(backbones: Sequence[nn.Module], pasts: Sequence[Tensor], futures: Sequence[Tensor]) -> list[Tensor]:
    """Modules of one kind under vmap, each with its own weights."""
    members = [dict(backbone.named_parameters()) for backbone in backbones]
    weights = {name: torch.stack([member[name] for member in members]) for name in members[0]}

    def added(parameters: dict[str, Tensor], past: Tensor, future: Tensor) -> Tensor:
        answer: Tensor = torch.func.functional_call(backbones[0], parameters, (past, future))
        return answer

    # The fused kernels of attention have no rule for vmap and would take the members one by one.
    with sdpa_kernel(SDPBackend.MATH):
        mapped = torch.vmap(added, randomness="different")
        return list(mapped(weights, torch.stack(list(pasts)), torch.stack(list(futures))).unbind())
