"""The linear backbone against a loop."""

from __future__ import annotations

import torch

from tsforge.model.backbones.linear import Matrix
from tsforge.model.tokens.point import TokenShape


def test_each_future_token_is_a_weighted_sum_of_the_past() -> None:
    """A matrix over the dimensions of a token in place of its place in time."""
    torch.manual_seed(0)
    backbone = Matrix().build(TokenShape(past=5, future=4, width=3))
    past, future = torch.randn(2, 5, 3), torch.randn(2, 4, 3)
    actual = backbone(past, future)
    for s in range(2):
        for m in range(4):
            expected = sum(backbone.mix.weight[m, n] * past[s, n] for n in range(5)) + backbone.mix.bias[m]
            torch.testing.assert_close(actual[s, m], expected)


def test_without_a_past_it_adds_nothing() -> None:
    """A matrix without columns, which torch warns about, or parameters that nothing reaches."""
    backbone = Matrix().build(TokenShape(past=0, future=4, width=3))
    assert not list(backbone.parameters())
    assert torch.equal(backbone(torch.randn(2, 0, 3), torch.randn(2, 4, 3)), torch.zeros(2, 4, 3))
