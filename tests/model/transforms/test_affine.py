"""A learned size and shift: undone as done, and without a say in how large the loss is."""

from __future__ import annotations

import pytest
import torch

from tests.helpers.draw import SHAPE, context, network, scaler, truth
from tsforge.forecast import Point, Quantiles, Scaling
from tsforge.model.transforms.affine import Affine
from tsforge.model.transforms.window import Window

KINDS = ("none", "last", "standard", "change")


def affine() -> Affine:
    made = Affine(2)
    with torch.no_grad():
        made.size.copy_(torch.tensor([0.7, -1.2]))
        made.shift.copy_(torch.tensor([3.0, -0.4]))
    return made


@pytest.mark.parametrize("missing", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("kind", KINDS)
def test_size_and_shift_are_undone(kind: str, missing: float) -> None:
    """Channels mixed up, or undone in another order than done, with values missing: another level than the data's."""
    given, made = context(SHAPE, batch=20, missing=missing), affine()
    window, _ = scaler(kind)(Window.of(given))
    seen, scaling = made(window)[0].context.target, window.scaling
    for c in range(2):
        own = window.context.target[..., c]
        torch.testing.assert_close(seen[..., c], own * made.size[c].exp() + made.shift[c])
    for forecast in (Point(seen, scaling), Quantiles(seen.unsqueeze(-1).repeat(1, 1, 1, 3), scaling, (0.1, 0.5, 0.9))):
        torch.testing.assert_close(made.undo(forecast, None).point, given.target, rtol=1e-5, atol=1e-5)


def test_quantiles_stay_ascending_whatever_the_size() -> None:
    """A learned size below 0, which would turn the quantiles round."""
    made = Affine(2)
    ascending = torch.randn(4, 5, 2, 3, generator=torch.Generator().manual_seed(0)).sort(dim=-1).values
    nothing = Scaling(torch.zeros(1, 1, 2), torch.ones(1, 1, 2))
    for size in (-3.0, 0.0, 3.0):
        torch.nn.init.constant_(made.size, size)
        found = made.undo(Quantiles(ascending, nothing, (0.1, 0.5, 0.9)), None).quantiles()
        assert (found.diff(dim=-1) > 0).all()


def test_no_size_makes_the_loss_small() -> None:
    """A loss in units that the network can shrink: it would learn a size of 0 instead of the data."""
    after = truth(SHAPE, missing=0.0)
    losses = []
    for size in (0.0, -5.0):
        made = network("lstm", affine=True, head__type="point", base="none")
        for parameter in made.head.parameters():
            torch.nn.init.zeros_(parameter)
        torch.nn.init.constant_(made.affine.size, size)
        torch.nn.init.zeros_(made.affine.shift)
        losses.append(float(made(context(SHAPE)).loss(after).detach()))
    assert losses[0] == pytest.approx(losses[1])
