"""--season, and what a command says of seasons, of scores that are missing and of forecasts that are alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.helpers.commands import Capsys, document, fails
from tsforge.cli.main import run


@pytest.fixture
def folder(home: Path) -> Path:
    """Tables of a walk, of a week that repeats exactly and of years, and the user beside them."""
    walk = np.random.default_rng(0).normal(size=120).cumsum() + 20
    days, years = pd.date_range("2024-01-01", periods=120, freq="D"), pd.date_range("1950", periods=60, freq="YS")
    pd.DataFrame({"t": days, "y": walk}).to_csv("walk.csv", index=False)
    pd.DataFrame({"t": days, "y": 1.0 + np.arange(120) % 7}).to_csv("week.csv", index=False)
    pd.DataFrame({"t": years, "y": walk[:60]}).to_csv("years.csv", index=False)
    return home


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("given", ["--season=9", "--set=data.season=9", "--config=e.toml"])
@pytest.mark.parametrize("steps", [9, 2])
def test_a_season_that_is_given(given: str, steps: int, capsys: Capsys) -> None:
    """Prevents: a flag that one of the commands does not know, or that is overruled by what was detected."""
    Path("e.toml").write_text(f"[data]\nseason = {steps}\n", encoding="utf-8")
    given = given.replace("9", str(steps))
    assert document(capsys, "inspect", "week.csv", given)["season"] == steps
    for command in ("fit", "backtest"):
        found = document(capsys, command, "week.csv", given, "--model", "seasonal-naive", "--no-track", "--quiet")
        assert (found["season"], found["naive_season"]) == (steps, steps)
    fails(capsys, "inspect", "week.csv", "--season", "0")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("name", "words"), [
    ("walk", "none found; seasonal naive goes back 7 steps, by the calendar"), ("week", "7 steps"),
    ("years", "none found"),
])  # fmt: skip
def test_what_inspect_says_of_the_season_fit_says_too(name: str, words: str, capsys: Capsys) -> None:
    """Prevents: a seasonal naive that goes back steps which nobody named."""
    assert run(["inspect", f"{name}.csv"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("season")]
    assert line.split(maxsplit=1)[1] == words
    fitted = {"walk": "no season (seasonal naive: 7)", "week": "season 7", "years": "season 1"}[name]
    for command in ("fit", "backtest"):
        assert run([command, f"{name}.csv", "--model", "drift", "--no-track"]) == 0
        assert fitted in capsys.readouterr().out


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("command", ["fit", "backtest"])
def test_a_missing_score_is_explained(command: str, capsys: Capsys) -> None:
    """Prevents: an empty cell, or a null in JSON, without a word why."""
    assert run([command, "week.csv", "--model", "drift", "--no-track"]) == 0
    out = capsys.readouterr().out
    assert "no mase: values 7 steps apart (one season) before the test part never differ" in out
    assert "no skill: seasonal-naive makes no error to be compared with" in out
    found = document(capsys, command, "week.csv", "--model", "drift", "--no-track", "--quiet")
    assert found["scores"]["drift"]["mase"] is None
    assert found["reasons"] == {"mase": "alike"}
    assert found["notes"][0].startswith("no mase: ")
    assert found["left_out"]["mase"] > 0


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("command", ["fit", "backtest"])
def test_no_two_columns_are_one_forecast(command: str, capsys: Capsys) -> None:
    """Prevents: seasonal naive beside naive in years, where both say the same."""
    for name, several in (("years", False), ("walk", True)):
        assert run([command, f"{name}.csv", "--model", "drift", "--no-track"]) == 0
        header = next(line for line in capsys.readouterr().out.splitlines() if line.strip().startswith("drift"))
        assert ("seasonal-naive" in header.split()) == several
        assert "naive" in header.split()
        found = document(capsys, command, f"{name}.csv", "--model", "drift", "--no-track", "--quiet")
        assert {"naive", "seasonal-naive"} <= set(found["scores"])
        assert found["best_simple"] in ("naive", "seasonal-naive")[: 1 + several]
