"""Learned cycles from the table to the forecast: the same phase in every table, and what repeats is learned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

import tsforge
from tests.helpers.draw import SHAPE, context
from tsforge.forecast import Point, Quantiles, Scaling
from tsforge.model.transforms.cycle import Cycle
from tsforge.model.transforms.window import Window

PATTERN = np.random.default_rng(3).normal(size=12)
TIMES: dict[str, Callable[[int], object]] = {
    "hours": lambda n: pd.date_range("2024-01-01 05:00", periods=n, freq="h"),
    "zoned hours": lambda n: pd.date_range("2024-01-01 05:00", periods=n, freq="h", tz="Europe/Berlin"),
    "local days": lambda n: pd.date_range("2024-03-01", periods=n, freq="D", tz="Europe/Berlin"),
    "business days": lambda n: pd.bdate_range("2024-01-03", periods=n),
    "months": lambda n: pd.date_range("1981-04-30", periods=n, freq="ME"),
    "whole numbers": lambda n: 7 + 3 * np.arange(n),
    "decimals": lambda n: 0.7 + 0.25 * np.arange(n),
}


def table(times: object, values: NDArray[np.floating]) -> pd.DataFrame:
    return pd.DataFrame({"time": times, "y": values})


def experiment(kind: str = "cyclenet", **settings: object) -> tsforge.Experiment:
    values = {
        "data.horizon": 6, "data.context": 8, "data.season": 12, "data.calendar": False, "data.validation": 24,
        "data.test": 24, "model.kind": kind, "model.width": 8, "train.max_steps": 20, "train.lr": 0.02,
    }  # fmt: skip
    return tsforge.build(values | settings)


@pytest.mark.parametrize("grid", TIMES)
def test_a_later_table_has_the_same_phase(grid: str, tmp_path: Path) -> None:
    """A phase that counts from the first row of whatever table it is given: right in training, wrong ever after."""
    n, seen = 180, 150
    values = 20 + np.resize(PATTERN, n)
    whole = table(TIMES[grid](n), values)
    fitted = tsforge.fit(experiment(), whole[:seen], out=tmp_path / "model")
    assert fitted.model.network.cycle.table.abs().max() > 0.05
    expected = tsforge.predict(tmp_path / "model", whole).frame
    for begin in (131, 139, 163):  # of what training saw, or behind it
        actual = tsforge.predict(tmp_path / "model", whole[begin:]).frame
        pd.testing.assert_frame_equal(actual, expected)
    explained = tsforge.explain(tmp_path / "model", whole[163:])
    np.testing.assert_allclose(explained.point[:, 0], expected["forecast"], rtol=1e-5)
    moved = tsforge.predict(tmp_path / "model", table(TIMES[grid](n + 1)[1:], values)).frame
    assert (moved["forecast"] - expected["forecast"]).abs().max() > 1e-3


def test_a_roll_out_goes_on_in_phase() -> None:
    """Blocks after the first that begin the cycle again."""
    data = table(TIMES["hours"](180), 20 + np.resize(PATTERN, 180))
    model = tsforge.fit(experiment(), data).model
    rolled = tsforge.predict(model, data, horizon=15).frame
    fed, blocks = data, []
    for _ in range(3):
        blocks.append(tsforge.predict(model, fed).frame)
        fed = pd.concat([fed, blocks[-1].rename(columns={"forecast": "y"})[["time", "y"]]])
    np.testing.assert_allclose(rolled["forecast"], pd.concat(blocks)["forecast"][:15], rtol=1e-5)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_what_repeats_is_learned(missing: float) -> None:
    """A table that is not trained, or trained at other phases than it is used: two values tell nobody the next six."""
    n = 400
    values = 20 + np.resize(PATTERN, n)
    values[np.random.default_rng(1).random(n) < missing] = np.nan
    data = table(TIMES["hours"](n), values)
    settings = {"model.scaling": "none", "model.head.loss": "mse", "train.max_steps": 300, "model.base": "none"}
    settings |= {"data.context": 2, "train.lr": 0.03}
    kinds = ("cyclenet", "nlinear")
    errors = {kind: tsforge.fit(experiment(kind, **settings), data).scores[kind]["mae"] for kind in kinds}
    spread = np.abs(PATTERN - PATTERN.mean()).mean()
    assert errors["cyclenet"] < 0.02 * spread
    assert errors["nlinear"] > 0.2 * spread


@pytest.mark.parametrize("length", [1, 5, 24])
def test_a_cycle_is_taken_and_put_back_by_phase(length: int) -> None:
    """A phase off by one, one that begins again at the origin, or one that is wrong before the first grid position."""
    net = Cycle(length, SHAPE)
    nn.init.normal_(net.table, generator=torch.Generator().manual_seed(4))
    ordinal = torch.tensor([0, 3, -7, 10**15 + 1])
    g = torch.Generator().manual_seed(5)
    x, ahead = torch.randn(4, SHAPE.context, 2, generator=g), torch.randn(4, SHAPE.horizon, 2, generator=g)
    nothing = Scaling(torch.zeros(1, 1, 2), torch.ones(1, 1, 2))
    less, state = net(Window.of(context(SHAPE)._replace(target=x, ordinal=ordinal)))
    more = net.undo(Point(ahead, nothing), state)
    spread = torch.tensor([-1.0, 0.0, 1.0])
    quantiles = net.undo(Quantiles(ahead.unsqueeze(-1) + spread, nothing, (0.1, 0.5, 0.9)), state)
    for b, first in enumerate(ordinal.tolist()):
        for t in range(SHAPE.context):
            torch.testing.assert_close(less.context.target[b, t], x[b, t] - net.table[(first + t) % length])
        for h in range(SHAPE.horizon):
            expected = ahead[b, h] + net.table[(first + SHAPE.context + h) % length]
            torch.testing.assert_close(more.point[b, h], expected)
            torch.testing.assert_close(quantiles.quantiles()[b, h], expected[:, None] + spread)
