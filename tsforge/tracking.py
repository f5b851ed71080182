"""The only file that knows MLflow. Plain values in; a run that can be compared in the MLflow UI out."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

log = logging.getLogger("tsforge")

EXPERIMENT = "tsforge"
_CHUNK = 900  # MLflow takes at most 1,000 metrics in one call


@dataclass(frozen=True)
class Record:
    """What is remembered of one fit.

    params: dotted path to value. metrics: name to value. curves: name to (step, seconds since the epoch, value).
    folder: copied into the run's artifacts.
    """

    name: str
    started: float  # seconds since the epoch
    params: dict[str, Any]
    metrics: dict[str, float]
    curves: dict[str, list[tuple[int, float, float]]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None
    finished: bool = True


def tracking_uri(given: str | None) -> str:
    """As given, else MLFLOW_TRACKING_URI, else the SQLite file in this folder that `mlflow ui` opens by default."""
    return given or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path.cwd() / 'mlflow.db'}"


def record(run: Record, uri: str, experiment: str) -> str | None:
    """Write a run; returns its id, or None (and a note) where the store cannot be reached: a fit never fails by it."""
    try:
        with _quiet():
            return _record(run, uri, experiment)
    except Exception as problem:
        log.warning(
            "the run was not recorded at %s: %s",
            uri,
            str(problem).splitlines()[0] if str(problem) else problem,
        )
        return None


def _record(run: Record, uri: str, experiment: str) -> str:
    from mlflow.entities import Metric, Param, RunTag

    client = _client(uri)
    experiment_id = _experiment(client, uri, experiment)
    created = client.create_run(experiment_id, start_time=round(run.started * 1000), run_name=run.name)
    run_id: str = created.info.run_id
    now = round(time.time() * 1000)
    metrics = [Metric(k, v, now, 0) for k, v in run.metrics.items() if v == v]
    metrics += [Metric(k, v, round(at * 1000), step) for k, curve in run.curves.items() for step, at, v in curve]
    params = [Param(k, str(v)[:6000]) for k, v in run.params.items()]
    try:
        client.log_batch(run_id, tags=[RunTag(k, v) for k, v in run.tags.items()])
        for i in range(0, len(params), 100):
            client.log_batch(run_id, params=params[i : i + 100])
        for i in range(0, len(metrics), _CHUNK):
            client.log_batch(run_id, metrics=metrics[i : i + _CHUNK])
        if run.folder is not None:
            client.log_artifacts(run_id, str(run.folder), "model")
    except BaseException:
        client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id, "FINISHED" if run.finished else "KILLED")
    return run_id


def _client(uri: str) -> Any:
    """A client; a new local database is made by one process alone, whoever comes first."""
    from mlflow.tracking import MlflowClient

    if not uri.startswith("sqlite:///"):
        return MlflowClient(uri)
    from filelock import FileLock

    path = Path(uri.removeprefix("sqlite:///"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock", timeout=120):
        fresh = not path.exists()
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)  # makes and migrates the tables
        if fresh:
            with sqlite3.connect(path) as connection:
                connection.execute("pragma journal_mode=WAL")
    return client


def _experiment(client: Any, uri: str, name: str) -> str:
    """The experiment's id, made if need be, with its artifacts beside a local database."""
    found = client.get_experiment_by_name(name)
    if found is None:
        local = uri.startswith("sqlite:///")
        place = Path(uri.removeprefix("sqlite:///")).absolute().parent / "mlartifacts" / name if local else None
        try:
            return str(client.create_experiment(name, artifact_location=place.as_uri() if place else None))
        except Exception:  # another process was first
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return str(found.experiment_id)


@contextmanager
def _quiet() -> Iterator[None]:
    """No telemetry, no migration log, no minutes of retries for a store that is not there."""
    settings = {
        "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    }  # fmt: skip
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update({k: v for k, v in settings.items() if before[k] is None})
    import mlflow.tracking  # noqa: F401  (sets up its own logging, so the levels below come after)

    for name in ("alembic", "mlflow", "mlflow.store.db.utils"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
