"""From a fit with covariates known in advance to a forecast, by the commands that are printed on the way."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tsforge
from tests.helpers.commands import Capsys, document, fails
from tsforge.cli.main import run

FIT = ["--horizon", "6", "--max-steps", "300", "--set", "model.width=8", "--set", "train.lr=0.01", "--no-track"]


def _shops(times: list[str], names: list[Any]) -> pd.DataFrame:
    """Sales that follow price and promotion alone."""
    rng = np.random.default_rng(5)
    parts = []
    for name in names:
        price = rng.choice([4.0, 5.5, 7.0], len(times))
        promo = rng.choice(["no", "yes"], len(times))
        sold = 60 - 6 * price + 15 * (promo == "yes")
        parts.append(pd.DataFrame({"shop": name, "when": times, "sold": sold, "price": price, "promo": promo}))
    return pd.concat(parts, ignore_index=True)


DAYS = pd.date_range("2024-01-01", periods=150)
MONTHS = pd.date_range("2010-01-01", periods=150, freq="MS")
HOURS = pd.date_range("2024-03-30", periods=150, freq="h")
TABLES = {  # times, ids, and how the file is written
    "days.csv": ([t.strftime("%d.%m.%Y") for t in DAYS], ["01", "2"], {"sep": ";", "decimal": ","}),
    "months.csv": ([f"{t.year}M{t.month:02d}" for t in MONTHS], [7, 9], {}),
    "hours.csv": ([f"{t:%Y-%m-%d %H}:00+00:00" for t in HOURS], ["a b"], {}),
    "counted.csv": (list(range(1, 151)), ["x", "y"], {}),  # type: ignore[dict-item]
}  # fmt: skip


def _commands(out: str) -> list[list[str]]:
    """The words of the commands that are printed, behind "tsforge"."""
    labels = ("next", "then", "or ")
    return [shlex.split(line)[2:] for line in out.splitlines() if line.startswith(labels)]


def _filled(path: Path, style: dict[str, str]) -> list[str]:
    """Fill in the rows of a file as a person would; gives its times."""
    frame = pd.read_csv(path, dtype=str, sep=style.get("sep", ","), keep_default_na=False)
    assert (frame["price"] == "").all()
    frame["price"], frame["promo"] = ["4,0" if style else "4.0"] * len(frame), "yes"
    frame.to_csv(path, index=False, sep=style.get("sep", ","))
    return frame["when"].tolist()


@pytest.mark.parametrize("name", TABLES)
def test_the_printed_commands_lead_to_a_forecast(name: str, home: Path, capsys: Capsys) -> None:
    """Prevents: a next command that ends in an error, rows in another spelling, values that the forecast ignores."""
    times, ids, style = TABLES[name]
    _shops(times, ids).to_csv(name, index=False, **style)  # type: ignore[call-overload]
    words = ["--time", "when", "--id", "shop", "--target", "sold", "--future", "price", "promo", *FIT]
    assert run(["fit", name, *words, "--model", "gru"]) == 0
    future, predict = _commands(capsys.readouterr().out)
    assert (future[0], predict[0]) == ("future", "predict")
    assert run(future) == 0
    out = capsys.readouterr().out
    assert f"{6 * len(ids)} rows in future.csv: fill in price, promo" in out
    assert _commands(out) == [predict]
    written = _filled(home / "future.csv", style)
    assert run(predict) == 0
    forecast = pd.read_csv("forecast.csv", dtype={"shop": str, "when": str})
    assert forecast["when"].tolist() == written
    assert forecast["shop"].unique().tolist() == [str(name) for name in ids]
    np.testing.assert_allclose(forecast["forecast"], 60 - 6 * 4 + 15, atol=8)  # the least that other prices give is 18


@pytest.fixture
def model(home: Path, capsys: Capsys) -> Path:
    """A model of two shops, and the rows ahead in future.csv, filled in."""
    data = _shops([f"{t:%Y-%m-%d}" for t in DAYS], ["east", "west"])
    data["weekday"] = np.tile([t.weekday() for t in DAYS], 2)
    data.to_csv("shops.csv", index=False)
    words = ["--id", "shop", "--target", "sold", "--future", "price", "promo", "weekday", "--horizon", "6"]
    assert run(["fit", "shops.csv", *words, "--model", "naive", "--no-track", "--out", "m"]) == 0
    assert run(["future", "m", "--output", "future.csv"]) == 0
    assert "fill in price, promo\n" in capsys.readouterr().out
    _filled(home / "future.csv", {})
    return home


def test_what_the_calendar_decides_is_there(model: Path) -> None:
    """Prevents: the day of the week to be typed in by hand; or a guess at what it does not decide."""
    frame = pd.read_csv(model / "future.csv")
    assert frame["weekday"].tolist() == [t.weekday() for t in DAYS[-1] + pd.to_timedelta(np.arange(1, 7), "D")] * 2


def test_the_same_rows_in_the_table_forecast_the_same(model: Path, capsys: Capsys) -> None:
    """Prevents: two ways to say one thing that do not agree."""
    with_file = document(capsys, "predict", "m", "shops.csv", "--future-data", "future.csv")["forecast"]
    pd.concat([pd.read_csv("shops.csv"), pd.read_csv("future.csv")]).to_csv("whole.csv", index=False)
    assert document(capsys, "predict", "m", "whole.csv")["forecast"] == with_file
    assert tsforge.predict("m", "shops.csv", future_data=pd.read_csv("future.csv")).frame["forecast"].tolist() == [
        row["forecast"] for row in with_file
    ]
    assert run(["future", "m", "whole.csv", "--output", "again.csv"]) == 0
    assert "12 rows in again.csv, complete as they are" in capsys.readouterr().out
    pd.testing.assert_frame_equal(pd.read_csv("again.csv"), pd.read_csv("future.csv"), check_dtype=False)
    assert model.is_dir()


def test_what_was_filled_in_is_not_overwritten(model: Path, capsys: Capsys) -> None:
    """Prevents: an hour of typing lost to the same command a second time."""
    before = (model / "future.csv").read_text()
    assert "may hold what was filled in" in fails(capsys, "future", "m", "--output", "future.csv")
    assert (model / "future.csv").read_text() == before


def _spoiled(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    match name:
        case "empty":
            return frame.assign(price=frame["price"].where(frame.index != 8))
        case "short":
            return frame.drop(index=11)
        case "stranger":
            return frame.replace({"shop": {"west": "wset"}})
        case "text":
            return frame.astype({"price": object}).assign(price=["4"] * 9 + ["cheap"] * 3)
        case "column":
            return frame.drop(columns="promo")
        case "grid":
            return frame.assign(when=frame["when"] + " 11:30")
        case _:
            return pd.concat([frame, frame.tail(1)])


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("empty", ["future.csv", "'price'", "series west", "2024-06-01", "fill in price"]),
        ("short", ["future.csv", "'price'", "series west", "2024-06-04"]),
        ("stranger", ["future.csv", "series wset is none of", "west"]),
        ("text", ["future.csv", "'price'", "row 10", "'cheap'"]),
        ("column", ["future.csv", "there is no column 'promo'"]),
        ("grid", ["future.csv", "2024-05-30 11:30"]),
        ("twice", ["future.csv", "duplicate time", "row 13", "west"]),
    ],
)
def test_rows_ahead_that_are_refused(kind: str, words: list[str], model: Path, capsys: Capsys) -> None:
    """Prevents: a forecast from half of what it needs; an error that does not say where."""
    _spoiled(kind, pd.read_csv(model / "future.csv")).to_csv("future.csv", index=False)
    said = fails(capsys, "predict", "m", "shops.csv", "--future-data", "future.csv")
    for word in words:
        assert word in said


def test_values_that_contradict_the_table_are_refused(model: Path, capsys: Capsys) -> None:
    """Prevents: one of two prices taken in silence."""
    whole = pd.concat([pd.read_csv("shops.csv"), pd.read_csv("future.csv").assign(price=5.5)])
    whole.to_csv("whole.csv", index=False)
    said = fails(capsys, "predict", "m", "whole.csv", "--future-data", "future.csv")
    assert "column 'price' is 5.5 for series east, time 2024-05-30, and 4 in the rows ahead" in said
    assert model.is_dir()


def test_what_is_not_used_of_the_rows_ahead_is_said(model: Path, capsys: Capsys) -> None:
    """Prevents: rows or targets that vanish without a word."""
    frame = pd.concat([pd.read_csv("shops.csv").tail(3), pd.read_csv("future.csv")])
    frame.to_csv("more.csv", index=False)
    assert run(["predict", "m", "shops.csv", "--future-data", "more.csv"]) == 0
    err = capsys.readouterr().err
    assert "3 of 15 rows of more.csv lie before the end of their series and are not used" in err
    assert "the values of 'sold' in more.csv are not used" in err
    assert model.is_dir()


@pytest.mark.parametrize("command", [["future", "m"], ["predict", "m", "--future-data", "rows.csv"]])
def test_a_model_that_knows_nothing_in_advance(command: list[str], home: Path, capsys: Capsys) -> None:
    """Prevents: a file to fill in that nothing reads."""
    _shops([f"{t:%Y-%m-%d}" for t in DAYS], ["a"]).to_csv("rows.csv", index=False)
    assert run(["fit", "rows.csv", "--target", "sold", "--model", "naive", "--no-track", "--out", "m"]) == 0
    assert _commands(capsys.readouterr().out)[0][0] != "future"
    assert "knows no covariate in advance" in fails(capsys, *command)
    assert home.is_dir()
