"""Networks side by side: each says what it says alone, and learns what it learns alone."""

from __future__ import annotations

import pytest
import torch

from tests.helpers.draw import MATRIX, NEURAL, SHAPE, context, network, truth
from tsforge.model import stacked
from tsforge.model.backbones import kernels


@pytest.mark.parametrize("kind", NEURAL)
@pytest.mark.parametrize("layers", [1, 2])
def test_side_by_side_is_one_after_the_other(kind: str, layers: int) -> None:
    """Prevents: weights, gates, states or gradients of one member that reach another."""
    more = {"backbone__layers": layers} if kind not in MATRIX else {}
    members = [network(kind, seed=i, **more) for i in range(3)]
    contexts = [context(SHAPE, seed=10 + i) for i in range(3)]
    truths = [truth(SHAPE, seed=20 + i) for i in range(3)]
    for together in (False, True):
        forecasts = (
            stacked.forward(members, contexts) if together else [m(c) for m, c in zip(members, contexts, strict=True)]
        )
        losses = [s.loss(t) for s, t in zip(forecasts, truths, strict=True)]
        torch.stack(losses).sum().backward()
        grads = [[p.grad.clone() if p.grad is not None else None for p in m.parameters()] for m in members]
        for m in members:
            m.zero_grad()
        if not together:
            alone, own = forecasts, grads
    for a, b in zip(alone, forecasts, strict=True):
        torch.testing.assert_close(b.quantiles(), a.quantiles(), rtol=1e-4, atol=1e-5)
    for stacked_grads, own_grads in zip(grads, own, strict=True):
        for a, b in zip(stacked_grads, own_grads, strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_each_has_its_own_dropout(cell: str) -> None:
    """One without any says what it says alone, whatever the others drop."""
    rates = (0.0, 0.9)
    members = [network(cell, seed=1, backbone__layers=2, backbone__dropout=rate).train() for rate in rates]
    same = context(SHAPE)
    first, second = stacked.forward(members, [same, same])
    torch.testing.assert_close(first.point, members[0](same).point, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(first.point, second.point, atol=1e-3)


@pytest.mark.parametrize("decode", ["direct", "parallel", "sequence"])
def test_in_brain_floats_too(decode: str) -> None:
    """Members whose cells are in single precision beside others, or mixed by the rounding of the zeros between them."""
    settings = {"backbone__layers": 2, "backbone__decode": decode}
    members = [network("lstm", seed=i, **settings).train() for i in range(3)]
    contexts = [context(SHAPE, seed=10 + i) for i in range(3)]
    single = [member(given).point for member, given in zip(members, contexts, strict=True)]
    with kernels.brain_cells(True):
        alone = [member(given).point for member, given in zip(members, contexts, strict=True)]
        together = [forecast.point for forecast in stacked.forward(members, contexts)]
    for a, b, c in zip(alone, together, single, strict=True):
        assert not torch.equal(a, c)
        torch.testing.assert_close(b, a, rtol=0.0, atol=0.02 * float(c.detach().std()))
