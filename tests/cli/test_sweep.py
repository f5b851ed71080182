"""sweep as a user meets it: what is printed and written, resumed, interrupted, refused."""

from __future__ import annotations

import csv
import json
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.commands import document
from tests.helpers.stores import environment, query, runs, wait_for
from tests.helpers.tables import hourly
from tsforge.cli.main import run

QUICK = [
    "--horizon", "6", "--context", "24", "--max-steps", "6", "--space", "model.width=choice(8,16)", "--space",
    "model.backbone.layers=1", "--space", "train.batch_size=16",
]  # fmt: skip

pytestmark = pytest.mark.usefixtures("forked")


@pytest.fixture
def folder(home: Path) -> Path:
    """A fresh folder with one ordinary table, and the user in it."""
    hourly(14).to_csv("data.csv", index=False)
    return home


@pytest.mark.usefixtures("store_at_home")
def test_a_whole_sweep_with_its_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: a promise of the command that is not kept; what it says is held against its files and MLflow."""
    asked = "--models lstm,gru --trials 4 --refit 1 --seeds 2 --out s --pruner none"
    found = document(capsys, "sweep", "data.csv", *asked.split(), *QUICK, "--quiet")
    rows = found["leaderboard"]
    values = [r["values"][0] for r in rows]
    assert len(rows) == 4
    assert values == sorted(values)
    assert {r["model"] for r in rows} == {"lstm", "gru"}
    assert found["winner"] == min(found["refits"], key=lambda c: c["mean"])["name"]
    assert all(set(c["validation"]) == {"1", "2"} for c in found["refits"])
    assert {c["name"] for c in found["refits"] if c["test"]} == {found["winner"], found["default"]}
    with (folder / "s" / "leaderboard.csv").open() as file:
        written = list(csv.DictReader(file))
    assert [float(r["val/mase"]) for r in written] == values
    assert [r["trial"] for r in written] == [str(r["trial"]) for r in rows]
    plots = {path.name for path in (folder / "s" / "plots").iterdir()}
    assert plots == {"history.png", "slice.png", "parallel.png", "importance.png"}
    scores = json.loads((folder / "s" / "model" / "scores.json").read_text())
    best = found["best"]
    winner = next(c for c in found["refits"] if c["name"] == found["winner"])
    kind = best["model"]["kind"]
    assert scores[kind]["mase"] == pytest.approx(winner["test"][str(best["seed"])]["mase"], rel=1e-4)
    _check_runs(folder, found)
    again = document(capsys, "fit", "--config", "s/best.toml", "--no-track", "--quiet")
    assert again["scores"][kind]["mase"] == pytest.approx(scores[kind]["mase"], rel=1e-4)


def _check_runs(folder: Path, found: dict[str, Any]) -> None:
    """One run for the sweep, and under it one for each trial and one for the winner's fit."""
    recorded = runs(folder / "mlflow.db")
    parents = query(folder / "mlflow.db", "select run_uuid, value from tags where key = 'mlflow.parentRunId'")
    assert len(recorded) == 6
    assert len(parents) == 5
    assert {parent for _, parent in parents} == {found["run"]}
    states = query(folder / "mlflow.db", "select value from tags where key = 'tsforge.state'")
    assert states == [("COMPLETE",)] * 4
    assert {status for _, _, status in recorded} == {"FINISHED"}
    of_trials = "select value from latest_metrics where key = 'val/mase' and run_uuid != ?"
    measured = query(folder / "mlflow.db", of_trials, found["run"])
    values = [r["values"][0] for r in found["leaderboard"]]
    assert sorted(v for (v,) in measured) == pytest.approx(sorted(values), rel=1e-5)


def test_the_same_command_goes_on_and_another_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: trials run again, and trials of different data or spaces in one leaderboard."""
    line = ["sweep", "data.csv", "--refit", "0", "--no-track", "--out", "s", *QUICK]
    first = document(capsys, *line, "--trials", "1")["leaderboard"]
    assert run([*line, "--trials", "2"]) == 0
    out = capsys.readouterr()
    assert "going on with s" in out.err
    assert "trials 2/2" in out.err
    assert (folder / "s" / "best.toml").exists()
    rows = document(capsys, *line, "--trials", "2", "--quiet")["leaderboard"]
    assert len(rows) == 2
    assert first[0] in rows
    assert run([*line, "--trials", "3", "--space", "train.lr=log(1e-3,1e-2)"]) == 2
    err = capsys.readouterr().err
    assert "space: train.lr was log(0.0001,0.01), is log(0.001,0.01)" in err
    assert "name another --out" in err


def test_ctrl_c_hands_over_and_the_next_start_finishes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: trials that are lost or stay RUNNING after Ctrl-C; the signal goes to the command alone."""
    line = ["sweep", "data.csv", "--trials", "1", "--refit", "0", "--no-track", "--out", "s", *QUICK]
    slow = [w if w != "6" or line[i - 1] != "--max-steps" else "1000000" for i, w in enumerate(line)]
    slow += ["--max-time", "3s"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tsforge", *slow], cwd=folder, env=environment(), text=True, stderr=subprocess.PIPE,
        stdout=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    journal = folder / "s" / "study.journal"
    wait_for(lambda: journal.exists() and '"owner"' in journal.read_text(), "a trial")
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "the same command goes on" in out
    assert "Traceback" not in err
    assert '"instead_of"' in journal.read_text()
    assert [r["state"] for r in document(capsys, *slow, "--quiet")["leaderboard"]] == ["COMPLETE"]


@pytest.mark.parametrize(("words", "says", "hint"), [
    ("--objectives val/mses", "there is no objective 'val/mses'", "val/mse"),
    ("--objectives val/coverage_80", "lower is not better", "val/mase"),
    ("--objectives latency", "the first objective is a validation score", ""),
    ("--sampler gp --models lstm,gru", "knows no conditional settings", "--sampler tpe"),
    ("--pruner wilcoxon", "compares one objective over folds", "--folds"),
    ("--space model.scaling=choice(last,standard)", "changes the units of the loss", "--pruner none"),
    ("--models lstm,gruu", "there is no model 'gruu'", "did you mean 'gru'?"),
    ("--space train.lr", "--space train.lr: not of the form", "--space"),
    ("--space train.lrr=1", "'train.lrr' is no setting", "did you mean 'train.lr'?"),
    ("--model linear --set train.lr=1 --set train.batch_size=8 --set train.weight_decay=0", "nothing to vary", ""),
    ("--out data.csv", "holds something that is no sweep", "--out"),
    ("--max-parameters few", "max_parameters", ""),
    ("--storage postgresql+psycopg://nobody@127.0.0.1:1/x", "the database cannot be used", "address"),
])  # fmt: skip
def test_errors_teach(words: str, says: str, hint: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sweep", "data.csv", "--no-track", "--horizon", "6", "--context", "24", *shlex.split(words)]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert hint in err
    assert not list(folder.glob("sweeps/*/study.journal"))


def test_a_file_says_it_all_and_flags_win(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: [sweep] and [space] that are read from flags alone, and a fit that stumbles over them."""
    (folder / "e.toml").write_text(
        """
        data = { path = "data.csv", horizon = 6, context = 24 }
        model = { kind = "gru", width = 8 }
        train = { max_steps = 4, batch_size = 16 }
        [sweep]
        trials = 9
        refit = 0
        objectives = ["val/mae", "parameters"]
        [space]
        "model.width" = [8, 16]
        train.lr = "log(1e-3,1e-2)"
        model.backbone = { layers = 1, dropout = 0.0 }
        """
    )
    assert run(["sweep", "e.toml", "--trials", "3", "--no-track", "--json", "--set", "train.weight_decay=0.01"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert len(found["leaderboard"]) == 3
    assert found["objectives"] == ["val/mae", "parameters"]
    assert "train.weight_decay" not in err.split("space: ")[1].splitlines()[0]
    assert all(set(r["params"]) <= {"model.width", "train.lr", "train.batch_size"} for r in found["leaderboard"])
    assert any(r["front"] for r in found["leaderboard"])
    assert (folder / found["folder"] / "plots" / "pareto.png").exists()
    assert document(capsys, "fit", "--config", "e.toml", "--no-track", "--quiet")["kind"] == "gru"
