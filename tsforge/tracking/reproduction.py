"""A recorded fit or backtest, run again: the recorded experiment, on data that is checked to be the recorded data."""

from __future__ import annotations

import logging
import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from tsforge.backtesting.result import Backtest
from tsforge.backtesting.rolling import backtest
from tsforge.backtesting.scoreboard import Scoreboard
from tsforge.config import parse
from tsforge.data.catalog import cards
from tsforge.data.dataset import Dataset
from tsforge.data.panel import Panel
from tsforge.data.table import piped
from tsforge.errors import DataError, TrackingError
from tsforge.experiment import Experiment
from tsforge.runtime.threads import threads
from tsforge.tracking import recording, runs, store
from tsforge.tracking.recording import RunOptions
from tsforge.tracking.runs import Recorded
from tsforge.tracking.tracker import Tracker
from tsforge.training import fitting
from tsforge.training.events import Report

log = logging.getLogger("tsforge")

CLOSE = 1e-4  # relative: scores of two machines that differ by rounding alone


@dataclass(frozen=True)
class Reproduction:
    """The recorded scores of a run and those of the second time, by metric."""

    recorded: Recorded
    scores: dict[str, tuple[float, float]]

    @property
    def largest(self) -> float:
        """The largest relative difference; NaN where there is no score."""
        return max((_apart(a, b) for a, b in self.scores.values()), default=math.nan)

    @property
    def agrees(self) -> bool:
        """Whether every score is the same but for rounding."""
        return self.largest <= CLOSE


def reproduce(
    word: str, data: Any = None, *, uri: str | None = None, tracker: Tracker | None = None, report: Report | None = None
) -> Reproduction:
    """Run a recorded experiment again and hold the scores against the recorded ones.

    word: a run's id, part of it, or its name.
    data: where the recorded data lies now; where it lay then if None.
    uri: the store; MLFLOW_TRACKING_URI or mlflow.db in this folder where None.
    tracker: records the second time too, with a tag that names the first.
    report: called with the events of the fit.
    Computed with as many threads as then: sums are rounded differently with another number.
    Raises TrackingError for a run that says too little, DataError where the data is not the recorded data.
    """
    client = store.reading(store.address(uri))
    run = runs.get(client, word)
    kind = run.tags.get("tsforge.kind")
    if kind not in ("fit", "backtest"):
        raise TrackingError(f"run {run.name}: no fit or backtest of tsforge", "tsforge runs lists them")
    if "tsforge.groups" in run.tags:
        again = run.tags.get("tsforge.command", "its command")
        raise TrackingError(f"run {run.name}: is of several groups of a protocol", f"run it again: {again}")
    experiment = parse(Experiment, tomllib.loads(runs.text(client, run, "experiment.toml")), "experiment.toml")
    processes = experiment.train.devices * experiment.train.nodes  # all on this machine now, with as many threads each
    here = {"devices": processes, "nodes": 1, "engine": "processes", "address": None} if processes > 1 else {}
    experiment = experiment.with_train(here)
    if counts := run.tags.get("tsforge.threads"):
        experiment = experiment.with_train({"threads": int(counts.rpartition(",")[2]) * processes})
    recorded = runs.dataset(client, run)
    source = data if data is not None else _source(run, recorded)
    _warn(run)
    with threads(int(run.tags.get("hardware.threads", torch.get_num_threads()))):
        if kind == "fit":
            dataset = fitting.prepare(experiment, source)
            _check(dataset.panel, recorded, run)
            scores = _fit(experiment, dataset, run, tracker or Tracker(on=False), report)
        else:
            test = _backtest(experiment, source, run)
            _check(test.panel, recorded, run)
            scores = recording.scores(Scoreboard({"": test}).scores)
    scores.pop("test/skill", None)  # of two scores: against whom it is measured has changed between versions
    names = [name for name in run.metrics if name.startswith("test/") and name in scores]
    return Reproduction(run, {name: (run.metrics[name], scores[name]) for name in names})


def _fit(
    experiment: Experiment, dataset: Dataset, run: Recorded, tracker: Tracker, report: Report | None
) -> dict[str, float]:
    options = RunOptions(tags=(("tsforge.reproduces", run.id),))
    with TemporaryDirectory() as place:
        result, _ = recording.fit(experiment, dataset, Path(place) / "model", tracker, options=options, report=report)
    return recording.scores(result.metrics)


def _backtest(experiment: Experiment, source: Any, run: Recorded) -> Backtest:
    """Of the model's folder where a fitted model was backtested, else with the fits that belong to it."""
    folder = run.tags.get("tsforge.model")
    if folder is None:
        return backtest(experiment, source)
    if Path(folder).is_dir():
        return backtest(folder, source, config=experiment.backtest)
    raise TrackingError(f"run {run.name}: its model is gone from {folder}", "reproduce the fit that made it")


def _source(run: Recorded, recorded: dict[str, str]) -> str:
    """Where the data lay; of a catalogued data set its name."""
    path = run.params.get("data.path", "")
    if path in cards():
        return path
    place = recorded.get("source", recording.MEMORY)
    if place == recording.MEMORY or not Path(place).exists():
        where = "it was in memory" if place == recording.MEMORY else place
        where = "it came from standard input, which cannot be read again" if place == piped.TITLE else where
        text = f"run {run.name}: its data is not at hand ({where})"
        raise DataError(text, "name it: tsforge runs reproduce RUN DATA")
    return place


def _check(panel: Panel, recorded: dict[str, str], run: Recorded) -> None:
    """Raises DataError for other data than the recorded."""
    if recorded and panel.digest() != recorded["digest"]:
        text = f"{panel.name}: not the data of run {run.name}: its digest is {panel.digest()}"
        text += f", recorded is {recorded['digest']} of {recorded['name']}"
        raise DataError(text, "name the file as it was: tsforge runs reproduce RUN DATA")


def _warn(run: Recorded) -> None:
    if run.status != "FINISHED":
        log.warning("the recorded run did not finish (%s %s)", run.status.lower(), run.reason)
    if run.tags.get("tsforge.stop") == "time":
        log.warning("the recorded run was stopped by the clock: another time it may come further or less far")
    if "," in (counts := run.tags.get("tsforge.threads", "")):
        log.warning("the recorded run changed its threads on the way (%s): the last digits can differ", counts)
    if "hardware.gpu" in run.tags and not torch.cuda.is_available():
        log.warning("the recorded run had a GPU (%s), there is none here", run.tags["hardware.gpu"])


def _apart(a: float, b: float) -> float:
    return abs(a - b) / max(abs(a), abs(b)) if a != b else 0.0
