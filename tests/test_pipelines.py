"""The experiments in pipelines/ are whole: each runs as it stands."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

import tsforge
from tsforge.backtesting.scoreboard import Scoreboard
from tsforge.batch import WindowShape
from tsforge.cli.main import run
from tsforge.data import catalog, shipped
from tsforge.data.schema import DataConfig
from tsforge.model.ensemble import Blend
from tsforge.model.network import parameters
from tsforge.settings import build, groups

PIPELINES = sorted((Path(__file__).resolve().parents[1] / "pipelines").glob("*.toml"))
GROUPED = [
    path for path in PIPELINES if path.stem.removesuffix("-blend") in ("m3", "tourism")
]  # experiments of several data sets
HORIZONS = [path for path in PIPELINES if path.stem.startswith("etth1-")]  # of one data set that is not shipped
PRETRAINING = [path for path in PIPELINES if path.stem == "zero"]  # which is of no table
COMPARED = [path for path in PIPELINES if "\n[compare" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize(
    "path",
    [path for path in PIPELINES if path not in COMPARED + GROUPED + HORIZONS + PRETRAINING],
    ids=lambda p: p.stem,
)
def test_pipeline_runs(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its name, from an empty folder.

    Prevents: a file with a setting that no longer exists, or data that is found from one folder only.
    """
    monkeypatch.chdir(tmp_path)
    argv = ["fit", "--config", path.stem, "--max-steps", "2", "--no-track", "--json", "--quiet"]
    assert run(argv) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["steps"] == 2
    assert (tmp_path / document["model"] / "manifest.json").is_file()


@pytest.mark.parametrize("path", GROUPED, ids=lambda p: p.stem)
def test_groups_run_and_have_the_settings_of_the_protocol(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: a part, a horizon or a measure that is not the published one; a setting that differs between groups."""
    monkeypatch.setattr(catalog, "cache", lambda: tmp_path)
    monkeypatch.delenv("TSFORGE_DATA", raising=False)
    found = groups({"train.max_steps": 2, "ensemble": 1}, path)
    protocol = groups({}, path.parent / "protocol" / path.name.replace("-blend", ""))
    assert list(found) == list(protocol)
    for name, experiment in found.items():
        own, asked = experiment.data, protocol[name].data
        assert own.model_copy(update={"context": asked.context, "history": None}) == asked
        assert experiment.backtest == protocol[name].backtest
        assert alike(experiment, asked) == alike(found["yearly"], asked)
    yearly = found["yearly"]
    assert yearly.data.path is not None
    catalog.get(catalog.cards()[yearly.data.path])
    board = Scoreboard({"yearly": tsforge.backtest(yearly)})
    assert board.score(yearly.model.kind, "smape") < 100


def alike(experiment: tsforge.Experiment, data: DataConfig) -> tsforge.Experiment:
    """With the same data, and members that read the same context."""
    model = experiment.model
    if isinstance(model, Blend):
        members = tuple(member.model_copy(update={"context": None}) for member in model.members)
        model = model.model_copy(update={"members": members})
    return experiment.model_copy(update={"data": data, "model": model})


@pytest.mark.parametrize("path", HORIZONS, ids=lambda p: p.stem)
def test_horizons_have_the_settings_of_the_protocol(path: Path) -> None:
    """Prevents: other rows or units than the published ones; a setting that differs between horizons."""
    found = groups({}, path)
    assert list(found) == ["96", "192", "336", "720"]
    first = found["96"]
    for name, experiment in found.items():
        asked = groups({"data.horizon": int(name)}, path.parent / "protocol" / "etth1.toml")[""]
        assert experiment.data == asked.data
        assert experiment.backtest is not None
        assert asked.backtest is not None
        assert (experiment.backtest.stride, experiment.backtest.units) == (asked.backtest.stride, asked.backtest.units)
        assert experiment.backtest.metrics[:1] == asked.backtest.metrics[:1] == ("mse",)
        assert experiment.model_copy(update={"data": first.data}) == first
        shape = WindowShape(experiment.data.context or 0, int(name), 7, 0, 8, 0, season=24)
        assert parameters(experiment.network(shape)) > 0


@pytest.mark.parametrize("path", COMPARED, ids=lambda p: p.stem)
def test_comparison_runs(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same, with the rows that it will have; on the data that is shipped."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TSFORGE_DATA", raising=False)
    monkeypatch.setattr("tsforge.data.catalog.cache", lambda: tmp_path / "cache")
    assert run(["compare", path.stem, "--quick", "--max-steps", "3", "--no-track", "--json", "--quiet"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {row["aspect"] for row in document["rows"]} == set(document["verdicts"])
    assert len(document["verdicts"]) == 5
    for row in document["rows"]:
        assert set(document["models"]) <= set(row["cells"]), row["key"]
    assert [data["name"] for data in document["data"]] == ["electricity-demand"]


def test_there_are_pipelines_and_each_is_listed() -> None:
    readme = (PIPELINES[0].parent / "README.md").read_text(encoding="utf-8")
    assert PIPELINES
    for path in PIPELINES:
        assert path.name in readme
    listed = {pipeline.name: pipeline for pipeline in shipped.pipelines()}
    folder = PIPELINES[0].parent
    assert {p.relative_to(folder).with_suffix("").as_posix() for p in folder.rglob("*.toml")} == listed.keys()
    for pipeline in listed.values():
        assert 10 < len(pipeline.text) < 100, pipeline.text
        assert set(pipeline.data) <= catalog.cards().keys()
        assert tomllib.loads(pipeline.path.read_text(encoding="utf-8"))
    commands = {"zero": "pretrain", "m3": "backtest", "protocol/etth1": "backtest", "sweep-electricity": "sweep"}
    commands |= {path.stem: "compare" for path in COMPARED} | {"electricity-demand": "fit"}
    assert {name: listed[name].command for name in commands} == commands


def test_a_name_means_a_pipeline_only_where_nothing_else_has_it(home: Path) -> None:
    """Prevents: a file or a data set that cannot be reached any more, or a pipeline that hides a file of the user."""
    assert shipped.is_experiment("m3")
    assert shipped.is_experiment("protocol/m3")
    assert not shipped.is_experiment("electricity-demand")  # a data set too
    assert not shipped.is_experiment("etth1")
    assert not shipped.is_experiment("nothing")
    assert build({}, "electricity-demand") == build({}, PIPELINES[0].parent / "electricity-demand.toml")
    assert build({}, "pipelines/electricity-demand.toml") == build({}, "electricity-demand")
    (home / "m3").write_text("t,y\n")
    assert not shipped.is_experiment("m3")
    (home / "electricity-demand.toml").write_text("seed = 7\n")
    assert build({}, "electricity-demand.toml").seed == 7


def test_commands_say_which_pipelines_there_are(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: a name that is not found without the one that was meant; a printed file that does not run."""
    assert run(["compare", "rnn-vs-lstm", "--no-track"]) == 2
    assert run(["fit", "--config", "sweep-electricty", "--no-track"]) == 2
    said = capsys.readouterr().err
    assert "did you mean 'sweep-electricity'?" in said
    assert run(["pipelines"]) == 0
    text = capsys.readouterr().out
    assert "tsforge compare rnn-vs-lstm-vs-transformer\n" in text
    assert max(map(len, text.splitlines())) <= 80
    assert run(["pipelines", "sweep-electricity"]) == 0
    (home / "mine.toml").write_text(capsys.readouterr().out)
    assert build({}, "mine.toml") == build({}, "sweep-electricity")
    assert run(["fit", "mine.toml", "--config", "m3", "--no-track"]) == 2
    assert "two TOML files are named: mine.toml and m3" in capsys.readouterr().err
