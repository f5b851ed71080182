"""`--baselines` as a user meets it: in tables, JSON, files and MLflow, on the command line as in a TOML file."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.helpers.commands import Capsys, document, fails
from tests.helpers.stores import query
from tests.helpers.tables import hourly
from tsforge.cli.main import run

QUICK = ["--model", "gru", "--max-steps", "2", "--set", "model.width=4", "--horizon", "6", "--quiet"]
USUAL = ["seasonal-naive", "naive", "drift", "linear"]


@pytest.fixture
def folder(home: Path) -> Path:
    """A fresh folder with one ordinary table, and the user in it."""
    hourly(12).to_csv("data.csv", index=False)
    return home


def columns(out: str) -> list[str]:
    """The models of the table of scores."""
    return next(line for line in out.splitlines() if "seasonal-naive" in line and line.endswith("skill")).split()[:-1]


def test_a_fit_shows_records_and_keeps_them(store_at_home: Path, capsys: Capsys) -> None:
    """Prevents: a bar that stands in the table and nowhere else, or a recorded fit that others cannot repeat."""
    hourly(12).to_csv("data.csv", index=False)
    printed = document(capsys, "fit", "data.csv", *QUICK, "--baselines", "theta,ets", "--out", "m")
    scores = json.loads(Path("m/scores.json").read_text())
    recorded = document(capsys, "runs", "show", printed["run"])["baselines"]
    assert {"theta", "ets"} <= set(recorded)
    for name, values in recorded.items():
        assert values == pytest.approx({key: value for key, value in scores[name].items() if key in values}, rel=1e-5)
    params = dict(query(store_at_home, "select key, value from params"))
    assert params["baselines"] == "theta, ets"
    assert run(["fit", "data.csv", "--config", "m/experiment.toml", "--out", "n", "--quiet", "--no-track"]) == 0
    assert columns(capsys.readouterr().out) == ["gru", *USUAL, "theta", "ets"]
    assert json.loads(Path("n/scores.json").read_text()) == scores
    assert run(["runs", "reproduce", printed["run"], "data.csv", "--no-track", "--quiet"]) == 0


@pytest.mark.parametrize("words", [
    ["--baselines", "tsb,croston"], ["--baselines", "tsb", "croston"], ["--set", 'baselines=["tsb", "croston"]'],
    ["--set", "baselines=tsb,croston"], ["--config", "e.toml"],
])  # fmt: skip
def test_the_ways_to_ask_are_one(words: list[str], folder: Path, capsys: Capsys) -> None:
    """Prevents: a word that holds in one place and not in another."""
    (folder / "e.toml").write_text('baselines = ["tsb", "croston"]\n')
    printed = document(capsys, "fit", "data.csv", *QUICK, *words, "--no-track")
    assert list(printed["scores"]) == ["gru", *USUAL, "tsb", "croston"]
    assert printed["experiment"]["baselines"] == ["tsb", "croston"]


def test_a_backtest_of_a_model_shows_its_own_or_those_asked_for(folder: Path, capsys: Capsys) -> None:
    """Prevents: bars that a saved model has lost, or a flag that a fitted model refuses as if it had to be trained."""
    assert run(["fit", "data.csv", *QUICK, "--baselines", "theta", "--out", "m", "--no-track"]) == 0
    roll = ["backtest", "m", "--windows", "3", "--no-track", "--quiet"]
    own = document(capsys, *roll)
    assert list(own["scores"]) == ["gru", *USUAL, "theta"]
    assert own["against"].keys() == {*USUAL, "theta"}
    other = document(capsys, *roll, "--baselines", "ets", "mstl")
    assert list(other["scores"]) == ["gru", *USUAL, "ets", "mstl"]
    assert other["scores"]["linear"] == own["scores"]["linear"]
    assert run([*roll, "--output", "scores.csv", "--plot", "p.png"]) == 0
    assert [row["model"] for row in csv.DictReader((folder / "scores.csv").open())] == ["gru", *USUAL, "theta"]
    capsys.readouterr()
    assert "fitted model keeps its experiment" in fails(capsys, *roll, "--baselines", "ets", "--seed", "3")


def test_a_backtest_that_fits_on_the_way_shows_them(folder: Path, capsys: Capsys) -> None:
    """Prevents: bars beside a model that is fitted anew for some origins, forecast by the first fit alone."""
    hourly(20).to_csv("data.csv", index=False)
    roll = ["--windows", "4", "--refit", "2", "--horizon", "6", "--context", "130", "--no-track", "--quiet"]
    network = ["--model", "gru", "--max-steps", "2", "--set", "model.width=4", "--baselines", "theta"]
    printed = document(capsys, "backtest", "data.csv", *network, *roll)
    alone = document(capsys, "backtest", "data.csv", "--model", "theta", *roll)
    assert printed["fits"] == 2
    assert printed["scores"]["theta"]["mase"] == pytest.approx(alone["scores"]["theta"]["mase"], rel=1e-5)
    assert alone["model"] == "theta"
    assert folder.is_dir()


def test_a_comparison_shows_them(folder: Path, capsys: Capsys) -> None:
    """Prevents: a verdict on networks that a model without training beats."""
    words = ["--models", "gru,rnn", "--seeds", "1", "--max-steps", "2", "--no-probes", "--horizon", "6", "--quiet"]
    printed = document(capsys, "compare", "data.csv", *words, "--baselines", "theta,ets", "--out", "c", "--no-track")
    (data,) = printed["data"]
    assert list(data["baselines"]) == [*USUAL, "theta", "ets"]
    assert data["judgement"]["rival"] in data["baselines"]
    assert (folder / "c").is_dir()


def test_the_next_command_keeps_them(folder: Path, capsys: Capsys) -> None:
    """Prevents: a better model that is fitted, and its bars gone from the table."""
    assert run(["fit", "data.csv", *QUICK, "--baselines", "ets", "--no-track"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("next"))
    assert "--baselines ets" in line
    assert "--model" in line
    assert folder.is_dir()


@pytest.mark.parametrize(("words", "text"), [
    (["fit", "data.csv", "--baselines", "teta"], "did you mean 'theta'?"),
    (["backtest", "data.csv", "--baselines", "theta,prophet"], "known: naive, seasonal-naive"),
    (["compare", "data.csv", "--baselines", "lstm"], "there is no baseline 'lstm'"),
    (["sweep", "data.csv", "--baselines", "auto"], "there is no baseline 'auto'"),
    (["fit", "--baselines", "theta", "data.csv"], "--baselines takes all the names that follow it"),
    (["backtest", "--baselines", "theta", "ets", "data.csv"], "the table 'data.csv' too"),
    (["fit", "data.csv", "--set", "baselines=3"], "baselines: must be a list, not 3"),
])  # fmt: skip
def test_what_cannot_be_shown_is_refused(words: list[str], text: str, folder: Path, capsys: Capsys) -> None:
    """Prevents: a traceback, or a name that is left out without a word."""
    assert text in fails(capsys, *words)
    assert not (folder / "models").exists()
