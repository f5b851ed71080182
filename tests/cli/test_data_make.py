"""`tsforge data make`: the file, what is said of it, and the way on from it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.commands import document, fails
from tsforge.cli.main import run
from tsforge.synthesis import make
from tsforge.synthesis.kinds import KINDS


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_what_is_made_can_be_fitted_by_the_command_that_is_named(
    ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: a table that tsforge reads otherwise than it was made."""
    monkeypatch.chdir(tmp_path)
    name = f"made.{ending}"
    assert run(["data", "make", "mixture", "--series", "30", "--seed", "1", "--length", "90", "--output", name]) == 0
    out = capsys.readouterr().out
    assert f"30 series of 90 steps in {name}: mixture, 2000-01-01 to 2007-06-01" in out
    fit = shlex.split(out.splitlines()[1].removeprefix("next"))[1:]
    fitted = document(capsys, *fit, "--model", "linear", "--no-track", "--quiet")
    assert (fitted["test_windows"], fitted["test_steps"], fitted["naive_season"]) == (30, 18, 12)


def test_the_file_holds_what_python_gives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: options that are not passed on; missing values that are written as numbers."""
    file = tmp_path / "hours.csv"
    options = ["--series", "60", "--length", "100", "--season", "24", "--seed", "9", "--output", str(file)]
    facts = document(capsys, "data", "make", "mixture", *options)
    expected = make("mixture", series=60, length=100, season=24, seed=9)
    written = pd.read_csv(file, parse_dates=["time"], dtype={"value": "float32"})
    pd.testing.assert_frame_equal(written, expected, check_dtype=False, rtol=1e-6)
    missing = int(expected["value"].isna().sum())
    assert facts == {"kind": "mixture", "output": str(file), "series": 60, "rows": 6000, "missing": missing}
    assert missing > 0


def test_help_names_every_kind(capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: a kind that nobody hears of."""
    assert run(["data", "make", "--help"]) == 0
    first = {line.split()[0] for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert {*KINDS, "mixture"} <= first


@pytest.mark.parametrize(("words", "message"), [
    (("etz",), "did you mean 'ets'?"),
    (("ets", "--length", "4"), "give a length of 6 to 600"),
    (("ets", "--season", "150"), "give a season of 2 to 133, or 1 for none; or a length of 225 or more"),
    (("ets", "--freq", "fortnight"), "known: s, min"),
])  # fmt: skip
def test_refusals_write_nothing(
    words: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prevents: half a table, or none and no reason."""
    file = tmp_path / "t.csv"
    assert message in fails(capsys, "data", "make", *words, "--output", str(file))
    assert not file.exists()


def test_an_impossible_ending_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: a file of a format that is not written."""
    assert ".xlsx" in fails(capsys, "data", "make", "walk", "--output", str(tmp_path / "t.xlsx"))
