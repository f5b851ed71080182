"""Tokens of whole channels: what each of them sees, and how they are read out."""

from __future__ import annotations

import pytest
import torch

from tests.helpers.draw import SHAPE, context
from tsforge.model.tokens.point import TokenShape
from tsforge.model.tokens.variate import VariateTokens

L, H, C, P, K, *_ = SHAPE


@pytest.mark.parametrize("channel_embedding", [False, True])
def test_tokens_against_a_loop(channel_embedding: bool) -> None:
    """Steps and channels swapped, a covariate under another's vector, a mask that is left out."""
    torch.manual_seed(0)
    net, given = VariateTokens(channel_embedding=channel_embedding).build(SHAPE, 8), context(SHAPE)
    past, future = net.embed(given)
    assert net.shape == TokenShape(P + K + 1, C, 8)
    for b in range(4):
        for c in range(C):
            seen = given.observed[b, :, c].float()
            expected = net.target(torch.cat([given.target[b, :, c], seen]))
            expected = expected + net.channel[c] if channel_embedding else expected
            torch.testing.assert_close(future[b, c], expected)
        for p in range(P):
            torch.testing.assert_close(past[b, p], net.past(given.past[b, :, p]) + net.which[p])
        for k in range(K):
            torch.testing.assert_close(past[b, P + k], net.known(given.known[b, :, k]) + net.which[P + k])
        torch.testing.assert_close(past[b, P + K], net.static(given.static[b]) + net.which[P + K])


@pytest.mark.parametrize(
    ("sizes", "tokens"), [((0, 0, 0), 0), ((2, 0, 0), 2), ((0, 3, 0), 3), ((0, 0, 2), 1), ((2, 3, 2), 6)]
)
def test_there_are_tokens_for_what_there_is(sizes: tuple[int, int, int], tokens: int) -> None:
    """A token of nothing, or a covariate without one."""
    past, known, static = sizes
    shape = SHAPE._replace(past=past, known=known, static=static)
    net = VariateTokens().build(shape, 8)
    assert net.shape.past == tokens
    assert tuple(x.shape for x in net.embed(context(shape))) == ((4, tokens, 8), (4, C, 8))


def test_readout_against_a_loop() -> None:
    """Steps, channels and features in another order than the head takes them."""
    net = VariateTokens(features=3).build(SHAPE, 8)
    h = torch.randn(4, C, 8)
    actual = net.readout(h)
    for b in range(4):
        for c in range(C):
            torch.testing.assert_close(actual[b, :, c], net.out(h[b, c]).view(H, 3))


def test_dropout_acts_on_the_readout_in_training_only() -> None:
    """A dropout that is declared and forgotten, or that stays on when forecasting."""
    net, h = VariateTokens(dropout=0.5).build(SHAPE, 8), torch.randn(4, C, 8)
    assert not torch.equal(net.readout(h), net.readout(h))
    net.eval()
    assert torch.equal(net.readout(h), net.readout(h))
