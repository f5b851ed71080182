"""fit, inspect and data as a user meets them: what is printed where, what is written, what is left alone."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.helpers.commands import Capsys, document
from tests.helpers.tables import hourly
from tsforge.cli.main import run

QUICK = ["--max-steps", "4", "--set", "model.width=8"]


@pytest.fixture
def folder(home: Path) -> Path:
    """A fresh folder with one ordinary table, and the user in it."""
    hourly(12).to_csv("data.csv", index=False)
    return home


def test_fit_in_a_pipe(folder: Path) -> None:
    """Prevents: banners, lightning_logs, results mixed into diagnostics, control characters in a pipe."""
    command = [sys.executable, "-m", "tsforge", "fit", "data.csv", "--horizon", "12", *QUICK, "--no-track"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=True)
    assert "\r" not in done.stdout + done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    for word in ("Lightning", "GPU", "worker", "warn", "litlogger"):
        assert word.lower() not in (done.stdout + done.stderr).lower()
    assert "windows/s" in done.stderr
    assert "seasonal-naive" in done.stdout
    assert "skill" in done.stdout
    assert "tsforge predict models/gru-load-h12" in done.stdout
    assert sorted(p.name for p in folder.iterdir()) == ["data.csv", "models"]


def test_the_next_command_it_prints_works(folder: Path, capsys: Capsys) -> None:
    assert run(["fit", "data.csv", "--horizon", "12", *QUICK, "--no-track"]) == 0
    out = capsys.readouterr().out
    command = next(line for line in out.splitlines() if line.startswith("next"))
    assert run(command.split("tsforge ")[1].split()) == 0
    assert len(pd.read_csv(folder / "forecast.csv")) == 12
    assert (folder / "forecast.png").stat().st_size > 5_000


def test_json_is_one_document_and_quiet_is_quiet(folder: Path, capsys: Capsys) -> None:
    found = document(capsys, "fit", "data.csv", *QUICK, "--no-track", "--quiet")
    assert set(found["scores"]) == {"gru", "seasonal-naive", "naive", "drift", "linear"}
    assert found["experiment"]["data"]["horizon"] == 24
    assert found["scores"] == json.loads((folder / found["model"] / "scores.json").read_text())


def test_flags_and_set_win_over_the_file(folder: Path, capsys: Capsys) -> None:
    (folder / "e.toml").write_text(
        'seed = 5\n[data]\npath = "data.csv"\nhorizon = 3\n[model]\nkind = "gru"\nwidth = 8\n'
        "[train]\nmax_steps = 2\nlr = 0.5\n"
    )
    argv = ["fit", "--config", "e.toml", "--set", "train.lr=0.25", "--seed", "6", "--no-track"]
    experiment = document(capsys, *argv)["experiment"]
    assert experiment["model"]["backbone"]["cell"] == "gru"
    assert experiment["model"]["width"] == 8
    assert experiment["train"]["lr"] == 0.25
    assert (experiment["seed"], experiment["data"]["horizon"]) == (6, 3)


@pytest.mark.parametrize("spelled", [["--target", "a", "b"], ["--target", "a,b"], ["--target", "a", "--target", "b"]])
def test_several_targets_however_they_are_written(spelled: list[str], folder: Path, capsys: Capsys) -> None:
    pd.DataFrame({"t": range(80), "a": np.arange(80.0), "b": 1.0, "c": 2.0}).to_csv("wide.csv", index=False)
    assert run(["fit", "wide.csv", *spelled, "--horizon", "3", "--model", "naive", "--no-track", "--out", "m"]) == 0
    assert run(["predict", "m", "wide.csv", "--json"]) == 0
    out = capsys.readouterr().out
    rows = json.loads(out[out.index("{") :])["forecast"]
    assert [(r["t"], r["target"]) for r in rows] == [(t, c) for t in (80, 81, 82) for c in ("a", "b")]
    assert folder.is_dir()


def test_the_same_command_twice_gives_the_same_numbers(folder: Path, capsys: Capsys) -> None:
    argv = ["fit", "data.csv", *QUICK, "--model", "transformer", "--no-track", "--quiet"]
    first, second = (document(capsys, *argv)["scores"] for _ in range(2))
    assert first == second
    assert (folder / "models").is_dir()


@pytest.mark.usefixtures("store_at_home", "forked")
def test_runs_are_recorded_where_mlflow_looks(folder: Path, capsys: Capsys) -> None:
    from mlflow.tracking import MlflowClient

    printed = document(capsys, "fit", "data.csv", "--horizon", "6", *QUICK, "--experiment", "mine", "--quiet")
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    found = client.get_run(printed["run"])
    assert found.data.params["model.kind"] == "gru"
    assert found.data.metrics["test/mase"] == pytest.approx(printed["scores"]["gru"]["mase"], rel=1e-5)
    assert len(client.get_metric_history(printed["run"], "val/loss")) == 4
    steps = [m.step for m in client.get_metric_history(printed["run"], "test/mae_by_step")]
    assert sorted(steps) == [1, 2, 3, 4, 5, 6]
    (model,) = client.search_logged_models([found.info.experiment_id])
    assert [output.model_id for output in found.outputs.model_outputs] == [model.model_id]
    assert {a.path for a in client.list_artifacts(printed["run"])} >= {"experiment.toml", "scores.json", "plots"}
    assert client.get_experiment(found.info.experiment_id).name == "mine"


def test_a_store_out_of_reach_does_not_fail_the_fit(folder: Path, capsys: Capsys) -> None:
    argv = ["fit", "data.csv", *QUICK, "--tracking-uri", "http://127.0.0.1:9"]
    assert run(argv) == 0
    err = capsys.readouterr().err
    assert "is not at http://127.0.0.1:9 yet: nothing answers there (connection refused)" in err
    assert "tsforge runs sync" in err
    assert not (folder / "mlflow.db").exists()
    assert (folder / "models" / "gru-load-h24" / "manifest.json").is_file()


def test_inspect_suggests_a_command_that_works(folder: Path, capsys: Capsys) -> None:
    assert run(["inspect", "data.csv"]) == 0
    out = capsys.readouterr().out
    for part in ("load", "target", "frequency h", "288 steps", "24 steps"):
        assert part in out
    command = out.split("tsforge ")[1].split()
    assert run([*command, *QUICK, "--no-track"]) == 0
    assert folder.is_dir()


def test_inspect_json_counts_gaps_and_lists_what_could_be_the_target(folder: Path, capsys: Capsys) -> None:
    times = pd.date_range("2024-01-01", periods=100, freq="D")
    frame = pd.DataFrame({"day": times, "a": 1.0, "b": 2.0}).drop(index=[10, 11, 12, 50])
    frame.to_csv("gaps.csv", index=False)
    seen = document(capsys, "inspect", "gaps.csv")
    assert seen["could_be_target"] == ["a", "b"]
    assert seen["frequency"] == "D"
    assert seen["series"]["missing_steps"] == 2 * 4
    assert seen["series"]["longest_gap"] == 3
    assert folder.is_dir()


def test_data_list_and_path(capsys: Capsys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cards = {c["name"]: c for c in document(capsys, "data", "list")}
    assert {"electricity-demand", "air-passengers", "etth1", "m3-monthly"} <= set(cards)
    assert run(["data", "path", "air-passengers"]) == 0
    assert Path(capsys.readouterr().out.strip()).is_file()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert run(["data", "path", "m1-yearly"]) == 2
    assert "tsforge data get m1-yearly" in capsys.readouterr().err
    assert run(["data", "get", "m1-yearly"]) == 0
    fetched = Path(capsys.readouterr().out.strip())
    assert len(fetched.read_text().splitlines()) == cards["m1-yearly"]["rows"] + 1
    monkeypatch.setenv("TSFORGE_DATA", str(tmp_path))
    fetched.rename(tmp_path / fetched.name)
    assert run(["data", "path", "m1-yearly"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / fetched.name)
    assert run(["data", "get", "electricty-demand"]) == 2
    assert "electricity-demand" in capsys.readouterr().err


def test_inspect_repeats_what_it_was_told(folder: Path, capsys: Capsys) -> None:
    """Prevents: a suggested command that fit refuses."""
    times = pd.date_range("2024-01-01", periods=60, freq="D")
    parts = [pd.DataFrame({"day": times, "shop": s, "units": s * 1.5, "size": s}) for s in (1, 2)]
    pd.concat(parts).to_csv("my shops.csv", index=False)
    assert run(["inspect", "my shops.csv", "--id", "shop", "--target", "units"]) == 0
    command = shlex.split(capsys.readouterr().out.split("tsforge ")[1])
    assert run([*command, "--model", "naive", "--no-track"]) == 0
    assert run(shlex.split(capsys.readouterr().out.split("tsforge ")[1])) == 0
    assert list(pd.read_csv(folder / "forecast.csv").columns[:3]) == ["shop", "day", "forecast"]


def test_an_experiment_reused_with_another_model_gets_a_folder_of_its_own(folder: Path, capsys: Capsys) -> None:
    """Prevents: a derived name that sticks, and a model overwritten by another."""
    assert run(["fit", "data.csv", "--horizon", "6", "--model", "naive", "--no-track"]) == 0
    argv = ["--config", "models/naive-load-h6/experiment.toml", "--model", "drift", "--horizon", "3", "--no-track"]
    assert run(["fit", *argv]) == 0
    assert sorted(p.name for p in (folder / "models").iterdir()) == ["drift-load-h3", "naive-load-h6"]
    capsys.readouterr()
    assert run(["fit", *argv]) == 0
    assert "will be replaced" in capsys.readouterr().err
