"""What several tests need of MLflow: its content read with sqlite3 alone, its real server, waiting for a condition."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

ROOT = Path(__file__).resolve().parents[2]


def wait_for(condition: Callable[[], Any], what: str, limit: float = 120.0) -> Any:
    """What `condition` gives once that is true; fails naming what did not come."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come in {limit} s")


def environment(**more: str) -> dict[str, str]:
    """For a child process: the checkout that is tested, one thread, no store of the caller's."""
    known = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    return known | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **more}


def python(code: str, *argv: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A program that must end well, with what it printed."""
    command, env = [sys.executable, "-c", code, *argv], environment()
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=True)


def query(database: Path, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """Rows of a store's database, read by nothing but SQLite."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return connection.execute(sql, values).fetchall()


def runs(database: Path) -> list[tuple[str, str, str]]:
    """Id, name and status of every run."""
    return query(database, "select run_uuid, name, status from runs order by start_time, name")


def history(database: Path, run: str, key: str) -> list[tuple[int, float]]:
    """Step and value of every row that a metric has."""
    return query(
        database, "select step, value from metrics where run_uuid = ? and key = ? order by step, value", run, key
    )


def content(database: Path, run: str) -> dict[str, Any]:
    """Everything that is stored of a run, without ids and without the tag that is another for each journal."""
    about = "select name, status, start_time, end_time, lifecycle_stage from runs where run_uuid = ?"
    inputs = (
        "select source_type, destination_type, count(*) from inputs where source_id = ? or destination_id = ?"
        " group by 1, 2 order by 1, 2"
    )
    data = (
        "select d.name, d.digest, d.dataset_source_type, d.dataset_source, d.dataset_schema, d.dataset_profile,"
        " t.name, t.value from inputs i join datasets d on d.dataset_uuid = i.source_id"
        " left join input_tags t on t.input_uuid = i.input_uuid where i.destination_id = ?"
    )
    of_run = {
        "run": about,
        "params": "select key, value from params where run_uuid = ? order by key",
        "tags": "select key, value from tags where run_uuid = ? and key != 'tsforge.journal' order by key",
        "metrics": "select key, value, timestamp, step, is_nan from metrics where run_uuid = ? order by 1, 4, 3, 2, 5",
        "latest": "select key, value, timestamp, step, is_nan from latest_metrics where run_uuid = ? order by key",
        "data": data,
        "models": "select name, status from logged_models where source_run_id = ?",
        "of model": "select metric_name, metric_value, metric_step from logged_model_metrics where run_id = ?",
        "versions": "select version, status from model_versions where run_id = ?",
        "aliases": (
            "select a.alias, a.version from registered_model_aliases a join model_versions v"
            " on v.name = a.name and v.version = a.version where v.run_id = ?"
        ),
    }
    found = {name: query(database, sql, run) for name, sql in of_run.items()}
    found["inputs"] = query(database, inputs, run, run)
    place = query(database, "select artifact_uri from runs where run_uuid = ?", run)[0][0]
    found["files"] = files(place)
    models = query(database, "select artifact_location from logged_models where source_run_id = ?", run)
    found["model files"] = [files(place) for (place,) in models]
    return found


def files(uri: str) -> dict[str, bytes]:
    """Relative path to content of what lies at a file: address."""
    root = Path(url2pathname(urlparse(uri).path))
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


class Server:
    """A real `mlflow server` over a SQLite file, which can be killed and started again at the same address."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.database = folder, folder / "server.db"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [
            sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{self.database}", "--host",
            "127.0.0.1", "--port", str(self.port), "--workers", "1", "--artifacts-destination",
            str(self.folder / "artifacts"),
        ]  # fmt: skip
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true", "PATH": path}
        log = (self.folder / "server.log").open("ab")
        self._process = subprocess.Popen(
            command, cwd=self.folder, env=environment(**quiet), stdout=log, stderr=log, start_new_session=True
        )
        log.close()
        wait_for(self._answers, "the MLflow server")

    def kill(self) -> None:
        """With -9, and its workers with it."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "server.log").read_text()
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{self.uri}/health", timeout=5).close()
            return True
        return False
