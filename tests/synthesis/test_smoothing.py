"""Exponential smoothing against the textbook's equations, one series and one step at a time."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from tsforge.synthesis.randomness import Random
from tsforge.synthesis.smoothing import Form, Start, Weights, simulate, smoothing

STABLE = [
    *itertools.product("A", ("N", "A", "Ad"), "NA"),
    *itertools.product("M", ("N", "A", "Ad"), "NAM"),
    *itertools.product("M", ("M", "Md"), "NM"),
]


def textbook(form: tuple[str, str, str], e: np.ndarray, m: int, w: dict[str, float], start: tuple) -> list[float]:
    """Hyndman et al. 2008, tables 2.2 and 2.3, with r = y - mean divided by what its state is divided by."""
    error, trend, season = form
    level, slope, seasons = start[0], start[1], list(start[2])
    values = []
    for noise in e:
        s = seasons[-m] if season != "N" else None
        phi = w["phi"] if trend.endswith("d") else 1.0
        multiplied = level * slope**phi if trend[0] == "M" else level
        grown = {"N": level, "A": level + phi * slope, "M": multiplied}[trend[0]]
        mean = {"N": grown, "A": grown + (s or 0), "M": grown * (s or 1)}[season]
        r = noise if error == "A" else mean * noise
        of_level = r / s if season == "M" else r
        if trend[0] == "A":
            slope = phi * slope + w["beta"] * of_level
        elif trend[0] == "M":
            slope = slope**phi + w["beta"] * of_level / level
        if s is not None:
            seasons.append(s + w["gamma"] * (r / grown if season == "M" else r))
        level = grown + w["alpha"] * of_level
        values.append(mean + r)
    return values


@pytest.mark.parametrize("form", STABLE, ids=lambda form: "ETS({},{},{})".format(*form))
def test_every_stable_form_is_that_of_the_textbook(form: tuple[str, str, str]) -> None:
    """Prevents: a wrong recursion of one of the nineteen forms."""
    rng = np.random.default_rng(1)
    error, trend, season = form
    m, n = 4, 40
    e = rng.normal(size=n) * (0.05 if error == "M" else 1.0)
    w = {"alpha": 0.4, "beta": 0.15 * (trend != "N"), "gamma": 0.3 * (season != "N"), "phi": 0.9}
    level = 100.0
    slope = {"N": 0.0, "A": 0.8, "M": 1.02}[trend[0]]
    seasons = {"N": [0.0] * m, "A": [3.0, -5.0, 1.0, 1.0], "M": [1.2, 0.9, 0.8, 1.1]}[season]
    # The trend of the textbook's multiplicative forms is b, ours its logarithm; their slope changes by β of b^φ.
    expected = textbook(form, e, m, w, (level, slope, seasons))
    flag = {True: torch.tensor([True]), False: torch.tensor([False])}
    one = lambda x: torch.tensor([x], dtype=torch.float64)  # noqa: E731
    damping = w["phi"] if trend.endswith("d") else 1.0
    values = simulate(
        Form(flag[error == "M"], flag[trend[0] == "M"], flag[season == "M"]),
        Weights(one(w["alpha"]), one(w["beta"]), one(w["gamma"]), one(damping)),
        Start(one(level), one(math.log(slope) if trend[0] == "M" else slope), torch.tensor(seasons).double()[:, None]),
        torch.tensor([m]),
        torch.tensor(e)[:, None],
    )
    np.testing.assert_allclose(values[:, 0], expected, rtol=1e-6)


def test_seasons_of_unlike_length_side_by_side() -> None:
    """Prevents: a series that reads the season of another."""
    seasons = torch.tensor([4, 7, 12, 24, 1])
    values, period = smoothing(Random((5,)), torch.full((5,), 96), seasons, 96)
    alone = [smoothing(Random((5,)), torch.full((5,), 96), torch.full((5,), int(m)), 96)[1] for m in seasons]
    assert values.shape == (5, 96)
    assert all(int(p) in (1, int(m)) for p, m in zip(period, seasons, strict=True))
    assert all(
        p.tolist() == [min(int(q), int(m)) if q > 1 else 1 for q in p] for p, m in zip(alone, seasons, strict=True)
    )
    n, m = 60, torch.tensor([3, 5])
    table = torch.zeros(5, 2)
    table[2:, 0], table[:, 1] = torch.tensor([1.0, 2, 3]), torch.tensor([1.0, 2, 3, 4, 5])
    no = torch.zeros(2, dtype=torch.bool)
    zero = torch.zeros(2)
    still = simulate(
        Form(no, no, no), Weights(zero, zero, zero, zero + 1), Start(zero, zero, table), m, torch.zeros(n, 2)
    )
    assert still[:, 0].tolist() == [1.0, 2.0, 3.0] * 20
    assert still[:, 1].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0] * 12


@pytest.mark.parametrize("length", [6, 60, 600])
def test_draws_neither_explode_nor_stand_still(length: int) -> None:
    """Prevents: a form or weights outside the stable ones."""
    steps = torch.full((3000,), length)
    values, _ = smoothing(Random((6,)), steps, torch.full((3000,), 12 if length > 24 else 1), length)
    assert torch.isfinite(values).all()
    assert (values.std(1) > 0).all()
    spread = values.abs().max(1).values / values.abs().median(1).values.clamp(min=1e-3)
    assert float((spread > 100).float().mean()) < 0.02
