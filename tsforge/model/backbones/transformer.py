"""Transformers in three arrangements over the same blocks.

    Attention(Q, K, V) = softmax(Q Kᵀ / √d) V, in several heads

    encoder-decoder  self-attention over the past; over the future causal self-attention, then cross-attention
                     to the past (Vaswani et al. 2017)
    encoder          one bidirectional stack over past and future together (as BERT)
    decoder          one causal stack over past and future together (as GPT)

Axes: S sequences, T tokens (N past, M future), D width, A attention heads, d = D / A.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from tsforge.config import Choice, Config, Range
from tsforge.errors import ConfigError
from tsforge.model.tokens.point import TokenShape


class Transformer(Config):
    """One of the arrangements; normalised after each residual sum ("post", as in 2017) or before each part ("pre")."""

    type: Literal["transformer"] = "transformer"
    arrangement: Literal["encoder-decoder", "encoder", "decoder"] = "encoder-decoder"  # of the stacks
    layers: Annotated[int, Field(ge=1, le=100), Range(1, 3)] = 2  # in each stack
    heads: Annotated[int, Field(ge=1, le=1024), Choice((1, 2, 4, 8))] = 4  # must divide the width
    expansion: Annotated[int, Field(ge=1, le=64), Range(1, 4)] = 2  # inner width of the feed-forward part, in widths
    dropout: Annotated[float, Field(ge=0, lt=1), Range(0.0, 0.3)] = 0.0  # of what each part adds
    norm: Annotated[Literal["pre", "post"], Choice(("pre", "post"))] = "post"  # where each part is normalised

    def build(self, shape: TokenShape) -> Stacks | OneStack:
        if shape.width % self.heads:
            raise ConfigError(
                f"model.width {shape.width} is not a multiple of model.backbone.heads {self.heads}",
                f"take a width of {-(-shape.width // self.heads) * self.heads}, or other heads",
            )
        if self.arrangement == "encoder-decoder" and not shape.past:
            raise ConfigError(
                "model.backbone.arrangement 'encoder-decoder' has no past to attend to: these tokens are all answered",
                "take the arrangement 'encoder'",
            )
        return Stacks(self, shape) if self.arrangement == "encoder-decoder" else OneStack(self, shape)


class Stacks(nn.Module):
    """The encoder–decoder."""

    def __init__(self, config: Transformer, shape: TokenShape) -> None:
        super().__init__()
        self.encoder = nn.ModuleList(Block(config, shape.width) for _ in range(config.layers))
        self.decoder = nn.ModuleList(Block(config, shape.width, cross=True) for _ in range(config.layers))
        self.encoder_norm = _last_norm(config, shape.width)
        self.decoder_norm = _last_norm(config, shape.width)

    def forward(self, past: Tensor, future: Tensor) -> Tensor:
        """past (S, N, D), future (S, M, D) -> (S, M, D).

        1. Encode the past with unmasked self-attention.
        2. Decode the future: masked self-attention, then attention to the encoded past.
        """
        for block in self.encoder:
            past = block(past, causal=False)
        past = self.encoder_norm(past)
        for block in self.decoder:
            future = block(future, causal=True, memory=past)
        decoded: Tensor = self.decoder_norm(future)
        return decoded


class OneStack(nn.Module):
    """One stack over past and future, bidirectional ("encoder") or causal ("decoder")."""

    def __init__(self, config: Transformer, shape: TokenShape) -> None:
        super().__init__()
        self.causal = config.arrangement == "decoder"
        self.blocks = nn.ModuleList(Block(config, shape.width) for _ in range(config.layers))
        self.norm = _last_norm(config, shape.width)

    def forward(self, past: Tensor, future: Tensor) -> Tensor:
        """past (S, N, D), future (S, M, D) -> (S, M, D): join, attend, keep the future."""
        h = torch.cat([past, future], dim=1)
        for block in self.blocks:
            h = block(h, causal=self.causal)
        decoded: Tensor = self.norm(h[:, past.shape[1] :])
        return decoded


class Block(nn.Module):
    """Self-attention, attention to a memory if `cross`, and a feed-forward part, each with a residual sum."""

    def __init__(self, config: Transformer, width: int, *, cross: bool = False) -> None:
        super().__init__()
        self.pre = config.norm == "pre"
        self.attend = Attention(width, config.heads)
        self.recall = Attention(width, config.heads) if cross else None
        self.feed = nn.Sequential(
            nn.Linear(width, config.expansion * width), nn.ReLU(), nn.Linear(config.expansion * width, width)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3 if cross else 2))
        self.drop = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, *, causal: bool, memory: Tensor | None = None) -> Tensor:
        """x (S, T, D), memory (S, N, D) -> (S, T, D)."""
        x = self._residual(0, x, lambda h: self.attend(h, h, causal=causal))
        recall = self.recall
        if recall is not None:
            assert memory is not None
            x = self._residual(1, x, lambda h: recall(h, memory, causal=False))
        return self._residual(-1, x, self.feed)

    def _residual(self, i: int, x: Tensor, part: Callable[[Tensor], Tensor]) -> Tensor:
        norm = self.norms[i]
        out: Tensor = x + self.drop(part(norm(x))) if self.pre else norm(x + self.drop(part(x)))
        return out


class Attention(nn.Module):
    """Multi-head scaled dot-product attention; the fused kernel does softmax(QKᵀ/√d)·V.

    No dropout on the weights: it would leave the fused kernel and double the time on a CPU.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        # Biases here would change nothing: softmax ignores one on keys, and one on values only shifts the output.
        self.key_value = nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, memory: Tensor, *, causal: bool) -> Tensor:
        """x (S, T, D) attends to memory (S, N, D) -> (S, T, D)."""
        q = self._heads(self.query(x))
        k, v = (self._heads(part) for part in self.key_value(memory).chunk(2, dim=-1))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out

    def weights(self, x: Tensor, memory: Tensor, *, causal: bool) -> Tensor:
        """softmax(QKᵀ/√d), which the fused kernel keeps to itself: (S, A, T, N), rows sum to 1.

        For looking at a trained network; `forward` does not call it. (Vaswani et al. 2017, equation 1)
        """
        q, k = self._heads(self.query(x)), self._heads(self.key_value(memory).chunk(2, dim=-1)[0])
        score = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
        if causal:
            later = torch.ones(score.shape[-2:], dtype=torch.bool, device=score.device).triu(diagonal=1)
            score = score.masked_fill(later, -torch.inf)
        weights: Tensor = score.softmax(dim=-1)
        return weights

    def _heads(self, x: Tensor) -> Tensor:
        """(S, T, D) -> (S, A, T, d)."""
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)


def _last_norm(config: Transformer, width: int) -> nn.Module:
    """Pre-norm blocks leave their sum unnormalised; the stack then ends with a norm of its own."""
    return nn.LayerNorm(width) if config.norm == "pre" else nn.Identity()
