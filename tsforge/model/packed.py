"""Several networks of one shape in one computation: their backbones side by side, each with its own weights.

Recurrent cells become one cell over all members' channels, whose matrices are zero between members: a step over P·D
channels instead of P steps over D. Others run under `torch.vmap` over stacked weights. Gradients reach each
member's weights and no other's; results differ from those of a member alone by rounding, as sums are taken in another
order, and by dropout, which draws for all at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from tsforge.batch import Context
from tsforge.forecast import Forecast
from tsforge.model.backbones.recurrent import EncoderDecoder
from tsforge.model.network import Network

GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1}
State = Tensor | tuple[Tensor, Tensor]


def forward(networks: Sequence[Network], contexts: Sequence[Context]) -> list[Forecast]:
    """What each network says of its own context. All have backbones of one shape."""
    seen = [network.embed(context) for network, context in zip(networks, contexts, strict=True)]
    backbones = [network.backbone for network in networks]
    pasts, futures = [s.past for s in seen], [s.future for s in seen]
    if isinstance(backbones[0], EncoderDecoder):
        answers = _recurrent(cast("list[EncoderDecoder]", backbones), pasts, futures)
    else:
        answers = _stacked(backbones, pasts, futures)
    return [network.answer(s, h) for network, s, h in zip(networks, seen, answers, strict=True)]


def _recurrent(backbones: Sequence[EncoderDecoder], pasts: Sequence[Tensor], futures: Sequence[Tensor]) -> list[Tensor]:
    """The same two stacks as in `EncoderDecoder.forward`, over the channels of all members."""
    encoders = [backbone.encoder for backbone in backbones]
    state = None
    if encoders[0] is not None:
        state = _run(cast("list[nn.RNNBase]", encoders), torch.cat(list(pasts), dim=-1), None)[1]
    decoders = [backbone.decoder for backbone in backbones]
    future = torch.cat(list(futures), dim=-1)
    decoded = backbones[0].decode(lambda x, s: _run(decoders, x, s)[0], future, state)
    return list(decoded.chunk(len(backbones), dim=-1))


def _run(cells: Sequence[nn.RNNBase], x: Tensor, state: State | None) -> tuple[Tensor, State]:
    """One stack over x (S, N, P·D), layer by layer: all members' weights in blocks, and the dropout of each."""
    first = cells[0]
    function: Any = {"LSTM": torch.lstm, "GRU": torch.gru, "RNN_TANH": torch.rnn_tanh}[first.mode]
    parts = state if isinstance(state, tuple) else (state,)
    ends: list[tuple[Tensor, ...]] = []
    for layer in range(first.num_layers):
        if layer and first.training:
            pieces = zip(x.chunk(len(cells), dim=-1), cells, strict=True)
            x = torch.cat([nn.functional.dropout(piece, cell.dropout) for piece, cell in pieces], dim=-1)
        begin = tuple(
            x.new_zeros(1, x.shape[0], len(cells) * first.hidden_size) if part is None else part[layer : layer + 1]
            for part in (parts if state is not None or first.mode != "LSTM" else (None, None))
        )
        weights = [
            _blocks(list(members), GATES[first.mode])
            for members in zip(*(c.all_weights[layer] for c in cells), strict=True)
        ]
        x, *end = function(
            x, begin if first.mode == "LSTM" else begin[0], weights, True, 1, 0.0, first.training, False, True
        )
        ends.append(tuple(end))
    joined = [torch.cat(part) for part in zip(*ends, strict=True)]
    return x, (joined[0], joined[1]) if first.mode == "LSTM" else joined[0]


def _blocks(members: list[Tensor], gates: int) -> Tensor:
    """Weights (G·D, D) of each member as (G·P·D, P·D), gate by gate; biases (G·D,) as (G·P·D,)."""
    parts = [member.chunk(gates) for member in members]
    join = torch.block_diag if members[0].ndim == 2 else lambda *found: torch.cat(found)
    return torch.cat([join(*(part[g] for part in parts)) for g in range(gates)])


def _stacked(backbones: Sequence[nn.Module], pasts: Sequence[Tensor], futures: Sequence[Tensor]) -> list[Tensor]:
    """Modules of one kind under vmap, each with its own weights."""
    names = [name for name, _ in backbones[0].named_parameters()]
    found = [dict(backbone.named_parameters()) for backbone in backbones]
    weights = {name: torch.stack([member[name] for member in found]) for name in names}

    def one(parameters: dict[str, Tensor], past: Tensor, future: Tensor) -> Tensor:
        said: Tensor = torch.func.functional_call(backbones[0], parameters, (past, future))
        return said

    # The fused kernels of attention have no rule for vmap and would take the members one by one.
    with sdpa_kernel(SDPBackend.MATH):
        mapped = torch.vmap(one, randomness="different")
        return list(mapped(weights, torch.stack(list(pasts)), torch.stack(list(futures))).unbind())
