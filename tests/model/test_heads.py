"""Heads: what they make of features, a base and a window's units."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from tsforge.errors import ConfigError
from tsforge.forecast import Point, Quantiles, Scaling
from tsforge.model.heads import LEVELS, PointHead, QuantileHead
from tsforge.settings import build

B, H, C, E = 3, 4, 2, 5


def inputs() -> tuple[torch.Tensor, torch.Tensor, Scaling]:
    g = torch.Generator().manual_seed(0)
    features = torch.randn(B, H, C, E, generator=g)
    base = torch.randn(B, H, C, generator=g)
    loc, scale = torch.randn(B, 1, C, generator=g), 1 + torch.rand(B, 1, C, generator=g)
    return features, base, Scaling(loc, scale)


@pytest.mark.parametrize("levels", [LEVELS, (0.5,), (0.1, 0.9), (0.6, 0.7, 0.99)])
def test_quantiles_lie_around_base_and_centre(levels: tuple[float, ...]) -> None:
    """A base added to one level only, or levels that begin at the wrong one."""
    head = QuantileHead(levels=levels).build(E)
    features, base, scaling = inputs()
    forecast = head(features, base, scaling)
    assert isinstance(forecast, Quantiles)
    m = int(np.argmin(np.abs(np.array(levels) - 0.5)))
    raw = features @ head.out.weight.T + head.out.bias
    torch.testing.assert_close(forecast.normalised[..., m], base + raw[..., m])
    for q in range(1, len(levels)):
        softplus = torch.log1p(torch.exp(raw[..., q if q > m else q - 1]))
        gap = forecast.normalised[..., q] - forecast.normalised[..., q - 1]
        torch.testing.assert_close(gap, softplus, rtol=1e-3, atol=1e-5)


def test_a_quantile_head_begins_with_the_median_on_the_base() -> None:
    """A start that is biased, or intervals far wider or narrower than a normal's."""
    head = QuantileHead().build(E)
    torch.nn.init.zeros_(head.out.weight)
    features, base, scaling = inputs()
    forecast = head(features, base, scaling)
    torch.testing.assert_close(forecast.point, scaling.restore(base))
    gaps = (forecast.normalised - base.unsqueeze(-1)).diff(dim=-1)
    assert ((gaps > 0.2) & (gaps < 0.35)).all()  # levels of a standard normal: 0.25 to 0.44 apart


@pytest.mark.parametrize("loss", ["mse", "mae", "huber", "scaled-mae"])
def test_a_point_is_linear_on_top_of_the_base(loss: str) -> None:
    """A point forecast without its base, in normalised units, or trained on the other loss."""
    head = PointHead(loss=loss).build(E)
    features, base, scaling = inputs()
    forecast = head(features, base, scaling)
    assert isinstance(forecast, Point)
    assert forecast.kind == loss.removeprefix("scaled-")
    expected = scaling.restore(base + (features * head.out.weight[0]).sum(-1) + head.out.bias[0])
    torch.testing.assert_close(forecast.point, expected)


@pytest.mark.parametrize("levels", [(), (0.0, 0.5), (0.5, 1.0), (-0.1,), (float("nan"),)])
def test_impossible_levels_are_refused(levels: tuple[float, ...]) -> None:
    """A quantile at 0 or 1, whose loss has no minimum."""
    with pytest.raises(ValidationError, match=r"between 0 and 1|finite number"):
        QuantileHead(levels=levels)


def test_levels_are_sorted_and_single() -> None:
    """Levels in the user's order, which the ascending quantiles would contradict."""
    assert QuantileHead(levels=(0.9, 0.1, 0.5, 0.1)).levels == (0.1, 0.5, 0.9)


def test_a_loss_says_which_head_it_is_of() -> None:
    """--set model.head.loss=mae refused, as it was taken for a loss of quantiles."""
    for loss in ("mse", "mae", "huber", "scaled-mae"):
        assert build({"model.head.loss": loss}).model.head == PointHead(loss=loss)
    for loss in ("pinball", "scaled-pinball"):
        assert build({"model.head.loss": loss}).model.head == QuantileHead(loss=loss)
    with pytest.raises(ConfigError, match="pinball"):
        build({"model.head.loss": "absolute"})


@pytest.mark.parametrize("spread", [0.1, 0.25, 0.5])
def test_a_lower_centre_has_the_least_percentage_error(spread: float) -> None:
    """A point forecast other than the quantile that was asked for; and the level that the docstring names."""
    normal = torch.distributions.Normal(0.0, 1.0)
    level = float(normal.cdf(torch.tensor(-spread)))
    levels = tuple(np.linspace(0.02, 0.98, 49))
    quantiles = (3 + spread * normal.icdf(torch.tensor(levels))).exp().view(1, 1, 1, -1)
    nothing = Scaling(torch.zeros(1, 1, 1), torch.ones(1, 1, 1))
    actual = float(Quantiles(quantiles, nothing, levels, centre=level).point)
    sample = np.exp(3 + spread * np.random.default_rng(0).normal(size=20_000))
    tried = np.exp(3 + np.linspace(-1, 1, 401))
    errors = [np.mean(np.abs(sample - f) / sample) for f in tried]
    assert actual == pytest.approx(tried[int(np.argmin(errors))], rel=0.02)


def test_the_centre_of_a_head_is_that_of_its_forecasts() -> None:
    """A setting that is read and not used."""
    features, base, scaling = inputs()
    net = QuantileHead(centre=0.3).build(E)
    forecast = net(features, base, scaling)
    torch.testing.assert_close(forecast.point, forecast.quantiles()[..., LEVELS.index(0.3)])
    with pytest.raises(ValidationError):
        QuantileHead(centre=1.0)
