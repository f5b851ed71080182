"""One journal to one MLflow run: resumable at any point, every point there exactly once.

Progress is written to disk after every step. A step that was done but not yet noted is done again, which changes
nothing: a run and a model are looked up by a tag, MLflow keeps one metric per name, time and step, and the rest
replaces itself.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from tsforge.errors import ModelError
from tsforge.runtime import files
from tsforge.tracking import journal, registry, store, view

if TYPE_CHECKING:
    from mlflow.exceptions import MlflowException

BATCH = {"metrics": 900, "params": 100, "tags": 100}  # most in one call; MLflow takes 1,000 metrics
_TAG, _REASON = "tsforge.journal", "tsforge.reason"


@dataclass(frozen=True)
class Delivered:
    """How far a journal has come."""

    uri: str = ""
    experiment: str | None = None  # ids
    run: str | None = None
    model: str | None = None
    version: str | None = None  # "NAME/VERSION" in the registry
    offset: int = 0  # bytes of the journal that are delivered
    done: bool = False
    problem: str | None = None
    hint: str | None = None
    refused: tuple[str, ...] = ()  # why the store will never take some parts, such as a name that it does not allow

    @classmethod
    def read(cls, values: dict[str, Any]) -> Delivered:
        """From JSON."""
        return cls(**values | {"refused": tuple(values["refused"])})


Event = dict[str, Any]


def state(folder: Path) -> Delivered:
    """The note in a journal's folder; a blank one where it is damaged, as after a power cut."""
    try:
        return Delivered.read(json.loads((folder / journal.STATE).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return Delivered()


class Delivery:
    """Delivers journals; keeps its clients between them."""

    def __init__(self) -> None:
        self._clients: dict[str, Any] = {}

    def deliver(self, folder: Path) -> Delivered:
        """Deliver everything written so far, and remove the folder once the run has ended and all is delivered.

        A problem with the store is in the result, never raised.
        """
        if not (folder / journal.LINES).exists():  # somebody else was here; a lock would make the folder anew
            return Delivered(done=True)
        try:
            with FileLock(folder / "delivering"):
                now = self._try(folder)
                if now.done:  # under the lock, so that nobody who waits for it begins again while the rest goes
                    with contextlib.suppress(OSError):
                        (folder / journal.LINES).unlink()
        except FileNotFoundError:  # somebody else was done while this one waited for the lock
            return Delivered(done=True)
        if now.done:
            shutil.rmtree(folder, ignore_errors=True)
        return now

    def _try(self, folder: Path) -> Delivered:
        if not (folder / journal.LINES).exists():
            return Delivered(done=True)
        try:
            return self._resume(folder, state(folder))
        except Exception as problem:
            now = replace(state(folder), problem=store.reason(problem), hint=store.hint(problem))
            with contextlib.suppress(OSError):
                _note(folder, now)
            return now

    def _resume(self, folder: Path, now: Delivered) -> Delivered:
        events = _events(folder, now.offset)
        if not events:
            return now
        now = replace(now, problem=None, hint=None)
        if now.run is None:
            start, end = events.pop(0)
            now = self._begin(folder, start["start"] | {"at": start["at"]}, replace(now, offset=end))
        client = self._client(now.uri)
        points: list[tuple[Event, int]] = []
        for event, end in events:
            if "metrics" in event:
                points.append((event, end))
                if sum(len(e["metrics"]) for e, _ in points) < BATCH["metrics"]:
                    continue
                event = {}
            now = _send(client, folder, now, points)
            points = []
            if event:
                now = _note(folder, replace(_deliver_allowed(client, folder, now, event), offset=end))
        return _send(client, folder, now, points)

    def _begin(self, folder: Path, start: Event, now: Delivered) -> Delivered:
        """The MLflow run of a journal, which a delivery that was cut off may have made."""
        client = self._client(start["uri"])
        experiment = store.experiment(client, start["uri"], start["experiment"])
        view.prepare(client, experiment)
        _await_earlier(folder, start.get("after"))
        run = _find(client, experiment, start["journal"])
        if run is not None and "after" in start:
            _go_on(client, run)
        if run is None:
            parent = _parent_tag(client, experiment, folder, start.get("parent"))
            tags = start["tags"] | {_TAG: start["journal"]} | parent
            run = client.create_run(experiment, start["at"], tags, start["name"]).info.run_id
        return _note(folder, replace(now, uri=start["uri"], experiment=experiment, run=run))

    def _client(self, uri: str) -> Any:
        if uri not in self._clients:
            self._clients[uri] = store.connect(uri)
        return self._clients[uri]


def _find(client: Any, experiment: str, key: str) -> str | None:
    """The id of the run that a journal has become."""
    runs = client.search_runs([experiment], f"tags.`{_TAG}` = '{key}'", max_results=1)
    return runs[0].info.run_id if runs else None


def _await_earlier(folder: Path, earlier: str | None) -> None:
    """Raises RuntimeError where the journal that another goes on with is not delivered: its end would be the last."""
    if earlier is not None and Path(earlier) != folder and (Path(earlier) / journal.LINES).exists():
        raise RuntimeError(f"run {Path(earlier).name}, which it goes on with, is not there yet")


def _go_on(client: Any, run: str) -> None:
    """Take back the end of a run that another process goes on with."""
    if _REASON in client.get_run(run).data.tags:
        client.delete_tag(run, _REASON)
    client.update_run(run, status="RUNNING")


def _parent_tag(client: Any, experiment: str, folder: Path, parent: dict[str, str] | None) -> dict[str, str]:
    """The tag by which MLflow shows a run under another; none where that one is lost."""
    if parent is None:
        return {}
    run = _find(client, experiment, parent["journal"])
    if run is None and (folder.parent / parent["name"] / journal.LINES).exists():
        raise RuntimeError(f"run {parent['name']}, which it belongs to, is not there yet")
    return {} if run is None else {"mlflow.parentRunId": run}


def _events(folder: Path, offset: int) -> list[tuple[Event, int]]:
    """Whole lines from `offset` on, each with the offset behind it."""
    events = []
    with (folder / journal.LINES).open("rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                break
            offset += len(line)
            events.append((json.loads(line), offset))
    return events


def _send(client: Any, folder: Path, now: Delivered, points: list[tuple[Event, int]]) -> Delivered:
    """Deliver metrics, and note it."""
    from mlflow.entities import Metric

    if not points:
        return now
    metrics = [
        Metric(name, value, event["at"], event["step"], model_id=now.model if event["of_model"] else None)
        for event, _ in points
        for name, value in event["metrics"].items()
    ]
    return _note(folder, replace(_log(client, now, "metrics", metrics), offset=points[-1][1]))


def _log(client: Any, now: Delivered, kind: str, values: Sequence[Any]) -> Delivered:
    """Deliver metrics, params or tags in calls as large as the store takes, without those that it will never take."""
    from mlflow.exceptions import MlflowException

    batch = BATCH[kind]
    if len(values) > batch:
        for i in range(0, len(values), batch):
            now = _log(client, now, kind, values[i : i + batch])
        return now
    try:
        client.log_batch(now.run, **{kind: values})
    except MlflowException as problem:
        if not _is_final(client, now, problem):
            raise
        if len(values) == 1:
            return _refused(now, problem)
        half = len(values) // 2  # one of them: the others go on without it
        for part in (values[:half], values[half:]):
            now = _log(client, now, kind, part)
    return now


def _is_final(client: Any, now: Delivered, problem: MlflowException) -> bool:
    """Whether the store will never take it; a deleted run, which may be restored, is refused by the same code."""
    if problem.error_code != "INVALID_PARAMETER_VALUE":
        return False
    return bool(client.get_run(now.run).info.lifecycle_stage == "active")


def _refused(now: Delivered, problem: Exception) -> Delivered:
    return replace(now, refused=tuple(dict.fromkeys((*now.refused, store.reason(problem)))))


def _deliver_allowed(client: Any, folder: Path, now: Delivered, event: Event) -> Delivered:
    """Deliver anything but metrics, without what the store will never take or what is damaged."""
    from mlflow.exceptions import MlflowException

    try:
        return _deliver(client, folder, now, event)
    except (MlflowException, ModelError) as problem:
        if isinstance(problem, MlflowException) and not _is_final(client, now, problem):
            raise
        return _refused(replace(state(folder), refused=now.refused, done="end" in event), problem)


def _deliver(client: Any, folder: Path, now: Delivered, event: Event) -> Delivered:
    """Deliver anything but metrics."""
    from mlflow.entities import Param, RunTag

    match event:
        case {"params": values}:
            return _log(client, now, "params", [Param(name, value[:6000]) for name, value in values.items()])
        case {"tags": values}:
            return _log(client, now, "tags", [RunTag(name, value) for name, value in values.items()])
        case {"dataset": values}:
            _input(client, now, values)
        case {"file": path, "to": to}:
            client.log_artifact(now.run, str(folder / path), to or None)
        case {"model": path}:
            return _model(client, folder, now, event, folder / path)
        case {"end": status, "reason": reason}:
            if reason:
                now = _log(client, now, "tags", [RunTag(_REASON, reason)])
            client.set_terminated(now.run, status, event["at"])
            return replace(now, done=True)
    return now


def _input(client: Any, now: Delivered, values: dict[str, str]) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = json.dumps({"uri": values["source"]})
    data = Dataset(values["name"], values["digest"], "local", source, values["schema"], values["profile"])
    client.log_inputs(now.run, [DatasetInput(data, [InputTag("mlflow.data.context", "training")])])


def _model(client: Any, folder: Path, now: Delivered, event: Event, source: Path) -> Delivered:
    """The model directory as an MLflow model of the run; then its name in the registry."""
    from tsforge.tracking import export

    run, model = now.run, now.model
    assert run is not None
    assert now.experiment is not None
    if model is None:
        model = registry.record(client, now.experiment, run, lambda into: export.export(source, into))
        now = _note(folder, replace(now, model=model))
    if event["register"]:
        version = registry.register(client, event["register"], model, run, event["alias"])
        now = replace(now, version=f"{event['register']}/{version}")
    return now


def _note(folder: Path, now: Delivered) -> Delivered:
    files.write(folder / journal.STATE, json.dumps(asdict(now)))
    return now
