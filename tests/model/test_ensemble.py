"""Ensembles: what members say is combined level by level, in data units, whatever units each of them works in."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.helpers.draw import context as draw_context
from tsforge.batch import Context, WindowShape
from tsforge.errors import ConfigError
from tsforge.forecast import Point, Quantiles, Scaling
from tsforge.model.ensemble import Blend, Ensemble, Member
from tsforge.model.zoo import complete
from tsforge.settings import build

SHAPE = WindowShape(24, 6, 2, 0, 2, 0, season=4, lags=(4,))
KINDS = ("gru", "nlinear", "seasonal-naive")  # mean and deviation; last value; a level of its own at each step


def member(kind: str, weight: float = 1.0, **settings: object) -> Member:
    return Member.model_validate({"model": {"kind": kind, **settings}, "weight": weight})


def blend(*weights: float) -> Blend:
    return Blend(members=tuple(member(kind, weight) for kind, weight in zip(KINDS, weights, strict=True)))


def trained_looking(network: Ensemble) -> Ensemble:
    """Error quantiles for the baselines, which have none before they learn."""
    for name, buffer in network.named_buffers():
        if name.endswith("errors"):
            buffer.copy_(torch.linspace(-1, 1, buffer.shape[-1]).expand_as(buffer))
    return network.eval()


@pytest.mark.parametrize("weights", [None, (1.0, 1.0, 1.0), (5.0, 2.0, 1.0)])
def test_combined_level_by_level_as_a_loop_would(weights: tuple[float, ...] | None) -> None:
    """Prevents: quantiles of other members' units, or weights of the wrong member."""
    context = draw_context(SHAPE, batch=3)
    torch.manual_seed(0)
    network = trained_looking(blend(*(weights or (1, 1, 1))).build(SHAPE))
    if weights is None:
        network.weights = None
    with torch.no_grad():
        parts = [member(context).quantiles().numpy().astype(np.float64) for member in network.members]
        actual = network(context)
    expected = np.empty_like(parts[0])
    for place in np.ndindex(expected.shape):
        values = [part[place] for part in parts]
        if weights is None:
            expected[place] = sorted(values)[1]
        else:
            expected[place] = sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)
    np.testing.assert_allclose(actual.quantiles().numpy(), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(actual.point.numpy(), expected[..., actual.levels.index(0.5)], rtol=1e-5, atol=1e-5)
    assert (np.diff(actual.quantiles().numpy(), axis=-1) >= 0).all()


def test_an_even_number_is_halved_between_the_two_in_the_middle() -> None:
    network = Ensemble([_Says(Point(torch.full((1, 2, 1), float(v)), _units())) for v in (1, 2, 4, 100)])
    assert network(draw_context(SHAPE, batch=1)).point.flatten().tolist() == [3.0, 3.0]


def test_a_large_level_does_not_swallow_small_deviations() -> None:
    """Prevents: combining in data units, where float32 has no digits left at a level of ten millions."""
    level, gap = 3e7, torch.tensor([0.1, 0.2, 0.4])
    values = [Quantiles(torch.full((1, 1, 1, 1), float(g)), _units(level), (0.5,)) for g in gap]
    actual = Ensemble([_Says(v) for v in values], (0.2, 0.3, 0.5))(draw_context(SHAPE, batch=1))
    assert actual.normalised.item() == pytest.approx(0.2 * 0.1 + 0.3 * 0.2 + 0.5 * 0.4, rel=1e-5)


def test_the_loss_reaches_every_member() -> None:
    context = draw_context(SHAPE, batch=2)
    network = build({"model.kind": "gru", "model.width": 8, "ensemble": 3}).network(SHAPE)
    network(context).normalised.square().mean().backward()
    for member in network.members:
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in member.parameters())


def test_weights_sum_to_one_and_members_share_their_levels() -> None:
    assert sum(blend(1, 2, 7).weights) == pytest.approx(1.0)
    assert blend(1, 2, 7).weights[2] == pytest.approx(0.7)
    with pytest.raises(ValueError, match="same levels"):
        Blend(members=(member("gru"), member("gru", head={"type": "point"})))


@pytest.mark.parametrize("kind", ["linear", "naive", "auto"])
def test_an_ensemble_of_what_has_no_seed_is_refused(kind: str) -> None:
    with pytest.raises(ConfigError, match="ensemble = 3 is for networks"):
        build({"model.kind": kind, "ensemble": 3})


def test_a_blend_is_a_toml_file(tmp_path: object) -> None:
    """Prevents: members that are lost or changed on the way to disk."""
    members = [{"model": "gru", "weight": 2}, {"model": {"kind": "naive"}}]
    first = build({"model": {"kind": "blend", "members": members}})
    path = tmp_path / "e.toml"  # type: ignore[operator]
    path.write_text(first.toml())
    assert build({}, path) == first
    assert first.model.members[0].model == build({"model.kind": "gru"}).model  # type: ignore[union-attr]
    assert first.flat()["model.members.0.model.kind"] == "gru"
    assert complete({"kind": "blend", "members": []}) == {"kind": "blend", "members": []}


class _Says(torch.nn.Module):
    def __init__(self, value: Point | Quantiles) -> None:
        super().__init__()
        self.value = value

    def forward(self, _context: Context) -> Point | Quantiles:
        return self.value


def _units(level: float = 0.0) -> Scaling:
    return Scaling(torch.full((1, 1, 1), level), torch.ones(1, 1, 1))
