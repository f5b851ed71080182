"""Window scaling against slow numpy, with missing values."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from tests.helpers.draw import SHAPE, context, network, truth
from tsforge.forecast import Point, Quantiles, Scaling
from tsforge.model.transforms.affine import Affine
from tsforge.model.transforms.cycle import Cycle
from tsforge.model.transforms.growth import Growth
from tsforge.model.transforms.scaling import FLOOR, SLIGHT, WindowScaler, last_observed

KINDS = ("none", "last", "standard", "change")
CENTRE, SPREAD = (3.0, -2.0), (2.0, 0.5)


def scaler(kind: str) -> WindowScaler:
    made = WindowScaler(2, kind)
    made.learn(torch.tensor(CENTRE), torch.tensor(SPREAD))
    return made


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
    return seen.mean(), np.sqrt(seen.var() + (FLOOR * SPREAD[c]) ** 2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("missing", [0.0, 0.3, 0.9, 1.0])
def test_against_slow_numpy(kind: str, missing: float) -> None:
    """Missing values that count as 0, statistics over the wrong axis, no fallback for an empty window."""
    given = context(SHAPE, batch=20, missing=missing)
    loc, scale = scaler(kind)(given.target, given.observed)
    assert loc.shape == scale.shape == (20, 1, 2)
    for b in range(20):
        for c in range(2):
            column = given.target[b, :, c].double().masked_fill(~given.observed[b, :, c], torch.nan).numpy()
            expected = slow(kind, column, c)
            assert (float(loc[b, 0, c]), float(scale[b, 0, c])) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_round_trip(kind: str) -> None:
    """A forecast that comes back in other units than the data's."""
    given = context(SHAPE, batch=20, missing=0.5)
    scaling = scaler(kind)(given.target, given.observed)
    torch.testing.assert_close(scaling.restore(scaling.normalise(given.target)), given.target)


def test_standard_windows_have_mean_0_and_deviation_1() -> None:
    """loc and scale that are swapped or applied the wrong way round."""
    given = context(SHAPE, batch=20, missing=0.3)
    made = WindowScaler(2, "standard")
    made.learn(torch.zeros(2), torch.full((2,), 1e-6))
    normalised = made(given.target, given.observed).normalise(given.target)
    for b in range(20):
        for c in range(2):
            seen = normalised[b, :, c][given.observed[b, :, c]].numpy()
            assert (seen.mean(), seen.std()) == pytest.approx((0, 1), abs=1e-5)


def test_a_small_deviation_on_a_large_level_survives() -> None:
    """Variance as the difference of two large float32 numbers: noise, 0, or the root of a negative."""
    target = 1e6 + torch.randn(8, 200, 2, generator=torch.Generator().manual_seed(0))
    loc, scale = WindowScaler(2, "standard")(target, torch.ones_like(target, dtype=torch.bool))
    exact = target.double().numpy()
    np.testing.assert_allclose(scale[:, 0].numpy(), exact.std(axis=1), rtol=1e-3)
    np.testing.assert_allclose(loc[:, 0].numpy(), exact.mean(axis=1), rtol=1e-7)


@pytest.mark.parametrize("level", [0.0, 1.0, -1e6])
@pytest.mark.parametrize("kind", KINDS)
def test_constant_windows_are_finite(kind: str, level: float) -> None:
    """A division by the deviation of a constant, which is 0."""
    target = torch.full((3, 12, 2), level)
    scaling = scaler(kind)(target, torch.ones_like(target, dtype=torch.bool))
    assert (scaling.scale > 0).all()
    normalised = scaling.normalise(target)
    assert normalised.isfinite().all()
    torch.testing.assert_close(scaling.restore(normalised), target)
    if kind == "standard":
        torch.testing.assert_close(normalised, torch.zeros_like(target))
        torch.testing.assert_close(scaling.scale[0, 0], FLOOR * torch.tensor(SPREAD))


def test_a_spread_of_0_is_not_used() -> None:
    """A training part that never changed, dividing every window by 0."""
    made = WindowScaler(2, "none")
    made.learn(torch.zeros(2), torch.tensor([0.0, 3.0]))
    assert made(torch.zeros(1, 4, 2), torch.ones(1, 4, 2, dtype=torch.bool)).scale.flatten().tolist() == [
        1,
        3,
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_not_observed_has_no_say(kind: str) -> None:
    """A placeholder taken for a value."""
    given = context(SHAPE, batch=20, missing=0.8)
    other = torch.where(given.observed, given.target, torch.full_like(given.target, 1e4))
    for a, b in zip(scaler(kind)(given.target, given.observed), scaler(kind)(other, given.observed), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("missing", [0.0, 0.5, 0.95])
def test_weights_take_errors_to_shares_of_the_level(kind: str, missing: float) -> None:
    """Placeholders that lower the level, a sign that cancels, or windows at level 0 whose weight is infinite."""
    given, made = context(SHAPE, batch=20, missing=missing), scaler(kind)
    target = given.target.clone()
    target[:4] = 0.0
    target[4:8] *= 1e-6
    scaling = made(target, given.observed)
    found = made.weight(target, given.observed, scaling)
    assert found.shape == (20, 1, 2)
    assert (found > 0).all()
    for b in range(20):
        for c in range(2):
            seen = np.abs(target[b, :, c][given.observed[b, :, c]].double().numpy())
            small = not len(seen) or seen.mean() < FLOOR * SPREAD[c]
            assert small or b >= 8
            expected = 1.0 if small else float(scaling.scale[b, 0, c]) / seen.mean()
            assert float(found[b, 0, c]) == pytest.approx(expected, rel=1e-5)


def test_last_observed_against_a_loop() -> None:
    """The oldest observed value, or the newest whether observed or not."""
    given = context(SHAPE, batch=50, missing=0.8)
    found = last_observed(given.target, given.observed)
    for b in range(50):
        for c in range(2):
            expected = 0.0
            for t in range(SHAPE.context):
                if given.observed[b, t, c]:
                    expected = float(given.target[b, t, c])
            assert float(found[b, 0, c]) == expected


def test_scaling_is_affine_per_window_and_channel() -> None:
    """One window's units applied to another."""
    loc, scale = torch.tensor([[[1.0, 2.0]], [[3.0, 4.0]]]), torch.tensor([[[5.0, 6.0]], [[7.0, 8.0]]])
    x = torch.randn(2, 3, 2)
    restored = Scaling(loc, scale).restore(x)
    for b in range(2):
        for c in range(2):
            expected = loc[b, 0, c] + scale[b, 0, c] * x[b, :, c]
            torch.testing.assert_close(restored[b, :, c], expected)


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
    scaling = scaler(kind)(given.target, given.observed)
    seen = made(scaling.normalise(given.target))
    for c in range(2):
        own = scaling.normalise(given.target)[..., c]
        torch.testing.assert_close(seen[..., c], own * made.size[c].exp() + made.shift[c])
    for forecast in (Point(seen, scaling), Quantiles(seen.unsqueeze(-1).repeat(1, 1, 1, 3), scaling, (0.1, 0.5, 0.9))):
        torch.testing.assert_close(made.undo(forecast).point, given.target, rtol=1e-5, atol=1e-5)


def test_quantiles_stay_ascending_whatever_the_size() -> None:
    """A learned size below 0, which would turn the quantiles round."""
    made = Affine(2)
    ascending = torch.randn(4, 5, 2, 3, generator=torch.Generator().manual_seed(0)).sort(dim=-1).values
    nothing = Scaling(torch.zeros(1, 1, 2), torch.ones(1, 1, 2))
    for size in (-3.0, 0.0, 3.0):
        torch.nn.init.constant_(made.size, size)
        found = made.undo(Quantiles(ascending, nothing, (0.1, 0.5, 0.9))).quantiles()
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


def cycle(length: int = 5) -> Cycle:
    made = Cycle(length, SHAPE)
    with torch.no_grad():
        made.table.copy_(torch.randn(length, 2, generator=torch.Generator().manual_seed(4)))
    return made


@pytest.mark.parametrize("length", [1, 5, 24])
def test_a_cycle_is_taken_and_put_back_by_phase(length: int) -> None:
    """A phase off by one, one that begins again at the origin, or one that is wrong before the first grid position."""
    made = cycle(length)
    ordinal = torch.tensor([0, 3, -7, 10**15 + 1])
    g = torch.Generator().manual_seed(5)
    x, ahead = torch.randn(4, SHAPE.context, 2, generator=g), torch.randn(4, SHAPE.horizon, 2, generator=g)
    nothing = Scaling(torch.zeros(1, 1, 2), torch.ones(1, 1, 2))
    less = made(x, ordinal)
    more = made.undo(Point(ahead, nothing), ordinal)
    spread = torch.tensor([-1.0, 0.0, 1.0])
    quantiles = made.undo(Quantiles(ahead.unsqueeze(-1) + spread, nothing, (0.1, 0.5, 0.9)), ordinal)
    for b, first in enumerate(ordinal.tolist()):
        for t in range(SHAPE.context):
            torch.testing.assert_close(less[b, t], x[b, t] - made.table[(first + t) % length])
        for h in range(SHAPE.horizon):
            expected = ahead[b, h] + made.table[(first + SHAPE.context + h) % length]
            torch.testing.assert_close(more.point[b, h], expected)
            torch.testing.assert_close(quantiles.quantiles()[b, h], expected[:, None] + spread)


def test_what_a_cycle_takes_it_puts_back() -> None:
    """Another phase behind the origin than before it: a context moved on by its length comes back as it was."""
    made, given = cycle(), context(SHAPE._replace(context=SHAPE.horizon), batch=20)
    short = Cycle(5, SHAPE._replace(context=SHAPE.horizon))
    short.load_state_dict(made.state_dict())
    scaling = scaler("standard")(given.target, given.observed)
    left = short(scaling.normalise(given.target), given.ordinal)
    back = short.undo(Point(left, scaling), given.ordinal - SHAPE.horizon)
    torch.testing.assert_close(back.point, given.target, rtol=1e-5, atol=1e-5)


def above(kind: str, missing: float) -> tuple[torch.Tensor, torch.Tensor, Scaling]:
    """Windows above 0 but for two, some of whose values are missing, and their scaling."""
    given = context(SHAPE, batch=20, missing=missing)
    target = (given.target.abs() + 0.5) * given.observed
    target[3, :, 0], target[4, :, 1] = 0.0, -target[4, :, 1]
    return target, given.observed, scaler(kind)(target, given.observed)


@pytest.mark.parametrize("missing", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("kind", KINDS)
def test_growth_against_slow_numpy(kind: str, missing: float) -> None:
    """Logarithms of another ratio, placeholders that count as changes, a window at or below 0 that is NaN."""
    target, observed, scaling = above(kind, missing)
    z, r = Growth()(scaling.normalise(target), observed, scaling)
    for b in range(20):
        for c in range(2):
            seen, loc = observed[b, :, c].numpy(), float(scaling.loc[b, 0, c])
            column = np.where(seen, target[b, :, c].double().numpy(), np.nan)
            if loc <= 0 or (column[seen] <= 0).any():
                assert float(r[b, 0, c]) == 0
                expected = scaling.normalise(target)[b, :, c].numpy()
            else:
                logs = np.log(column / loc)
                steps = [abs(v) for v in np.diff(logs) if not np.isnan(v)]
                rate = (np.mean(steps) if steps else 0.0) + SLIGHT
                assert float(r[b, 0, c]) == pytest.approx(rate, rel=1e-4)
                expected = logs / rate
            np.testing.assert_allclose(z[b, :, c].numpy()[seen], expected[seen], rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("missing", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("kind", KINDS)
def test_growth_is_undone(kind: str, missing: float) -> None:
    """A forecast that comes back at another level, or quantiles that cross on the way."""
    target, observed, scaling = above(kind, missing)
    z, r = Growth()(scaling.normalise(target), observed, scaling)
    back = Growth().undo(Point(z, scaling), r).point
    torch.testing.assert_close(back[observed], target[observed], rtol=1e-4, atol=1e-4)
    three = torch.stack([z - 0.5, z, z + 0.1], dim=-1)
    quantiles = Growth().undo(Quantiles(three, scaling, (0.1, 0.5, 0.9)), r).quantiles()
    torch.testing.assert_close(quantiles[..., 1][observed], target[observed], rtol=1e-4, atol=1e-4)
    assert (quantiles.diff(dim=-1) > 0).all()
    curved = (r > 0).expand_as(z)
    assert (quantiles[curved] > 0).all()


def test_a_wild_guess_is_finite() -> None:
    """Infinity in the first steps of a training, and NaN in every weight after it."""
    scaling = Scaling(torch.ones(1, 1, 1), torch.ones(1, 1, 1))
    z = torch.tensor([-1e6, 0.0, 1e6]).view(1, 3, 1)
    found = Growth().undo(Point(z, scaling), torch.ones(1, 1, 1)).point.flatten()
    torch.testing.assert_close(found, torch.tensor([-5.0, 0.0, 5.0]).exp())


def test_series_that_grow_alike_read_alike() -> None:
    """Two per cent a step at a level of 1 or of 10,000, which is what one network for both learns from."""
    target = torch.stack([1.02 ** torch.arange(12.0), 1e4 * 1.02 ** torch.arange(12.0)], dim=-1)[None]
    observed = torch.ones_like(target, dtype=torch.bool)
    made = WindowScaler(2, "change")
    made.learn(torch.zeros(2), torch.full((2,), 1e-6))
    scaling = made(target, observed)
    z, _ = Growth()(scaling.normalise(target), observed, scaling)
    torch.testing.assert_close(z[..., 0], z[..., 1], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(z.diff(dim=1).std(), torch.tensor(0.0), rtol=0, atol=1e-3)
