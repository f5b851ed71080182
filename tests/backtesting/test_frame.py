"""Every forecast of a backtest as a table: rows, times and truths as in the data; the scores come out of it again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tsforge
from tests.helpers import commands
from tests.helpers.tables import daily, hourly
from tsforge.backtesting.result import Backtest
from tsforge.cli.main import run
from tsforge.errors import DataError
from tsforge.evaluation.scores import score
from tsforge.experiment import BacktestConfig

H = 6


def rolled(frame: pd.DataFrame, windows: int = 3, **settings: object) -> Backtest:
    asked = {"data.horizon": H, "model.kind": "seasonal-naive", **settings}
    return tsforge.backtest(tsforge.build(asked), frame, config=BacktestConfig(windows=windows, stride=4))


def test_rows_are_those_of_the_data() -> None:
    """Times or truths of a neighbour; an origin that lies behind what was forecast."""
    data = daily(("north", "south"), 90)
    data.loc[data.index[-3], "sold"] = np.nan
    result = rolled(data)
    frame = result.frame
    assert list(frame.columns[:6]) == ["item", "model", "origin", "date", "step", "forecast"]
    assert len(frame) == len(result.outcomes) * 2 * 3 * H
    truth = data.set_index(["item", "date"])["sold"]
    found = frame["truth"].to_numpy()
    there = truth.loc[list(zip(frame["item"], frame["date"], strict=True))].to_numpy()
    np.testing.assert_allclose(found, there, rtol=1e-6)
    assert np.isnan(found).sum() == np.isnan(there).sum() > 0
    days = pd.to_datetime(frame["date"], dayfirst=True) - pd.to_datetime(frame["origin"], dayfirst=True)
    assert (days.dt.days == frame["step"]).all()
    season = result.experiment.data.season
    before = [(i, d) for i, d in zip(frame["item"], pd.to_datetime(frame["date"], dayfirst=True), strict=True)]
    own = frame["model"].to_numpy() == "seasonal-naive"
    past = [(i, (d - pd.Timedelta(days=season)).strftime("%d/%m/%Y")) for i, d in before]
    assert season >= H
    np.testing.assert_allclose(frame["forecast"][own], truth.loc[past].to_numpy()[own], rtol=1e-6)


def test_scores_come_out_of_it_again() -> None:
    """Forecasts or quantiles in the rows of another step or model."""
    two = hourly(12).assign(other=lambda f: 100 - f["load"])
    result = rolled(two, **{"data.target": ["load", "other"], "baselines": ["theta"]})
    frame = result.frame
    for name, outcome in result.outcomes.items():
        rows = frame[frame["model"] == name]
        assert set(rows["target"]) == {"load", "other"}
        error = (rows["forecast"] - rows["truth"]).abs()
        assert error.mean() == pytest.approx(score(outcome, "mae"), rel=1e-5)
        inside = (rows["q0.1"] <= rows["truth"]) & (rows["truth"] <= rows["q0.9"])
        assert inside.mean() == pytest.approx(score(outcome, "coverage_80"), abs=1e-6)


def test_parts_are_the_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Windows lost or doubled where a large table is written part by part; another order in the file."""
    result = rolled(daily())
    whole = result.frame
    monkeypatch.setattr("tsforge.backtesting.result.ROWS", 2 * H)
    pd.testing.assert_frame_equal(result.frame, whole)
    from tsforge.data.rolled import write

    assert write(result.frames(), tmp_path / "a.parquet") == len(whole)
    read = pd.read_parquet(tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(read.assign(model=read["model"].astype(str)), whole, check_dtype=False)


def test_of_the_command_line_and_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is not written, not named in the document, or not kept with the run."""
    monkeypatch.chdir(tmp_path)
    daily().to_csv("data.csv", index=False)
    asked = ["data.csv", "--model", "seasonal-naive", "--horizon", "6", "--windows", "2", "--quiet"]
    found = commands.document(capsys, "backtest", *asked, "--forecasts", "windows.parquet", "--no-track")
    assert found["forecasts"] == "windows.parquet"
    frame = pd.read_parquet("windows.parquet")
    assert len(frame) == found["windows"] * 6 * len(found["scores"])
    assert run(["backtest", *asked, "--forecasts", "windows.csv", "--no-track"]) == 0
    assert "written windows.csv" in capsys.readouterr().out
    again = pd.read_csv("windows.csv")
    np.testing.assert_allclose(again["forecast"], frame["forecast"], rtol=1e-6)
    assert run(["backtest", *asked, "--forecasts", "data.csv", "--no-track"]) == 2
    assert run(["backtest", *asked, "--forecasts", "windows.xlsx", "--no-track"]) == 2


def test_a_column_of_the_table_is_not_shadowed() -> None:
    """Prevents: an id column `model` that is overwritten by the names of models."""
    frame = daily().rename(columns={"item": "model"})
    with pytest.raises(DataError, match="column 'model'"):
        _ = rolled(frame, **{"data.id": "model"}).frame
