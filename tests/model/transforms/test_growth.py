"""Logarithms around a network against slow numpy, with missing values and windows that have none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.helpers.draw import SCALINGS, SHAPE, context, scaler
from tsforge.forecast import Point, Quantiles, Scaling
from tsforge.model.transforms.growth import Growth
from tsforge.model.transforms.scaling import SLIGHT, WindowScaler
from tsforge.model.transforms.window import Window


def above(kind: str, missing: float) -> tuple[torch.Tensor, torch.Tensor, Window]:
    """Windows above 0 but for two, some of whose values are missing: targets, observed, and the windows as scaled."""
    given = context(SHAPE, batch=20, missing=missing)
    target = (given.target.abs() + 0.5) * given.observed
    target[3, :, 0], target[4, :, 1] = 0.0, -target[4, :, 1]
    return target, given.observed, scaler(kind)(Window.of(given._replace(target=target)))[0]


@pytest.mark.parametrize("missing", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("kind", SCALINGS)
def test_growth_against_slow_numpy(kind: str, missing: float) -> None:
    """Logarithms of another ratio, placeholders that count as changes, a window at or below 0 that is NaN."""
    target, observed, window = above(kind, missing)
    grown, r = Growth()(window)
    z, scaling = grown.context.target, window.scaling
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
@pytest.mark.parametrize("kind", SCALINGS)
def test_quantiles_of_growth_ascend_above_0(kind: str, missing: float) -> None:
    """Quantiles that cross on the way back, or a lower one below 0."""
    target, observed, window = above(kind, missing)
    grown, r = Growth()(window)
    z = grown.context.target
    three = torch.stack([z - 0.5, z, z + 0.1], dim=-1)
    quantiles = Growth().undo(Quantiles(three, window.scaling, (0.1, 0.5, 0.9)), r).quantiles()
    torch.testing.assert_close(quantiles[..., 1][observed], target[observed], rtol=1e-4, atol=1e-4)
    assert (quantiles.diff(dim=-1) > 0).all()
    assert (quantiles[(r > 0).expand_as(z)] > 0).all()


def test_a_wild_guess_is_finite() -> None:
    """Infinity in the first steps of a training, and NaN in every weight after it."""
    scaling = Scaling(torch.ones(1, 1, 1), torch.ones(1, 1, 1))
    z = torch.tensor([-1e6, 0.0, 1e6]).view(1, 3, 1)
    actual = Growth().undo(Point(z, scaling), torch.ones(1, 1, 1)).point.flatten()
    torch.testing.assert_close(actual, torch.tensor([-5.0, 0.0, 5.0]).exp())


def test_series_that_grow_alike_read_alike() -> None:
    """Two per cent a step at a level of 1 or of 10,000, which is what one network for both learns from."""
    target = torch.stack([1.02 ** torch.arange(12.0), 1e4 * 1.02 ** torch.arange(12.0)], dim=-1)[None]
    observed = torch.ones_like(target, dtype=torch.bool)
    net = WindowScaler(2, "change")
    net.fit(torch.zeros(2), torch.full((2,), 1e-6))
    given = context(SHAPE, batch=1)._replace(target=target, observed=observed)
    z = Growth()(net(Window.of(given))[0])[0].context.target
    torch.testing.assert_close(z[..., 0], z[..., 1], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(z.diff(dim=1).std(), torch.tensor(0.0), rtol=0, atol=1e-3)


@pytest.mark.parametrize(("level", "size", "grows"), [(1e9, 10.0, False), (1e6, 50.0, False), (400.0, 2.0, True)])
def test_a_counter_that_moves_by_next_to_nothing_does_not_grow(level: float, size: float, grows: bool) -> None:
    """Prevents: changes of a millionth in units of 0.003, in which a network's noise is thousands of them."""
    rng = np.random.default_rng(0)
    given = context(SHAPE, batch=6)
    moved = torch.from_numpy(level + size * rng.normal(size=given.target.shape))
    window = scaler("local")(Window.of(given._replace(target=moved)))[0]
    grown, r = Growth()(window)
    assert bool((r > 0).all() if grows else (r == 0).all())
    if not grows:
        torch.testing.assert_close(grown.context.target, window.context.target)
