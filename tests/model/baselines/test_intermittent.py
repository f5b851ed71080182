"""Croston and TSB: against the papers' equations in a loop, and against statsforecast with the same parameters."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.helpers.tables import walk
from tsforge import build, fit, predict
from tsforge.model.baselines.intermittent import ALPHA, CHANCES, SIZES, croston, forecast, smoothed, tsb

KINDS = ("rare", "often", "ends", "begins late", "large")


def series(kind: str, n: int = 150) -> np.ndarray:
    rng = np.random.default_rng([n, KINDS.index(kind)])
    chance = {"rare": 0.05, "often": 0.6}.get(kind, 0.25)
    y = (rng.random(n) < chance) * (1.0 + rng.poisson(3, n))
    if kind == "ends":
        y[2 * n // 3 :] = 0
    if kind == "begins late":
        y[: n // 2] = 0
    return y * (1e7 if kind == "large" else 1)


def rows(y: np.ndarray) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(y)[None], torch.ones(1, len(y), dtype=torch.bool)


def slow_croston(y: np.ndarray, alpha: float) -> float:
    """Croston (1972) with the correction of Syntetos & Boylan (2005), step by step."""
    size = interval = None
    since = 0
    for value in y:
        since += 1
        if value != 0:
            size = value if size is None else size + alpha * (value - size)
            interval = since if interval is None else interval + alpha * (since - interval)
            since = 0
    return 0.0 if size is None or interval is None else (1 - alpha / 2) * size / interval


def slow_tsb(y: np.ndarray, alpha: float, beta: float, start: tuple[float, float]) -> tuple[float, float]:
    """Teunter, Syntetos & Babai (2011): the forecast, and the squared errors of one step."""
    size, chance = start
    error = 0.0
    for value in y:
        error += (value - size * chance) ** 2
        chance = chance + beta * ((value != 0) - chance)
        size = size + alpha * (value - size) if value != 0 else size
    return size * chance, error


def best_tsb(y: np.ndarray) -> float:
    start = (y[y != 0].mean(), (y != 0).mean()) if (y != 0).any() else (0.0, 0.0)
    tried = [slow_tsb(y, alpha, beta, start) for alpha in SIZES for beta in CHANCES]
    return min(tried, key=lambda pair: pair[1])[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [20, 150])
def test_against_the_equations_in_a_loop(kind: str, n: int) -> None:
    """Prevents: an interval that is off by one step, a demand counted twice, a grid that keeps the worst."""
    y = series(kind, n)
    assert float(croston(*rows(y))) == pytest.approx(slow_croston(y, ALPHA), rel=1e-9)
    assert float(croston(*rows(y), alpha=0.3)) == pytest.approx(slow_croston(y, 0.3), rel=1e-9)
    assert float(tsb(*rows(y))) == pytest.approx(best_tsb(y), rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_against_statsforecast(kind: str) -> None:
    """Prevents: methods of our own under published names."""
    models = importlib.import_module("statsforecast.models")
    y = series(kind)
    ours = float(croston(*rows(y)))
    assert ours == pytest.approx(models.CrostonSBA().forecast(y, 3)["mean"][2], rel=1e-4)
    assert ours / 0.95 == pytest.approx(models.CrostonClassic().forecast(y, 3)["mean"][2], rel=1e-4)
    for alpha, beta in ((0.1, 0.02), (0.3, 0.1)):
        values, seen = rows(y)
        demand = values != 0
        first = values[demand][:1]
        size = smoothed(values, demand, first, (alpha,))[0, -1, 0]
        chance = smoothed(demand.double(), seen, demand[:, 0].double(), (beta,))[0, -1, 0]
        expected = models.TSB(alpha_d=alpha, alpha_p=beta).forecast(y, 3)["mean"][2]
        assert float(size * chance) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("method", ["croston", "tsb"])
def test_series_are_apart_and_what_is_missing_is_no_zero(method: str) -> None:
    """Prevents: padding or holes read as steps without demand, which halve the forecast."""
    drawn = [series(kind, n) for kind, n in (("often", 30), ("rare", 100), ("ends", 77))]
    target, observed = torch.full((3, 130, 1), 7.0), torch.zeros(3, 130, 1, dtype=torch.bool)
    for i, y in enumerate(drawn):
        steps = np.r_[np.arange(129 - len(y), 99), np.arange(100, 130)]  # one hole, in every series
        target[i, steps, 0], observed[i, steps, 0] = torch.from_numpy(y).float(), True
    slow = {"croston": lambda y: slow_croston(y, ALPHA), "tsb": best_tsb}[method]
    ahead = forecast(method, target, observed, 4)
    assert ahead.shape == (3, 4, 1)
    assert ahead[..., 0].tolist() == [[pytest.approx(slow(y), rel=1e-5)] * 4 for y in drawn]


@pytest.mark.parametrize("method", ["croston", "tsb"])
@pytest.mark.parametrize("y", [[0.0] * 9, [], [0.0] * 8 + [4.0], [5.0] * 9, [-2.0, 0.0] * 6])
def test_hardly_any_demand(method: str, y: list[float]) -> None:
    """Prevents: a division by nothing where nothing was ever sold, and returns that count as no demand."""
    target, observed = torch.zeros(1, 12, 1), torch.zeros(1, 12, 1, dtype=torch.bool)
    if y:
        target[0, -len(y) :, 0], observed[0, -len(y) :, 0] = torch.tensor(y), True
    slow = {"croston": lambda y: slow_croston(y, ALPHA), "tsb": best_tsb}[method]
    ahead = forecast(method, target, observed, 2)
    assert ahead.flatten().tolist() == [pytest.approx(slow(np.array(y)), rel=1e-5)] * 2


def test_tsb_sinks_where_demand_stopped_and_croston_does_not() -> None:
    """Prevents: one method under two names; that TSB sinks is what it was made for."""
    going, over = series("often"), np.r_[series("often"), np.zeros(60)]
    assert float(tsb(*rows(over))) < 0.2 * float(tsb(*rows(going)))
    assert float(croston(*rows(over))) == pytest.approx(float(croston(*rows(going))))


@pytest.mark.parametrize("kind", ["croston", "tsb"])
def test_quantiles_stay_above_zero_and_cover(kind: str) -> None:
    """Prevents: sales below 0, and intervals that do not hold what they say."""
    frame = walk((400,))
    frame["sold"] = series("often", 400)
    fitted = fit(build({"model.kind": kind, "data.horizon": 7, "data.target": "sold"}), frame)
    ahead = predict(fitted.model, frame)
    assert (ahead.quantiles >= 0).all()
    assert (np.diff(ahead.quantiles, axis=-1) >= 0).all()
    assert fitted.metrics[kind]["coverage_80"] >= 0.7
