"""What if: a scenario is the forecast of the table with that future in it; its effect is the one that was put in."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tsforge
from tests.helpers import commands
from tsforge.cli.main import run
from tsforge.errors import ConfigError, TsforgeError
from tsforge.fitted.model import Model
from tsforge.fitted.scenarios import Change, parse

H = 7


def sales(n: int = 300) -> pd.DataFrame:
    """Two shops: 4 less sold for each unit of price, 20 more under promotion; a plan for the last H days."""
    random, parts = np.random.default_rng(0), []
    for shop, level in (("north", 100.0), ("south", 60.0)):
        price, promo = 10 + random.normal(size=n).round(2), random.random(n) < 0.2
        sold = level - 4 * (price - 10) + 20 * promo + random.normal(size=n)
        sold[-H:] = np.nan
        days = pd.date_range("2023-01-01", periods=n)
        kind = np.where(promo, "sale", "usual")
        parts.append(pd.DataFrame({"shop": shop, "day": days, "sold": sold, "price": price, "kind": kind}))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def model() -> Model:
    """A small GRU that has learned prices and promotions."""
    settings = {"data.id": "shop", "data.target": "sold", "data.future": ["price", "kind"], "data.horizon": H}
    learned = {"model.kind": "gru", "model.width": 16, "data.context": 14, "train.max_steps": 400, "train.lr": 1e-2}
    return tsforge.fit(tsforge.build({**settings, **learned}), sales()).model


def test_a_scenario_is_the_forecast_of_a_table_with_that_future(model: Model) -> None:
    """Prevents: changes in the past, in other rows, in another order; a plan that a scenario has changed."""
    data = sales()
    result = tsforge.what_if(model, data, ["price*1.1,kind=sale", "cheap: price-2", "price=9"])
    ahead = data["sold"].isna()
    futures = {
        "price*1.1,kind=sale": data.assign(
            price=data["price"].where(~ahead, data["price"] * 1.1), kind=data["kind"].where(~ahead, "sale")
        ),
        "cheap": data.assign(price=data["price"].where(~ahead, data["price"] - 2)),
        "price=9": data.assign(price=data["price"].where(~ahead, 9.0)),
    }
    np.testing.assert_array_equal(result.planned.point, tsforge.predict(model, data).point)
    assert list(result.others) == list(futures)
    for name, table in futures.items():
        made = tsforge.predict(model, table)
        np.testing.assert_allclose(result.others[name].point, made.point, rtol=1e-5)
        np.testing.assert_allclose(result.others[name].quantiles, made.quantiles, rtol=1e-5)
        rows = result.frame[result.frame["scenario"] == name]
        gap = (made.point - result.planned.point).reshape(-1)
        np.testing.assert_allclose(rows["difference"], gap, atol=1e-3)
        assert (rows["difference_low"] <= rows["difference"]).all()
        assert (rows["difference"] <= rows["difference_high"]).all()


def test_the_difference_is_what_was_put_into_the_data(model: Model) -> None:
    """Prevents: an effect with another sign or size than the data have."""
    result = tsforge.what_if(model, sales(), ["price+0.5", "kind=sale", "kind=usual"])
    mean = {name: float((made.point - result.planned.point).mean()) for name, made in result.others.items()}
    assert mean["price+0.5"] == pytest.approx(-4 * 0.5, rel=0.25)
    assert mean["kind=sale"] - mean["kind=usual"] == pytest.approx(20, rel=0.25)


@pytest.mark.parametrize(
    ("text", "name", "changes"),
    [
        ("price*1.1", "price*1.1", (Change("price", "*", "1.1"),)),
        ("sale: price * 0.9, promo=1", "sale", (Change("price", "*", "0.9"), Change("promo", "=", "1"))),
        ("temp-2", "temp-2", (Change("temp", "-", "2"),)),
        ("kind=half-price", "kind=half-price", (Change("kind", "=", "half-price"),)),
        ("temp=-2", "temp=-2", (Change("temp", "=", "-2"),)),
        ("type=Food/Drink", "type=Food/Drink", (Change("type", "=", "Food/Drink"),)),
        ("opens=08:30", "opens=08:30", (Change("opens", "=", "08:30"),)),
    ],
)
def test_a_scenario_is_read(text: str, name: str, changes: tuple[Change, ...]) -> None:
    """Prevents: signs inside a value, or a colon in it, read as those of the change."""
    assert parse(text) == (name, changes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("prize*2", "no column 'prize' in advance"), ("price", "changes no column"), ("price^2", "changes no column"),
        ("price=high", "'high' is none"), ("price=nan", "'nan' is none"), ("price/0", "divided by 0"),
        ("kind*2", "holds categories"), ("kind=sail", "never was 'sail'"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(model: Model, text: str, words: str) -> None:
    """Prevents: a scenario that is quietly another one."""
    with pytest.raises(ConfigError, match=words.replace("'", ".")):
        tsforge.what_if(model, sales(), [text])


def test_names_are_needed_and_differ(model: Model) -> None:
    """Prevents: two futures of one name, one of which is lost."""
    for texts in ([], ["price*2", "price*2"], ["as planned: price*2"]):
        with pytest.raises(ConfigError):
            tsforge.what_if(model, sales(), texts)


def test_what_lies_beyond_the_data_is_said(model: Model, caplog: pytest.LogCaptureFixture) -> None:
    """Prevents: a forecast for ten times the price that looks as sure as any; a change that is none without a word."""
    with caplog.at_level(logging.WARNING, "tsforge"):
        tsforge.what_if(model, sales(), ["price*10", "price*1"])
    assert "guessed" in caplog.text
    assert "changes nothing" in caplog.text


@pytest.mark.usefixtures("store_at_home", "forked")
def test_of_the_command_line(model: Model, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: futures that are not written, drawn, recorded or in the document."""
    from tsforge.fitted import directory

    sales().to_csv("sales.csv", index=False)
    directory.save(model, Path("m"), lambda _: None)
    asked = ["m", "sales.csv", "--scenario", "price*1.1", "--scenario", "sale: kind=sale", "--quiet"]
    found = commands.document(capsys, "predict", *asked, "--output", "w.csv", "--plot", "w.png", "--track")
    assert [row["scenario"] for row in found["scenarios"]] == ["as planned", "price*1.1", "sale"]
    assert found["run"]
    frame = pd.read_csv("w.csv")
    assert len(frame) == found["rows"] == 3 * 2 * H
    mean = frame.groupby("scenario")["difference"].mean()
    for row in found["scenarios"]:
        assert row["difference"] == pytest.approx(mean[row["scenario"]], abs=1e-3)
    assert Path("w.png").stat().st_size > 10_000
    assert run(["predict", *asked]) == 0
    assert "as planned" in capsys.readouterr().out
    assert run(["predict", "m", "sales.csv", "--track"]) == 2


def test_a_table_without_the_plan_is_an_error_as_in_predict(model: Model) -> None:
    """Prevents: differences to a plan that nobody made."""
    data = sales().dropna(subset="sold")
    with pytest.raises(TsforgeError, match="known in advance"):
        tsforge.what_if(model, data, ["price*1.1"])
