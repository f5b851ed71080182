"""Recorded runs and models are looked up by any of their names, and an error says which does not exist."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.helpers.stores import Server, query
from tsforge.errors import TrackingError
from tsforge.tracking import registry, store, view
from tsforge.tracking import runs as recorded

Ids = dict[str, str]


@pytest.fixture(scope="module")
def uri(database: Path) -> str:
    return f"sqlite:///{database}"


@pytest.fixture(scope="module")
def client(uri: str) -> Any:
    return store.connect(uri)


def run_with(client: Any, experiment: str, name: str, mase: float | None, params: dict[str, object]) -> str:
    run = client.create_run(experiment, run_name=name).info.run_id
    for key, value in params.items():
        client.log_param(run, key, value)
    if mase is not None:
        client.log_metric(run, "test/mase", mase)
    client.set_terminated(run)
    return str(run)


def export(word: str) -> Callable[[Path], None]:
    """What stands for an MLflow model around a model directory."""

    def write(into: Path) -> None:
        (into / registry.FOLDER).mkdir(parents=True)
        (into / registry.FOLDER / "manifest.json").write_text(word)
        (into / "MLmodel").write_text("flavors: {}\n")

    return write


@pytest.fixture(scope="module")
def ids(client: Any, uri: str) -> Ids:
    """Runs by name: lstm (with a model), gru (with a model), failed, twice, twice."""
    number = store.experiment(client, uri, "tsforge")
    numbers = {
        "lstm-load-h6-aaaa": run_with(client, number, "lstm-load-h6-aaaa", 0.9, {"kind": "lstm", "seed": 1, "w": 8}),
        "gru-load-h6-bbbb": run_with(client, number, "gru-load-h6-bbbb", 0.7, {"kind": "gru", "seed": 1}),
        "failed": run_with(client, number, "failed", None, {"kind": "gru", "seed": 1}),
        "twice": run_with(client, number, "twice", 0.8, {}),
        "twice again": run_with(client, number, "twice", 0.8, {}),
        "it's mine": run_with(client, number, "it's mine", None, {}),
    }
    for name in ("lstm-load-h6-aaaa", "gru-load-h6-bbbb"):
        registry.record(client, number, numbers[name], export(name))
    return numbers


def test_a_run_is_found_by_id_part_of_it_and_name(client: Any, ids: Ids) -> None:
    """Prevents: a run that is in the UI and cannot be named on the command line."""
    for name, run in ids.items():
        assert recorded.get(client, run).id == run
        assert recorded.get(client, run[:10]).id == run
        if not name.startswith("twice"):
            assert recorded.get(client, name).id == run


def test_a_word_for_several_runs_names_them(client: Any, ids: Ids) -> None:
    """Prevents: the wrong one of two runs, silently."""
    with pytest.raises(TrackingError) as problem:
        recorded.get(client, "twice")
    assert ids["twice"] in problem.value.message
    assert ids["twice again"] in problem.value.message
    assert "id" in problem.value.hint


@pytest.mark.parametrize(("word", "hint"), [
    ("lstm-load-h6-aaab", "did you mean 'lstm-load-h6-aaaa'?"),
    ("zzz", "tsforge runs lists them"),
    ("0" * 32, "tsforge runs lists them"),
    ("a", "tsforge runs lists them"),
    ("'; drop", "tsforge runs lists them"),
    ("both ' and \"", "tsforge runs lists them"),
])  # fmt: skip
def test_an_unknown_run(word: str, hint: str, client: Any, ids: Ids) -> None:
    """Prevents: a traceback, or a run that merely begins alike."""
    assert ids
    with pytest.raises(TrackingError) as problem:
        recorded.get(client, word)
    assert f"there is no run '{word}'" in problem.value.message
    assert problem.value.hint == hint


def test_the_best_run_comes_first_and_those_without_a_score_last(client: Any, ids: Ids) -> None:
    """Prevents: a table whose first row is not the best."""
    listed = recorded.listing(client, "tsforge")
    assert [run.metrics.get("test/mase") for run in listed] == [0.7, 0.8, 0.8, 0.9, None, None]
    assert {run.id for run in listed} == set(ids.values())
    lstm = next(run for run in listed if run.name == "lstm-load-h6-aaaa")
    assert lstm.params == {"kind": "lstm", "seed": "1", "w": "8"}
    assert lstm.status == "FINISHED"
    assert lstm.seconds is not None


def test_runs_of_a_kind_and_on_some_data(client: Any) -> None:
    """Prevents: a listing that leaves out more than was asked for, or runs that stay below one that is deleted."""
    number = client.create_experiment("several")
    runs = {}
    for name, kind, path in (("a", "fit", "d/sales.csv"), ("s", "sweep", "d/sales.csv"), ("t", "trial", "d/load.csv")):
        runs[name] = run_with(client, number, name, 0.5, {"data.path": path})
        client.set_tag(runs[name], "tsforge.kind", kind)
    client.set_tag(runs["t"], "mlflow.parentRunId", runs["s"])
    listed = recorded.listing(client, "several")
    assert [run.name for run in recorded.chosen(listed, "fit")] == ["a"]
    assert {run.name for run in recorded.chosen(listed, None, "sales")} == {"a", "s"}
    assert [run.name for run in recorded.chosen(listed, None, None, 1)] == ["t"]
    assert [run.name for run in recorded.family(client, recorded.get(client, runs["s"]))] == ["s", "t"]
    with pytest.raises(TrackingError, match="no run is of kind 'fits'"):
        recorded.chosen(listed, "fits")


@pytest.mark.parametrize(("name", "better"), [
    ("test/mase", -1), ("test/skill", 1), ("test/coverage_80", None), ("speed/fit_s", -1), ("val/loss", -1),
    ("speed/windows_per_s", 1), ("test/bias", None), ("model/parameters", None), ("test/owa", -1),
])  # fmt: skip
def test_which_direction_is_better(name: str, better: int | None) -> None:
    assert view.direction(name) == better


def test_what_runs_differ_in(client: Any, ids: Ids) -> None:
    """Prevents: a setting that only one of two runs has, left out of their comparison."""
    lstm, gru, failed = (recorded.get(client, ids[n]) for n in ("lstm-load-h6-aaaa", "gru-load-h6-bbbb", "failed"))
    assert recorded.differing([lstm, gru]) == ["kind", "w"]
    assert recorded.differing([gru, failed]) == []


def test_what_a_run_lacks_is_said(client: Any, ids: Ids) -> None:
    """Prevents: MLflow's own traceback for a run that was recorded by something else."""
    run = recorded.get(client, ids["failed"])
    assert recorded.dataset(client, run) == {}
    with pytest.raises(TrackingError, match=r"has no experiment\.toml"):
        recorded.text(client, run, "experiment.toml")


def test_models_are_fetched_by_every_name_they_have(client: Any, uri: str, ids: Ids) -> None:
    """Prevents: a registered model that `predict` cannot find, or another version than was asked for."""
    lstm, gru = "lstm-load-h6-aaaa", "gru-load-h6-bbbb"
    assert registry.register_run(client, lstm, "shop", "champion") == "1"
    assert registry.register_run(client, gru, "shop", "challenger") == "2"
    expected = {
        f"runs:/{lstm}": lstm, f"runs:/{ids[gru]}": gru, f"runs:/{ids[gru]}/model": gru, "runs://" + lstm: lstm,
        "models:/shop@champion": lstm, "models:/shop@challenger": gru, "models:/shop/1": lstm, "models:/shop/2": gru,
        "models:/shop": gru,
    }  # fmt: skip
    model = client.get_run(ids[lstm]).outputs.model_outputs[0].model_id
    expected[f"models:/{model}"] = lstm
    for word, name in expected.items():
        assert registry.is_recorded(word)
        assert (registry.fetch(word, uri) / "manifest.json").read_text() == name, word
    assert registry.register_run(client, gru, "shop", "champion") == "2"  # the alias moves, no third version
    assert (registry.fetch("models:/shop@champion", uri) / "manifest.json").read_text() == gru
    assert registry.register_run(client, lstm, "m-shop") == "1"  # as an id begins
    assert (registry.fetch("models:/m-shop", uri) / "manifest.json").read_text() == lstm
    assert (registry.fetch("models:/m-shop/1", uri) / "manifest.json").read_text() == lstm


def test_registering_in_another_store_leaves_this_folder_alone(
    client: Any, ids: Ids, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: MLflow looking for the model in mlflow.db of the current folder, and making that to look there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mine.db")
    assert registry.register_run(client, ids["lstm-load-h6-aaaa"], "elsewhere") == "1"
    assert os.environ["MLFLOW_TRACKING_URI"] == "sqlite:///mine.db"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("word", "message", "hint"), [
    ("models:/shpo", "no model of this name is registered", "here@best"),
    ("models:/here@bset", "bset", "here@best"),
    ("models:/here/7", "7", "here@best"),
    ("models:/here/x", "here/x", "here@best"),
    ("models:/m-" + "0" * 32, "m-000", "here@best"),
    ("runs:/nowhere", "there is no run 'nowhere'", ""),
    ("runs:/failed", "has no model", "choose another run"),
])  # fmt: skip
def test_a_model_that_is_not_there(word: str, message: str, hint: str, client: Any, uri: str, ids: Ids) -> None:
    """Prevents: a traceback of MLflow for a slip in a model's name."""
    registry.register_run(client, ids["lstm-load-h6-aaaa"], "here", "best")
    with pytest.raises(TrackingError) as problem:
        registry.fetch(word, uri)
    assert message in problem.value.message
    assert hint in problem.value.hint


@pytest.mark.parametrize("word", ["models/lstm", "run:/x", "models:x", "/models:/x", "", 7, None])
def test_folders_are_no_recorded_models(word: object) -> None:
    """Prevents: a path taken for the name of a recorded model."""
    assert not registry.is_recorded(word)


@pytest.mark.parametrize(("name", "alias"), [("a/b", None), ("fine", "latest"), ("", None)])
def test_names_that_the_registry_refuses(name: str, alias: str | None, client: Any, ids: Ids) -> None:
    """Prevents: a traceback of MLflow for a name that it does not allow."""
    with pytest.raises(TrackingError) as problem:
        registry.register_run(client, ids["lstm-load-h6-aaaa"], name, alias)
    assert problem.value.hint == "choose another name or alias"


def test_files_that_are_gone_are_said(client: Any, uri: str, ids: Ids) -> None:
    """Prevents: "no such model directory" for a folder that the user never named."""
    number = store.experiment(client, uri, "tsforge")
    run = run_with(client, number, "emptied", 1.0, {})
    registry.record(client, number, run, export("emptied"))
    (registry.fetch("runs:/emptied", uri) / "manifest.json").unlink()
    registry.fetch("runs:/emptied", uri).rmdir()
    with pytest.raises(TrackingError, match="its files are gone"):
        registry.fetch("runs:/emptied", uri)
    assert ids


def test_a_model_of_a_server_is_downloaded(tmp_path: Path) -> None:
    """Prevents: models that can only be used on the machine where they were made."""
    server = Server(tmp_path / "server")
    server.start()
    try:
        client = store.connect(server.uri)
        number = store.experiment(client, server.uri, "tsforge")
        run = run_with(client, number, "far", 1.0, {})
        registry.record(client, number, run, export("far"))
        assert registry.register_run(client, "far", "shop", "champion") == "1"
        for word in ("runs:/far", "models:/shop@champion", "models:/shop"):
            folder = registry.fetch(word, server.uri)
            assert (folder / "manifest.json").read_text() == "far"
            assert tmp_path not in folder.parents
    finally:
        server.kill()
    assert query(server.database, "select name, version from model_versions") == [("shop", 1)]


def test_a_description_is_as_long_as_the_registry_takes() -> None:
    """Prevents: a version that a database refuses for the sake of hundreds of covariates."""
    params = {"model.kind": "gru", "data.past": ", ".join(f"covariate{i:03}" for i in range(500))}
    data = SimpleNamespace(params=params, tags={"mlflow.note.content": "long " * 900})
    text = registry._description(SimpleNamespace(data=data, inputs=None, info=SimpleNamespace(run_name="one")))
    assert len(text) == 5000
    assert text.startswith("`gru`, from run `one`. Columns: ")
    assert text.endswith(" ...")
