"""A comparison from its plan to its table: prepared, probed, trained, judged, written down and recorded."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tsforge.comparison import config, plots, probing, report, trainings, tuning, verdicts
from tsforge.comparison.config import Comparison
from tsforge.comparison.results import Measured, OnData
from tsforge.comparison.table import ComparisonTable
from tsforge.comparison.trainings import Setup, Stage
from tsforge.comparison.tuning import Bench
from tsforge.data import tidy
from tsforge.data.dataset import Dataset
from tsforge.errors import DataError
from tsforge.experiment import Experiment
from tsforge.runtime.threads import threads
from tsforge.sweeping.running import Progress
from tsforge.tracking import provenance, recording
from tsforge.tracking.journal import Run
from tsforge.tracking.recording import RunOptions
from tsforge.tracking.tracker import Tracker
from tsforge.training.events import Report

log = logging.getLogger("tsforge")


@dataclass(frozen=True)
class Session:
    """Where and how a comparison runs.

    workers: processes for the probes' tasks.
    say: told what happens next.
    watch: told of each training before it begins; gives its report.
    follow: told of each search for settings before it begins; gives its progress.
    """

    folder: Path
    tracker: Tracker
    command: str = ""
    workers: int = 1
    say: Callable[[str], None] = lambda _: None
    watch: Callable[[str, Experiment, Dataset], Report | None] = lambda *_: None
    follow: Callable[[str], Progress | None] = lambda _: None


@dataclass(frozen=True, repr=False)
class Compared:
    """A comparison that was run, what was written, and what remembers it."""

    measured: Measured
    table: ComparisonTable
    files: list[Path]
    run: Run

    def __repr__(self) -> str:
        data = ", ".join(found.name for found in self.measured.data)
        return f"<comparison of {', '.join(self.measured.models)} on {data}: .frame, .table, .files>"

    @property
    def frame(self) -> Any:
        """The figures as a pandas frame: a row for each, by aspect and name, a column for each model."""
        return tidy.table([
            {"aspect": str(row.aspect), "figure": row.title} | {name: cell.value for name, cell in row.cells.items()}
            for row in self.table.rows
        ])  # fmt: skip


def compare(
    data: Any, overrides: dict[str, Any] | None = None, settings: dict[str, Any] | None = None, *, out: str | Path
) -> Compared:
    """A comparison, not recorded: compare("data.csv", {"data.horizon": 48}, {"models": ("lstm", "gru")}, out="c").

    data: a path, the name of a data set, a frame, or a TOML file with a comparison. overrides: dotted settings of the
    experiments. settings: of the comparison (`CompareConfig`). out: folder for the page, the pictures and the models.
    Raises TsforgeError.
    """
    return run(config.read(data, overrides or {}, settings or {}), Session(Path(out), Tracker(on=False)))


def run(plan: Comparison, session: Session) -> Compared:
    """Everything; what cannot be read is said before anything is measured. Raises TsforgeError."""
    start = time.perf_counter()
    setups = _prepare(plan)
    with session.tracker.run(
        plan.name, _params(plan), recording.tags("comparison", RunOptions(session.command))
    ) as parent:
        probed = probing.probe(plan.compare, session.say, session.workers)
        options = RunOptions(session.command, parent=parent)
        watch = _counted(session, len(setups) * len(plan.compare.models) * plan.compare.seeds)
        stage = Stage(session.folder / "models", session.tracker, options, watch)
        with threads(plan.compare.threads):
            data = [trainings.train(_tuned(setup, plan, session, parent), plan.compare, stage) for setup in setups]
        measured = _measured(plan, probed, data, start)
        table = verdicts.build(measured)
        files = write(measured, table, session.folder)
        _record(parent, table, files)
        parent.tags({"tsforge.folder": str(session.folder.absolute())})
    return Compared(measured, table, files, parent)


def write(measured: Measured, table: ComparisonTable, folder: Path) -> list[Path]:
    """The table as a page, as Markdown, as CSV and as JSON, and its pictures."""
    pictures = plots.draw(measured, folder)
    return [*report.write(measured, table, pictures, folder), *(picture.path for picture in pictures)]


def _prepare(plan: Comparison) -> list[Setup]:
    """Every data set, without those that may be missing and are."""
    setups = []
    for name, experiment in plan.experiments.items():
        try:
            setups.append(trainings.prepare(name, experiment, plan.compare, plan.frame))
        except DataError as problem:
            if name not in plan.compare.optional:
                raise
            log.warning("%s is left out: %s (%s)", name, problem.message, problem.hint)
    if not setups:
        raise DataError("none of the data sets is at hand", "fetch one: tsforge data")
    return setups


def _tuned(setup: Setup, plan: Comparison, session: Session, parent: Run) -> Setup:
    """A setup with settings that each model has searched, where that is asked for."""
    bench = Bench(
        session.folder / "tuning" / setup.name, session.tracker, RunOptions(session.command, parent=parent), plan.fixed,
        session.follow, session.say, plan.frame,
    )  # fmt: skip
    return replace(setup, tuned=tuning.tune(setup, plan.compare, bench))


def _counted(session: Session, count: int) -> Callable[[str, Experiment, Dataset], Report | None]:
    """The watch, told which of how many trainings begins."""
    numbers = itertools.count(1)
    return lambda title, *what: session.watch(f"training {next(numbers)} of {count}: {title}", *what)


def _measured(plan: Comparison, probed: probing.Probes, data: list[OnData], start: float) -> Measured:
    asked, machine = plan.compare, provenance.hardware() | {"threads": str(plan.compare.threads)}
    return Measured(
        plan.name, asked.models, asked.seeds, asked.budget, probed, tuple(data),
        asked.probes.reach if asked.probes else 0, machine, time.perf_counter() - start,
    )  # fmt: skip


def _params(plan: Comparison) -> dict[str, object]:
    asked = plan.compare
    return {
        "models": asked.models, "seeds": asked.seeds, "budget": asked.budget, "data": list(plan.experiments),
        "parameters": asked.parameters or "", "tune": asked.tune or "",
    }  # fmt: skip


def _record(parent: Run, table: ComparisonTable, files: list[Path]) -> None:
    """The table, the page and the pictures as files, and the verdicts as the run's note; no metric for each figure."""
    rows = [
        [row.aspect, row.title, *(row.cells[c].shown if c in row.cells else "" for c in table.columns)]
        for row in table.rows
    ]
    parent.table("figures.json", ["aspect", "figure", *table.columns], rows)
    for path in files:
        parent.file(path, "plots" if path.suffix == ".png" else "")
    parent.tags({"mlflow.note.content": report.verdicts(table)})
