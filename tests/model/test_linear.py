"""The linear backbone against its double sum."""

from __future__ import annotations

import torch

from tsforge.model.backbones.linear import Linear
from tsforge.model.tokens import TokenShape

SHAPE = TokenShape(past=5, future=3, width=2)


def test_one_weighted_sum_of_the_past_per_output() -> None:
    """Weights that mix features instead of steps, or a transposed matrix."""
    torch.manual_seed(0)
    backbone = Linear().build(SHAPE).double()
    W = torch.nn.init.normal_(backbone.mix.weight)
    b = torch.nn.init.normal_(backbone.mix.bias)
    past = torch.randn(4, SHAPE.past, SHAPE.width, dtype=torch.float64)
    expected = torch.zeros(4, SHAPE.future, SHAPE.width, dtype=torch.float64)
    for s in range(4):
        for m in range(SHAPE.future):
            for e in range(SHAPE.width):
                expected[s, m, e] = b[m] + sum(W[m, n] * past[s, n, e] for n in range(SHAPE.past))
    future = torch.randn(4, SHAPE.future, SHAPE.width, dtype=torch.float64)
    torch.testing.assert_close(backbone(past, future).detach(), expected.detach())
