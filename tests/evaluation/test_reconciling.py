"""Reconciliation: against the package hierarchicalforecast, and what must hold of any of it."""

from __future__ import annotations

import numpy as np
import pytest
from hierarchicalforecast.methods import BottomUp, MinTrace

from tsforge.data.hierarchy import Structure
from tsforge.data.schema import Reconcile
from tsforge.evaluation.quantiles import Floats
from tsforge.evaluation.reconciling import projection, shrunk

# Australia in small: 4 states of 2 to 4 regions, as tourism has it; sums first.
STATES = (2, 3, 4, 3)
M = sum(STATES)
STATE = np.repeat(np.arange(len(STATES)), STATES)
S = np.concatenate([np.ones((1, M)), (np.arange(len(STATES))[:, None] == STATE[None]).astype(float), np.eye(M)])
N = len(S)
PARTS = Structure(S, np.arange(N - M, N), ("total", *["state"] * len(STATES), *["state/region"] * M))


def errors(rows: int, seed: int = 0) -> Floats:
    """Of all series: of one state together, of different sizes, and of their own at each level."""
    random = np.random.default_rng(seed)
    bottom = (
        random.normal(size=(rows, M)) * np.linspace(1, 4, M) + 2 * random.normal(size=(rows, len(STATES)))[:, STATE]
    )
    made = bottom @ S.T + random.normal(size=(rows, N)) * np.sqrt(S.sum(axis=1))
    return made - made.mean(axis=0) + 1e-4  # the other package centres them, and refuses those that sum to 0


@pytest.mark.parametrize(("method", "other"), [
    ("bottom-up", BottomUp()), ("ols", MinTrace("ols")), ("wls", MinTrace("wls_var")),
    ("mint", MinTrace("mint_shrink")),
])  # fmt: skip
def test_it_is_as_another_package_has_it(method: Reconcile, other: BottomUp | MinTrace) -> None:
    """Prevents: an inverse of another matrix, variances where deviations belong, a shrinkage of another size."""
    random = np.random.default_rng(1)
    base, residuals = 50 * random.normal(size=(N, 6)), errors(40)
    truth = random.normal(size=(N, 40))
    known = {} if method in ("bottom-up", "ols") else {"y_insample": truth, "y_hat_insample": truth - residuals.T}
    expected = other.fit_predict(S=S, y_hat=base, **known)["mean"]
    found = S @ projection(PARTS, residuals, method) @ base
    np.testing.assert_allclose(found, expected, atol=1e-3 if method == "mint" else 1e-6)


@pytest.mark.parametrize("method", ["bottom-up", "ols", "wls", "mint"])
def test_what_adds_up_stays(method: Reconcile) -> None:
    """Prevents: forecasts that add up already, and are changed (S G S = S; unbiased forecasts stay unbiased)."""
    gain = projection(PARTS, errors(30), method)
    np.testing.assert_allclose(gain @ S, np.eye(M), atol=1e-9)
    assert gain.shape == (M, N)


def test_missing_errors_and_series_without_any() -> None:
    """Prevents: NaN for all where one error is missing; a series whose errors are 0 that all others must follow."""
    some = errors(60)
    some[3:20, 4], some[:, 6] = np.nan, 0.0
    for method in ("wls", "mint"):
        gain = projection(PARTS, some, method)
        assert np.isfinite(gain).all()
        np.testing.assert_allclose(gain @ S, np.eye(M), atol=1e-6)


def test_few_rows_are_shrunk_more() -> None:
    """Prevents: correlations of a handful of errors taken as known."""
    size = [
        float(np.square(shrunk(x / x.std(axis=0), c) - np.eye(N)).sum())
        for x, c in ((errors(60), None), (errors(60), 4.0))
    ]
    assert size[1] < size[0]
    assert np.linalg.eigvalsh(shrunk(errors(3), 2.0))[0] > 0


def test_covariance_lowers_the_error() -> None:
    """Prevents: G that is right in shape and no better than the base. MinT has the least trace."""
    known, new = errors(400, 1), errors(4000, 2)
    size = {m: float(np.square(new @ (S @ projection(PARTS, known, m)).T).mean()) for m in ("bottom-up", "ols", "mint")}
    assert size["mint"] < min(size["ols"], size["bottom-up"], float(np.square(new).mean()))
