"""The last look at a forecast: what is no number is refused, with the series it belongs to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from torch import nn

import tsforge
from tests.helpers.tables import walk
from tsforge.batch import Context
from tsforge.errors import DataError
from tsforge.forecast import Quantiles

NAMES = ["north", "south", "west"]


def spoil(network: nn.Module, value: float) -> None:
    """Let forecasts of windows that end below 0 have a value that is none."""

    def put(_module: nn.Module, given: tuple[Context], forecast: Quantiles) -> Quantiles:
        normalised = forecast.normalised.clone()
        normalised[(given[0].target[:, -1] < 0).any(dim=-1), 1] = value
        return replace(forecast, normalised=normalised)

    network.register_forward_hook(put)


def table(below: str) -> pd.DataFrame:
    """Three series, of which one ends below 0."""
    frame = walk((60, 60, 60)).assign(y=np.tile(20 + np.sin(np.arange(60.0)), 3))
    frame["item"] = frame["item"].map(dict(zip(["s0", "s1", "s2"], NAMES, strict=True)))
    frame.loc[frame["item"] == below, "y"] -= 100
    return frame


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("below", NAMES)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_the_series_is_named(below: str, value: float) -> None:
    """Prevents: empty cells or "inf" in a forecast, with exit code 0, and an error that leaves the reader to search."""
    settings = {"model.kind": "gru", "model.width": 4, "data.horizon": 3, "data.context": 12, "train.max_steps": 2}
    data = table(below)
    model = tsforge.fit(tsforge.build(settings), data).model
    assert np.isfinite(tsforge.predict(model, data).point).all()
    spoil(model.network, value)
    with pytest.raises(DataError, match=rf"series {below} is not a number \(1 such series of 3\)"):
        tsforge.predict(model, data)
    with pytest.raises(DataError, match=rf"over a held-out window of series {below} is not a number"):
        tsforge.backtest(model, data)
