"""Where runs are kept: the address, a quiet client that does not wait for minutes, a local database made once."""

from __future__ import annotations

import glob
import logging
import os
import re
import sqlite3
from pathlib import Path
from typing import Any

from tsforge.errors import TrackingError, listing, nearest
from tsforge.runtime import home

EXPERIMENT = "tsforge"
_LOCAL = "sqlite:///"
_SETTINGS = {  # unless the user has set them: no telemetry, no chatter, seconds for a store that is away, not minutes
    "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}  # fmt: skip


def address(given: str | None = None, folder: Path = Path()) -> str:
    """As given, else MLFLOW_TRACKING_URI, else mlflow.db in a folder, which plain `mlflow ui` opens.

    folder: the current one where none is named. A path of a SQLite file in it is made absolute, so that it means the
    same from everywhere.
    """
    uri = given or os.environ.get("MLFLOW_TRACKING_URI") or f"{_LOCAL}{folder / 'mlflow.db'}"
    file = database(uri)
    return uri if file is None else f"{_LOCAL}{file}"


def database(uri: str) -> Path | None:
    """The SQLite file behind an address; None for a server or another database."""
    name = uri.removeprefix(_LOCAL)
    return Path(name).absolute() if uri.startswith(_LOCAL) and name else None


def artifacts(file: Path) -> Path:
    """The folder for what belongs to the runs of a local database: in the one folder that tsforge keeps beside it.

    A database that an earlier version began has mlartifacts beside it, and keeps it.
    """
    before = file.parent / "mlartifacts"
    return before if before.is_dir() else home.place(file.parent) / "artifacts"


def connect(uri: str) -> Any:
    """An MlflowClient; a local database is created where it does not exist yet."""
    prepare()
    from mlflow.tracking import MlflowClient

    file = database(uri)
    if file is not None:
        _make(file)
    return MlflowClient(uri, registry_uri=uri)


def reading(uri: str) -> Any:
    """An MlflowClient for a store that must exist: raises TrackingError where it does not, or cannot be reached."""
    file = database(uri)
    if file is not None and not file.exists():
        first = "fit something first, or name the store with `tracking_uri`"
        raise TrackingError(f"{file}: no runs are recorded there", first)
    try:
        client = connect(uri)
        client.search_experiments(max_results=1)
    except Exception as problem:
        raise TrackingError(f"{shown(uri)}: cannot be reached: {reason(problem)}", hint(problem)) from None
    return client


def experiment(client: Any, uri: str, name: str) -> str:
    """The id of an experiment, created if need be, with its artifacts beside a local database."""
    from mlflow.exceptions import MlflowException

    recorded = client.get_experiment_by_name(name)
    if recorded is None:
        file = database(uri)
        place = artifacts(file) / re.sub(r"[^\w.-]+", "_", name) if file else None
        if file is not None:
            home.ready(home.place(file.parent))
        try:
            return str(client.create_experiment(name, artifact_location=place.as_uri() if place else None))
        except MlflowException:  # another process was first
            recorded = client.get_experiment_by_name(name)
            if recorded is None:
                raise
    return str(recorded.experiment_id)


def existing(client: Any, name: str) -> str:
    """The id of an experiment; raises TrackingError, which names the others, where it does not exist."""
    recorded = client.get_experiment_by_name(name)
    if recorded is None:
        names = [e.name for e in client.search_experiments() if e.name != "Default"]
        near = nearest(name, names) or (f"there are: {listing(names)}" if names else "fit something first")
        raise TrackingError(f"there is no experiment '{name}'", near)
    return str(recorded.experiment_id)


def quoted(word: str) -> str:
    """A word in MLflow's filters, which know no escapes: of a word with both kinds of quotes the beginning."""
    return f'"{word.partition(chr(34))[0]}"' if "'" in word else f"'{word}'"


def is_server(uri: str) -> bool:
    """Whether the store is a server, which has its own UI."""
    return uri.startswith(("http://", "https://"))


def shown(uri: str) -> str:
    """An address without the password in it."""
    return re.sub(r"(://[^:/@\s]*):\S*@", r"\1:***@", uri)


def reason(problem: BaseException) -> str:
    """The last cause of a problem in one line: a refused connection, not the retries on top of it."""
    text = next((line.strip() for line in str(problem).splitlines() if line.strip()), type(problem).__name__)
    if "Connection refused" in text or "NewConnectionError" in text:
        return "nothing answers there (connection refused)"
    if "timed out" in text.lower():
        return "it does not answer in time"
    return shown(text[:300])


def hint(problem: BaseException) -> str:
    """What to do about a store that does not answer as it should."""
    text = str(problem)
    if re.search(r"\b40[13]\b", text):  # not within an id
        return "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
    if "must be in the 'active' state" in text:
        return "it was deleted: mlflow experiments restore, or mlflow runs restore, brings it back"
    if "out-of-date database schema" in text:
        return "bring the database up to this MLflow: mlflow db upgrade ADDRESS (after a backup)"
    return "is the server running, and is the address right? (`tracking_uri`, MLFLOW_TRACKING_URI)"


def prepare() -> None:
    """Import MLflow, quietly; two seconds that are better spent before they are waited for."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    import mlflow.tracking  # noqa: F401  (sets up its own logging, so the levels below come after)

    for name in ("alembic", "mlflow", "mlflow.store.db.utils"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _make(file: Path) -> None:
    """A new database, whole or not at all: MLflow's own first opening is broken by a second one at the same time.

    In WAL mode, in which readers and a writer do not wait for each other.
    """
    if file.exists():
        return
    from filelock import FileLock
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(home.ready(home.place(file.parent)) / f"{file.name}.lock", timeout=300):
        if file.exists():
            return
        for left in file.parent.glob(f".{glob.escape(file.name)}.[0-9]*"):  # by one who was killed at this
            left.unlink()
        draft = file.with_name(f".{file.name}.{os.getpid()}")
        store = SqlAlchemyStore(f"{_LOCAL}{draft}", artifacts(file).as_uri())
        store.engine.dispose()
        connection = sqlite3.connect(draft)
        connection.execute("pragma journal_mode=WAL")
        connection.close()
        draft.replace(file)
