"""Whatever a table holds, inspect shows a way on, which can be pasted."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.helpers.commands import Capsys, commands, document
from tsforge.cli.main import run

DAYS = pd.date_range("2024-01-01", periods=60, freq="D")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


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


# --- times that follow no grid, or a grid that is mostly empty ----------------------------------------------------


def of(days: pd.DatetimeIndex | pd.Series) -> pd.DataFrame:
    return pd.DataFrame({"day": days, "y": values(len(days))})


def every(text: str, start: str, count: int) -> list[pd.Timestamp]:
    """Days of the month of `count` months, as "1,15"."""
    months = pd.date_range(start, periods=count, freq="MS")
    return [m + pd.Timedelta(days=int(d) - 1) for m in months for d in text.split(",")]


LONG = pd.date_range("2023-01-02", periods=400, freq="D")
FIVE = pd.date_range("2024-03-01", periods=2000, freq="5min")
IRREGULAR = {  # times, and the names of steps among which the first that is offered must be
    "three days a week": (LONG[LONG.dayofweek.isin([0, 2, 4])], ["B", "D"]),
    "tuesdays and saturdays": (LONG[LONG.dayofweek.isin([1, 5])], ["W"]),
    "twice a month": (pd.Series(every("1,16", "2016-01-01", 60)), ["MS"]),
    "thrice a month": (pd.Series(every("1,11,21", "2017-01-01", 48)), ["MS"]),
    "some days": (LONG[np.cumsum(np.random.default_rng(1).choice([2, 2, 2, 3], 150))], ["D", "B"]),
    "some of five minutes": (FIVE[np.random.default_rng(2).random(2000) < 0.2], ["30min", "h", "3h"]),
    "few days of years": (LONG[np.random.default_rng(3).random(400) < 0.05], ["MS", "QS"]),
}


@pytest.mark.parametrize("kind", IRREGULAR)
def test_irregular_times_have_a_command_that_ends_in_a_forecast(kind: str, folder: Path, capsys: Capsys) -> None:
    """Prevents: hints at steps that are shorter than the rows' own, or that leave no window to train on."""
    times, names = IRREGULAR[kind]
    of(times).to_csv("table.csv", index=False)
    assert run(["inspect", "table.csv"]) == 2
    printed = commands(capsys.readouterr().out)
    assert printed[0][0] == "fit"
    flag = "--freq" if "--freq" in printed[0] else "--resample"
    assert printed[0][printed[0].index(flag) + 1] in names
    for i, command in enumerate(printed):
        assert run([*command, "--model", "naive", "--no-track", "--out", f"model{i}"]) == 0, command
        assert run(["predict", f"model{i}", "table.csv", "--output", "forecast.csv"]) == 0 or "data.rows" in str(
            command
        )
    capsys.readouterr()
    assert folder.is_dir()


STRAYS = {  # one time far off, and its row
    "last": ([*LONG[:79], pd.Timestamp("2043-03-23")], "row 80"),
    "within": ([*LONG[:30], pd.Timestamp("2033-02-01"), *LONG[31:80]], "row 31"),
    "first": ([pd.Timestamp("1923-01-02"), *LONG[1:80]], "row 1 "),
}


@pytest.mark.parametrize("kind", STRAYS)
def test_one_time_far_off_is_named_without_commands_that_cannot_fit(kind: str, folder: Path, capsys: Capsys) -> None:
    """Prevents: a ready fit on a grid of decades, of which no window has a target, or a forecast behind the stray."""
    times, row = STRAYS[kind]
    of(pd.Series(times)).to_csv("table.csv", index=False)
    assert run(["inspect", "table.csv"]) == 2
    out, err = capsys.readouterr()
    assert commands(out) == []
    assert row in err
    assert "fix the times" in err
    assert folder.is_dir()


MONTHS = {  # months in words that are not read
    "Monat": [f"{m} {y}" for y in range(2015, 2020) for m in ("Januar", "Februar", "März", "April", "Mai", "Juni")],
    "mois": [f"{m} {y}" for y in range(2015, 2020) for m in ("janvier", "février", "mars", "avril", "mai", "juin")],
    "term": [f"{y} term {t}" for y in range(2000, 2015) for t in "abc"],
}


@pytest.mark.parametrize("name", MONTHS)
def test_words_that_are_no_times_are_named(name: str, folder: Path, capsys: Capsys) -> None:
    """Prevents: a hint at numbers that count, where one column holds times in words."""
    pd.DataFrame({name: MONTHS[name], "y": values(len(MONTHS[name]))}).to_csv("table.csv", index=False)
    assert run(["inspect", "table.csv"]) == 2
    err = capsys.readouterr().err
    assert f"'{MONTHS[name][0]}'" in err
    assert f"column '{name}'" in err
    assert "2024-01-31" in err
    assert folder.is_dir()


PHASES = {  # first months of two series, step in months, and a word of the hint
    "quarters": ("2005-01-01", "2005-02-01", "3MS", ["January, April", "February, May"]),
    "half-years": ("1990-03-01", "1990-06-01", "6MS", ["March and September", "June and December"]),
    "years": ("1960-01-01", "1960-07-01", "12MS", ["day 1 of January", "day 1 of July"]),
}


@pytest.mark.parametrize("kind", PHASES)
def test_series_of_other_months_are_told_apart_by_them(kind: str, folder: Path, capsys: Capsys) -> None:
    """Prevents: two phases that read alike, and an offer to move rows by a third of their step."""
    first, second, step, words = PHASES[kind]
    parts = [of(pd.date_range(start, periods=48, freq=step)).assign(shop=start) for start in (first, second)]
    pd.concat(parts).to_csv("table.csv", index=False)
    assert run(["inspect", "table.csv", "--id", "shop"]) == 2
    out, err = capsys.readouterr()
    assert all(word in err for word in words)
    assert "--snap" not in out + err
    assert folder.is_dir()


# --- what cannot be read whole ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("delimiter", "bad", "line"), [(",", "2024-02-10", 42), (";", "2024-02-10;1;2;3;4", 42),
                                                        ("\t", "", 42)])  # fmt: skip
def test_rows_above_a_bad_line_are_shown(delimiter: str, bad: str, line: int, folder: Path, capsys: Capsys) -> None:
    """Prevents: an error about line 42, and nothing to see of the 40 rows above it."""
    rows = [delimiter.join([str(t.date()), str(i), str(i / 2)]) for i, t in enumerate(DAYS)]
    rows[line - 2] = bad or "2024-02-10\t3"
    Path("table.csv").write_text("\n".join([delimiter.join(["day", "a", "b"]), *rows, ""]))
    assert run(["inspect", "table.csv"]) == 2
    out, err = capsys.readouterr()
    assert f"{line - 2} rows above the line" in out
    assert "2024-01-01 ... 2024-02-09" in out
    assert f"line {line}" in err
    assert folder.is_dir()


RISING = {  # names and numbers of times that nothing is known of
    "takt": 100 + 7 * np.arange(60) + np.arange(60) % 2,
    "stand": np.cumsum(1 + np.arange(60) % 3),
    "lfd": 3.5 + np.arange(60) * 0.25,
}


@pytest.mark.parametrize("name", RISING)
def test_numbers_that_rise_are_offered_as_times(name: str, folder: Path, capsys: Capsys) -> None:
    """Prevents: no column that reads as the time, and none that is named."""
    frame = pd.DataFrame({"y": values(60) % 7, name: RISING[name]})
    frame.to_csv("table.csv", index=False)
    assert run(["inspect", "table.csv"]) in (0, 2)
    printed = commands(capsys.readouterr().out)
    assert any(name in command or command[0] == "fit" for command in printed)
    assert folder.is_dir()


# --- candidates in the order of where they lead -------------------------------------------------------------------

SEVERAL = {  # tables with several times, and the one that ends in a forecast
    "seasons": pd.DataFrame({"season": [f"{2000 + i // 12}/{(i // 12 + 1) % 100:02d}" for i in range(120)],
                             "month": pd.date_range("2000-07-01", periods=120, freq="MS").strftime("%Y-%m"),
                             "y": values(120)}),
    "days of orders": pd.DataFrame({"ordered": DAYS.repeat(2)[:60], "paid": DAYS, "y": values(60)}),
    "years": pd.DataFrame({"since": ["2001-01-01"] * 60, "day": DAYS.astype(str), "y": values(60)}),
}  # fmt: skip


@pytest.mark.parametrize("kind", SEVERAL)
def test_what_ends_in_a_forecast_is_offered_first(kind: str, folder: Path, capsys: Capsys) -> None:
    """Prevents: a first command that ends without one."""
    frame = SEVERAL[kind]
    frame.to_csv("table.csv", index=False)
    assert run(["inspect", "table.csv"]) == 0
    command = commands(capsys.readouterr().out)[0]
    assert frame.columns[1] in command or command[0] == "fit"
    if command[0] == "inspect":
        assert run(command) == 0
        command = commands(capsys.readouterr().out)[0]
    assert run([*command, "--model", "naive", "--no-track", "--out", "model"]) == 0
    assert folder.is_dir()
