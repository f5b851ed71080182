"""Residual blocks over a sequence of tokens: something that mixes tokens, then a gated layer on each of them.

    x ← x + mix(norm(x))        mix: a GRU, a minimal GRU, or attention
    x ← x + W (silu(U norm(x)) · V norm(x))        (SwiGLU; Shazeer 2020)        norm: Zhang & Sennrich 2019, "RMSNorm"

The gated layer is as wide as makes blocks of every kind equally large, 12 D² weights. Past tokens may be padded on the
left; padding changes nothing: recurrent nets read the sequences from their first token on, attention does not look at
it. Axes: S sequences, N past and M future tokens, D width, A heads.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tsforge.model.backbones.minimal import scan
from tsforge.model.backbones.recurrent import unroll
from tsforge.model.shortcut import throughout

Mixer = Literal["gru", "min-gru", "transformer"]
SIZE = 12  # weights of a block, in D²
HEAD = 32  # width of a head of attention
LONGEST = 4.16  # the logarithm of 64


class Gru(nn.Module):
    """A gated recurrent unit over the tokens."""

    size = 6  # weights, in D²

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cell = nn.GRU(width, width, batch_first=True)

    def forward(self, x: Tensor, _seen: Tensor) -> Tensor:
        return unroll(self.cell, x)[0]


class MinimalGru(nn.Module):
    """h_t = (1 - z_t) h_{t-1} + z_t v_t, of which z and v depend on the token alone, then a layer; by one scan.

    (Feng et al. 2024, "Were RNNs All We Needed?") Biases let memories begin at lengths from 1 to 64 tokens.
    """

    size = 3

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        with torch.no_grad():
            self.project.bias[:width] = torch.tensor([-LONGEST * i / (width - 1) for i in range(width)])

    def forward(self, x: Tensor, _seen: Tensor) -> Tensor:
        gate, value = self.project(x).chunk(2, dim=-1)
        a, b = torch.sigmoid(-gate), torch.sigmoid(gate) * value
        answer: Tensor = self.out(scan(a, b, x.new_zeros(x.shape[0], 1, x.shape[-1])))
        return answer


class Attention(nn.Module):
    """Attention of every token to those that it may look at."""

    size = 4

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = max(1, width // HEAD)
        self.project = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.project(x).chunk(3, dim=-1))
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        answer: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return answer


MIXERS: dict[Mixer, type[Gru | MinimalGru | Attention]] = {
    "gru": Gru, "min-gru": MinimalGru, "transformer": Attention
}  # fmt: skip


class Block(nn.Module):
    """One residual block."""

    def __init__(self, mixer: Mixer, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.RMSNorm(width), nn.RMSNorm(width)
        self.mix = MIXERS[mixer](width)
        hidden = (SIZE - MIXERS[mixer].size) * width // 3
        self.gates = nn.Linear(width, 2 * hidden, bias=False)
        self.out = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """x (S, T, D) -> (S, T, D)."""
        x = x + self.mix(self.first(x), seen)
        gate, value = self.gates(self.second(x)).chunk(2, dim=-1)
        answer: Tensor = x + self.out(F.silu(gate) * value)
        return answer


class ResidualStack(nn.Module):
    """Blocks over past tokens and then future ones; only the latter are answered, and no past token sees them."""

    def __init__(self, mixer: Mixer, layers: int, width: int) -> None:
        super().__init__()
        self.recurrent = mixer != "transformer"
        self.blocks = nn.ModuleList(Block(mixer, width) for _ in range(layers))
        self.norm = nn.RMSNorm(width)

    def forward(self, past: Tensor, future: Tensor, count: Tensor) -> Tensor:
        """past (S, N, D), of which the newest count (S,) are no padding; future (S, M, D) -> (S, M, D)."""
        N, M = past.shape[1], future.shape[1]
        x, pad = torch.cat([past, future], dim=1), N - count
        places = torch.arange(N + M, device=x.device)
        seen = visible(places, pad, N)
        if self.recurrent and not throughout(pad == 0):
            begun = (places + pad[:, None]).clamp(max=N + M - 1)
            x = x.gather(1, begun.unsqueeze(-1).expand_as(x))
        for block in self.blocks:
            x = block(x, seen)
        ahead = (count if self.recurrent else torch.full_like(count, N))[:, None] + torch.arange(M, device=x.device)
        answer: Tensor = self.norm(x.gather(1, ahead.unsqueeze(-1).expand(-1, -1, x.shape[-1])))
        return answer


def visible(places: Tensor, pad: Tensor, past: int) -> Tensor:
    """Which token each may look at, (S, 1, N+M, N+M): the past but for padding, itself, and queries before it."""
    key, query = places, places[:, None]
    before = (key <= query) | (key < past) & (query < past)
    mask: Tensor = (before & (key >= pad[:, None, None])) | (key == query)
    return mask.unsqueeze(1)
