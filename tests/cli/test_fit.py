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

from tests.helpers.commands import Capsys, document, fails
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
    assert "model   models/data-gru-h12" in done.stdout
    assert sorted(p.name for p in folder.iterdir()) == ["data.csv", "models"]


@pytest.mark.parametrize("unit", [5e6, 1e-6, 3e11])
def test_figures_are_written_as_the_data_are(unit: float, folder: Path, capsys: Capsys) -> None:
    """Prevents: 5e+06 in the table of scores, or in a forecast on the screen, of data that say 5000000."""
    data = pd.read_csv("data.csv")
    data["load"] *= unit
    data.to_csv("data.csv", index=False)
    fit = ["fit", "data.csv", "--horizon", "6", "--model", "naive", "--no-track", "--out", "m"]
    assert run(["inspect", "data.csv"]) == 0
    assert run(fit) == 0
    assert run(["predict", "m"]) == 0
    assert run(["backtest", "m", "--no-track"]) == 0
    out = capsys.readouterr().out
    assert "e+" not in out
    assert folder.is_dir()


def _next(out: str) -> list[str]:
    """The words of the next command that a fit prints, behind "tsforge"."""
    return shlex.split(next(line for line in out.splitlines() if line.startswith("next")))[2:]


def test_the_next_command_it_prints_works(folder: Path, capsys: Capsys) -> None:
    assert run(["fit", "data.csv", "--horizon", "12", "--model", "linear", "--no-track"]) == 0
    assert run(_next(capsys.readouterr().out)) == 0
    assert len(pd.read_csv(folder / "forecast.csv")) == 12
    assert (folder / "forecast.png").stat().st_size > 5_000


@pytest.mark.parametrize("given", [[], ["--target", "load", "--freq", "h"], ["--set", "model.width=8", "--seed", "3"]])
def test_a_model_that_loses_is_not_what_comes_next(given: list[str], folder: Path, capsys: Capsys) -> None:
    """Prevents: "next: tsforge predict" after a fit that is far worse than a simple forecaster beside it."""
    argv = ["fit", "data.csv", "--horizon", "12", "--max-steps", "1", *given, "--no-track"]
    assert run(argv) == 0
    out = capsys.readouterr().out
    verdict = next(line for line in out.splitlines() if line.startswith("verdict"))
    assert verdict.startswith("verdict gru loses to linear, the best here: its mase is ")
    command = _next(out)
    assert command[:2] == ["fit", "data.csv"]
    assert command[-2:] == ["--model", "linear"]
    assert "--model auto" in out.splitlines()[-1]
    assert run(command) == 0
    out = capsys.readouterr().out
    assert "verdict linear is best" in out
    assert run(_next(out)) == 0
    assert len(pd.read_csv(folder / "forecast.csv")) == 12


def test_an_experiment_that_loses_is_fitted_again_from_its_file(folder: Path, capsys: Capsys) -> None:
    """Prevents: a next command that the file's ensemble or network settings stand in the way of."""
    text = '[data]\npath = "data.csv"\nhorizon = 6\n[model]\nkind = "gru"\nwidth = 8\n[train]\nmax_steps = 1\n'
    (folder / "e.toml").write_text(f"ensemble = 2\n{text}")
    assert run(["fit", "--config", "e.toml", "--no-track"]) == 0
    command = _next(capsys.readouterr().out)
    assert run(command) == 0
    assert run(_next(capsys.readouterr().out)) == 0


def test_the_verdict_in_json(folder: Path, capsys: Capsys) -> None:
    """Prevents: words that programs have to read, and a verdict that contradicts the scores beside it."""
    printed = document(capsys, "fit", "data.csv", "--horizon", "12", *QUICK, "--no-track", "--quiet")
    judgement, scores = printed["judgement"], printed["scores"]
    errors = {name: values["mase"] for name, values in scores.items()}
    assert judgement["best"] == min(errors, key=lambda name: errors[name])
    others = {name: error for name, error in errors.items() if name != "gru"}
    assert judgement["rival"] == min(others, key=lambda name: others[name])
    assert judgement["gain"] == pytest.approx(100 * (1 - errors["gru"] / errors[judgement["rival"]]))
    assert judgement["loses"] == printed["next"][0].startswith("tsforge fit")
    assert folder.is_dir()


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
    argv = ["fit", "data.csv", *QUICK, "--tracking-uri", "http://127.0.0.1:9", "--json"]
    assert run(argv) == 0
    err = capsys.readouterr().err
    assert "is not at http://127.0.0.1:9 yet: nothing answers there (connection refused)" in err
    assert "tsforge runs sync" in err
    assert not (folder / "mlflow.db").exists()
    assert (folder / "models" / "data-gru-h24" / "manifest.json").is_file()


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
    assert run(["data", "list"]) == 0
    listed = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.strip()}
    for name, way in {"air-passengers": "here", "m1-yearly": "to fetch", "hyndsight": "to export"}.items():
        assert way in listed[name]
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
    assert run([*command, "--model", "linear", "--no-track"]) == 0
    assert run(_next(capsys.readouterr().out)) == 0
    assert list(pd.read_csv(folder / "forecast.csv").columns[:3]) == ["shop", "day", "forecast"]


def test_an_experiment_reused_with_another_model_gets_a_folder_of_its_own(folder: Path) -> None:
    """Prevents: a derived name that sticks, and a model overwritten by another."""
    assert run(["fit", "data.csv", "--horizon", "6", "--model", "naive", "--no-track"]) == 0
    argv = ["--config", "models/data-naive-h6/experiment.toml", "--model", "drift", "--horizon", "3", "--no-track"]
    assert run(["fit", *argv]) == 0
    assert sorted(p.name for p in (folder / "models").iterdir()) == ["data-drift-h3", "data-naive-h6"]


def test_models_of_different_tables_never_overwrite_each_other(folder: Path, capsys: Capsys) -> None:
    """Prevents: the model of one table in the place where a script expects that of another."""
    fit = ["--horizon", "6", "--model", "naive", "--no-track"]
    (folder / "other").mkdir()
    hourly(9).to_csv("other/data.csv", index=False)
    folders = [document(capsys, "fit", table, *fit)["model"] for table in ("data.csv", "other/data.csv", "data.csv")]
    assert folders == [f"models/data-naive-h6{suffix}" for suffix in ("", "-2", "-3")]
    said = fails(capsys, "fit", "other/data.csv", *fit, "--out", folders[0])
    assert f"holds a model of {folder / 'data.csv'}" in said
    assert "--overwrite replaces it" in said
    assert run(["fit", "data.csv", *fit, "--out", folders[0]]) == 0
    assert "will be replaced" in capsys.readouterr().err
    assert run(["fit", "other/data.csv", *fit, "--out", folders[0], "--overwrite"]) == 0
    source = json.loads((folder / folders[0] / "schema.json").read_text())["source"]
    assert source == str(folder / "other" / "data.csv")
    assert document(capsys, "fit", "data.csv", *fit, "--overwrite")["model"] == folders[0]
