"""Small changes on large levels: a forecast is that of the changes alone, put on the level."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import tsforge

WEEK = np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0])
LEVELS = {"meter": 5e9, "nine digits": 123_456_789.0, "milliseconds": 1.7e12, "below zero": -2e10}


def table(level: float, size: float, *, counter: bool = False) -> pd.DataFrame:
    """Days of a week that returns, in whole numbers, or what they add up to."""
    rng, n = np.random.default_rng(0), 168
    y = size * (WEEK[np.arange(n) % 7] + rng.integers(0, 3, n))
    days = pd.date_range("2023-01-01", periods=n)
    return pd.DataFrame({"day": days, "y": level + (y.cumsum() if counter else y)})


def answer(kind: str, data: pd.DataFrame, **settings: Any) -> np.ndarray:
    """The point forecast and the quantiles of the seven days after a table."""
    plain = {"data.horizon": 7, "data.context": 28, "model.kind": kind, "model.bounds": "none"}
    model = tsforge.fit(tsforge.build(plain | settings), data).model
    frame = tsforge.predict(model, data).frame
    return frame.drop(columns="day").to_numpy(dtype=np.float64)


@pytest.mark.parametrize("level", LEVELS.values(), ids=LEVELS)
@pytest.mark.parametrize("kind", ["naive", "seasonal-naive", "drift", "linear"])
@pytest.mark.parametrize("counter", [False, True])
def test_what_needs_no_network_is_right_to_the_digit(kind: str, level: float, counter: bool) -> None:
    """Prevents: 123456790 for 123456789, a meter that stands still, and changes rounded to steps of 512."""
    expected = answer(kind, table(1000.0, 10.0, counter=counter)) - 1000
    actual = answer(kind, table(level, 10.0, counter=counter)) - level
    np.testing.assert_allclose(actual, expected, atol=0.1 if kind == "linear" else 0.01)


@pytest.mark.parametrize("level", LEVELS.values(), ids=LEVELS)
@pytest.mark.parametrize("kind", ["gru", "patch-gru", "nlinear"])
def test_networks_learn_the_changes(kind: str, level: float) -> None:
    """Prevents: a network that sees a constant, whose forecast is anywhere within the steps of single precision."""
    settings = {"train.max_steps": 120, "train.lr": 0.01} | ({} if kind == "nlinear" else {"model.width": 8})
    actual = answer(kind, table(level, 10.0), **settings) - level
    week = 10 * WEEK[np.arange(168, 175) % 7]
    assert np.abs(actual[:, 0] - week).max() < 40  # the noise is 0 to 20, the week 80 wide
    assert np.corrcoef(actual[:, 0], week)[0, 1] > 0.9
