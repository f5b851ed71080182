"""A learned size and shift: undone as done, and without a say in how large the loss is."""

from __future__ import annotations

import pytest
import torch

from tests.helpers.draw import SCALINGS, SHAPE, context, network, scaler, truth
from tsforge.forecast import Point, Quantiles, Scaling
from tsforge.model.transforms.affine import Affine
from tsforge.model.transforms.window import Window


def affine() -> Affine:
    net = Affine(2)
    with torch.no_grad():
        net.size.copy_(torch.tensor([0.7, -1.2]))
        net.shift.copy_(torch.tensor([3.0, -0.4]))
    return net


@pytest.mark.parametrize("missing", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("kind", SCALINGS)
def test_size_and_shift_are_undone(kind: str, missing: float) -> None:
    """Channels mixed up, or undone in another order than done, with values missing: another level than the data's."""
    given, net = context(SHAPE, batch=20, missing=missing), affine()
    window, _ = scaler(kind)(Window.of(given))
    seen, scaling = net(window)[0].context.target, window.scaling
    for c in range(2):
        own = window.context.target[..., c]
        torch.testing.assert_close(seen[..., c], own * net.size[c].exp() + net.shift[c])
    for forecast in (Point(seen, scaling), Quantiles(seen.unsqueeze(-1).repeat(1, 1, 1, 3), scaling, (0.1, 0.5, 0.9))):
        torch.testing.assert_close(net.undo(forecast, None).point, given.target, rtol=1e-5, atol=1e-5)


def test_quantiles_stay_ascending_whatever_the_size() -> None:
    """A learned size below 0, which would turn the quantiles round."""
    net = Affine(2)
    ascending = torch.randn(4, 5, 2, 3, generator=torch.Generator().manual_seed(0)).sort(dim=-1).values
    nothing = Scaling(torch.zeros(1, 1, 2), torch.ones(1, 1, 2))
    for size in (-3.0, 0.0, 3.0):
        torch.nn.init.constant_(net.size, size)
        actual = net.undo(Quantiles(ascending, nothing, (0.1, 0.5, 0.9)), None).quantiles()
        assert (actual.diff(dim=-1) > 0).all()


def test_no_size_makes_the_loss_small() -> None:
    """A loss in units that the network can shrink: it would learn a size of 0 instead of the data."""
    after = truth(SHAPE, missing=0.0)
    losses = []
    for size in (0.0, -5.0):
        net = network("lstm", affine=True, head__type="point", base="none")
        for parameter in net.head.parameters():
            torch.nn.init.zeros_(parameter)
        torch.nn.init.constant_(net.affine.size, size)
        torch.nn.init.zeros_(net.affine.shift)
        losses.append(float(net(context(SHAPE)).loss(after).detach()))
    assert losses[0] == pytest.approx(losses[1])
