"""What inspect shows: the columns in any case, what is left open with a command for each reading, and every note."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.helpers.commands import Capsys, commands, document
from tsforge.cli.main import run

DAYS = pd.date_range("2024-01-01", periods=60, freq="D")
LATER = DAYS + pd.Timedelta(days=3)
HOURS = pd.date_range("2024-01-01", periods=24 * 20, freq="h")


def long(**columns: list[Any]) -> pd.DataFrame:
    """A series of 60 days for each row of the columns."""
    frame = pd.DataFrame(columns).merge(pd.DataFrame({"day": DAYS}), how="cross")
    return frame[["day", *columns]].assign(units=np.arange(len(frame)) * 1.5)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def roles(out: str) -> dict[str, str]:
    """The role of each column, of a printed table whose names have no blanks."""
    lines = out.split("\n\n")[1].splitlines()[1:]
    return {line.split()[0]: " ".join(w for w in line.split()[1:4] if w.endswith("?") or w == "time") for line in lines}


READINGS = {  # tables with several columns that could be the time, and these
    "two dates": (pd.DataFrame({"sold": DAYS, "paid": LATER, "euro": 1.5}), ["paid", "sold"]),
    "three dates": (pd.DataFrame({"a": DAYS, "b": LATER, "c": LATER, "y": 1.5}), ["a", "b", "c"]),
    "two counters": (pd.DataFrame({"week": range(1, 41), "t": range(40), "y": 1.5}), ["t", "week"]),
}


@pytest.mark.parametrize("kind", READINGS)
def test_a_table_with_several_readings_is_shown_with_a_command_for_each(
    kind: str, folder: Path, capsys: Capsys
) -> None:
    """Prevents: an error in place of a table where only a choice is open."""
    frame, names = READINGS[kind]
    frame.to_csv("table.csv", index=False)
    assert run(["inspect", "table.csv"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert sorted(commands(out)) == [["inspect", "table.csv", "--time", name] for name in names]
    assert all(roles(out)[name] == "time?" for name in names)
    for command in commands(out):
        assert run(command) == 0
        assert roles(capsys.readouterr().out)[command[-1]] == "time"
    assert folder.is_dir()


@pytest.mark.parametrize("form", ["%d/%m/%Y", "%m/%d/%Y", "%d/%m/%Y %H:%M", "%d-%m-%Y"])
def test_dates_that_read_in_two_ways_have_a_command_for_the_other(form: str, folder: Path, capsys: Capsys) -> None:
    """Prevents: a note about another reading, and no way to look at it. 01/01 to 06/01 are six days, or months."""
    days = pd.date_range("2024-01-01", periods=6, freq="D" if form.startswith("%d") else "MS")
    pd.DataFrame({"day": days.strftime(form), "y": np.arange(6) * 1.5}).to_csv("table.csv", index=False)
    assert run(["inspect", "table.csv"]) == 0
    out = capsys.readouterr().out
    fit, look = commands(out)
    assert fit[:2] == ["fit", "table.csv"]
    assert look in (["inspect", "table.csv", flag] for flag in ("--dayfirst", "--no-dayfirst"))
    assert run(look) == 0
    other = capsys.readouterr().out
    assert [line for line in out.splitlines() if line.startswith("time ")] != [
        line for line in other.splitlines() if line.startswith("time ")
    ]
    assert "it could also be" not in other
    assert folder.is_dir()


def test_ids_that_tell_apart_equally_well_are_offered_each(folder: Path, capsys: Capsys) -> None:
    """Prevents: a choice between ids that hides the time, which is certain."""
    frame = long(shop=["a", "b", "c"], item=["x", "y", "z"])
    frame["item"] = np.where(
        frame["day"] < "2024-02-01", frame["item"], frame["item"].map({"x": "z", "y": "x", "z": "y"})
    )
    frame.to_csv("table.csv", index=False)
    seen = document(capsys, "inspect", "table.csv")
    assert seen["choices"] == [{"data.id": "shop"}, {"data.id": "item"}]
    assert not seen["fault"]
    assert seen["command"] is None
    by_name = {c["name"]: c for c in seen["columns"]}
    assert by_name["day"]["role"] == "time"
    assert by_name["day"]["first"] == "2024-01-01"
    assert by_name["day"]["last"] == "2024-02-29"
    assert by_name["shop"]["could_be"] == by_name["item"]["could_be"] == ["id"]
    assert folder.is_dir()


@pytest.mark.parametrize("parts", [["year", "month"], ["Year", "Month", "Day"], ["year", "month", "day", "hour"]])
def test_parts_of_one_time_are_offered_together(parts: list[str], folder: Path, capsys: Capsys) -> None:
    """Prevents: a year and a month that are each taken for the time; the order is that of the clock."""
    frame = pd.DataFrame({name: getattr(HOURS, name.lower()) for name in parts[::-1]} | {"pm2.5": np.arange(480) * 1.5})
    frame.drop_duplicates(parts).to_csv("table.csv", index=False)
    assert run(["inspect", "table.csv"]) == 0
    assert commands(capsys.readouterr().out)[0] == ["inspect", "table.csv", "--time", ",".join(parts)]
    assert folder.is_dir()


ROWS = [f"2024-01-{d:02d},{d}" for d in range(1, 29)]
FAULTS = {  # tables with a mistake, and what the error names
    "a bad time": (["day,y", *ROWS, "soon,3"], ["'soon'", "row 29"]),
    "a time twice": (["day,y", *ROWS, ROWS[4]], ["2024-01-05", "row 29"]),
    "an infinite value": (["day,y", *ROWS[:9], "2024-01-10,inf", *ROWS[10:]], ["row 10"]),
    "no time": (["a,b", *(f"{d % 3}.5,{d % 5}.5" for d in range(28))], ["no column reads as the time"]),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_table_with_a_fault_is_shown_before_the_error(kind: str, folder: Path, capsys: Capsys) -> None:
    """Prevents: an error about a row, and nothing to see of the table it is in."""
    lines, named = FAULTS[kind]
    Path("table.csv").write_text("\n".join([*lines, ""]))
    assert run(["inspect", "table.csv"]) == 2
    out, err = capsys.readouterr()
    assert {line.split()[0] for line in out.split("\n\n")[1].splitlines()[1:]} == set(lines[0].split(","))
    error, hint = err.splitlines()
    assert error.startswith("error: ")
    assert hint.startswith("hint: ")
    assert all(part in error for part in named)
    assert run(["inspect", "table.csv", "--json"]) == 2
    assert '"fault": true' in capsys.readouterr().out
    assert folder.is_dir()


def test_a_fault_with_ways_out_has_a_command_for_each(folder: Path, capsys: Capsys) -> None:
    Path("table.csv").write_text("\n".join(["day,y", *ROWS, ROWS[4], ""]))
    assert run(["inspect", "table.csv", "--freq", "D"]) == 2
    printed = commands(capsys.readouterr().out)
    assert printed == [["inspect", "table.csv", "--freq", "D", "--duplicates", way] for way in ("mean", "sum")]
    assert all(run(command) == 0 for command in printed)
    assert folder.is_dir()


@pytest.mark.parametrize(("step", "seconds"), [("20min", 3), ("h", 40), ("D", 900)])
def test_jittered_times_have_a_command_that_rounds_them(step: str, seconds: int, folder: Path, capsys: Capsys) -> None:
    """Prevents: a hint that leads from one error to the next."""
    off = np.random.default_rng(0).integers(-seconds, seconds, 200, endpoint=True)
    times = pd.date_range("2024-01-01", periods=200, freq=step) + pd.to_timedelta(off, unit="s")
    pd.DataFrame({"time": times, "y": np.arange(200) % 7 * 1.5}).to_csv("table.csv", index=False)
    assert run(["inspect", "table.csv"]) == 2
    assert commands(capsys.readouterr().out) == [["inspect", "table.csv", "--snap"]]
    assert run(["inspect", "table.csv", "--snap"]) == 0
    assert f"frequency {step}" in capsys.readouterr().out
    assert folder.is_dir()


@pytest.mark.parametrize("clock", ["Hour", "hour", "minute"])
def test_days_and_hours_in_two_columns_are_offered_as_one_time(clock: str, folder: Path, capsys: Capsys) -> None:
    """Prevents: an hour that is taken for a target, because it is a number."""
    frame = pd.DataFrame({"date": DAYS.repeat(24), clock: list(range(24)) * 60, "load": np.arange(1440) * 1.5})
    frame.to_csv("table.csv", index=False)
    assert run(["inspect", "table.csv"]) == 2
    assert commands(capsys.readouterr().out)[0] == ["inspect", "table.csv", "--time", f"date,{clock}"]
    assert folder.is_dir()


@pytest.mark.parametrize("value", ["10 EUR", "1.2.3", "lots"])
def test_a_column_of_numbers_with_a_mistake_names_it(value: str, folder: Path, capsys: Capsys) -> None:
    frame = pd.DataFrame(
        {"day": DAYS.astype(str), "price": [str(i / 2) for i in range(60)], "units": np.arange(60) * 1.5}
    )
    frame.loc[7, "price"] = value
    frame.loc[9, "price"] = ""
    frame.to_csv("table.csv", index=False)
    price = document(capsys, "inspect", "table.csv", "--target", "units")["columns"][1]
    assert (price["kind"], price["missing"]) == ("number", 1)
    assert price["values"] == f"0 to 29.5, 1 not a number: '{value}'"
    assert folder.is_dir()


def test_a_wrong_name_does_not_hide_the_table(folder: Path, capsys: Capsys) -> None:
    long(shop=["a", "b"]).to_csv("table.csv", index=False)
    assert run(["inspect", "table.csv", "--target", "unit"]) == 2
    out, err = capsys.readouterr()
    assert "did you mean 'units'?" in err
    assert "units" in out
    assert folder.is_dir()


def test_steps_that_are_missing_at_the_start_are_counted(folder: Path, capsys: Capsys) -> None:
    """Prevents: a sensor that was installed late, of which nothing is said."""
    frame = long(shop=["a", "b", "c"])
    frame.loc[frame.index[60:72], "units"] = np.nan
    frame.loc[frame.index[120:125], "units"] = np.nan
    frame.to_csv("table.csv", index=False)
    series = document(capsys, "inspect", "table.csv", "--id", "shop")["series"]
    assert (series["late"], series["late_by"], series["missing_steps"]) == (2, 12, 17)
    assert run(["inspect", "table.csv", "--id", "shop"]) == 0
    assert "up to 12 steps at the start of 2 series are missing" in capsys.readouterr().out
    wide = pd.DataFrame({"day": DAYS, "a": np.arange(60.0), "b": [np.nan] * 7 + list(range(53))})
    wide.to_csv("wide.csv", index=False)
    assert document(capsys, "inspect", "wide.csv", "--target", "a,b")["series"]["late_by"] == 7
    assert folder.is_dir()


def test_first_and_last_time_and_of_other_dates_the_first_and_last_of_the_file(folder: Path, capsys: Capsys) -> None:
    frame = pd.DataFrame({"day": DAYS, "delivered": DAYS + pd.Timedelta(days=2), "euro": 1.5}).iloc[::-1]
    frame.to_csv("table.csv", index=False)
    seen = {c["name"]: c for c in document(capsys, "inspect", "table.csv")["columns"]}
    assert [seen["day"][k] for k in ("kind", "first", "last")] == ["dates", "2024-01-01", "2024-02-29"]
    assert [seen["delivered"][k] for k in ("kind", "first", "last")] == ["dates", "2024-03-02", "2024-01-03"]
    assert folder.is_dir()


def test_every_note_is_shown_in_flags_of_the_command(folder: Path, capsys: Capsys) -> None:
    """Prevents: a warning that fit gives and inspect keeps to itself."""
    frame = long(shop=["a", "b"]).assign(colour="red")
    frame.loc[3, "units"] = np.nan
    frame.to_csv("table.csv", index=False)
    notes = document(capsys, "inspect", "table.csv")["notes"]
    assert "not used: colour (name them with --past, --future or --static)" in notes
    assert any("1 of 120 steps of 'units' are missing" in note for note in notes)
    assert run(["inspect", "table.csv"]) == 0
    out = capsys.readouterr().out
    assert all(f"note       {note}" in out for note in notes)
    assert folder.is_dir()


@pytest.mark.parametrize(("argv", "expected"), [
    (["--static", "colour"], {"colour": "static"}),
    (["--set", "data.static=colour"], {"colour": "static"}),
    (["--set", "data.past=['colour']", "--freq", "D"], {"colour": "past"}),
    (["--config", "experiment.toml"], {"colour": "future"}),
    (["--config", "experiment.toml", "--set", "data.future=[]", "--past", "colour"], {"colour": "past"}),
])  # fmt: skip
def test_every_way_to_say_a_setting_counts_and_is_repeated(
    argv: list[str], expected: dict[str, str], folder: Path, capsys: Capsys
) -> None:
    """Prevents: a suggested fit that reads the table in another way than it was shown."""
    long(shop=["a", "b"]).assign(colour="red").to_csv("table.csv", index=False)
    Path("experiment.toml").write_text('[data]\nfuture = "colour"\n')
    assert {c["name"]: c["role"] for c in document(capsys, "inspect", "table.csv", *argv)["columns"]} == {
        "day": "time", "shop": "id", "units": "target", **expected,
    }  # fmt: skip
    assert run(["inspect", "table.csv", *argv]) == 0
    (command,) = commands(capsys.readouterr().out)
    assert command[:2] == ["fit", "table.csv"]
    assert all(word in command for word in argv)
    assert folder.is_dir()


def test_settings_that_are_none_are_refused_by_name(folder: Path, capsys: Capsys) -> None:
    """Prevents: a traceback for a value that no setting has."""
    long(shop=["a", "b"]).to_csv("table.csv", index=False)
    for argv in (["--set", "data.snapp=true"], ["--set", "data.snap=often"], ["--duplicates", "mode"]):
        assert run(["inspect", "table.csv", *argv]) == 2
        assert "snap" in capsys.readouterr().err or argv[0] == "--duplicates"
    assert folder.is_dir()


NAMES = {  # names of the id and of two targets
    "commas": ("shop, name", "sales, net", "sales, gross"),
    "commas that look like others": ("a,b", "a", "b"),
    "formulas": ("$id$", "units $x_1$", "cost $"),
    "signs": ("{id}", "100 %_\\", "'it''s'"),
    "options": ("-id", "--target", "-5"),
}


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.usefixtures("home")
def test_commands_can_be_pasted_whatever_the_columns_are_called(kind: str, folder: Path, capsys: Capsys) -> None:
    """Prevents: a suggested command that the next one refuses, and a model that cannot be fitted again."""
    key, a, b = NAMES[kind]
    frame = long(shop=["x", "y"]).rename(columns={"shop": key, "units": a})
    frame.assign(**{b: 2.0 + np.arange(120) % 7}).to_csv("my table.csv", index=False)
    assert run(["inspect", "my table.csv", f"--id={key}"]) == 0
    (fit,) = commands(capsys.readouterr().out)
    assert run([*fit, "--model", "seasonal-naive", "--no-track"]) == 0
    (predict,) = [
        shlex.split(line[8:])[1:] for line in capsys.readouterr().out.splitlines() if line.startswith("next ")
    ]
    assert run(predict) == 0
    assert list(pd.read_csv("forecast.csv").columns[:2]) == [key, "day"]
    assert run(["inspect", "my table.csv", f"--id={key}", f"--target={a}", f"--target={b}"]) == 0
    (fit,) = commands(capsys.readouterr().out)
    assert run([*fit, "--model", "naive", "--no-track", "--out", "both"]) == 0
    capsys.readouterr()
    again = document(capsys, "fit", "--config", "both/experiment.toml", "--no-track", "--out", "again")
    assert again["experiment"]["data"]["target"] == [a, b]
    assert again["experiment"]["data"]["id"] == [key]
    assert folder.is_dir()


def test_holidays_are_looked_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: a place that inspect takes without a word and fit does not know."""
    days = pd.date_range("2022-01-01", periods=800, freq="D").strftime("%Y-%m-%d")
    pd.DataFrame({"day": days, "load": np.arange(800) % 7}).to_csv(tmp_path / "t.csv", index=False)
    assert run(["inspect", str(tmp_path / "t.csv"), "--holidays", "DE"]) == 0
    assert "known      holiday DE, by the calendar" in capsys.readouterr().out
    assert run(["inspect", str(tmp_path / "t.csv"), "--holidays", "XX"]) == 2
    assert "'XX' is no country" in capsys.readouterr().err
