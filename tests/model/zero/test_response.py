"""The effect of covariates in closed form, beside plain loops and other libraries."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import statsmodels.api as sm
import torch
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from tsforge.batch import Context, WindowShape
from tsforge.model.zero import response
from tsforge.model.zero.network import Zero, ZeroNetwork
from tsforge.model.zero.response import DRAWN, PENALTIES, Errors

Floats = NDArray[np.float64]


def sample(seed: int, weight: Floats, windows: int = 20, steps: int = 6, rho: float = 0.0) -> Errors:
    """Errors with an effect and noise that goes on from step to step; the columns differ in size."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(windows, steps, len(weight))) * np.arange(1, len(weight) + 1)
    noise = rng.normal(size=(windows, steps))
    for h in range(1, steps):
        noise[:, h] += rho * noise[:, h - 1]
    there = np.ones((windows, steps), dtype=np.bool_)
    return Errors(*map(torch.from_numpy, (x @ weight + noise, x, there)))


def by_loops(own: Errors, widths: tuple[int, ...]) -> Floats:
    """`response.ridge` of windows that are each left out by themselves, regression by regression of scikit-learn."""
    error, x = own.error.numpy(), own.inputs.numpy()
    square = (x**2).sum(axis=(0, 1))
    bounds = np.r_[0, np.cumsum(widths)]
    size = np.concatenate([np.full(b - a, square[a:b].mean()) for a, b in pairwise(bounds)])

    def fitted(rows: list[int], penalty: float) -> Floats:
        model = Ridge(alpha=penalty, fit_intercept=False, solver="cholesky")
        model.fit(x[rows].reshape(-1, len(size)) / np.sqrt(size), error[rows].reshape(-1))
        return np.asarray(model.coef_ / np.sqrt(size))

    everything = list(range(len(error)))
    best, chosen, least = None, 0.0, float((error**2).sum())
    for penalty in np.logspace(-3, 2, PENALTIES):
        left = [fitted([w for w in everything if w != out], penalty) for out in everything]
        squares = sum(float(((error[w] - x[w] @ b) ** 2).sum()) for w, b in enumerate(left))
        if squares < least:
            best, chosen, least = np.array(left), penalty, squares
    if best is None:
        return np.zeros(len(size))
    weight, n = fitted(everything, chosen), len(best)
    noise = np.array([sum((b - best[:, k].mean()) ** 2 for b in best[:, k]) * (n - 1) / n for k in range(len(size))])
    for a, b in pairwise(bounds):
        share = 1 - DRAWN * (square[a:b] * noise[a:b]).sum() / (square[a:b] * weight[a:b] ** 2).sum()
        weight[a:b] *= max(0.0, share)
    return weight


@pytest.mark.parametrize(("weight", "widths"), [((0.5,), (1,)), ((0.5, 0.0, -0.2), (1, 1, 1)), ((0.4, 0.2, 0.1), (1, 2)), ((0.0,), (1,))])  # fmt: skip  # noqa: E501
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_is_the_regression_of_another_library(weight: tuple[float, ...], widths: tuple[int, ...], seed: int) -> None:
    """Prevents: a penalty chosen by other windows than those left out, or a column drawn by another's noise."""
    own = sample(seed, np.array(weight))
    np.testing.assert_allclose(response.ridge(*response.sums(own), widths).numpy(), by_loops(own, widths), rtol=1e-8)


@pytest.mark.parametrize("rho", [0.0, 0.4, 1.0])
def test_errors_are_freed_from_what_was_before(rho: float) -> None:
    """Prevents: errors that go on along the horizon and count as many; compared with statsmodels."""
    own = sample(3, np.array([0.5]), windows=60, steps=20, rho=rho)
    found = response.correlation(own.error - own.inputs @ torch.tensor([0.5], dtype=torch.float64), own.there)
    assert float(found) == pytest.approx(rho, abs=0.06)
    white = response.whitened(own, torch.tensor(rho, dtype=torch.float64))
    for w in (0, 7):
        theirs = sm.GLSAR(own.error[w].numpy(), own.inputs[w].numpy(), rho=np.array([rho]))
        np.testing.assert_allclose(white.error[w, 1:].numpy(), theirs.whiten(own.error[w].numpy()), atol=1e-12)
        np.testing.assert_allclose(white.inputs[w, 1:].numpy(), theirs.whiten(own.inputs[w].numpy()), atol=1e-12)
    np.testing.assert_array_equal(white.error[:, 0], own.error[:, 0])


def test_steps_that_do_not_count_do_not() -> None:
    """Prevents: a missing value that is read as 0, or as what lies in memory."""
    own = sample(4, np.array([0.5, -0.3]))
    there = torch.from_numpy(np.random.default_rng(5).random(own.error.shape) < 0.7)
    spoiled = [torch.where(there, own.error, 1e6), torch.where(there[..., None], own.inputs, -1e5)]
    results = [response.solve(Errors(*parts, there), (1, 1)) for parts in (own[:2], spoiled)]
    torch.testing.assert_close(*results, rtol=0, atol=0)
    assert results[0].numpy() == pytest.approx([0.5, -0.3], abs=0.15)


def test_an_effect_is_found_and_noise_is_not() -> None:
    """Prevents: an effect that is half lost, or columns of noise that move forecasts as least squares would."""
    nothing, plain, effects = [], [], []
    for seed in range(40):
        own = sample(seed, np.zeros(3), rho=0.8)
        nothing.append((response.solve(own, (1, 1, 1)).numpy() ** 2 * [1, 4, 9]).sum())
        x, e = own.inputs.reshape(-1, 3).numpy(), own.error.reshape(-1).numpy()
        plain.append((np.linalg.lstsq(x, e, rcond=None)[0] ** 2 * [1, 4, 9]).sum())
        effects.append(response.solve(sample(seed, np.array([1.0, 0.0, 0.0]), rho=0.8), (1, 1, 1))[0])
    assert np.mean(nothing) < 0.1 * np.mean(plain)
    assert np.median(nothing) == 0
    assert np.mean(effects) == pytest.approx(1.0, abs=0.05)


def test_columns_that_say_the_same_share_an_effect() -> None:
    """Prevents: a matrix that cannot be solved, and effects of opposite signs that blow up ahead."""
    own = sample(6, np.array([0.8]))
    alone = response.solve(own, (1,))
    x = own.inputs[..., 0]
    several = response.solve(own._replace(inputs=torch.stack([x, x, torch.zeros_like(x)], dim=-1)), (1, 1, 1))
    assert float(several[:2].sum()) == pytest.approx(float(alone[0]), rel=0.03)
    assert float(several[0]) == pytest.approx(float(several[1]))
    assert float(several[2]) == 0


def context(shape: WindowShape, rows: int = 3) -> Context:
    rng = torch.Generator().manual_seed(1)
    L, H, C, P, K, F = shape[:6]
    target = 20 + torch.randn(rows, L, C, generator=rng, dtype=torch.float64)
    observed = torch.rand(rows, L, C, generator=rng) < 0.9
    known = torch.randn(rows, L + H, K, generator=rng)
    return Context(target * observed, observed, torch.zeros(rows, L, P), known, torch.zeros(rows, F), torch.zeros(rows))


def network(shape: WindowShape) -> ZeroNetwork:
    torch.manual_seed(2)
    own = Zero(width=32, layers=1).build(shape).eval()
    torch.nn.init.normal_(own.out.weight, std=0.05)
    return own


def test_the_effect_is_taken_out_of_the_past_and_added_ahead() -> None:
    """Prevents: an effect in the past that is read as the level, of other units, or of a calendar's columns."""
    shape = WindowShape(30, 5, 2, 0, 4, 0, season=7, covariates=3)
    own, given = network(shape), context(shape)
    assert own.response is not None
    weight, reference = torch.tensor([[0.1, 0.0, -0.2], [0.0, 0.3, 0.0]]), torch.tensor([0.0, 1.0, -0.5])
    own.response.weight.copy_(weight)
    own.response.reference.copy_(reference)
    effect = torch.zeros(3, 35, 2, dtype=torch.float64)
    for b in range(3):
        for c in range(2):
            seen = given.observed[b, :, c]
            unit = given.target[b, seen, c].abs().mean()
            for t in range(35):
                effect[b, t, c] = unit * sum(weight[c, k] * (given.known[b, t, k] - reference[k]) for k in range(3))
    rest = given._replace(target=(given.target - effect[:, :30]) * given.observed)
    with torch.inference_mode():
        mine, plain = own(given), own.alone(rest, 5)
        own.response.weight.zero_()
        nothing, before = own(given), own.alone(given, 5)
    torch.testing.assert_close(mine.point, plain.point + effect[:, 30:], rtol=1e-6, atol=1e-5)
    torch.testing.assert_close(mine.quantiles(), plain.quantiles() + effect[:, 30:, :, None], rtol=1e-6, atol=1e-5)
    assert torch.equal(nothing.quantiles(), before.quantiles())


def test_without_covariates_there_is_nothing_more() -> None:
    """Prevents: weights of the package, or models fitted before, that no longer fit."""
    shape = WindowShape(30, 5, 1, 2, 4, 0, season=7)
    own = network(shape)
    assert own.response is None
    assert not [name for name in own.state_dict() if "response" in name]
    with torch.inference_mode():
        assert torch.equal(own(context(shape)).quantiles(), own.alone(context(shape), 5).quantiles())
