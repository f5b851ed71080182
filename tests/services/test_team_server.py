"""A team's server, with PostgreSQL, passwords and proxied artifacts, as clients and `tsforge` meet it."""

from __future__ import annotations

import base64
import fcntl
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow.entities import LoggedModelStatus, Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from tests.helpers.server import Server, environment
from tests.helpers.tables import hourly
from tests.helpers.team import Team, unavailable

Documents = dict[str, dict[str, Any]]  # of fits, by the kind of model
COLLEAGUE = ("colleague", "quite another password")


@pytest.fixture
def client(team: Team, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> MlflowClient:
    """As the admin, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    as_user(team, monkeypatch)
    return MlflowClient(team.server.url)


def as_user(team: Team, monkeypatch: pytest.MonkeyPatch, user: str = "admin", password: str | None = None) -> None:
    for name, value in team.settings(user, password).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")


@pytest.fixture(scope="module")
def colleague(team: Team) -> tuple[str, str]:
    """A user without special rights, made as the README makes one."""
    user, password = COLLEAGUE
    body = json.dumps({"username": user, "password": password}).encode()
    assert ask(team, "/api/2.0/mlflow/users/create", data=body, user="admin", password=team.password) == 200
    return COLLEAGUE


def ask(team: Team, path: str, data: bytes | None = None, user: str = "", password: str = "", **headers: str) -> int:
    """The status of one request."""
    request = urllib.request.Request(team.server.url + path, data=data, headers=headers)
    request.add_header("Content-Type", "application/json")
    if user:
        request.add_header("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def record(client: MlflowClient, experiment: str, tmp_path: Path) -> str:
    """A run with all that tsforge records; its id."""
    found = client.get_experiment_by_name(experiment)
    place = found.experiment_id if found else client.create_experiment(experiment)
    run = client.create_run(place, run_name="by hand")
    run_id: str = run.info.run_id
    metrics = [Metric("val/loss", 1 / (step + 1), 1_700_000_000_000 + step, step) for step in range(500)]
    client.log_batch(run_id, metrics=metrics, params=[Param("model.kind", "lstm")])
    (tmp_path / "weights").write_bytes(bytes(range(256)) * 4096)
    client.log_artifact(run_id, str(tmp_path / "weights"), "model")
    client.set_terminated(run_id)
    return run_id


def test_runs_metrics_and_artifacts(team: Team, client: MlflowClient, tmp_path: Path) -> None:
    run_id = record(client, "by-hand", tmp_path)
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.info.artifact_uri.startswith("mlflow-artifacts:/")
    assert run.data.params == {"model.kind": "lstm"}
    assert [m.value for m in client.get_metric_history(run_id, "val/loss")] == [1 / (s + 1) for s in range(500)]
    fetched = Path(client.download_artifacts(run_id, "model/weights", str(tmp_path / "fetched")))
    assert fetched.read_bytes() == (tmp_path / "weights").read_bytes()
    kept = [path.read_bytes() for path in (team.server.folder / "artifacts").rglob("weights")]
    assert fetched.read_bytes() in kept
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fetched", "weights"], "nothing lies at the client"
    count = f"select count(*) from metrics where run_uuid = '{run_id}'"
    asked = team.postgres.run("psql", "-tA", "-d", "mlflow", "-c", count, **team.postgres.settings)
    assert asked.strip() == "500"


def test_logged_models(client: MlflowClient, tmp_path: Path) -> None:
    run_id = record(client, "by-hand", tmp_path)
    experiment = client.get_run(run_id).info.experiment_id
    model = client.create_logged_model(experiment, name="lstm", source_run_id=run_id, params={"width": "8"})
    client.log_model_artifacts(model.model_id, str(tmp_path))
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    client.log_metric(run_id, "test/mase", 0.8, model_id=model.model_id)
    found = client.get_logged_model(model.model_id)
    assert found.status == LoggedModelStatus.READY
    assert [(m.key, m.value) for m in found.metrics] == [("test/mase", 0.8)]
    assert "weights" in {a.path for a in client.list_logged_model_artifacts(model.model_id)}


def test_who_may_in(team: Team, client: MlflowClient, monkeypatch: pytest.MonkeyPatch) -> None:
    search = "/api/2.0/mlflow/experiments/search?max_results=1"
    assert ask(team, search, user="admin", password=team.password) == 200
    assert ask(team, search) == 401
    assert ask(team, search, user="admin", password="password1234") == 401  # the one MLflow used to ship
    assert ask(team, "/health") == 200
    assert ask(team, search, user="admin", password=team.password, Host="elsewhere.example") == 403
    create = "/api/2.0/mlflow/experiments/create"
    foreign = {"data": b'{"name": "planted"}', "Origin": "https://elsewhere.example"}
    assert ask(team, create, user="admin", password=team.password, **foreign) == 403
    assert client.get_experiment_by_name("planted") is None
    as_user(team, monkeypatch, password="not the password")
    with pytest.raises(MlflowException, match="401"):
        MlflowClient(team.server.url).search_experiments(max_results=1)


def test_colleagues_record_into_one_experiment(
    team: Team, client: MlflowClient, colleague: tuple[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Prevents: MLflow's own default, by which only who made an experiment can record into it."""
    first = record(client, "shared", tmp_path)
    as_user(team, monkeypatch, *colleague)
    theirs = MlflowClient(team.server.url)
    second = record(theirs, "shared", tmp_path)
    experiment = theirs.get_run(second).info.experiment_id
    assert {run.info.run_id for run in theirs.search_runs([experiment])} == {first, second}
    theirs.download_artifacts(first, "model/weights", str(tmp_path))
    with pytest.raises(MlflowException, match="403"):
        theirs.delete_experiment(experiment)
    with pytest.raises(MlflowException, match="403"):
        theirs.delete_run(first)


def test_killed_and_started_again(team: Team, client: MlflowClient, tmp_path: Path) -> None:
    """Prevents: another port, lost users, runs or artifacts, a second admin, or a wait for a lock."""
    run_id = record(client, "by-hand", tmp_path)
    team.server.kill()
    assert not team.server.answers()
    team.server.start()
    assert client.get_run(run_id).data.params == {"model.kind": "lstm"}
    client.download_artifacts(run_id, "model/weights", str(tmp_path))


def test_upgrade_and_dump_as_the_readme_says(team: Team, client: MlflowClient, tmp_path: Path) -> None:
    run_id = record(client, "by-hand", tmp_path)
    url = "postgresql+psycopg:///mlflow"
    command = [sys.executable, "-m", "mlflow", "db", "upgrade", url]
    settings = environment(MLFLOW_DISABLE_TELEMETRY="true", **team.postgres.settings)
    done = subprocess.run(command, env=settings, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    dump = team.postgres.run("pg_dump", "mlflow", **team.postgres.settings)
    assert run_id in dump
    assert "CREATE TABLE public.users" in dump
    assert team.password not in dump


def test_a_server_over_sqlite_without_passwords(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The helper that other tests start, kill and start again."""
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    with Server(tmp_path / "server") as server:
        client = MlflowClient(server.url)
        run_id = record(client, "by-hand", tmp_path)
        url = server.url
        server.kill()
        server.start()
        assert server.url == url
        assert client.get_run(run_id).info.status == "FINISHED"
        assert next((tmp_path / "server" / "artifacts").rglob("weights")).is_file()
    assert not server.answers()


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    """Prevents: three minutes of waiting for a server that ended at once."""
    with pytest.raises(RuntimeError, match="No such option"):
        Server(tmp_path, ["--no-such-option"]).start()


def test_services_end_with_the_tests_however_those_end(tmp_path: Path) -> None:
    """Prevents: servers and databases left behind by a test run that was killed."""
    holder = "import fcntl, time; f = open('lock', 'w'); fcntl.flock(f, 2); open('held', 'w'); time.sleep(600)"
    code = f"""
import os, sys
from pathlib import Path
from tests.helpers.server import Process
process = Process(Path("holder.log"), ending="KILL")
process.start([sys.executable, "-c", {holder!r}])
process.wait_until(Path("held").exists)
os.kill(os.getpid(), 9)
"""
    env = environment()
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    end = time.monotonic() + 60
    with (tmp_path / "lock").open() as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                assert time.monotonic() < end, "still running"
                time.sleep(0.1)


def test_missing_services_skip_or_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: a check of everything that silently checks less."""
    monkeypatch.delenv("TSFORGE_REQUIRE_SERVICES", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no such program"):
        unavailable("no such program")
    monkeypatch.setenv("TSFORGE_REQUIRE_SERVICES", "1")
    with pytest.raises(pytest.fail.Exception, match="no such program, and TSFORGE_REQUIRE_SERVICES is set"):
        unavailable("no such program")


# What users type, in processes of their own. Each fit records as another user, into one experiment.

QUICK = ["--horizon", "6", "--max-steps", "4", "--set", "model.width=8"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one ordinary table."""
    place = tmp_path_factory.mktemp("user")
    hourly(12).to_csv(place / "data.csv", index=False)
    return place


def tsforge(*words: str, cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tsforge", *words]
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def fits(team: Team, colleague: tuple[str, str], folder: Path) -> Documents:
    """Kind of model to what `tsforge fit --json` printed: the first by the admin, the second by a colleague."""
    documents = {}
    for kind, env in (("lstm", team.client()), ("gru", team.client(*colleague))):
        words = ["fit", "data.csv", "--model", kind, *QUICK, "--experiment", "commands", "--json"]
        documents[kind] = json.loads(tsforge(*words, cwd=folder, env=env).stdout)
    return documents


def shown(document: dict[str, Any], kind: str) -> Any:
    """The score that a fit printed, as MLflow may have rounded it for its tables."""
    return pytest.approx(document["scores"][kind]["mase"], rel=1e-5)


def test_fits_are_recorded_there_and_nowhere_else(fits: Documents, client: MlflowClient, folder: Path) -> None:
    for kind, document in fits.items():
        run = client.get_run(document["run"])
        assert run.info.status == "FINISHED"
        assert run.data.params["model.kind"] == kind
        assert run.data.metrics["test/mase"] == shown(document, kind)
        assert len(client.get_metric_history(document["run"], "val/loss")) == 4
    assert not (folder / "mlflow.db").exists()
    assert not (folder / "mlartifacts").exists()


def test_runs_are_listed(fits: Documents, team: Team, folder: Path) -> None:
    listed = json.loads(tsforge("runs", "--experiment", "commands", "--json", cwd=folder, env=team.client()).stdout)
    assert listed["experiment"] == "commands"
    runs = {run["id"]: run for run in listed["runs"]}
    assert set(runs) == {document["run"] for document in fits.values()}
    for kind, document in fits.items():
        run = runs[document["run"]]
        assert run["name"]
        assert run["status"] == "FINISHED"
        assert run["params"]["model.kind"] == kind
        assert run["metrics"]["test/mase"] == shown(document, kind)


def test_runs_are_compared(fits: Documents, team: Team, folder: Path) -> None:
    ids = [fits[kind]["run"] for kind in ("lstm", "gru")]
    compared = json.loads(tsforge("runs", "compare", *ids, "--json", cwd=folder, env=team.client()).stdout)
    assert len(compared["runs"]) == 2
    assert compared["params"]["model.kind"] == ["lstm", "gru"]
    assert compared["metrics"]["test/mase"] == [shown(fits[kind], kind) for kind in ("lstm", "gru")]
    assert compared["url"].startswith(team.server.url)
    assert all(run_id in compared["url"] for run_id in ids)


def test_a_recorded_model_predicts_as_the_local_one(fits: Documents, team: Team, folder: Path, tmp_path: Path) -> None:
    """On another machine, as it were: all it has is the table, the run's id and the server."""
    there = tmp_path / "elsewhere"
    there.mkdir()
    data = str(folder / "data.csv")
    for kind, document in fits.items():
        local, remote = folder / f"{kind}.csv", there / f"{kind}.csv"
        tsforge("predict", document["model"], data, "--output", str(local), cwd=folder, env=environment())
        tsforge("predict", f"runs:/{document['run']}", data, "--output", str(remote), cwd=there, env=team.client())
        assert len(pd.read_csv(local)) == 6
        assert remote.read_bytes() == local.read_bytes()


def test_a_wrong_password_costs_only_the_record(team: Team, client: MlflowClient, folder: Path, tmp_path: Path) -> None:
    env = team.client(password="not the password")
    words = ["fit", str(folder / "data.csv"), *QUICK, "--experiment", "refused", "--out", "model"]
    done = tsforge(*words, "--json", cwd=tmp_path, env=env)  # which waits for what the server says
    assert (tmp_path / "model" / "manifest.json").is_file()
    assert "seasonal-naive" in done.stdout
    assert team.server.url in done.stderr
    assert any(word in done.stderr.lower() for word in ("password", "authenticated", "401"))
    assert "not the password" not in done.stdout + done.stderr
    assert client.get_experiment_by_name("refused") is None
    json.loads(tsforge("runs", "sync", "--json", cwd=tmp_path, env=team.client()).stdout)
    experiment = client.get_experiment_by_name("refused")
    assert [run.info.status for run in client.search_runs([experiment.experiment_id])] == ["FINISHED"]
