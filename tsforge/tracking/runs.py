"""Recorded runs: found by id, part of an id or name, and read as plain values."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tsforge.errors import TrackingError, nearest
from tsforge.tracking import journal, preset, store
from tsforge.tracking.journal import BASELINES

log = logging.getLogger("tsforge")

MOST = 1000  # runs of one listing


@dataclass(frozen=True)
class Recorded:
    """A run as plain values. status: FINISHED, RUNNING, FAILED or KILLED. started, seconds: in seconds."""

    id: str
    name: str
    experiment: str  # id
    status: str
    started: float
    seconds: float | None
    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]

    @property
    def reason(self) -> str:
        """Why it failed or was stopped."""
        return self.tags.get("tsforge.reason", "")


def listing(client: Any, experiment: str) -> list[Recorded]:
    """The runs of an experiment, by name; those with the best primary metric first, then those without."""
    runs = [_plain(run) for run in client.search_runs([store.existing(client, experiment)], max_results=MOST)]
    return sorted(runs, key=lambda run: run.metrics.get(preset.PRIMARY, float("inf")))


def chosen(
    runs: list[Recorded], kind: str | None = None, data: str | None = None, last: int | None = None
) -> list[Recorded]:  # fmt: skip
    """Those of a kind, on a table whose path has a text in it; the newest of them first, where only so many are wanted.

    Raises TrackingError for a kind that no run has.
    """
    kinds = sorted({run.tags.get("tsforge.kind", "") for run in runs} - {""})
    if kind is not None and runs and kind not in kinds:
        raise TrackingError(f"no run is of kind '{kind}'", nearest(kind, kinds) or f"there are {', '.join(kinds)}")
    runs = [run for run in runs if kind is None or run.tags.get("tsforge.kind") == kind]
    runs = [run for run in runs if data is None or data in run.params.get("data.path", "")]
    return runs if last is None else sorted(runs, key=lambda run: -run.started)[: max(0, last)]


def family(client: Any, run: Recorded) -> list[Recorded]:
    """A run and all that are below it."""
    found = [run]
    for one in found:
        query = f"tags.`mlflow.parentRunId` = '{one.id}'"
        found += [_plain(child) for child in client.search_runs([one.experiment], query, max_results=MOST)]
    return found


def get(client: Any, word: str) -> Recorded:
    """A run by id, part of an id or name."""
    return _plain(find(client, word))


def find(client: Any, word: str) -> Any:
    """The MLflow run that an id, part of an id or a name means; raises TrackingError where it is none, or several."""
    from mlflow.exceptions import MlflowException

    if len(word) == 32:
        try:
            return client.get_run(word)
        except MlflowException:
            pass
    experiments = [e.experiment_id for e in client.search_experiments()]
    named = client.search_runs(experiments, f"attributes.run_name = {store.quoted(word)}", max_results=2)
    if not named:
        every = client.search_runs(experiments, max_results=MOST)
        named = [run for run in every if len(word) >= 4 and run.info.run_id.startswith(word)]
        if not named:
            names = [run.info.run_name for run in every]
            raise TrackingError(f"there is no run '{word}'", nearest(word, names) or "tsforge runs lists them")
    if len(named) > 1:
        ids = ", ".join(run.info.run_id for run in named)
        raise TrackingError(f"'{word}' means several runs: {ids}", "name one by its id")
    return named[0]


def text(client: Any, run: Recorded, name: str) -> str:
    """The content of a file of a run."""
    with TemporaryDirectory() as place:
        try:
            path = Path(client.download_artifacts(run.id, name, place))
        except Exception as problem:
            text = f"run {run.name}: has no {name}: {store.reason(problem)}"
            raise TrackingError(text, "choose another run") from None
        return path.read_text(encoding="utf-8")


def baselines(client: Any, run: Recorded) -> dict[str, dict[str, float]]:
    """Scores of the baselines beside a run's own, by name; earlier versions recorded three of them as metrics."""
    found: dict[str, dict[str, float]] = {}
    if BASELINES in run.tags.get(journal.TABLES, ""):
        try:
            table = json.loads(text(client, run, BASELINES))
        except TrackingError as problem:  # of a store of files that is away or was emptied
            log.warning(problem.message)
            return found
        _, *names = table["columns"]
        for model, *values in table["data"][1:]:
            found[model] = {n: value for n, value in zip(names, values, strict=True) if value is not None}
    for key, value in run.metrics.items():
        if key.startswith("baseline/"):
            model, _, name = key.removeprefix("baseline/").rpartition("_")
            found.setdefault(model, {})[name] = value
    return found


def dataset(client: Any, run: Recorded) -> dict[str, str]:
    """What a run learned from: name, digest, source; empty where it is not recorded."""
    inputs = client.get_run(run.id).inputs.dataset_inputs
    if not inputs:
        return {}
    data = inputs[0].dataset
    return {"name": data.name, "digest": data.digest, "source": json.loads(data.source).get("uri", "")}


def differing(runs: list[Recorded]) -> list[str]:
    """Names of the parameters that are not the same in all runs."""
    names = dict.fromkeys(name for run in runs for name in run.params)
    return [name for name in names if len({run.params.get(name) for run in runs}) > 1]


def _plain(run: Any) -> Recorded:
    info, data = run.info, run.data
    seconds = (info.end_time - info.start_time) / 1000 if info.end_time else None
    return Recorded(
        info.run_id, info.run_name, info.experiment_id, info.status, info.start_time / 1000, seconds, dict(data.params),
        dict(data.metrics), dict(data.tags),
    )  # fmt: skip
