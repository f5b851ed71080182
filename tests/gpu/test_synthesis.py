"""Synthetic series on a machine with CUDA: `make test-gpu`. Elsewhere the tests are skipped, with the reason."""

from __future__ import annotations

import pytest
import torch

from tsforge.synthesis import Mixture, draw
from tsforge.synthesis.kinds import KINDS

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is available on this machine"),
]


@pytest.mark.parametrize("mixture", [Mixture(), *map(Mixture.only, KINDS)], ids=["mixture", *KINDS])
def test_batches_are_drawn_on_the_device(mixture: Mixture) -> None:
    """Prevents: a kind that mixes tensors of two devices, or is other numbers the second time."""
    first, again = (draw(mixture, 500, 400, 1, 2, "cuda") for _ in range(2))
    for a, b in zip(first, again, strict=True):
        assert a.device.type == "cuda"
        assert torch.equal(a, b)
    values, observed, _, _ = first
    assert torch.isfinite(values).all()
    highest = torch.where(observed, values, -torch.inf).max(1).values
    lowest = torch.where(observed, values, torch.inf).min(1).values
    assert (highest > lowest).all()
    on_cpu = draw(mixture, 500, 400, 1, 2)
    sizes = [(v.abs() * o).sum(1).div(o.sum(1)).log().median().item() for v, o, _, _ in (first, on_cpu)]
    assert sizes[0] == pytest.approx(sizes[1], abs=3.5)  # other numbers of the same distribution
