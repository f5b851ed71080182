"""Forms of exponential smoothing: the recursion against the book's equations in a loop, its fit against a search."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from tsforge.model.baselines.smoothing import HIGH, LOW, Form, Series, fit, means, residuals

M = 4  # steps of a season
FORMS = [Form(e, t, s) for e in ("A", "M") for t in ("N", "A", "Ad") for s in ("N", "A", "M")]


def given(form: Form, seed: int = 0) -> dict[str, float]:
    """Parameters within their bounds, those that the form lacks being neutral."""
    draw = np.random.default_rng(seed).uniform(0.05, 0.95, 3)
    alpha = draw[0]
    return {
        "alpha": alpha,
        "beta": alpha * draw[1] if form.trend != "N" else 0.0,
        "phi": 0.9 if form.trend == "Ad" else 1.0,
        "gamma": (1 - alpha) * draw[2] if form.season != "N" else 0.0,
        "level": 20.0,
        "slope": 0.3 if form.trend != "N" else 0.0,
    }


def indices(form: Form) -> list[float]:
    return {"N": [], "A": [3.0, -2.0, -4.0, 3.0], "M": [1.2, 0.9, 0.7, 1.2]}[form.season]


def book(y: list[float], form: Form, p: dict[str, float], season: list[float]) -> list[float]:
    """One-step forecasts by Hyndman et al. (2008), each error in its own form. NaN: not observed."""
    level, slope, season = p["level"], p["slope"], list(season)
    out = []
    for t, value in enumerate(y):
        damped = p["phi"] * slope
        base = level + damped
        s = season[t % M] if season else 0.0
        mean = {"N": base, "A": base + s, "M": base * s}[form.season]
        out.append(mean)
        if form.error == "A":
            e = 0.0 if np.isnan(value) else value - mean
            over, own = (s, base) if form.season == "M" else (1.0, 1.0)
            level, slope = base + p["alpha"] * e / over, damped + p["beta"] * e / over
            s = s + p["gamma"] * e / own
        else:
            e = 0.0 if np.isnan(value) else (value - mean) / mean
            scale = base if form.season in ("N", "M") else mean
            level, slope = base + p["alpha"] * scale * e, damped + p["beta"] * scale * e
            s = s * (1 + p["gamma"] * e) if form.season == "M" else s + p["gamma"] * mean * e
        if season:
            season[t % M] = s
    return out


def drawn(form: Form, n: int, seed: int = 1) -> np.ndarray:
    """A series about what the form's parameters make of noise."""
    t, noise = np.arange(n), np.random.default_rng([n, seed]).normal(size=n)
    plain = 20 + 0.3 * t + 1.5 * noise + noise.cumsum() / 3
    s = np.resize(indices(form) or [0.0], n)
    return plain * s if form.season == "M" else plain + s


def series(values: np.ndarray, form: Form) -> Series:
    seen = ~np.isnan(values)
    season = torch.tensor(indices(form), dtype=torch.float64)[:, None]
    return Series(torch.from_numpy(np.where(seen, values, 0.0))[:, None], torch.from_numpy(seen)[:, None], season)


def parameters(p: dict[str, float]) -> Tensor:
    """(P, 1), β and γ as shares of what bounds them."""
    rows = (p["alpha"], p["beta"] / p["alpha"], p["phi"], p["gamma"] / (1 - p["alpha"]), p["level"], p["slope"])
    return torch.tensor(rows, dtype=torch.float64)[:, None]


@pytest.mark.parametrize("form", FORMS, ids="".join)
@pytest.mark.parametrize("hole", [False, True])
def test_one_step_forecasts_are_those_of_the_book(form: Form, *, hole: bool) -> None:
    """Prevents: a state of one form updated as that of another; a gap whose zeros are errors."""
    y = drawn(form, 30)
    if hole:
        y[[7, 8, 19, 28, 29]] = np.nan
    for seed in range(3):
        p = given(form, seed)
        actual = means(series(y, form), parameters(p)[:, None], form)[:, 0, 0]
        np.testing.assert_allclose(actual, book(y.tolist(), form, p, indices(form)), rtol=1e-9)


@pytest.mark.parametrize("form", FORMS, ids="".join)
def test_least_squares_are_the_greatest_likelihood(form: Form) -> None:
    """Prevents: a likelihood without the Jacobian of multiplicative errors, which would prefer large means."""
    y = drawn(form, 30)
    y[11] = np.nan
    p = given(form)
    mean = np.array(book(y.tolist(), form, p, indices(form)))
    seen = ~np.isnan(y)
    error = (y - mean)[seen] / (1.0 if form.error == "A" else mean[seen])
    n = seen.sum()
    lik = n * np.log((error**2).sum()) + (2 * np.log(mean[seen]).sum() if form.error == "M" else 0.0)
    squares = residuals(series(y, form), parameters(p)[:, None], form).square().sum()
    assert n * np.log(float(squares)) == pytest.approx(lik, rel=1e-9)


@pytest.mark.parametrize("form", FORMS, ids="".join)
def test_a_general_search_from_there_finds_nothing_better(form: Form) -> None:
    """Prevents: steps that end before the optimum, or at a bound that is none."""
    y = drawn(form, 60)
    start = parameters(given(form))
    free, low, high = list(form.free), np.array(LOW), np.array(HIGH)
    values = series(y, form)

    def cost(x: np.ndarray) -> float:
        p = start.clone()
        p[free, 0] = torch.from_numpy(np.clip(x, low[free], high[free]))
        return float(residuals(values, p[:, None], form).square().sum().nan_to_num(1e9, 1e9).clamp(max=1e9))

    found = fit(values, start, form, 40)
    there = found.parameters[free, 0].numpy()
    assert cost(there) == pytest.approx(float(found.squares))
    search = minimize(cost, there, method="Nelder-Mead", options={"maxiter": 3000, "maxfev": 3000})
    assert float(found.squares) <= 1.001 * search.fun
    assert float(found.squares) < cost(start[free, 0].numpy())
    inside = found.parameters[:4, 0].numpy()[[p for p in free if p < 4]]
    assert ((inside >= low[[p for p in free if p < 4]]) & (inside <= high[[p for p in free if p < 4]])).all()


def test_series_are_fitted_apart() -> None:
    """Prevents: a step, or its damping, taken from what stands beside."""
    form = Form("A", "Ad", "A")
    each = [drawn(form, 40, seed) * scale for seed, scale in ((1, 1.0), (2, 1.0), (3, 0.01))]
    many = Series(*(torch.cat(part, dim=1) for part in zip(*(series(y, form) for y in each), strict=True)))
    start = parameters(given(form))
    together = fit(many, start.expand(-1, 3), form, 8)
    for i, y in enumerate(each):
        alone = fit(series(y, form), start, form, 8)
        torch.testing.assert_close(together.parameters[:, i], alone.parameters[:, 0], rtol=1e-6, atol=1e-8)


def test_a_mean_below_zero_is_impossible_for_multiplicative_errors() -> None:
    """Prevents: a logarithm of a negative mean that makes parameters look good, or everything NaN."""
    form = Form("M", "A", "N")
    y = np.linspace(30.0, 2.0, 30)
    bad = parameters(given(form) | {"level": 3.0, "slope": -5.0})
    assert not torch.isfinite(residuals(series(y, form), bad[:, None], form)).all()
    best = fit(series(y, form), parameters(given(form) | {"slope": -1.0, "level": 31.0}), form, 20)
    assert np.isfinite(float(best.squares))
    assert float(best.squares) < 1
