"""Runs that were deleted in a local store: what they still take on the disk, and how they go for good."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlparse
from urllib.request import url2pathname

from tsforge.errors import TrackingError
from tsforge.tracking import store

PAGE = 1000  # runs that are asked for at once


class Deleted(NamedTuple):
    """A deleted run. models: ids of what was logged of it. folders: of its files on this machine."""

    id: str
    name: str
    models: tuple[str, ...]
    folders: tuple[Path, ...]


def find(uri: str) -> list[Deleted]:
    """The deleted runs of a local database, but for those whose model is a registered version; none of a server."""
    file = store.database(uri)
    if file is None or not file.exists() or not _any(file):
        return []
    from mlflow.entities import ViewType

    client = store.reading(uri)
    experiments = [e.experiment_id for e in client.search_experiments(view_type=ViewType.ALL)]
    found: list[Deleted] = []
    token: str | None = None
    while experiments:
        page = client.search_runs(experiments, "", ViewType.DELETED_ONLY, max_results=PAGE, page_token=token)
        found += [one for run in page if (one := _described(client, run)) is not None]
        token = page.token
        if not token:
            break
    return found


def _any(file: Path) -> bool:
    """Whether there is one, without the seconds that MLflow takes; True where SQLite cannot say."""
    try:
        with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
            return (
                connection.execute("select 1 from runs where lifecycle_stage = 'deleted' limit 1").fetchone()
                is not None
            )
    except sqlite3.Error:
        return True


def _described(client: Any, run: Any) -> Deleted | None:
    info = run.info
    if client.search_model_versions(f"run_id = '{info.run_id}'", max_results=1):
        return None
    models = client.search_logged_models([info.experiment_id], filter_string=f"source_run_id = '{info.run_id}'")
    places = {info.run_id: info.artifact_uri, **{model.model_id: model.artifact_location for model in models}}
    folders = tuple(folder for key, uri in places.items() if (folder := _folder(uri, key)) is not None)
    return Deleted(info.run_id, info.run_name, tuple(model.model_id for model in models), folders)


def _folder(uri: str, key: str) -> Path | None:
    """The folder of files on this machine that an address names, which has the key in it, as MLflow makes them."""
    if urlparse(uri).scheme not in ("", "file"):
        return None
    folder = Path(url2pathname(urlparse(uri).path))
    return folder if key in folder.parts and folder.is_dir() else None


def remove(uri: str, runs: list[Deleted]) -> set[str]:
    """Remove deleted runs for good, as `mlflow gc` does, with their files and what was logged of them; their ids.

    One that was restored meanwhile stays.
    Raises TrackingError where the store refuses.
    """
    store.prepare()
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    file = store.database(uri)
    removed: set[str] = set()
    if file is None or not runs:
        return removed
    backend = SqlAlchemyStore(uri, store.artifacts(file).as_uri())
    try:
        for run in runs:
            if backend.get_run(run.id).info.lifecycle_stage != "deleted":
                continue
            for model in run.models:
                backend.delete_logged_model(model)
                backend._hard_delete_logged_model(model)
            backend._hard_delete_run(run.id)
            for folder in run.folders:  # last: what the store still knows of has its files
                shutil.rmtree(folder, ignore_errors=True)
                with contextlib.suppress(OSError):  # of a run, artifacts/ lies in a folder of its own
                    folder.parent.rmdir()
            removed.add(run.id)
    except Exception as problem:
        raise TrackingError(f"{store.shown(uri)}: {store.reason(problem)}", store.hint(problem)) from None
    finally:
        backend.engine.dispose()
    return removed
