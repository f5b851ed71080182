"""What the UI opens with is prepared once, kept where somebody has changed it, and shows fits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tsforge.tracking import preset, store, view

VIEW = "mlflow.sharedViewState.tsforge"
NOTE = "mlflow.note.content"


@pytest.fixture(scope="module")
def client(database: Path) -> Any:
    return store.connect(f"sqlite:///{database}")


def tags(client: Any, experiment: str) -> dict[str, str]:
    return dict(client.get_experiment(experiment).tags)


def shown(tag: str) -> dict[str, Any]:
    """The state that a view holds."""
    return dict(json.loads(json.loads(tag)["state"]))


def created(tag: str) -> int:
    return int(json.loads(tag)["createdAt"])


def test_a_new_experiment_gets_the_view_and_keeps_it(client: Any) -> None:
    """Prevents: an experiment that opens with MLflow's own columns, or a tag that the store refuses for its length."""
    number = client.create_experiment("new")
    view.prepare(client, number)
    first = tags(client, number)
    state = shown(first[VIEW])
    assert state["searchFilter"] == preset.FITS
    assert state["columnOrder"][2:] == state["selectedColumns"]
    assert set(state["columnWidths"]) == set(state["columnOrder"][:9])  # the names, then the seven that must be seen
    assert {card["metricSectionId"] for card in state["compareRunCharts"]} == {"fits"}
    kept = {name: value for name, value in first.items() if name.startswith(VIEW)}
    assert [json.loads(value)["name"] for _, value in sorted(kept.items(), key=lambda pair: -created(pair[1]))] == [
        "Fits", "Fits below other runs", "Trials of sweeps", "Everything"
    ]  # fmt: skip
    assert max(map(len, kept.values())) < 5000  # what a server older than MLflow 3 takes
    view.prepare(client, number)
    assert tags(client, number) == first


@pytest.mark.parametrize("before", preset.former())
def test_the_view_of_an_earlier_version_becomes_todays(before: str, client: Any) -> None:
    """Prevents: experiments that go on with the columns of the version that made them."""
    number = client.create_experiment(f"earlier {len(before)}")
    client.set_experiment_tag(number, VIEW, before)
    client.set_experiment_tag(number, NOTE, "Forecasts by tsforge: mine")
    view.prepare(client, number)
    assert tags(client, number)[VIEW] == preset.views()["tsforge"]
    assert tags(client, number).keys() >= {f"mlflow.sharedViewState.{key}" for key in preset.views()}
    assert tags(client, number)[NOTE] == "Forecasts by tsforge: mine"


def test_what_somebody_has_set_stays(client: Any) -> None:
    """Prevents: a view that a person has arranged, gone with the next fit."""
    number = client.create_experiment("own")
    mine = json.dumps(json.loads(preset.former()[0]) | {"searchFilter": "metrics.loss < 1"})
    client.set_experiment_tag(number, VIEW, mine)
    client.set_experiment_tag(number, "mlflow.experiment.primaryMetric.name", "test/mae")
    view.prepare(client, number)
    assert tags(client, number)[VIEW] == mine
    assert [name for name in tags(client, number) if name.startswith(VIEW)] == [VIEW]
    assert tags(client, number)["mlflow.experiment.primaryMetric.name"] == "test/mae"


def test_only_fits_that_stand_for_themselves_pass_the_filter(client: Any) -> None:
    """Prevents: trials and trainings of a comparison among the fits, or fits of earlier versions left out."""
    number = client.create_experiment("filtered")
    parent = client.create_run(number, tags={"tsforge.kind": "sweep"}).info.run_id
    below = {"mlflow.parentRunId": parent}
    for kind, more in (("trial", below), ("fit", below), ("backtest", {}), ("samples", {})):
        client.create_run(number, tags={"tsforge.kind": kind, **more})
    client.create_run(number)  # by something else
    fit = client.create_run(number, tags={"tsforge.kind": "fit"}).info.run_id
    assert [run.info.run_id for run in client.search_runs([number], preset.FITS)] == [fit]


def test_an_older_server_gets_a_plainer_filter(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: a view that opens with an error at an older server."""
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

    def refuse(*_: Any, **__: Any) -> None:
        raise MlflowException("Invalid clause(s) in filter string", INVALID_PARAMETER_VALUE)

    number = client.create_experiment("older")
    monkeypatch.setattr(client, "search_runs", refuse)
    view.prepare(client, number)
    assert shown(tags(client, number)[VIEW])["searchFilter"] == preset.ANY_FITS
