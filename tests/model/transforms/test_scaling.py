"""Window scaling against slow numpy, with missing values."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from tests.helpers.draw import CENTRE, SCALINGS, SHAPE, SPREAD, context, scaler
from tsforge.forecast import Scaling
from tsforge.model.transforms.scaling import FLOOR, SLIGHT, WindowScaler, last_observed


def slow(kind: str, column: np.ndarray, c: int) -> tuple[float, float]:
    """loc and scale of one window and channel from its values, NaN where not observed."""
    seen = column[~np.isnan(column)]
    if kind == "none" or not len(seen):
        return CENTRE[c], SPREAD[c]
    if kind == "last":
        return seen[-1], SPREAD[c]
    if kind == "change":
        steps = [abs(b - a) for a, b in pairwise(column) if not np.isnan(b - a)]
        change = np.mean(steps) if steps else 0.0
        return seen[-1], change + SLIGHT * np.abs(seen).mean() + FLOOR * SPREAD[c]
    return seen[-1] if kind == "local" else seen.mean(), np.sqrt(seen.var() + (FLOOR * SPREAD[c]) ** 2)


@pytest.mark.parametrize("kind", SCALINGS)
@pytest.mark.parametrize("missing", [0.0, 0.3, 0.9, 1.0])
def test_against_slow_numpy(kind: str, missing: float) -> None:
    """Missing values that count as 0, statistics over the wrong axis, no fallback for an empty window."""
    given = context(SHAPE, batch=20, missing=missing)
    loc, scale = scaler(kind).scaling(given.target, given.observed)
    assert loc.shape == scale.shape == (20, 1, 2)
    for b in range(20):
        for c in range(2):
            column = given.target[b, :, c].double().masked_fill(~given.observed[b, :, c], torch.nan).numpy()
            expected = slow(kind, column, c)
            assert (float(loc[b, 0, c]), float(scale[b, 0, c])) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", SCALINGS)
def test_round_trip(kind: str) -> None:
    """A forecast that comes back in other units than the data's."""
    given = context(SHAPE, batch=20, missing=0.5)
    scaling = scaler(kind).scaling(given.target, given.observed)
    torch.testing.assert_close(scaling.restore(scaling.normalise(given.target)), given.target)


def test_standard_windows_have_mean_0_and_deviation_1() -> None:
    """loc and scale that are swapped or applied the wrong way round."""
    given = context(SHAPE, batch=20, missing=0.3)
    net = WindowScaler(2, "standard")
    net.fit(torch.zeros(2), torch.full((2,), 1e-6))
    normalised = net.scaling(given.target, given.observed).normalise(given.target)
    for b in range(20):
        for c in range(2):
            seen = normalised[b, :, c][given.observed[b, :, c]].numpy()
            assert (seen.mean(), seen.std()) == pytest.approx((0, 1), abs=1e-5)


def test_a_small_deviation_on_a_large_level_survives() -> None:
    """Variance as the difference of two large float32 numbers: noise, 0, or the root of a negative."""
    target = 1e6 + torch.randn(8, 200, 2, generator=torch.Generator().manual_seed(0))
    loc, scale = WindowScaler(2, "standard").scaling(target, torch.ones_like(target, dtype=torch.bool))
    exact = target.double().numpy()
    np.testing.assert_allclose(scale[:, 0].numpy(), exact.std(axis=1), rtol=1e-3)
    np.testing.assert_allclose(loc[:, 0].numpy(), exact.mean(axis=1), rtol=1e-7)


@pytest.mark.parametrize("level", [0.0, 1.0, -1e6])
@pytest.mark.parametrize("kind", SCALINGS)
def test_constant_windows_are_finite(kind: str, level: float) -> None:
    """A division by the deviation of a constant, which is 0."""
    target = torch.full((3, 12, 2), level)
    scaling = scaler(kind).scaling(target, torch.ones_like(target, dtype=torch.bool))
    assert (scaling.scale > 0).all()
    normalised = scaling.normalise(target)
    assert normalised.isfinite().all()
    torch.testing.assert_close(scaling.restore(normalised), target)
    if kind == "standard":
        torch.testing.assert_close(normalised, torch.zeros_like(target))
        torch.testing.assert_close(scaling.scale[0, 0], FLOOR * torch.tensor(SPREAD))


def test_a_spread_of_0_is_not_used() -> None:
    """A training part that never changed, dividing every window by 0."""
    net = WindowScaler(2, "none")
    net.fit(torch.zeros(2), torch.tensor([0.0, 3.0]))
    assert net.scaling(torch.zeros(1, 4, 2), torch.ones(1, 4, 2, dtype=torch.bool)).scale.flatten().tolist() == [1, 3]


@pytest.mark.parametrize("kind", SCALINGS)
def test_what_was_not_observed_has_no_say(kind: str) -> None:
    """A placeholder taken for a value."""
    given = context(SHAPE, batch=20, missing=0.8)
    other = torch.where(given.observed, given.target, torch.full_like(given.target, 1e4))
    ours, theirs = (scaler(kind).scaling(target, given.observed) for target in (given.target, other))
    for a, b in zip(ours, theirs, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("kind", SCALINGS)
@pytest.mark.parametrize("missing", [0.0, 0.5, 0.95])
def test_weights_take_errors_to_shares_of_the_level(kind: str, missing: float) -> None:
    """Placeholders that lower the level, a sign that cancels, or windows at level 0 whose weight is infinite."""
    given, net = context(SHAPE, batch=20, missing=missing), scaler(kind)
    target = given.target.clone()
    target[:4] = 0.0
    target[4:8] *= 1e-6
    scaling = net.scaling(target, given.observed)
    actual = net.weight(target, given.observed, scaling)
    assert actual.shape == (20, 1, 2)
    assert (actual > 0).all()
    for b in range(20):
        for c in range(2):
            seen = np.abs(target[b, :, c][given.observed[b, :, c]].double().numpy())
            small = not len(seen) or seen.mean() < FLOOR * SPREAD[c]
            assert small or b >= 8
            expected = 1.0 if small else float(scaling.scale[b, 0, c]) / seen.mean()
            assert float(actual[b, 0, c]) == pytest.approx(expected, rel=1e-5)


def test_last_observed_against_a_loop() -> None:
    """The oldest observed value, or the newest whether observed or not."""
    given = context(SHAPE, batch=50, missing=0.8)
    actual = last_observed(given.target, given.observed)
    for b in range(50):
        for c in range(2):
            expected = 0.0
            for t in range(SHAPE.context):
                if given.observed[b, t, c]:
                    expected = float(given.target[b, t, c])
            assert float(actual[b, 0, c]) == expected


def test_scaling_is_affine_per_window_and_channel() -> None:
    """One window's units applied to another."""
    loc, scale = torch.tensor([[[1.0, 2.0]], [[3.0, 4.0]]]), torch.tensor([[[5.0, 6.0]], [[7.0, 8.0]]])
    x = torch.randn(2, 3, 2)
    restored = Scaling(loc, scale).restore(x)
    for b in range(2):
        for c in range(2):
            expected = loc[b, 0, c] + scale[b, 0, c] * x[b, :, c]
            torch.testing.assert_close(restored[b, :, c], expected)


@pytest.mark.parametrize(("kind", "row"), [("standard", 0), ("local", 0), ("change", 1)])
@pytest.mark.parametrize("level", [0.0, 7.0, -1e6])
def test_a_window_that_stands_still_is_measured_by_its_series(kind: str, row: int, level: float) -> None:
    """Thirty days of zeros that are divided by next to nothing; other windows that change with it."""
    g = torch.Generator().manual_seed(0)
    still, moving = torch.full((30, 2), level), level + 5 * torch.randn(30, 2, generator=g)
    blip = still.clone()
    blip[4] += 0.01
    target = torch.stack([still, blip, moving])
    usual = torch.tensor([[[3.0, 8.0], [2.0, 5.0]]]).expand(3, -1, -1)
    seen = torch.ones_like(target, dtype=torch.bool)
    plain, floored = (scaler(kind).scaling(target, seen, u).scale for u in (torch.zeros_like(usual), usual))
    if kind != "change" or level == 0:  # else a little of the level counts as change
        torch.testing.assert_close(floored[:2, 0], usual[:2, row] / 2)
    own = usual[:, row : row + 1]
    if kind == "change":  # that little is no more than the series usually changes by
        plain = plain - (SLIGHT * target.abs().mean(dim=1, keepdim=True) - own).clamp(min=0)
    torch.testing.assert_close(floored, torch.maximum(plain, own / 2), rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(floored[2], plain[2], rtol=1e-4, atol=1e-3)
