"""Where runs are kept: the address, a local database made whole and once, and errors that say what to do."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlparse

import pytest
from mlflow.tracking import MlflowClient

from tests.helpers.stores import environment, python, query, runs, wait_for
from tsforge.errors import TrackingError
from tsforge.tracking import store

OPEN = """
import multiprocessing, os, sys
from pathlib import Path
import mlflow.store.tracking.sqlalchemy_store
from tsforge.tracking import store

def record(barrier, name):
    barrier.wait()
    uri = store.address()
    client = store.connect(uri)
    experiment = store.experiment(client, uri, "tsforge")
    client.create_run(experiment, run_name=name)

store.prepare()
fork = multiprocessing.get_context("fork")  # so that MLflow is imported once for all of them
barrier = fork.Barrier(int(sys.argv[1]))
processes = [fork.Process(target=record, args=(barrier, f"run-{i}")) for i in range(int(sys.argv[1]))]
for process in processes:
    process.start()
print(*(process.pid for process in processes), flush=True)
for process in processes:
    process.join()
print(*(process.exitcode for process in processes), flush=True)
"""


pytestmark = pytest.mark.usefixtures("home")


def test_address_given_then_environment_then_this_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: runs recorded somewhere else than was asked for, or elsewhere once the folder is another."""
    assert store.address() == f"sqlite:///{tmp_path}/mlflow.db"
    assert store.address("sqlite:///sub/x.db") == f"sqlite:///{tmp_path}/sub/x.db"
    assert store.address("sqlite:////data/x.db") == "sqlite:////data/x.db"
    assert store.address("http://host:5000") == "http://host:5000"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///env.db")
    assert store.address() == f"sqlite:///{tmp_path}/env.db"
    assert store.address("http://host:5000") == "http://host:5000"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    assert store.address() == f"sqlite:///{tmp_path}/mlflow.db"


def test_what_is_a_local_database(tmp_path: Path) -> None:
    """Prevents: a server's address taken for a file, or the other way round."""
    assert store.database("sqlite:///a.db") == tmp_path / "a.db"
    for uri in ("http://host", "postgresql://me@host/db", "sqlite:///", "databricks"):
        assert store.database(uri) is None
    assert [store.is_server(uri) for uri in ("http://h", "https://h", "sqlite:///a.db")] == [True, True, False]


def test_ten_processes_that_open_a_new_store_at_once(tmp_path: Path) -> None:
    """Prevents: a database left unusable by two that make it at the same time, as MLflow's own opening leaves it."""
    done = python(OPEN, "10", cwd=tmp_path)
    assert done.stdout.splitlines()[-1].split() == ["0"] * 10, done.stderr
    database = tmp_path / "mlflow.db"
    assert sorted(name for _, name, _ in runs(database)) == [f"run-{i}" for i in range(10)]
    assert query(database, "select count(*) from experiments where name = 'tsforge'") == [(1,)]
    assert query(database, "pragma journal_mode") == [("wal",)]
    assert query(database, "pragma integrity_check") == [("ok",)]
    left = {p.name for p in tmp_path.iterdir()} - {"mlflow.db", "mlflow.db-wal", "mlflow.db-shm", ".tsforge"}
    assert left == set()


def test_killed_while_it_makes_the_database(tmp_path: Path) -> None:
    """Prevents: half a database under the real name, which nothing can open ever after."""
    database = tmp_path / "mlflow.db"
    command = [sys.executable, "-c", OPEN, "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment()) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        draft = tmp_path / f".mlflow.db.{child}"
        wait_for(lambda: draft.exists() and draft.stat().st_size > 0, "a database that is being made")
        os.kill(child, signal.SIGKILL)
    assert not database.exists()
    client = store.connect(f"sqlite:///{database}")
    assert client.search_experiments(max_results=1)
    assert query(database, "pragma journal_mode") == [("wal",)]
    assert not list(tmp_path.glob(".mlflow.db.[0-9]*")), "what is left of the first try"


@pytest.mark.parametrize(("uri", "shown"), [
    ("https://me:secret@host:5000/path", "https://me:***@host:5000/path"),
    ("postgresql+psycopg://me:secret@host/db", "postgresql+psycopg://me:***@host/db"),
    ("postgresql://me:s:e/cret@host/db", "postgresql://me:***@host/db"),
    ("postgresql://me:sec@ret@host/db", "postgresql://me:***@host/db"),
    ("sqlite:////data/a:b@c.db", "sqlite:////data/a:b@c.db"),
])  # fmt: skip
def test_passwords_are_never_shown(uri: str, shown: str) -> None:
    """Prevents: a password on a terminal or in a log."""
    assert store.shown(uri) == shown
    assert "secret" not in store.reason(OSError(f"cannot connect to {uri} today"))


def test_a_password_never_reaches_an_error(tmp_path: Path) -> None:
    """Prevents: a password in the message of a store that cannot be reached."""
    with pytest.raises(TrackingError) as problem:
        store.reading("http://me:hunter2@127.0.0.1:9")
    assert "hunter2" not in problem.value.message + problem.value.hint
    assert "127.0.0.1:9" in problem.value.message
    assert "connection refused" in problem.value.message
    assert "`tracking_uri`" in problem.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_not_there_is_not_made_by_reading(tmp_path: Path) -> None:
    """Prevents: an empty database left by a slip in the folder's name."""
    with pytest.raises(TrackingError, match="no runs are recorded there"):
        store.reading(store.address("sqlite:///nowhere/mlflow.db"))
    assert list(tmp_path.iterdir()) == []


def test_an_old_schema_says_what_to_do(empty_store: Path, tmp_path: Path) -> None:
    """Prevents: a database of an older MLflow that fails with a page of SQL, or is migrated without being asked."""
    old = tmp_path / "old.db"
    shutil.copyfile(empty_store, old)
    with sqlite3.connect(old) as connection:
        connection.execute("update alembic_version set version_num = 'bd07f7e963c5'")
    with pytest.raises(TrackingError) as problem:
        store.reading(f"sqlite:///{old}")
    assert "mlflow db upgrade" in problem.value.hint
    assert query(old, "select version_num from alembic_version") == [("bd07f7e963c5",)]


@pytest.mark.parametrize(("text", "hint"), [
    ("failed with error code 401 != 200", "MLFLOW_TRACKING_PASSWORD"),
    ("failed with error code 403 != 200", "MLFLOW_TRACKING_PASSWORD"),
    ("Run with id=84013fe0 not found", "is the server running"),
    ("The experiment 4 must be in the 'active' state. Current state is deleted.", "restore"),
])  # fmt: skip
def test_hints(text: str, hint: str) -> None:
    """Prevents: advice about passwords for a run whose id happens to hold 401."""
    assert hint in store.hint(RuntimeError(text))


@pytest.mark.parametrize("begun", [False, True])
def test_artifacts_lie_beside_the_database(
    empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, begun: bool
) -> None:
    """In .tsforge/, or where an earlier version began a folder.

    Prevents: artifacts that go where the first command happened to run, and are lost from everywhere else.
    """
    home, elsewhere = tmp_path / "home of runs", tmp_path / "elsewhere"
    (home / "mlartifacts" if begun else home).mkdir(parents=True)
    elsewhere.mkdir()
    shutil.copyfile(empty_store, home / "mlflow.db")
    monkeypatch.chdir(elsewhere)
    uri = store.address("sqlite:///../home of runs/mlflow.db")
    client = store.connect(uri)
    number = store.experiment(client, uri, "my runs/ä")
    run = client.create_run(number).info.run_id
    Path("a.txt").write_text("a")
    client.log_artifact(run, "a.txt")
    monkeypatch.chdir(tmp_path)
    place = query(home / "mlflow.db", "select artifact_location from experiments where experiment_id = ?", number)[0][0]
    assert urlparse(place).scheme == "file"
    assert [p.relative_to(home).parts[0] for p in home.rglob("a.txt")] == ["mlartifacts" if begun else ".tsforge"]
    assert begun or (home / ".tsforge" / ".gitignore").read_text() == "*\n"
    assert Path(client.download_artifacts(run, "a.txt")).read_text() == "a"
    assert sorted(p.name for p in elsewhere.iterdir()) == ["a.txt"]


def test_plain_mlflow_in_the_folder_sees_the_same(empty_store: Path, tmp_path: Path) -> None:
    """Prevents: runs that `mlflow ui`, started beside them without an option, does not show."""
    shutil.copyfile(empty_store, "mlflow.db")
    uri = store.address()
    client = store.connect(uri)
    run = client.create_run(store.experiment(client, uri, "tsforge"), run_name="seen").info.run_id
    code = (
        "from mlflow.tracking import MlflowClient; c = MlflowClient();"
        "e = c.get_experiment_by_name('tsforge'); print(*[r.info.run_id for r in c.search_runs([e.experiment_id])])"
    )
    assert python(code, cwd=tmp_path).stdout.split() == [run]


def test_an_experiment_made_by_another_meanwhile(empty_store: Path, tmp_path: Path) -> None:
    """Prevents: the slower of two that make an experiment failing, and its run with it."""
    shutil.copyfile(empty_store, tmp_path / "mlflow.db")
    uri = store.address()
    client = store.connect(uri)
    other = client.create_experiment("both")
    answers = iter([None, client.get_experiment_by_name("both")])
    create = MlflowClient(uri).create_experiment
    late = SimpleNamespace(get_experiment_by_name=lambda _: next(answers), create_experiment=create)
    assert store.experiment(late, uri, "both") == other


def test_an_unknown_experiment_names_those_there_are(empty_store: Path, tmp_path: Path) -> None:
    """Prevents: an empty list of runs for a slip in the experiment's name."""
    shutil.copyfile(empty_store, tmp_path / "mlflow.db")
    client = store.connect(store.address())
    with pytest.raises(TrackingError) as problem:
        store.existing(client, "tsforge")
    assert problem.value.hint == "fit something first"
    client.create_experiment("demand")
    for wrong, hint in (("demnad", "did you mean 'demand'?"), ("zzz", "demand")):
        with pytest.raises(TrackingError) as problem:
            store.existing(client, wrong)
        assert hint in problem.value.hint


def test_the_users_own_settings_of_mlflow_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: a patience that the user has set for a slow server, put back to ours."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    store.prepare()
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
