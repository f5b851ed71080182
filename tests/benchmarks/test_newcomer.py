"""A newcomer who types what is suggested comes from a table to a report, whatever kind the table is of."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import newcomer
from tsforge.cli.main import run


def of_shops(random: np.random.Generator) -> pd.DataFrame:
    """Daily sales of three shops, with the names and dates of a till."""
    days = pd.date_range("2025-01-01", periods=100)
    week = np.tile([20, 12, 11, 13, 16, 31, 38], 15)[:100]
    dates = days.strftime("%d.%m.%Y")
    shops = [pd.DataFrame({"Shop": f"S{i}", "Sold on": dates, "Units": random.poisson(week + 9 * i)}) for i in range(3)]
    return pd.concat(shops, ignore_index=True)


def of_hours(random: np.random.Generator) -> pd.DataFrame:
    """Hourly load by the clock of Berlin, over the night in which an hour comes twice."""
    hours = pd.date_range("2025-10-10", periods=24 * 30, freq="h", tz="Europe/Berlin")
    load = 50 + 12 * np.sin(hours.hour / 24 * 2 * np.pi) + random.normal(size=len(hours))
    return pd.DataFrame({"when": hours.strftime("%Y-%m-%d %H:%M"), "load_mw": load})


def of_months(random: np.random.Generator) -> pd.DataFrame:
    """Monthly passengers that grow with their season."""
    months = pd.date_range("2015-01-01", periods=96, freq="MS")
    level = 100 * 1.01 ** np.arange(96) * (1 + 0.2 * np.sin(np.arange(96) * np.pi / 6))
    count = (level * random.normal(1, 0.02, 96)).round()
    return pd.DataFrame({"Month": months.strftime("%Y-%m"), "#Passengers": count})


def of_sensors(random: np.random.Generator) -> pd.DataFrame:
    """A column for each sensor, with values and whole rows that are missing."""
    hours = pd.date_range("2025-05-01", periods=24 * 12, freq="h")
    day = np.sin(np.arange(len(hours)) / 24 * 2 * np.pi)
    values = {f"s{i}.temp": (15 + i + 5 * day + random.normal(size=len(hours))).round(1) for i in range(3)}
    table = pd.DataFrame({"datetime": hours, **values}).mask(random.random((len(hours), 4)) < [0, 0.05, 0.05, 0.05])
    return table.drop(index=range(70, 80))


def of_years(random: np.random.Generator) -> pd.DataFrame:
    """Whole numbers by year, behind the row numbers of another program."""
    values = random.poisson(300 + 150 * np.sin(np.arange(70) * 2 * np.pi / 10))
    return pd.DataFrame({"rownames": np.arange(1, 71), "time": np.arange(1950, 2020), "value": values})


@pytest.fixture(params=[of_shops, of_hours, of_months, of_sensors, of_years], ids=lambda kind: kind.__name__)
def table(request: pytest.FixtureRequest, home: Path) -> Path:
    file = home / f"{request.param.__name__} 1.csv"
    frame: pd.DataFrame = request.param(np.random.default_rng(3))
    frame.to_csv(file, index=False)
    return file


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Commands run in this process, which takes a second for each less."""

    def here(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
        assert Path.cwd() == folder
        code = run(command[3:])
        out, err = capsys.readouterr()
        return subprocess.CompletedProcess(command, code, out, err)

    monkeypatch.setattr(newcomer, "run", here)


@pytest.mark.usefixtures("typed", "forked")
def test_from_a_table_to_a_report(table: Path) -> None:
    """Prevents: a suggestion that does not work as it stands, or a chain of them that ends before there is a report."""
    walk = newcomer.in_the_shell(table)
    assert walk.stuck is None
    assert {"report.html", "forecast.csv", "forecast.png"} <= {path.name for path in table.parent.iterdir()}
    assert float(walk.scores["mase"]) > 0


def test_in_python(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: a line that a survey shows and `fit` does not take."""

    def here(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
        code = command[2] if command[1] == "-c" else (folder / command[1]).read_text(encoding="utf-8")
        exec(compile(code, "ten_lines.py", "exec", dont_inherit=True), {})
        out, err = capsys.readouterr()
        return subprocess.CompletedProcess(command, 0, out, err)

    monkeypatch.setattr(newcomer, "run", here)
    of_hours(np.random.default_rng(3)).to_csv(home / "t.csv", index=False)
    walk = newcomer.in_python(home / "t.csv")
    assert walk.stuck is None
    assert (home / "report.html").exists()
