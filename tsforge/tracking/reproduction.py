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

from tsforge.backtesting.rolling import backtest
from tsforge.backtesting.scoreboard import Scoreboard
from tsforge.config import parse
from tsforge.data.catalog import cards
from tsforge.data.panel import Panel
from tsforge.errors import DataError, TrackingError
from tsforge.experiment import Experiment
from tsforge.runtime.threads import threads
from tsforge.tracking import recording, runs, store
from tsforge.tracking.recording import Wish
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
    Computed with as many threads as then, on which the last digits depend.
    Raises TrackingError for a run that says too little, DataError where the data is not the recorded data.
    """
    original = _read(store.reading(store.address(uri)), word)
    source = data if data is not None else original.source()
    _warn(original.run)
    # As many threads as then: sums are rounded differently with another number.
    with threads(int(original.run.tags.get("hardware.threads", torch.get_num_threads()))):
        if original.run.tags["tsforge.kind"] == "fit":
            scores = _fit(original, source, tracker or Tracker(on=False), report)
        else:
            scores = _backtest(original, source)
    recorded = original.run.metrics
    names = [name for name in recorded if name.startswith("test/") and name in scores]
    return Reproduction(original.run, {name: (recorded[name], scores[name]) for name in names})


@dataclass(frozen=True)
class _Original:
    """The recorded run, its experiment, and the name, digest and source of its data, where they are recorded."""

    run: Recorded
    experiment: Experiment
    data: dict[str, str]

    def source(self) -> str:
        """Where the data lay; of a catalogued data set its name."""
        path = self.run.params.get("data.path", "")
        if path in cards():
            return path
        place = self.data.get("source", recording.MEMORY)
        if place == recording.MEMORY or not Path(place).exists():
            where = "it was in memory" if place == recording.MEMORY else place
            raise DataError(
                f"run {self.run.name}: its data is not at hand ({where})",
                "name it: tsforge runs reproduce RUN DATA",
            )
        return place

    def check(self, panel: Panel) -> None:
        """Raises DataError for other data than the recorded."""
        if self.data and panel.digest() != self.data["digest"]:
            raise DataError(
                f"{panel.name}: not the data of run {self.run.name}: its digest is {panel.digest()}, recorded is "
                f"{self.data['digest']} of {self.data['name']}",
                "name the file as it was: tsforge runs reproduce RUN DATA",
            )


def _read(client: Any, word: str) -> _Original:
    """Raises TrackingError for a run that cannot be run again."""
    run = runs.get(client, word)
    if run.tags.get("tsforge.kind") not in ("fit", "backtest"):
        raise TrackingError(f"run {run.name}: no fit or backtest of tsforge", "tsforge runs lists them")
    if "tsforge.groups" in run.tags:
        again = run.tags.get("tsforge.command", "its command")
        raise TrackingError(f"run {run.name}: is of several groups of a protocol", f"run it again: {again}")
    experiment = parse(Experiment, tomllib.loads(runs.text(client, run, "experiment.toml")), "experiment.toml")
    return _Original(run, experiment, runs.dataset(client, run))


def _fit(original: _Original, source: Any, tracker: Tracker, report: Report | None) -> dict[str, float]:
    dataset = fitting.prepare(original.experiment, source)
    original.check(dataset.panel)
    wish = Wish(tags=(("tsforge.reproduces", original.run.id),))
    with TemporaryDirectory() as place:
        result, _ = recording.fit(
            original.experiment, dataset, Path(place) / "model", tracker, wish=wish, report=report
        )
    return recording.scores(result.scores)


def _backtest(original: _Original, source: Any) -> dict[str, float]:
    """Of the model's folder where a fitted model was backtested, else with the fits that belong to it."""
    run, experiment = original.run, original.experiment
    folder = run.tags.get("tsforge.model")
    if folder is None:
        test = backtest(experiment, source)
    elif Path(folder).is_dir():
        test = backtest(folder, source, config=experiment.backtest)
    else:
        raise TrackingError(f"run {run.name}: its model is gone from {folder}", "reproduce the fit that made it")
    original.check(test.panel)
    return recording.scores(Scoreboard({"": test}).scores)


def _warn(run: Recorded) -> None:
    if run.status != "FINISHED":
        log.warning("the recorded run did not finish (%s %s)", run.status.lower(), run.reason)
    if run.tags.get("tsforge.stop") == "time":
        log.warning("the recorded run was stopped by the clock: another time it may come further or less far")
    if "hardware.gpu" in run.tags and not torch.cuda.is_available():
        log.warning("the recorded run had a GPU (%s), there is none here", run.tags["hardware.gpu"])


def _apart(a: float, b: float) -> float:
    return abs(a - b) / max(abs(a), abs(b)) if a != b else 0.0
