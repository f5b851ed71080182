"""A recorded run gives its scores again from what MLflow keeps of it alone, and never on other data."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import tsforge
from tests.helpers.stores import content, query, runs
from tests.helpers.tables import hourly
from tsforge.errors import DataError, TrackingError
from tsforge.model.zoo import ZOO
from tsforge.plotting import forecasts, training
from tsforge.tracking import recording, reproduction, store
from tsforge.tracking.tracker import Tracker
from tsforge.training import fitting


@pytest.fixture(scope="module")
def folder(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A store with a fit of every named model and one of a table in memory; no pictures, which take half of it."""
    folder = tmp_path_factory.mktemp("reproduction")
    shutil.copyfile(empty_store, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "loss_curve", lambda *_: None)
        patch.setattr(forecasts, "held_out", lambda *_: None)
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        hourly(14).to_csv("data.csv", index=False)
        with Tracker() as tracker:
            for kind in [*ZOO, "memory"]:
                model = "linear" if kind == "memory" else kind
                values = {"model.kind": model, "data.horizon": 6, "train.max_steps": 12, "train.device": "cpu"}
                if "backbone" in ZOO[model]:
                    values["model.width"] = 16
                experiment = tsforge.build(values | {"name": f"{kind}-fit"})
                dataset = fitting.prepare(experiment, hourly(14) if kind == "memory" else "data.csv")
                recording.fit(experiment, dataset, folder / "models" / kind, tracker)
        assert len(runs(folder / "mlflow.db")) == len(ZOO) + 1
        shutil.rmtree(folder / "models")  # what is reproduced comes from the store
        yield folder


def name_of(folder: Path, kind: str) -> str:
    return next(name for _, name, _ in runs(folder / "mlflow.db") if name.startswith(f"{kind}-fit-"))


@pytest.mark.parametrize("kind", ZOO)
def test_every_named_model_gives_the_same_scores_again(kind: str, folder: Path) -> None:
    """Prevents: a setting, a seed or an order of sums that matters and is not recorded."""
    name = name_of(folder, kind)
    again = reproduction.reproduce(name)
    assert again.recorded.name == name
    assert set(again.scores) >= {"test/mase", "test/mae", "test/wql", "test/coverage_80"}
    assert again.agrees
    for metric, (then, now) in again.scores.items():
        assert now == pytest.approx(then, rel=1e-9), metric


def test_other_data_is_refused(folder: Path, tmp_path: Path) -> None:
    """Prevents: scores of other data called a reproduction."""
    digest = query(folder / "mlflow.db", "select digest from datasets where name = 'data.csv'")[0][0]
    hourly(14, seed=1).to_csv(tmp_path / "other.csv", index=False)
    changed = hourly(14)
    changed.loc[5, "load"] += 0.001
    for other in (tmp_path / "other.csv", changed, hourly(14).iloc[:-1]):
        with pytest.raises(DataError) as problem:
            reproduction.reproduce(name_of(folder, "naive"), other)
        assert f"recorded is {digest}" in problem.value.message
        assert "tsforge runs reproduce RUN DATA" in problem.value.hint


def test_the_same_data_from_elsewhere_is_the_same_data(folder: Path, tmp_path: Path) -> None:
    """Prevents: a copy, or a frame of the same values, that is refused for where it lies."""
    shutil.copy("data.csv", tmp_path / "moved.csv")
    hourly(14).to_parquet(tmp_path / "data.parquet")
    for same in (tmp_path / "moved.csv", tmp_path / "data.parquet", hourly(14)):
        assert reproduction.reproduce(name_of(folder, "naive"), same).agrees


def test_data_that_was_in_memory_must_be_named(folder: Path) -> None:
    """Prevents: a file that happens to be there, taken for data that was never one."""
    name = name_of(folder, "memory")
    with pytest.raises(DataError, match="it was in memory"):
        reproduction.reproduce(name)
    assert reproduction.reproduce(name, hourly(14)).agrees


def test_another_result_does_not_agree(folder: Path) -> None:
    """Prevents: agreement that is always found."""
    client = store.connect(store.address())
    name = name_of(folder, "drift")
    number = next(number for number, title, _ in runs(folder / "mlflow.db") if title == name)
    then = client.get_run(number).data.metrics["test/mae"]
    client.log_metric(number, "test/mae", then * 1.001, step=1)
    again = reproduction.reproduce(name)
    assert not again.agrees
    assert again.largest == pytest.approx(0.001, rel=0.01)


def test_as_many_threads_as_then_and_as_before_afterwards(folder: Path) -> None:
    """Prevents: last digits that differ for the number of cores, and a process left with another number of threads."""
    client = store.connect(store.address())
    name = name_of(folder, "naive")
    number = next(number for number, title, _ in runs(folder / "mlflow.db") if title == name)
    before = torch.get_num_threads()
    assert client.get_run(number).data.tags["hardware.threads"] == str(before)
    client.set_tag(number, "hardware.threads", str(before + 1))
    seen: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        plain = fitting.train
        patch.setattr(fitting, "train", lambda *args: seen.append(torch.get_num_threads()) or plain(*args))
        assert reproduction.reproduce(name).agrees
    assert seen == [before + 1]
    assert torch.get_num_threads() == before


def test_a_second_time_that_is_recorded_names_the_first(folder: Path) -> None:
    """Prevents: two runs of one experiment that nobody can tell apart."""
    database = folder / "mlflow.db"
    name = name_of(folder, "naive")
    earlier = {number for number, _, _ in runs(database)}
    with Tracker() as tracker:
        again = reproduction.reproduce(name, tracker=tracker)
    ((second, _, status),) = [run for run in runs(database) if run[0] not in earlier]
    assert status == "FINISHED"
    assert dict(content(database, second)["tags"])["tsforge.reproduces"] == again.recorded.id


def test_a_run_of_something_else_is_refused(folder: Path) -> None:
    """Prevents: a traceback for a run that another program has recorded in the same store."""
    client = store.connect(store.address())
    client.create_run(store.experiment(client, store.address(), "tsforge"), run_name="foreign")
    with pytest.raises(TrackingError, match="no fit or backtest of tsforge"):
        reproduction.reproduce("foreign")
    with pytest.raises(TrackingError, match="there is no run 'nobody'"):
        reproduction.reproduce("nobody")
    assert folder.is_dir()


def test_the_commit_is_recorded_with_whether_files_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: a result of changed files that is taken for one of the commit."""
    from tsforge.tracking import provenance

    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "me")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "me@example.com")
    place = tmp_path / "checkout"
    place.mkdir()
    assert provenance.commit(place) is None
    (place / "a").write_text("a")
    for words in (["init", "-q"], ["add", "a"], ["commit", "-q", "-m", "a"], ["tag", "v1"]):
        subprocess.run(["git", "-C", place, *words], check=True)
    head = subprocess.run(["git", "-C", place, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    assert provenance.commit(place) == head.stdout.strip()
    (place / "a").write_text("b")
    assert provenance.commit(place) == f"{head.stdout.strip()}-dirty"
