"""Recorded models: written from a model directory, found by runs:/RUN or models:/NAME@ALIAS, and registered."""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlparse
from urllib.request import url2pathname

from tsforge.errors import TrackingError
from tsforge.tracking import runs, store

NAME = "model"
FOLDER = "artifacts/model"  # of the model directory within what MLflow keeps
LONGEST = 5000  # characters of a description that a registry in a database takes
T = TypeVar("T")
_FORBIDDEN = re.compile(r"[/:.%\"']")  # in the name of a recorded model
_ROLES = ("time", "id", "target", "past", "future", "static")  # of columns, which MLflow's schema does not check
_USE = (
    "Forecasts by tsforge. The newest version is used by\n\n    tsforge predict models:/{name} DATA --output out.csv\n"
)
_PLACE = re.compile(r"(runs|models):/+(.+)")
_ID = re.compile(r"m-[0-9a-f]{32}")  # of a recorded model


def is_recorded(word: object) -> bool:
    """Whether a word names a recorded model rather than a folder."""
    return isinstance(word, str) and _PLACE.fullmatch(word) is not None


def named(word: str) -> tuple[str | None, str | None]:
    """(name, alias) in the registry of models:/NAME@ALIAS or models:/NAME/VERSION; None for what it does not have."""
    match = _PLACE.fullmatch(word)
    if match is None or match[1] == "runs" or _ID.fullmatch(place := match[2].strip("/")):
        return None, None
    name, sign, alias = place.rpartition("@")
    return (name, alias) if sign else (place.partition("/")[0], None)


def local(model: T, uri: str | None = None) -> T | Path:
    """The folder of a model that is named by its address; whatever else names or is a model, unchanged.

    uri: the store; MLFLOW_TRACKING_URI or mlflow.db in this folder where None.
    Raises TrackingError for a recorded model that is not there.
    """
    return fetch(str(model), uri) if is_recorded(model) else model


def record(client: Any, experiment: str, run: str, export: Callable[[Path], None]) -> str:
    """Record what `export` writes into a folder as the model of a run, under the run's name; its id.

    One left unfinished is completed.
    """
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus

    models = client.search_logged_models([experiment], filter_string=f"source_run_id = '{run}'", max_results=1)
    model = models[0] if models else None
    if model is None or model.status != LoggedModelStatus.READY:
        with tempfile.TemporaryDirectory() as place:
            export(Path(place) / "model")  # first: a damaged one leaves nothing behind
            name = _FORBIDDEN.sub("-", client.get_run(run).info.run_name or NAME)
            model = model or client.create_logged_model(experiment, name=name, source_run_id=run)
            client.log_model_artifacts(model.model_id, str(Path(place) / "model"))
        client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    outputs = client.get_run(run).outputs
    if model.model_id not in [output.model_id for output in (outputs.model_outputs if outputs else [])]:
        client.log_outputs(run, [LoggedModelOutput(model.model_id, 0)])  # MLflow refuses it a second time
    return str(model.model_id)


def register(client: Any, name: str, model: str, run: str, alias: str | None = None) -> str:
    """A new version of a registered model from a recorded one, unless it is one already; the version.

    It is described by what its run says of it, and the model by how it is used.
    """
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name, description=_USE.format(name=name))
    except MlflowException as problem:
        if problem.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    earlier = [v for v in client.search_model_versions(f"name = {store.quoted(name)}") if v.run_id == run]
    if earlier:
        version = earlier[0]
    else:
        with _recording_to(client.tracking_uri):
            version = client.create_model_version(
                name, f"models:/{model}", run, description=_description(client.get_run(run)), model_id=model
            )
    if alias:
        client.set_registered_model_alias(name, alias, version.version)
    return str(version.version)


def _description(run: Any) -> str:
    """What a version is, in Markdown: model, data and horizon, the columns that it reads, and the note of its run."""
    params, inputs = run.data.params, run.inputs.dataset_inputs if run.inputs else []
    data = f" on `{inputs[0].dataset.name}`" if inputs else ""
    ahead = f", {params['data.horizon']} steps ahead" if "data.horizon" in params else ""
    head = f"`{params.get('model.kind', 'model')}`{data}{ahead}, from run `{run.info.run_name}`."
    named = [f"{role} `{params[key]}`" for role in _ROLES if (key := f"data.{role}") in params]
    head += f" Columns: {', '.join(named)}." if named else ""
    whole = "\n\n".join(filter(None, (head, run.data.tags.get("mlflow.note.content"))))
    if len(whole) <= LONGEST:
        return whole
    return head if len(head) <= LONGEST else f"{head[: LONGEST - 4]} ..."


@contextlib.contextmanager
def _recording_to(uri: str) -> Iterator[None]:
    """MLflow's registry in a database asks for the model where the process records, whatever store it is itself in."""
    from mlflow.tracking._tracking_service.utils import _use_tracking_uri

    before = os.environ.get("MLFLOW_TRACKING_URI")
    try:
        with _use_tracking_uri(uri):
            yield
    finally:
        if before is not None:
            os.environ["MLFLOW_TRACKING_URI"] = before


def register_run(client: Any, word: str, name: str, alias: str | None = None) -> str:
    """Register the model of a run, which is named by its id or name; the version.

    Raises TrackingError for a name or alias that the registry refuses.
    """
    from mlflow.exceptions import MlflowException

    run = runs.find(client, word)
    try:
        return register(client, name, _model_of(run), run.info.run_id, alias)
    except MlflowException as problem:
        raise TrackingError(f"{name}: {store.reason(problem)}", "choose another name or alias") from None


def fetch(word: str, uri: str | None = None) -> Path:
    """The model directory behind runs:/RUN (a run's id or name), models:/NAME@ALIAS, models:/NAME/VERSION, models:/ID.

    One that lies on this machine is used where it is; another is downloaded into a folder that is gone when the process
    ends. Raises TrackingError for what is not there.
    """
    uri = store.address(uri)
    client = store.reading(uri)
    match = _PLACE.fullmatch(word)
    if match is None:
        raise TrackingError(f"{word}: not runs:/RUN or models:/NAME@ALIAS", "or name a model directory")
    name = match[2].strip("/")
    place = _of_run(client, name) if match[1] == "runs" else _of_registry(client, name, word)
    if place.startswith("file:"):
        folder = Path(url2pathname(urlparse(place).path)) / FOLDER
        if not folder.is_dir():
            raise TrackingError(f"{word}: its files are gone from {folder.parent.parent}", "fit again")
        return folder
    return _download(place, uri, word)


def _of_run(client: Any, name: str) -> str:
    """Where the model of a run lies; "runs:/RUN/model" means the same as "runs:/RUN"."""
    run = runs.find(client, name.removesuffix(f"/{NAME}"))
    return str(client.get_logged_model(_model_of(run)).artifact_location)


def _model_of(run: Any) -> str:
    """The id of a run's model."""
    models = run.outputs.model_outputs if run.outputs else []
    if not models:
        raise TrackingError(f"run {run.info.run_name}: has no model ({run.info.status.lower()})", "choose another run")
    return str(models[0].model_id)


def _of_registry(client: Any, name: str, word: str) -> str:
    from mlflow.exceptions import MlflowException

    try:
        if "@" in name:
            version = client.get_model_version_by_alias(*name.rsplit("@", 1))
        elif "/" in name:
            version = client.get_model_version(*name.rsplit("/", 1))
        elif _ID.fullmatch(name):
            return str(client.get_logged_model(name).artifact_location)
        else:
            versions = client.search_model_versions(f"name = {store.quoted(name)}")
            if not versions:
                raise TrackingError(f"{word}: no model of this name is registered", _registered(client))
            version = max(versions, key=lambda v: int(v.version))
        return str(client.get_logged_model(version.source.rpartition("/")[2]).artifact_location)
    except MlflowException as problem:
        raise TrackingError(f"{word}: {store.reason(problem)}", _registered(client)) from None


def _registered(client: Any) -> str:
    """The hint that lists the registered models."""
    models = client.search_registered_models(max_results=8)
    names = [f"{m.name}@{a}" for m in models for a in m.aliases] or [m.name for m in models]
    return f"registered: {', '.join(names)}" if names else "register one: tsforge runs register RUN NAME"


def _download(place: str, uri: str, word: str) -> Path:
    from mlflow.artifacts import download_artifacts

    folder = Path(tempfile.mkdtemp(prefix="tsforge-model-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    try:
        download_artifacts(artifact_uri=place, dst_path=str(folder), tracking_uri=uri)
    except Exception as problem:
        raise TrackingError(f"{word}: cannot be fetched: {store.reason(problem)}", store.hint(problem)) from None
    manifest = next(folder.rglob("manifest.json"), None)
    if manifest is None:
        raise TrackingError(f"{word}: is no model of tsforge", "choose another")
    return manifest.parent
