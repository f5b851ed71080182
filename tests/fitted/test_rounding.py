"""Whole numbers where a series always had them, and what forecasts are kept within: everywhere, and said."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tsforge
from tests.helpers import commands
from tsforge.cli.main import run
from tsforge.data.traits import Limits
from tsforge.fitted import directory, rounding
from tsforge.fitted.model import Model

H = 5
SETTINGS = {"data.target": ["sold", "weight"], "data.id": "shop", "data.horizon": H, "data.context": 10}


def sales(n: int = 60) -> pd.DataFrame:
    """Whole numbers of two shops, and weights: fractions in one shop only."""
    rng, parts = np.random.default_rng(0), []
    for shop, level in (("north", 1.2), ("south", 40.0)):
        sold = rng.poisson(level, n)
        weight = np.round(sold * 0.4, 1) if shop == "north" else 2.0 * sold
        days = pd.date_range("2024-01-01", periods=n)
        parts.append(pd.DataFrame({"shop": shop, "day": days, "sold": sold, "weight": weight}))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def model() -> Model:
    return tsforge.fit(tsforge.build({**SETTINGS, "model.kind": "linear", "model.bounds": [0, 1000.5]}), sales()).model


def test_what_was_whole_is_rounded_and_nothing_else(model: Model, caplog: pytest.LogCaptureFixture) -> None:
    """Prevents: weights in whole kilograms, series that are mixed up, a forecast that nobody says is left as it was."""
    made = tsforge.predict(model, sales())
    caplog.clear()
    with caplog.at_level(logging.WARNING, "tsforge"):
        rounded = made.rounded()
    north = [made.panel.key(i) for i in range(2)].index("north")
    for i in range(2):
        for c in range(2):
            before, after = made.quantiles[i, :, c], rounded.quantiles[i, :, c]
            if i == north and c == 1:
                np.testing.assert_array_equal(after, before)
                continue
            expected = [[min((abs(k - v), k) for k in range(int(v), int(v) + 2))[1] for v in row] for row in before]
            np.testing.assert_array_equal(after, expected)
            np.testing.assert_array_equal(rounded.point[i, :, c], np.rint(made.point[i, :, c]))
    assert "'weight' are not rounded in 1 of 2 series" in caplog.text
    assert "'sold'" not in caplog.text


def test_rounded_intervals_hold_what_they_held() -> None:
    """Prevents: an interval that loses a whole number, quantiles out of order, or beyond the bounds."""
    rng = np.random.default_rng(0)
    values = np.sort(rng.uniform(-3, 12, (40, 6, 1, 5)), axis=-1)
    low, high = np.full((40, 1), -2.5), np.full((40, 1), 10.5)
    low[0], high[0] = 0.2, 0.8  # where no whole number is
    within = Limits(low, high, np.full((40, 1), np.inf))
    values = within.keep(values)
    after = rounding.rounded(values, np.ones((40, 1), dtype=bool), within)
    np.testing.assert_array_equal(after[0], values[0])
    assert (np.diff(after, axis=-1) >= 0).all()
    assert after[1:].min() == -2
    assert after[1:].max() == 10
    for k in range(-2, 11):
        inside = (values[1:, ..., 0] <= k) & (k <= values[1:, ..., -1])
        assert ((after[1:, ..., 0] <= k) & (k <= after[1:, ..., -1]))[inside].all()


@pytest.mark.usefixtures("home", "forked")
def test_of_the_command_line(model: Model, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: --round or bounds that get lost in files, folders, scores or documents."""
    data = sales()
    data.to_csv("sales.csv", index=False)
    directory.save(model, Path("m"), lambda _: None)
    found = commands.document(capsys, "predict", "m", "sales.csv", "--round", "--output", "f.csv", "--quiet")
    frame, expected = pd.read_csv("f.csv"), tsforge.predict(model, data).rounded()
    np.testing.assert_allclose(frame["forecast"], expected.frame["forecast"], rtol=1e-6)
    assert found["rounded"] is True
    assert [(b["target"], b["low"], b["high"], b["kept"]) for b in found["bounds"]] == [
        ("sold", 0.0, 1000.5, 2), ("weight", 0.0, 1000.5, 2)
    ]  # fmt: skip
    on_low = [(expected.quantiles[:, :, c] == 0).any(axis=(1, 2)).sum() for c in range(2)]
    assert [b["reached"] for b in found["bounds"]] == on_low
    Path("parts").mkdir()
    for shop, rows in data.groupby("shop"):
        rows.to_parquet(f"parts/{shop}.parquet", index=False)
    assert run(["predict", "m", "parts", "--output", "out", "--round", "--workers", "1", "--quiet"]) == 0
    north = pd.read_parquet("out/north.parquet")
    mine = frame[frame["shop"] == "north"].reset_index(drop=True)
    np.testing.assert_allclose(north["forecast"], mine["forecast"], rtol=1e-6)
    capsys.readouterr()
    scored = commands.document(capsys, "backtest", "m", "sales.csv", "--no-track", "--quiet", "--windows", "1")
    assert {b["target"]: (b["low"], b["high"], b["kept"]) for b in scored["bounds"]} == {
        "sold": (0.0, 1000.5, 2), "weight": (0.0, 1000.5, 2)
    }  # fmt: skip


def test_a_pretrained_model_takes_bounds(caplog: pytest.LogCaptureFixture) -> None:
    """Prevents: a setting that is refused, or read and not used."""
    data = sales(n=30).drop(columns="weight")
    asked = {"data.id": "shop", "data.target": "sold"}
    free = tsforge.predict("zero", data, horizon=H, settings=asked)
    with caplog.at_level(logging.WARNING, "tsforge"):
        kept = tsforge.predict("zero", data, horizon=H, settings={**asked, "model.bounds": [0, 60]})
    assert free.quantiles.max() > 50
    limit = float(np.sort(free.quantiles.reshape(-1))[-3])
    narrow = tsforge.predict("zero", data, horizon=H, settings={**asked, "model.bounds": [0, max(limit, 56)]})
    assert narrow.quantiles.max() <= max(limit, 56)
    assert [(b.target, b.low, b.high) for b in kept.bounds] == [("sold", 0.0, 60.0)]
    np.testing.assert_array_equal(kept.rounded().quantiles, np.rint(kept.quantiles))


def test_a_server_rounds_where_it_is_asked_to(model: Model) -> None:
    """Prevents: a parameter that the server refuses or drops."""
    from tsforge.tracking.serving import ServedModel

    served = ServedModel()
    served.model = model
    answer = served.predict(sales(), {"round": True})
    expected = tsforge.predict(model, sales()).rounded().frame["forecast"]
    np.testing.assert_allclose(answer["forecast"], expected, rtol=1e-6)
