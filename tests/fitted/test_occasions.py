"""Holidays and events in a model: learned, kept with it, and known ahead by whatever forecasts with it."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import holidays
import numpy as np
import pandas as pd
import pytest
import torch

import tsforge
from tsforge.cli.main import run
from tsforge.data import covariates
from tsforge.data import dataset as datasets
from tsforge.data.schema import DataConfig
from tsforge.errors import DataError, ModelError
from tsforge.exporting import checking, drawing
from tsforge.exporting.portable import Portable
from tsforge.fitted import directory

H = 14
COLUMNS = {"data.time": "ds", "data.target": "y", "data.season": 7, "data.horizon": H}
OF = holidays.country_holidays("US", years=range(2021, 2025))


def shop(seed: int = 0, n: int = 420, effect: float = -40.0) -> pd.DataFrame:
    """A week's wave with noise about 100; public holidays lower it, and a fair that the calendar does not know raises
    it. The last H days, over Christmas, are still to come: `true` holds them."""
    rng, days = np.random.default_rng(seed), pd.date_range(end="2023-12-31", periods=n)
    wave = 100 + 10 * np.sin(2 * np.pi * np.arange(n) / 7) + rng.normal(scale=2, size=n)
    fair = np.isin(days, fairs())
    true = wave + effect * np.array([day.date() in OF for day in days]) + 30 * fair
    return pd.DataFrame({"ds": days, "y": true, "true": true}).assign(y=lambda t: t["y"].where(t.index < n - H))


def fairs() -> pd.DatetimeIndex:
    return pd.date_range("2021-07-05", "2023-12-30", freq="37D")


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("events") / "events.csv"
    pd.DataFrame({"date": fairs().astype(str), "name": "fair"}).to_csv(path, index=False)
    return path


def zero(**settings: Any) -> np.ndarray:
    table = shop()
    settings = {"data.context": 140} | settings
    made = tsforge.predict("zero", table.drop(columns="true"), settings=COLUMNS | settings)
    return np.abs(made.point[0, :, 0] - table["true"].to_numpy()[-H:])


def test_effects_are_learned_and_known_ahead(events: Path) -> None:
    """In closed form: of a drop of 40 and a rise of 30 about 5 % of the level are left in the errors of these days."""
    days = shop()["ds"][-H:]
    special = np.array([day.date() in OF or day in fairs() for day in days])
    blind, told = zero(), zero(**{"data.holidays": "US", "data.events": str(events)})
    assert special.sum() >= 1
    assert blind[special].min() > 20
    assert told[special].max() < 8
    assert told[~special].mean() < 4


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network of two stores, one of them with events of its own."""
    folder = tmp_path_factory.mktemp("fitted")
    one = shop().drop(columns="true")
    pd.concat([one.assign(store="a"), one.iloc[60:].assign(store="b", y=lambda t: t["y"] * 2)]).to_csv(
        folder / "sales.csv", index=False
    )
    own = pd.DataFrame({"date": ["2023-05-05", "2023-12-26"], "name": "sale", "store": "b", "before": 2})
    own.to_csv(folder / "own.csv", index=False)
    words = [
        "--id",
        "store",
        "--target",
        "y",
        "--holidays",
        "US",
        "--events",
        str(folder / "own.csv"),
        "--horizon",
        "14",
    ]
    more = ["--model", "gru", "--max-steps", "8", "--set", "data.context=21", "--set", "model.width=8"]
    more += ["--set", "data.holiday_window=2", "--no-track", "--quiet", "--out", str(folder / "model")]
    assert run(["fit", str(folder / "sales.csv"), *words, *more]) == 0
    return folder


def test_a_model_needs_neither_the_file_nor_the_package(fitted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tsforge.predict(fitted / "model", fitted / "sales.csv").frame
    monkeypatch.setitem(sys.modules, "holidays", None)
    (fitted / "own.csv").rename(fitted / "moved.csv")
    try:
        pd.testing.assert_frame_equal(tsforge.predict(fitted / "model", fitted / "sales.csv").frame, before)
        assert len(tsforge.backtest(fitted / "model", fitted / "sales.csv").frame)
    finally:
        (fitted / "moved.csv").rename(fitted / "own.csv")


def test_the_calendar_moves_the_forecast(fitted: Path) -> None:
    """Prevents: holidays that are stored and not read. A calendar without days ahead gives another forecast for the
    series that they are of, and the same for others."""
    model = directory.load(fitted / "model")
    kept = model.facts.encodings.occasions
    assert [(o.name, o.by, o.before) for o in kept] == [("event sale", ("store",), 2), ("holiday US", (), 2)]
    none = [kept[0].model_copy(update={"days": {"b": kept[0].days["b"][:1]}}), kept[1]]
    facts = model.facts.model_copy(update={"encodings": model.facts.encodings.model_copy(update={"occasions": none})})
    other = type(model)(model.experiment, facts, model.network, model.calibration)
    was, now = (tsforge.predict(m, fitted / "sales.csv").point for m in (model, other))
    assert np.array_equal(was[0], now[0])
    assert not np.allclose(was[1], now[1])


def test_an_exported_model_is_told_the_same_days(fitted: Path) -> None:
    """The recipe of the description against what `predict` reads, over random windows and those of the table."""
    model = directory.load(fitted / "model")
    portable = Portable(model, model.levels).eval()

    def answer(inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        with torch.no_grad():
            return [part.numpy() for part in portable(**{k: torch.from_numpy(v) for k, v in inputs.items()})]

    for panel in (
        drawing.windows(model, 40),
        datasets.read_like(fitted / "sales.csv", DataConfig(), model.facts.columns),
    ):
        whole = panel if panel.name == "random windows" else tsforge.predict(model, fitted / "sales.csv").panel
        assert checking.deviation(model, model.levels, whole, answer) < checking.TOLERANCE


def test_a_panel_on_disk_has_the_same_features(fitted: Path, tmp_path: Path) -> None:
    pd.read_csv(fitted / "sales.csv", parse_dates=["ds"]).to_parquet(tmp_path / "sales.parquet")
    config = DataConfig(id=("store",), target=("y",), holidays=("US",), events=str(fitted / "own.csv"))
    known = []
    for mapped in (False, True):
        _, panel = datasets.read(config.model_copy(update={"mapped": mapped}), tmp_path / "sales.parquet")
        encodings = covariates.fit(panel, panel.ends, use_calendar=True, config=config)
        known.append(covariates.encode(panel, encodings).known)
    assert known[0].shape[1] > 3
    assert np.array_equal(*known)


def test_a_closed_form_says_that_it_reads_none(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Prevents: holidays that are asked for, read, and then left out in silence."""
    shop().drop(columns="true").to_csv(tmp_path / "sales.csv", index=False)
    words = ["--target", "y", "--holidays", "US", "--model", "drift", "--horizon", "7", "--no-track"]
    assert run(["fit", str(tmp_path / "sales.csv"), *words, "--out", str(tmp_path / "model")]) == 0
    said = capsys.readouterr().err
    assert "'holiday US' (12 days)" in said
    assert "drift reads the target alone: holiday US left out" in said


def test_damaged_occasions_are_told(fitted: Path, tmp_path: Path) -> None:
    shutil.copytree(fitted / "model", tmp_path / "model")
    path = tmp_path / "model" / "schema.json"
    schema = json.loads(path.read_text())
    schema["encodings"]["occasions"].pop()
    path.write_text(json.dumps(schema))
    with pytest.raises(ModelError):
        directory.load(tmp_path / "model")


def test_a_missing_file_is_told_before_the_table_is_read(fitted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fit", str(fitted / "sales.csv"), "--events", str(fitted / "owns.csv"), "--no-track"]) == 2
    said = capsys.readouterr().err
    assert "no such file of events" in said
    assert "did you mean 'own.csv'" in said


def test_events_that_are_planned_later(fitted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: a plan that is not read, or one that wipes out the past. The same file gives the same forecast."""
    words = ["predict", str(fitted / "model"), str(fitted / "sales.csv"), "--output", str(tmp_path / "out.csv")]

    def forecast(*rows: str) -> pd.DataFrame:
        (tmp_path / "plan.csv").write_text("\n".join(["date,name,store", *rows]))
        assert run([*words, "--events", str(tmp_path / "plan.csv")]) == 0
        return pd.read_csv(tmp_path / "out.csv").set_index(["store", "ds"])["forecast"]

    capsys.readouterr()
    same = forecast("2023-12-26,sale,b")
    assert "the events end on 2023-12-26: none is expected from then to 2023-12-31" in capsys.readouterr().err
    frame = tsforge.predict(fitted / "model", fitted / "sales.csv").frame.astype({"ds": str}).set_index(["store", "ds"])
    assert np.allclose(same, frame["forecast"])
    moved = forecast("2023-12-29,sale,b")
    assert np.array_equal(moved["a"], same["a"])
    assert not np.allclose(moved["b"], same["b"])
    with pytest.raises(DataError, match="fitted without event 'fair'"):
        tsforge.with_events(fitted / "model", pd.DataFrame({"date": ["2023-12-29"], "name": "fair", "store": "b"}))
    (tmp_path / "d").mkdir()
    shutil.copy(fitted / "sales.csv", tmp_path / "d")
    words[2:] = [str(tmp_path / "d"), "--output", str(tmp_path / "parts")]  # file by file
    plan = tmp_path / "plan.csv"
    assert run([*words, "--events", str(plan), "--workers", "1"]) == 0
    parts = pd.read_parquet(tmp_path / "parts").astype({"ds": str}).set_index(["store", "ds"])["forecast"]
    assert np.allclose(parts.loc[moved.index], moved)
    words[2:] = [str(fitted / "sales.csv"), "--output", str(tmp_path / "out.csv")]
    forecast("2023-12-29,sale,c")
    assert "events of store c: the training data had no such series" in capsys.readouterr().err
