"""Settings, models and metrics as they are listed: nothing without a sentence, and nothing that is not so."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.helpers.commands import Capsys, document, fails
from tests.helpers.stores import ROOT
from tsforge.api import outlines, reference
from tsforge.cli.main import run
from tsforge.config import flattened
from tsforge.errors import ConfigError, DataError
from tsforge.evaluation import metrics
from tsforge.model import zoo
from tsforge.settings import build, full

DATA = ROOT / "datasets" / "air-passengers.csv"


@pytest.mark.parametrize("model", [name for name in zoo.SENTENCES if name != "blend"])
def test_every_setting_has_a_sentence(model: str) -> None:
    """Prevents: a setting that nobody can look up, after a new one was added."""
    listed = reference.settings(None, model)
    assert [s.path for s in listed if not s.text or not s.values] == []
    plain = flattened(build({"model.kind": model}).plain())
    assert {s.path for s in listed} >= set(plain)
    assert next(s.default for s in listed if s.path == "model.kind") == model


def test_every_model_has_one() -> None:
    assert set(zoo.SENTENCES) == {*zoo.ZOO, *zoo.PRETRAINED, *zoo.MADE_OF_MODELS}
    assert all(metrics.find(line.name) for line in reference.metrics() if line.name != "owa")
    assert {line.name for line in reference.metrics()} >= set(metrics.METRICS)


def test_what_is_looked_for() -> None:
    assert [s.path for s in reference.settings("lr")] == ["train.lr"]
    assert {s.path for s in reference.settings("backtest.*")} >= {"backtest.windows", "backtest.stride"}
    assert "model.scaling" in {s.path for s in reference.settings("divided by before")}
    with pytest.raises(ConfigError, match="no setting of theta fits 'widht'") as problem:
        reference.settings("widht", "theta")
    assert problem.value.hint


def test_the_end_of_a_path_is_enough() -> None:
    """Prevents: a short name that is another setting than the user meant."""
    assert full("lr") == "train.lr"
    assert full("horizon") == "data.horizon"
    assert [full(name) for name in ("train.lr", "seed", "nonsense", "model.nonsense")] == [
        "train.lr", "seed", "nonsense", "model.nonsense",
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="end of several") as problem:
        full("dropout")
    assert "model.backbone.dropout" in problem.value.hint


@pytest.mark.parametrize("model", ["auto", "gru", "theta"])
def test_an_outline_is_what_a_fit_would_take(model: str, tmp_path: Path) -> None:
    """Prevents: a TOML that fails, or whose comments state defaults that are not."""
    file = tmp_path / "e.toml"
    file.write_text(outlines.outline(str(DATA), model=model))
    experiment = build({}, file)
    assert (experiment.data.time, experiment.data.target, experiment.model.kind) == (
        ("month",), ("passengers",), model,
    )  # fmt: skip
    whole = tmp_path / "all.toml"
    lines = [re.sub(r"^# (\w+ = [^#]+)(  #.*)?$", r"\1", line) for line in file.read_text().splitlines()]
    whole.write_text("\n".join(line for line in lines if not re.match(r"^# (\w+ =$|An exp)", line)))
    given = {"data.freq": "MS", "data.season": 12}
    assert flattened(build({}, whole).plain()).items() >= flattened(build(given, file).plain()).items()


def test_an_outline_asks_where_a_table_is_open(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError):
        outlines.outline(str(tmp_path / "t.csv"))


def test_commands(capsys: Capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert document(capsys, "settings", "train.lr")[0]["default"] == 0.001
    assert {"name": "gru"}.items() <= document(capsys, "models")[5].items()
    assert document(capsys, "metrics")[0]["name"] == "mase"
    for words in (["settings"], ["models"], ["metrics"]):
        assert run(words) == 0
        assert max(map(len, capsys.readouterr().out.splitlines())) <= 80
    assert "did you mean" in fails(capsys, "settings", "widht")
    assert "reads none" in fails(capsys, "init", str(DATA), "--config", "e.toml")
    out = tmp_path / "e.toml"
    assert run(["init", str(DATA), "--output", str(out)]) == 0
    assert run(["fit", "--config", str(out), "--model", "naive", "--out", str(tmp_path / "m"), "--no-track"]) == 0
    assert 'target = ["passengers"]' in out.read_text()
    capsys.readouterr()
    assert "may hold your changes" in fails(capsys, "init", str(DATA), "--output", str(out))


@pytest.mark.usefixtures("home")
def test_a_doctor_finds_this_machine_well(capsys: Capsys) -> None:
    found = document(capsys, "doctor")
    assert found["self_test"]["problem"] is None
    assert found["versions"]["torch"].startswith("2.")


def test_a_doctor_says_what_is_wrong(capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    from tsforge.api import selftest

    def broken() -> None:
        raise OSError("libgomp.so.1 is missing")

    monkeypatch.setattr(selftest, "run", broken)
    assert run(["doctor"]) == 2
    assert "libgomp.so.1 is missing" in capsys.readouterr().err
    assert run(["doctor", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["self_test"]["problem"].startswith("OSError")


def test_completion(capsys: Capsys, tmp_path: Path) -> None:
    """Prevents: a script that the shell refuses, or that lacks the options."""
    assert run(["completion", "bash"]) == 0
    script = tmp_path / "tsforge.sh"
    script.write_text(capsys.readouterr().out)
    ask = f"source {script}; COMP_WORDS=(tsforge fit --hor); COMP_CWORD=2; _tsforge; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["--horizon"]
