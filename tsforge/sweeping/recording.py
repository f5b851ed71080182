"""What MLflow remembers of a sweep: a run for the whole, and one for each trial under it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tsforge.runtime.numbers import rounded
from tsforge.sweeping.config import LATENCY, PARAMETERS, Plan
from tsforge.sweeping.workers.job import Record
from tsforge.tracking import journal
from tsforge.tracking.recording import RunOptions, tags
from tsforge.tracking.tracker import Tracker
from tsforge.training.events import Round

if TYPE_CHECKING:
    from tsforge.experiment import Experiment
    from tsforge.sweeping.leaderboard import Row
    from tsforge.sweeping.objective import Result

_NAMES = {LATENCY: "speed/latency_ms", PARAMETERS: "model/parameters"}


class _Parent:
    """Stands in for the run of the sweep, which another process of this folder writes."""

    def __init__(self, name: str, key: str) -> None:
        self.name, self.key = name, key
        self.folder = journal.ROOT.absolute() / name


class TrialRun:
    """The run of one trial: its curve while it trains, its scores and how it ended."""

    def __init__(self, run: journal.Run) -> None:
        self.run = run

    def validated(self, event: Round) -> None:
        self.run.metrics({"train/loss": event.train, "val/loss": event.validation}, event.step)

    def sized(self, sizes: dict[str, float]) -> None:
        self.run.metrics(_rounded(sizes))

    def scored(self, result: Result) -> None:
        scores = {name: value for name, value in result.scores.items() if name != "val/loss"}  # that has its curve
        self.run.metrics(_rounded(scores | {"speed/fit_s": result.facts["seconds"]}))

    def ended(self, state: str, reason: str) -> None:
        """COMPLETE, PRUNED, FAIL, or WAITING for somebody to go on with it; and why."""
        self.run.tags({"tsforge.state": state, **({"tsforge.state.reason": reason} if reason else {})})
        statuses: dict[str, journal.Status] = {"FAIL": "FAILED", "WAITING": "KILLED"}
        self.run.end(statuses.get(state, "FINISHED"), reason)


class TrialRecorder:
    """Records the trials of a worker while its tracker is open; nothing where it is told of no record."""

    def __init__(self, record: Record | None, plan: Plan) -> None:
        self.record = record
        uri, experiment = (record.uri, record.experiment) if record else (None, None)
        self.tracker = Tracker(uri, experiment, on=record is not None)
        self.parent = _Parent(record.name, record.key) if record else None
        self._tags = tags("trial", RunOptions(), plan.first.model.kind) if record else {}

    @contextlib.contextmanager
    def trial(self, number: int, experiment: Experiment) -> Iterator[TrialRun]:
        """The run of a trial, which shows its settings under the names that `--set` takes."""
        parent = cast("journal.Run | None", self.parent)
        trial_tags = self._tags | {"tsforge.trial": str(number)}
        with self.tracker.run(f"trial-{number}", experiment.flat(), trial_tags, parent) as run:
            yield TrialRun(run)


@contextlib.contextmanager
def sweep(tracker: Tracker, plan: Plan, options: RunOptions) -> Iterator[journal.Run]:
    """The run that all trials are shown under."""
    settings = {f"sweep.{k}": v for k, v in plan.sweep.model_dump(mode="json", exclude_none=True).items()}
    ranges = {f"space.{s.name.replace('/', '.')}": s.text for s in plan.search_space.settings}
    data = {k: v for k, v in plan.first.flat().items() if k.startswith("data.")}
    name, sweep_tags = f"sweep-{plan.title}", tags("sweep", options, plan.first.model.kind)
    with tracker.run(name, data | settings | ranges, sweep_tags, options.parent) as run:
        yield run


def record_for(tracker: Tracker, run: journal.Run) -> Record | None:
    """What a worker is told of the run."""
    return None if run.folder is None else Record(tracker.uri, tracker.experiment, run.name, run.key)


def finished(run: journal.Run, folder: Path, rows: list[Row], plan: Plan) -> None:
    """The leaderboard, the plots and the best experiment of the sweep."""
    states = [r.state for r in rows]
    counts = {f"trials/{s.lower()}": float(states.count(s)) for s in ("COMPLETE", "PRUNED", "FAIL")}
    best = next((r for r in rows if r.good), None)
    scores = dict(zip(plan.sweep.objectives, best.values, strict=True)) if best else {}
    run.metrics(_rounded(counts | scores))
    for name in ("leaderboard.md", "leaderboard.csv", "best.toml"):
        if (folder / name).exists():
            run.file(folder / name)
    for picture in sorted((folder / "plots").glob("*.png")):
        run.file(picture, "plots")
    run.tags({"tsforge.folder": str(folder.absolute())})
    if (folder / "leaderboard.md").exists():
        run.tags({"mlflow.note.content": (folder / "leaderboard.md").read_text(encoding="utf-8")})


def _rounded(values: dict[str, float]) -> dict[str, float]:
    """Under the names that MLflow sorts into groups."""
    return rounded({_NAMES.get(name, name): value for name, value in values.items()})
