"""Attention against explicit loops, blocks and stacks against torch's own layers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from tests.helpers.draw import noise
from tsforge.errors import ConfigError
from tsforge.model.backbones.transformer import Attention, Block, Transformer
from tsforge.model.tokens.point import TokenShape

SHAPE = TokenShape(past=5, future=4, width=6)


def tokens() -> tuple[Tensor, Tensor]:
    return noise(3, SHAPE.past, SHAPE.width), noise(3, SHAPE.future, SHAPE.width, seed=1)


def stir(module: nn.Module) -> nn.Module:
    """Double precision, and norms that do not begin as the identity."""
    torch.manual_seed(0)
    for parameter in module.double().parameters():
        nn.init.normal_(parameter, std=0.5)
    return module


def attention_loop(attention: Attention, x: Tensor, memory: Tensor, *, causal: bool) -> Tensor:
    """softmax(Q Kᵀ / √d) V, one query of one head of one sequence at a time."""
    D, heads = x.shape[-1], attention.heads
    d = D // heads
    Wq, bq = attention.query.weight, attention.query.bias
    Wk, Wv = attention.key_value.weight[:D], attention.key_value.weight[D:]
    mixed = torch.zeros_like(x)
    for s in range(x.shape[0]):
        for a in range(heads):
            own = slice(a * d, (a + 1) * d)
            for t in range(x.shape[1]):
                query = (Wq @ x[s, t] + bq)[own]
                seen = range(t + 1) if causal else range(memory.shape[1])
                weights = [math.exp(float(query @ (Wk @ memory[s, n])[own]) / math.sqrt(d)) for n in seen]
                for n, weight in zip(seen, weights, strict=True):
                    mixed[s, t, own] += weight / sum(weights) * (Wv @ memory[s, n])[own]
    return mixed @ attention.out.weight.T + attention.out.bias


@pytest.mark.parametrize("heads", [1, 2, 3])
@pytest.mark.parametrize("kind", ["self", "causal", "cross"])
def test_attention_is_the_equation(heads: int, kind: str) -> None:
    """A wrong scale, mixed-up heads, or a mask that is shifted by one."""
    attention = stir(Attention(SHAPE.width, heads))
    past, future = tokens()
    memory = past if kind == "cross" else future
    actual = attention(future, memory, causal=kind == "causal")
    with torch.no_grad():
        torch.testing.assert_close(actual.detach(), attention_loop(attention, future, memory, causal=kind == "causal"))


def copy_attention(ours: Attention, theirs: nn.MultiheadAttention) -> None:
    D = ours.out.in_features
    theirs.in_proj_weight.data = torch.cat([ours.query.weight, ours.key_value.weight]).detach().clone()
    theirs.in_proj_bias.data = torch.cat([ours.query.bias, torch.zeros(2 * D, dtype=torch.float64)]).detach().clone()
    theirs.out_proj.load_state_dict(ours.out.state_dict())


def reference(block: Block, config: Transformer) -> nn.Module:
    """torch's layer with the weights of a block."""
    layer = nn.TransformerDecoderLayer if block.recall is not None else nn.TransformerEncoderLayer
    theirs = layer(
        SHAPE.width, config.heads, config.expansion * SHAPE.width, dropout=0.0, activation="relu",
        batch_first=True, norm_first=config.norm == "pre", dtype=torch.float64,
    )  # fmt: skip
    copy_attention(block.attend, theirs.self_attn)
    if block.recall is not None:
        copy_attention(block.recall, theirs.multihead_attn)
    theirs.linear1.load_state_dict(block.feed[0].state_dict())
    theirs.linear2.load_state_dict(block.feed[2].state_dict())
    for i, norm in enumerate(block.norms):
        getattr(theirs, f"norm{i + 1}").load_state_dict(norm.state_dict())
    return theirs


def causal_mask(length: int) -> Tensor:
    return torch.triu(torch.ones(length, length, dtype=torch.bool), diagonal=1)


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("layers", [1, 2])
def test_encoder_decoder_against_torch(norm: str, layers: int) -> None:
    """Parts of a block in another order, a norm left out, a decoder that sees ahead or the raw past."""
    config = Transformer(layers=layers, heads=2, norm=norm)
    ours = stir(config.build(SHAPE))
    past, future = tokens()
    memory, h = past, future
    for block in ours.encoder:
        memory = reference(block, config)(memory)
    memory = ours.encoder_norm(memory) if norm == "pre" else memory
    for block in ours.decoder:
        h = reference(block, config)(h, memory, tgt_mask=causal_mask(SHAPE.future))
    h = ours.decoder_norm(h) if norm == "pre" else h
    torch.testing.assert_close(ours(past, future), h)


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("arrangement", ["encoder", "decoder"])
def test_one_stack_against_torch(norm: str, arrangement: str) -> None:
    """A stack that keeps the wrong tokens, or a mask over the future alone."""
    config = Transformer(arrangement=arrangement, layers=2, heads=3, norm=norm)
    ours = stir(config.build(SHAPE))
    past, future = tokens()
    h = torch.cat([past, future], dim=1)
    mask = causal_mask(h.shape[1]) if arrangement == "decoder" else None
    for block in ours.blocks:
        h = reference(block, config)(h, src_mask=mask)
    h = ours.norm(h) if norm == "pre" else h
    torch.testing.assert_close(ours(past, future), h[:, SHAPE.past :])


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("expansion", [1, 4])
def test_norm_and_expansion_are_what_was_asked_for(norm: str, expansion: int) -> None:
    """A final norm where post-norm needs none, or an inner width that ignores its setting."""
    built = Transformer(norm=norm, expansion=expansion, heads=1, arrangement="encoder").build(SHAPE)
    assert isinstance(built.norm, nn.LayerNorm) == (norm == "pre")
    assert built.blocks[0].feed[0].out_features == expansion * SHAPE.width


@pytest.mark.parametrize("arrangement", ["encoder-decoder", "encoder", "decoder"])
@pytest.mark.parametrize("m", range(SHAPE.future))
def test_who_sees_a_future_token(arrangement: str, m: int) -> None:
    """A mask that lets earlier outputs see later tokens, or hides a token from itself."""
    backbone = stir(Transformer(arrangement=arrangement, heads=2).build(SHAPE))
    past, future = tokens()
    before = backbone(past, future)
    future[:, m] += noise(SHAPE.width, seed=2)
    moved = (backbone(past, future) - before).abs().amax(dim=(0, 2)) > 1e-9
    first = 0 if arrangement == "encoder" else m
    assert moved.tolist() == [t >= first for t in range(SHAPE.future)]


@pytest.mark.parametrize("arrangement", ["encoder-decoder", "encoder", "decoder"])
@pytest.mark.parametrize("n", range(SHAPE.past))
def test_every_output_sees_all_of_the_past(arrangement: str, n: int) -> None:
    """A past token that is masked away."""
    backbone = stir(Transformer(arrangement=arrangement, heads=2).build(SHAPE))
    past, future = tokens()
    before = backbone(past, future)
    past[:, n] += noise(SHAPE.width, seed=2)
    assert ((backbone(past, future) - before).abs().amax(dim=2) > 1e-9).all()


@pytest.mark.parametrize("arrangement", ["encoder-decoder", "encoder", "decoder"])
def test_dropout_acts_in_training_only(arrangement: str) -> None:
    """Dropout that is forgotten, or that stays on when forecasting."""
    backbone = stir(Transformer(arrangement=arrangement, heads=2, dropout=0.5).build(SHAPE))
    assert not torch.equal(backbone(*tokens()), backbone(*tokens()))
    backbone.eval()
    torch.testing.assert_close(backbone(*tokens()), backbone(*tokens()), rtol=0, atol=0)


@pytest.mark.parametrize(("width", "heads"), [(6, 4), (7, 2), (3, 8)])
def test_the_width_it_suggests_works(width: int, heads: int) -> None:
    """Heads that do not divide the width, failing deep inside torch; or a hint that fails again."""
    with pytest.raises(ConfigError, match=f"{width} is not a multiple") as problem:
        Transformer(heads=heads).build(SHAPE._replace(width=width))
    suggested = int(next(word.rstrip(",") for word in problem.value.hint.split() if word.rstrip(",").isdigit()))
    assert suggested >= width
    Transformer(heads=heads).build(SHAPE._replace(width=suggested))
