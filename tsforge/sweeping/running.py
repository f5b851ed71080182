"""A sweep from beginning to end: the workers search, the best are fitted again, what came of it is written."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsforge.data import dataset as datasets
from tsforge.errors import ConfigError, TrainingError
from tsforge.experiment import Experiment
from tsforge.settings import override
from tsforge.sweeping import leaderboard, plots, refit, report, storing, trials
from tsforge.sweeping import recording as recorded
from tsforge.sweeping.config import FILE, Plan
from tsforge.sweeping.data import Table
from tsforge.sweeping.leaderboard import Row
from tsforge.sweeping.place import Place
from tsforge.sweeping.refit import Candidate
from tsforge.sweeping.report import write
from tsforge.sweeping.study import agree, begin_with, open_study, pruner, sampler
from tsforge.sweeping.trials import Tally
from tsforge.sweeping.workers import launch
from tsforge.sweeping.workers.job import Orders, Record
from tsforge.tracking import recording
from tsforge.tracking.journal import Run
from tsforge.tracking.recording import RunOptions
from tsforge.tracking.tracker import Tracker
from tsforge.training import fitting

if TYPE_CHECKING:
    from optuna import Study

ROWS = 5  # failures in a row at the beginning after which it makes no sense to go on
Progress = Callable[[str, Tally, int], None]  # (phase, how far it is, of how many)


@dataclass(frozen=True)
class Where:
    """folder: for everything that is written. url: of the study's server; None for a journal in the folder.

    threads: that each worker computes with; None for its share of the cores.
    """

    folder: Path
    url: str | None = None
    heartbeat: int = 30
    threads: int | None = None

    def place(self, name: str) -> Place:
        """Where the study of that name lies."""
        return Place(self.folder, name, self.url, self.heartbeat)

    @classmethod
    def fresh(cls, folder: str | Path, url: str | None = None) -> Where:
        """A folder that is new, empty, or a sweep's. Raises ConfigError where something else lies there."""
        place = Path(folder)
        others = place.is_dir() and any(not path.name.startswith(storing.KEPT) for path in place.iterdir())
        if place.exists() and (not place.is_dir() or (others and not (place / FILE).exists())):
            raise ConfigError(f"{place} holds something that is no sweep", "name another folder with `out`")
        return cls(place, url)


@dataclass(frozen=True)
class Sweep:
    """What came of it. candidates: fitted again, the winner first. fit: the winner's, with its test scores."""

    plan: Plan
    folder: Path
    rows: list[Row]
    stopped: bool = False
    candidates: list[Candidate] = field(default_factory=list)
    fit: fitting.Fit | None = None

    @property
    def winner(self) -> Candidate | None:
        return self.candidates[0] if self.candidates else None

    @property
    def default(self) -> Candidate | None:
        """What the winner is held against: the best of the architectures' defaults."""
        names = [refit.DEFAULT, *(row.name for row in self.rows if row.default)]
        return next((c for c in self.candidates if c.name in names), None)

    @property
    def best(self) -> Experiment | None:
        """The winner's experiment with the seed of the model that is kept; else the best trial's."""
        if self.winner is not None:
            return override(self.winner.experiment, {"seed": self.winner.seed})
        row = next((r for r in self.rows if r.good), None)
        return self.plan.made.experiment(row.params) if row else None


def settle(plan: Plan, data: Any = None, folder: Path | None = None) -> Plan:
    """The plan with every setting of its data resolved.

    data: a path, the name of a data set or a frame; what the plan names where None. folder: a frame is kept there.
    """
    bases, digest = {}, ""
    for kind, base in plan.bases.items():
        config, panel = datasets.read(base.data, data)
        if config.path is None:
            if folder is None:
                raise ConfigError(
                    "a sweep reads its data in several processes", "write the table to a file, and name it"
                )
            data = str(storing.keep(data, folder, panel.digest()))
            config, panel = datasets.read(base.data, data)
        bases[kind] = base.on(datasets.resolve(config, panel, base.model).config)
        digest = panel.digest()
    return Plan(bases=bases, space=plan.space, sweep=plan.sweep, digest=digest)


def sweep(
    plan: Plan, where: Where, tracker: Tracker, options: RunOptions | None = None, progress: Progress | None = None
) -> tuple[Sweep, Run]:
    """Search until the plan's trials are done, or go on with a search that was stopped.

    plan: as `settle` gives it; with `refit` 0 it ends with the search.
    options: what is recorded of its run, and the run that it is shown under.
    progress: called every second or so.
    Raises ConfigError where another sweep lies there, TrainingError where no trial succeeds.
    """
    launch.check(plan)
    folder = where.folder
    folder.mkdir(parents=True, exist_ok=True)
    study = open_study(where.place(plan.title), plan.sweep.objectives, sampler("random", 0), pruner(plan))
    agree(study, plan)
    begin_with(study, plan)
    plan.write(folder)
    with recorded.sweep(tracker, plan, options or RunOptions()) as run:
        record = recorded.record_for(tracker, run)
        stopped = _search(study, plan, where, record, progress or _silent)
        done = Sweep(plan, folder, leaderboard.rows(study, plan), stopped)
        try:
            _check(done)
            if not stopped and plan.sweep.refit:
                done = _finale(done, tracker, run, progress or _silent)
        finally:
            _write(study, done)
            recorded.finished(run, folder, done.rows, plan)
        if done.stopped:
            run.end("KILLED", "stopped by Ctrl-C; the same command goes on")
    return done, run


def _search(study: Study, plan: Plan, where: Where, record: Record | None, progress: Progress) -> bool:
    """Let the workers run the trials; whether they were stopped."""
    until = time.time() + plan.sweep.timeout if plan.sweep.timeout else None
    first = Orders(
        str(where.folder.absolute()), study.study_name, plan.sweep.trials, url=where.url, heartbeat=where.heartbeat,
        until=until, record=record, threads=where.threads or 0,
    )  # fmt: skip

    def look() -> None:
        found = study.get_trials(deepcopy=False)
        tally = trials.tally(found)
        progress("search", tally, plan.sweep.trials)
        if tally.failed >= ROWS and tally.failed == tally.finished:
            last = [t for t in trials.counted(found) if t.state.name == "FAIL"][-1]
            raise TrainingError(
                f"the first {tally.failed} trials failed, the last: {last.user_attrs.get(trials.REASON, 'it died')}",
                f"read {where.folder / 'logs'}, mend it, and name another `out`",
            )

    if trials.tally(study.get_trials(deepcopy=False)).finished >= plan.sweep.trials:
        return False
    with launch.crew(plan, _each(first, plan)) as crew:
        crew.watch(_seldom(look))
        look()
    return crew.stopping


def _each(orders: Orders, plan: Plan) -> list[Orders]:
    """The same for every worker."""
    return [replace(orders, index=i) for i in range(plan.sweep.workers)]


def _check(done: Sweep) -> None:
    """Raises TrainingError where there is nothing to choose from."""
    if done.stopped or any(row.good for row in done.rows):
        return
    if any(row.state == "COMPLETE" or not row.kept for row in done.rows):
        raise TrainingError("no trial keeps the constraints", "loosen them, or widen the space with `space`")
    why = done.rows[-1].reason if done.rows else "the time was up before the first was done"
    raise TrainingError(f"no trial was completed: {why}", "raise sweep.trials or sweep.timeout, or mend what it says")


def _finale(done: Sweep, tracker: Tracker, run: Run, progress: Progress) -> Sweep:
    """Refits in the workers, then the winner, its test scores beside the default's, and its model."""
    plan, folder = done.plan, done.folder
    total = refit.queue(folder, done.rows, plan)
    study = refit.open_refits(folder)
    orders = _each(Orders(str(folder.absolute()), "", total, refit=True), plan)

    def look() -> None:
        progress("refit", trials.tally(study.get_trials(deepcopy=False)), total)

    if trials.tally(study.get_trials(deepcopy=False)).finished < total:
        with launch.crew(plan, orders) as crew:
            crew.watch(_seldom(look))
            look()
        if crew.stopping:
            return Sweep(plan, folder, done.rows, stopped=True)
    found = refit.candidates(folder, done.rows, plan)
    if not found:
        raise TrainingError("none of the best could be fitted again", f"read {folder / 'logs'}")
    made = Sweep(plan, folder, done.rows, candidates=found)
    table = Table.read(plan)
    for one in {c.name: c for c in (made.winner, made.default) if c is not None}.values():
        refit.test(one, folder, table)
    model, trained = refit.winner(found[0], folder)
    progress("fit", Tally(0, 0, 0, 1, None), 1)
    fit, _ = recording.finish(
        trained, model, fitting.prepare(model.experiment), folder / "model", tracker, RunOptions(parent=run)
    )
    return Sweep(plan, folder, done.rows, candidates=found, fit=fit)


def _write(study: Study, done: Sweep) -> None:
    """What stays of it, as files; what a person stops here has been written before or will be by the next start."""
    if not done.rows:
        return
    more = "\n".join(report.markdown(done.candidates, done.default, done.plan))
    write(done.rows, done.plan, done.folder, more)
    if done.best is not None:
        (done.folder / "best.toml").write_text(done.best.toml(), encoding="utf-8")
    plots.draw(study, done.rows, done.plan, done.folder / "plots")


def _seldom(look: Callable[[], None], every: float = 1.0) -> Callable[[], None]:
    """The same, at most once a second."""
    last = [0.0]

    def now_and_then() -> None:
        if time.monotonic() >= last[0] + every:
            look()
            last[0] = time.monotonic()

    return now_and_then


def _silent(_phase: str, _tally: Tally, _total: int) -> None: ...
