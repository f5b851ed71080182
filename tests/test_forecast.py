"""Forecasts: quantiles that never cross, losses against scikit-learn and slow loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import mean_absolute_error, mean_pinball_loss, mean_squared_error

from tsforge.batch import Truth
from tsforge.forecast import Forecast, Point, Quantiles, Scaling, ascending, masked_mean, middle

B, H, C = 4, 5, 2
LEVELS = (0.1, 0.35, 0.5, 0.8)


def draw(*size: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def scaling() -> Scaling:
    return Scaling(10 * draw(B, 1, C, seed=1), 0.5 + draw(B, 1, C, seed=2).abs())


def truth(missing: float = 0.3) -> Truth:
    observed = torch.rand(B, H, C, generator=torch.Generator().manual_seed(3)) >= missing
    return Truth(scaling().restore(draw(B, H, C, seed=4)) * observed, observed)


def quantiles(levels: tuple[float, ...] = LEVELS) -> Quantiles:
    return Quantiles(ascending(draw(B, H, C, len(levels)), levels).requires_grad_(), scaling(), levels)


def point(kind: str = "mse") -> Point:
    return Point(draw(B, H, C).requires_grad_(), scaling(), kind)


def weight() -> torch.Tensor:
    return 0.2 + draw(B, 1, C, seed=5).abs()


FORECASTS = (
    quantiles, point, lambda: point("mae"), lambda: point("huber"),
    lambda: replace(point("mae"), weight=weight()), lambda: replace(quantiles(), weight=weight()),
)  # fmt: skip
SORTED_LEVELS = st.lists(st.floats(0.001, 0.999), min_size=1, max_size=12, unique=True).map(
    lambda levels: tuple(sorted(levels))
)


@settings(deadline=None)
@given(data=st.data(), levels=SORTED_LEVELS)
def test_quantiles_never_cross(data: st.DataObject, levels: tuple[float, ...]) -> None:
    """An upper quantile below a lower one, at whatever a network says, in normalised and in data units."""
    raw = data.draw(arrays(np.float32, (3, len(levels)), elements=st.floats(-1e4, 1e4, width=32)))
    values = ascending(torch.from_numpy(raw)[:, None, None], levels)
    units = Scaling(torch.full((3, 1, 1), 1e5), torch.full((3, 1, 1), 0.3))
    assert (values.diff(dim=-1) >= 0).all()
    assert (Quantiles(values, units, levels).quantiles().diff(dim=-1) >= 0).all()
    m = min(range(len(levels)), key=lambda i: abs(levels[i] - 0.5))
    assert middle(levels) == m
    assert torch.equal(values[:, 0, 0, m], torch.from_numpy(raw)[:, m])


@given(levels=SORTED_LEVELS)
def test_neighbours_are_a_softplus_apart(levels: tuple[float, ...]) -> None:
    """A level that does not move its own distance: some quantiles could never be learned."""
    raw = draw(len(levels))
    values = ascending(raw, levels)
    m = middle(levels)
    expected = [float(torch.log1p(torch.exp(r))) for i, r in enumerate(raw) if i != m]
    assert values.diff().tolist() == pytest.approx(expected)


@given(levels=SORTED_LEVELS)
def test_a_feature_moves_its_quantile_and_all_beyond_it(levels: tuple[float, ...]) -> None:
    """Gradients that are not those of the function, at any level as the middle."""
    raw = draw(2, 3, len(levels)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: ascending(x, levels), raw)


def test_with_gradients_and_without_they_are_the_same() -> None:
    """A forecast that differs from what was trained by more than rounding."""
    raw = draw(4, 6, len(LEVELS)).float()
    torch.testing.assert_close(ascending(raw, LEVELS), ascending(raw.clone().requires_grad_(), LEVELS))


def test_slopes_of_the_loss_are_the_level_and_the_level_less_one() -> None:
    """Gradients of steps that nobody observed, or of the wrong side."""
    forecast, after = quantiles(), truth()
    (slopes,) = torch.autograd.grad(forecast.loss(after), forecast.normalised)
    above = scaling().normalise(after.target).unsqueeze(-1) > forecast.normalised
    level = torch.tensor(LEVELS, dtype=torch.float64)
    expected = torch.where(above, -level, 1 - level) * after.observed.unsqueeze(-1)
    torch.testing.assert_close(slopes, 2 * expected / len(LEVELS) / after.observed.sum())


@pytest.mark.parametrize("level", [0.05, 0.3, 0.5, 0.9])
def test_pinball_loss_against_scikit_learn(level: float) -> None:
    """The level's two slopes swapped."""
    forecast = Quantiles(draw(B, H, C, 1).requires_grad_(), scaling(), (level,))
    after = truth(missing=0.0)
    y = scaling().normalise(after.target).flatten().numpy()
    expected = 2 * mean_pinball_loss(y, forecast.normalised.detach().flatten().numpy(), alpha=level)
    assert forecast.loss(after).item() == pytest.approx(expected)


def test_quantile_loss_is_the_mean_over_observed_steps_and_levels() -> None:
    """Missing truths counted as zeros, or windows weighted by how few truths they have."""
    forecast, after = quantiles(), truth()
    y, q = scaling().normalise(after.target), forecast.normalised.detach()
    losses = []
    for b, h, c in np.ndindex(B, H, C):
        if after.observed[b, h, c]:
            for i, level in enumerate(LEVELS):
                gap = float(y[b, h, c] - q[b, h, c, i])
                losses.append(2 * (level * gap if gap > 0 else (level - 1) * gap))
    assert forecast.loss(after).item() == pytest.approx(np.mean(losses))


@pytest.mark.parametrize(("kind", "metric"), [("mse", mean_squared_error), ("mae", mean_absolute_error)])
def test_point_loss_against_scikit_learn(kind: str, metric: object) -> None:
    """A loss in data units, in which the largest series decides alone; or the wrong one of the two."""
    forecast, after = point(kind), truth()
    seen = after.observed
    y = scaling().normalise(after.target)[seen].numpy()
    assert forecast.loss(after).item() == pytest.approx(metric(y, forecast.normalised.detach()[seen].numpy()))


def test_huber_against_its_two_pieces() -> None:
    """Pieces that do not meet at 1, or a slope beyond it that is not 1 (Huber 1964)."""
    forecast, after = point("huber"), truth()
    gaps = (forecast.normalised.detach() - scaling().normalise(after.target)).abs()[after.observed].tolist()
    assert min(gaps) < 1 < max(gaps)
    expected = np.mean([g * g / 2 if g <= 1 else g - 1 / 2 for g in gaps])
    assert forecast.loss(after).item() == pytest.approx(expected)


@pytest.mark.parametrize("make", [quantiles, point, lambda: point("mae"), lambda: point("huber")])
def test_weights_are_of_windows(make: object) -> None:
    """Weights of another window or channel, or a mean that divides by them."""
    forecast, after = make(), truth()
    total = 0.0
    for b, h, c in np.ndindex(B, H, C):
        if after.observed[b, h, c]:
            only = torch.zeros(B, H, C, dtype=torch.bool)
            only[b, h, c] = True
            total += forecast.loss(after._replace(observed=only)).item() * float(weight()[b, 0, c])
    actual = replace(forecast, weight=weight()).loss(after)
    assert actual.item() == pytest.approx(total / int(after.observed.sum()))


@pytest.mark.parametrize("make", FORECASTS)
def test_the_loss_ignores_what_was_not_observed(make: object) -> None:
    """Placeholders that a network is trained on."""
    after = truth()
    other = after._replace(target=torch.where(after.observed, after.target, 1e3 + draw(B, H, C, seed=9)))
    forecast = make()
    assert torch.equal(forecast.loss(after), forecast.loss(other))
    (gradient,) = torch.autograd.grad(forecast.loss(other), forecast.normalised)
    assert (gradient[~after.observed] == 0).all()
    assert (gradient[after.observed] != 0).any()


@pytest.mark.parametrize("make", FORECASTS)
def test_a_batch_without_truths_teaches_nothing(make: object) -> None:
    """0 / 0: one batch in a gap of the data that turns all weights into NaN."""
    forecast = make()
    loss = forecast.loss(truth(missing=2.0))
    assert loss.item() == 0
    (gradient,) = torch.autograd.grad(loss, forecast.normalised)
    assert (gradient == 0).all()


def test_masked_mean_of_values_that_are_no_numbers() -> None:
    """NaN times 0 is NaN: a mask must choose, not multiply."""
    values = torch.tensor([1.0, float("nan"), 3.0, float("inf")])
    assert float(masked_mean(values, torch.tensor([True, False, True, False]))) == 2


@pytest.mark.parametrize("levels", [LEVELS, (0.5,), (0.1, 0.4, 0.6), (0.2, 0.9), (0.05, 0.3), (0.7, 0.95), (0.3,)])
def test_the_point_forecast_is_the_median(levels: tuple[float, ...]) -> None:
    """A point from the wrong column, or no interpolation where 0.5 is no level."""
    forecast = quantiles(levels)
    data = forecast.quantiles().detach()
    expected = np.array([np.interp(0.5, levels, q) for q in data.reshape(-1, len(levels)).numpy()])
    np.testing.assert_allclose(forecast.point.detach().numpy().ravel(), expected)
    if 0.5 in levels:
        torch.testing.assert_close(forecast.point.detach(), data[..., levels.index(0.5)])


def test_quantiles_in_data_units_against_a_loop() -> None:
    """Units that are broadcast over levels or channels instead of windows."""
    forecast, (loc, scale) = quantiles(), scaling()
    actual = forecast.quantiles().detach()
    for b, h, c, q in np.ndindex(*actual.shape):
        expected = loc[b, 0, c] + scale[b, 0, c] * forecast.normalised[b, h, c, q].detach()
        assert float(actual[b, h, c, q]) == pytest.approx(float(expected))


@pytest.mark.parametrize("kind", ["mse", "mae", "huber"])
def test_a_point_forecast_has_no_quantiles(kind: str) -> None:
    """A point forecast that passes for a distribution of one level."""
    forecast: Forecast = point(kind)
    assert forecast.levels == ()
    assert forecast.quantiles().shape == (B, H, C, 0)
    torch.testing.assert_close(forecast.point, scaling().restore(forecast.normalised))


@pytest.mark.parametrize("make", FORECASTS)
def test_the_loss_does_not_depend_on_units(make: object) -> None:
    """Large series that drown small ones: the loss is in normalised units."""
    forecast, after = make(), truth()
    loc, scale = scaling()
    other = replace(forecast, scaling=Scaling(1000 * loc + 5, 1000 * scale))
    moved = after._replace(target=1000 * after.target + 5)
    torch.testing.assert_close(other.loss(moved), forecast.loss(after))


@pytest.mark.parametrize("level", [0.1, 0.5, 0.75])
def test_the_loss_is_least_at_the_quantile(level: float) -> None:
    """A loss whose minimum is some other number than the quantile it is named for."""
    y = draw(1001, 1, 1)
    units = Scaling(torch.zeros(1001, 1, 1), torch.ones(1001, 1, 1))
    after = Truth(y, torch.ones_like(y, dtype=torch.bool))
    grid = np.linspace(-2, 2, 401)
    losses = [
        float(Quantiles(torch.full((1001, 1, 1, 1), v, dtype=y.dtype), units, (level,)).loss(after)) for v in grid
    ]
    assert grid[int(np.argmin(losses))] == pytest.approx(np.quantile(y.numpy(), level), abs=0.02)


def huber_location(y: np.ndarray) -> float:
    """Where the pulls, each at most 1, balance: by bisection."""
    low, high = y.min(), y.max()
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if np.clip(y - middle, -1, 1).sum() > 0 else (low, middle)
    return float(low)


@pytest.mark.parametrize(("kind", "claimed"), [("mse", np.mean), ("mae", np.median), ("huber", huber_location)])
@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_the_point_loss_is_least_where_it_is_said_to_be(kind: str, claimed: object, missing: float) -> None:
    """A "mean" that is a median, or the other way round: skewed truths tell them apart."""
    y = torch.exp(draw(1001, 1, 1))
    observed = torch.rand(1001, 1, 1, generator=torch.Generator().manual_seed(3)) >= missing
    units = Scaling(torch.zeros(1001, 1, 1), torch.ones(1001, 1, 1))
    grid = np.linspace(0.5, 2.5, 401)
    losses = [float(Point(torch.full_like(y, v), units, kind).loss(Truth(y, observed))) for v in grid]
    assert grid[int(np.argmin(losses))] == pytest.approx(claimed(y[observed].numpy()), abs=0.01)


@pytest.mark.parametrize("level", [0.1, 0.5])
def test_weighted_by_level_the_loss_is_least_at_the_weighted_quantile(level: float) -> None:
    """Windows of small series without a say: with weights of 1 / size the quantile is that of relative errors."""
    size = torch.exp(2 * draw(1001, 1, 1, seed=1))
    y = size * (2 + 0.3 * draw(1001, 1, 1))
    units, after = Scaling(torch.zeros_like(y), torch.ones_like(y)), Truth(y, torch.ones_like(y, dtype=torch.bool))
    grid = np.linspace(1, 3, 401)
    losses = [float(Quantiles((v * size).unsqueeze(-1), units, (level,), weight=1 / size).loss(after)) for v in grid]
    assert grid[int(np.argmin(losses))] == pytest.approx(np.quantile((y / size).numpy(), level), abs=0.01)
