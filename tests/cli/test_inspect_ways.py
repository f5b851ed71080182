"""Whatever a table holds, inspect shows a way on, which can be pasted."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.helpers.commands import Capsys, document
from tsforge.cli.main import run

DAYS = pd.date_range("2024-01-01", periods=60, freq="D")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commands(out: str) -> list[list[str]]:
    """The words of every command that was printed, without the program's name."""
    return [shlex.split(line[11:])[1:] for line in out.splitlines() if line[11:].startswith("tsforge ")]


def values(count: int) -> np.ndarray:
    return 10 + np.arange(count) % 7 + np.arange(count) / 8


# --- columns without a value --------------------------------------------------------------------------------------

EMPTY = {  # tables with a column that holds nothing
    "a last target": pd.DataFrame({"day": DAYS, "a": values(60), "b": values(60), "remarks": ""}),
    "the only other column": pd.DataFrame({"day": DAYS, "a": values(60), "b": ""}),
    "an id by its name": pd.DataFrame({"sensor_id": "", "day": DAYS, "a": values(60)}),
    "a time by its name": pd.DataFrame({"date": "NA", "sold": DAYS, "a": values(60)}),
    "a usual target": pd.DataFrame({"ds": DAYS, "y": "NaN", "load": values(60), "wind": values(60)}),
    "between ids": pd.DataFrame({"shop": ["x", "y"] * 60, "item": "", "day": DAYS.repeat(2), "a": values(120)}),
}


@pytest.mark.parametrize("kind", EMPTY)
def test_a_column_without_any_value_is_a_candidate_for_nothing(kind: str, folder: Path, capsys: Capsys) -> None:
    """Prevents: an error about a column that nobody named, and no way on."""
    frame = EMPTY[kind]
    frame.to_csv("table.csv", index=False)
    (name,) = [c for c in frame if not frame[c].replace(["", "NA", "NaN"], np.nan).notna().any()]
    seen = document(capsys, "inspect", "table.csv")
    column = next(c for c in seen["columns"] if c["name"] == name)
    assert (column["role"], column["could_be"], column["kind"]) == ("unused", [], "empty")
    assert f"without any value: {name}" in seen["notes"]
    assert seen["command"].startswith("tsforge fit table.csv")
    assert run([*shlex.split(seen["command"])[1:], "--model", "naive", "--no-track"]) == 0
    assert folder.is_dir()


@pytest.mark.parametrize("role", ["target", "time"])
def test_a_column_without_any_value_that_is_named_is_refused(role: str, folder: Path, capsys: Capsys) -> None:
    frame = pd.DataFrame({"day": DAYS, "a": values(60), "b": ""})
    frame.to_csv("table.csv", index=False)
    assert run(["inspect", "table.csv", f"--{role}", "b"]) == 2
    assert "column 'b'" in capsys.readouterr().err
    assert folder.is_dir()


@pytest.mark.parametrize("first", ["2022030100", "2023111500", "2024022900"])
def test_numbers_that_could_be_seconds_can_be_read_as_such(first: str, folder: Path, capsys: Capsys) -> None:
    """Prevents: a note that names a format which is then refused. The hours of one day are seconds that count on."""
    frame = pd.DataFrame({"time": int(first) + np.arange(24), "y": values(24)})
    frame.to_csv("table.csv", index=False)
    seen = document(capsys, "inspect", "table.csv")
    assert seen["frequency"] == "h"
    look = shlex.split(seen["commands"][1])[1:]
    assert look[2:] == ["--time-format", "epoch:s"]
    assert document(capsys, *look)["frequency"] == "s"
    fit = [*shlex.split(seen["command"])[1:], "--time-format", "epoch:s", "--model", "naive", "--no-track"]
    assert run([*fit, "--out", "model"]) == 0
    assert run(["predict", "model", "table.csv", "--output", "forecast.csv"]) == 0
    assert int(pd.read_csv("forecast.csv")["time"].iloc[0]) == int(first) + 24
    assert folder.is_dir()


@pytest.mark.parametrize("written", ["epoch:h", "epoch:", "epoch:sec"])
def test_a_unit_that_is_none_is_refused_by_name(written: str, folder: Path, capsys: Capsys) -> None:
    pd.DataFrame({"time": 1_700_000_000 + 60 * np.arange(24), "y": values(24)}).to_csv("table.csv", index=False)
    assert run(["inspect", "table.csv", "--time-format", written]) == 2
    assert "epoch:ms" in capsys.readouterr().err
    assert folder.is_dir()


# --- several blanks in a time -------------------------------------------------------------------------------------

BLANKS = {  # how times are written, with more than one blank
    "between date and clock": lambda t: f"{t:%Y-%m-%d}  {t:%H:%M}",
    "without zeros": lambda t: f"{t.month}/{t.day}/{t.year}  {t:%I}:00:00 {t:%p}",
    "clocks aligned": lambda t: f"{t:%Y-%m-%d} {t.hour:2d}:00",
    "three": lambda t: f"{t:%d.%m.%Y}   {t:%H:%M:%S}",
    "before am": lambda t: f"{t:%m/%d/%Y}  {t:%I:%M}  {t:%p}",
    "between words": lambda t: f"{t:%d}  {t:%b}  {t:%Y} {t:%H:%M}",
}


@pytest.mark.parametrize("kind", BLANKS)
def test_blanks_within_times_come_back(kind: str, folder: Path, capsys: Capsys) -> None:
    """Prevents: times refused for a blank more, and forecasts that are spelled with one less."""
    hours = pd.date_range("2024-10-12", periods=240, freq="h")
    written = [BLANKS[kind](t) for t in hours]
    pd.DataFrame({"time": written, "y": values(240)}).iloc[:216].to_csv("table.csv", index=False)
    fit = shlex.split(document(capsys, "inspect", "table.csv")["command"])[1:]
    assert run([*fit, "--model", "seasonal-naive", "--no-track", "--out", "model"]) == 0
    assert run(["predict", "model", "table.csv", "--output", "forecast.csv"]) == 0
    times = pd.read_csv("forecast.csv")["time"].tolist()
    assert times == written[216 : 216 + len(times)]
    assert folder.is_dir()


def test_a_time_that_does_not_read_is_quoted_with_all_its_blanks(folder: Path, capsys: Capsys) -> None:
    pd.DataFrame({"time": [f"{t:%Y-%m-%d}   at {t:%H}" for t in DAYS], "y": values(60)}).to_csv("t.csv", index=False)
    assert run(["fit", "t.csv", "--time", "time"]) == 2
    assert "'2024-01-01   at 00'" in capsys.readouterr().err
    assert folder.is_dir()
