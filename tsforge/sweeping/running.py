"""A sweep from beginning to end: workers search, the best are fitted again, the results are written."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsforge.config import parse
from tsforge.data import dataset as datasets
from tsforge.data import tidy
from tsforge.data.shipped import is_experiment
from tsforge.data.table import piped
from tsforge.errors import ConfigError, TrainingError
from tsforge.experiment import Experiment
from tsforge.runtime import files, stopping
from tsforge.runtime.numbers import figure
from tsforge.settings import override
from tsforge.sweeping import leaderboard, plots, recording, refit, report, trials
from tsforge.sweeping.config import Plan, SweepConfig, of_experiment, plan
from tsforge.sweeping.data import SweepData, write_frame
from tsforge.sweeping.leaderboard import Row
from tsforge.sweeping.place import Workspace
from tsforge.sweeping.refit import Candidate
from tsforge.sweeping.study import agree, begin_with, open_study, pruner, sampler
from tsforge.sweeping.trials import Tally
from tsforge.sweeping.workers import launch
from tsforge.sweeping.workers.job import Job, Record
from tsforge.tracking.journal import Run
from tsforge.tracking.recording import RunOptions, finish
from tsforge.tracking.tracker import Tracker
from tsforge.training import fitting

if TYPE_CHECKING:
    from optuna import Study

FAILURES = 5  # in a row at the beginning, after which it makes no sense to go on
Progress = Callable[[str, Tally, int], None]  # (phase, how far it is, of how many)


@dataclass(frozen=True, repr=False)
class Sweep:
    """The results of a sweep.

    plan: with every setting of its data resolved.
    folder: for everything that was written.
    rows: of the leaderboard.
    stopped: whether it is to be gone on with.
    candidates: what was fitted again, the winner first.
    fit: the winner's, with its test scores.
    """

    plan: Plan
    folder: Path
    rows: list[Row]
    stopped: bool = False
    candidates: list[Candidate] = field(default_factory=list)
    fit: fitting.Fit | None = None

    def __repr__(self) -> str:
        good = [row for row in self.rows if row.good]
        goal = self.plan.sweep.objectives[0]
        best = f", best {goal} {figure(min(row.values[0] for row in good))}" if good else ""
        return f"<sweep of {', '.join(self.plan.bases)}: {len(self.rows):,} trials{best}: .frame, .best, .fit>"

    @property
    def frame(self) -> Any:
        """The leaderboard as a pandas frame: a row for each trial, the best first: its objectives, what it was scored
        and its settings by their names."""
        goals = self.plan.sweep.objectives
        return tidy.table([
            {"trial": row.number, "model": row.model, "state": row.state, "default": row.default}
            | dict(zip(goals, row.values, strict=False)) | row.params
            | {name: value for name, value in row.scores.items() if name not in goals} | {"seconds": row.seconds}
            for row in self.rows
        ])  # fmt: skip

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
        return self.plan.search_space.experiment(row.params) if row else None


def sweep(
    experiment: Experiment | str | Path,
    data: Any = None,
    settings: Mapping[str, Any] | None = None,
    space: Mapping[str, Any] | None = None,
    *,
    out: str | Path,
) -> Sweep:
    """Search the settings of an experiment, and fit a model with the best; not recorded.

    The same call goes on with a search that was stopped: see `Sweep.stopped`.

    experiment: where it starts, or the path of a TOML file that may have [sweep] and [space].
    data: a path, the name of a data set, or a frame, which is kept as a file in `out`; the experiment's own where None.
    settings: of the search (`SweepConfig`), as {"models": ("lstm", "gru"), "trials": 20, "workers": 2}.
    space: ranges by dotted path, as {"train.lr": "log(1e-4,1e-2)"}; each setting's own where none is given.
    out: folder for the study, the leaderboard, best.toml and the model.
    Raises TsforgeError.
    """
    settings, space = dict(settings or {}), dict(space or {})
    workspace = Workspace.at(out)
    if isinstance(experiment, Experiment):
        search = of_experiment(experiment, parse(SweepConfig, settings, "settings"), space)
    elif is_experiment(experiment):
        search = plan({}, experiment, settings, list(space.items()))
    else:
        hint = 'sweep(build({...}), "data.csv", out="sweeps/a")'
        raise ConfigError(f"{experiment}: no experiment, and no TOML file", hint)
    results, _ = run(settle(search, data, workspace.folder), workspace, Tracker(on=False))
    return results


def settle(plan: Plan, data: Any = None, folder: Path | None = None) -> Plan:
    """The plan with every setting of its data resolved.

    data: a path, the name of a data set or a frame; what the plan names where None.
    folder: where a frame is kept as a file.
    """
    bases, digest = {}, ""
    data = piped.standard_input() if isinstance(data, str) and data == piped.NAME else data
    for kind, base in plan.bases.items():
        config, panel = datasets.read(base.data, data)
        if config.path is None:
            if folder is None:
                text = "a sweep reads its data in several processes"
                raise ConfigError(text, "write the table to a file, and name it")
            data = str(write_frame(data, folder, panel.digest()))
            config, panel = datasets.read(base.data, data)
        layout = datasets.resolve(config, panel, base.model)
        bases[kind] = base.on(layout.config, layout.sizes.narrow)
        digest = panel.digest()
    return Plan(bases=bases, space=plan.space, sweep=plan.sweep, digest=digest)


def run(
    plan: Plan, workspace: Workspace, tracker: Tracker, options: RunOptions | None = None,
    progress: Progress | None = None,
) -> tuple[Sweep, Run]:  # fmt: skip
    """Search until the plan's trials are done, or go on with a search that was stopped.

    plan: as `settle` gives it; with `refit` 0 it ends with the search.
    options: what is recorded of its run, and the run that it is shown under.
    progress: called every second or so.
    Raises ConfigError where another sweep lies there, TrainingError where no trial succeeds.
    """
    launch.check(plan)
    folder, progress = workspace.folder, progress or (lambda *_: None)
    folder.mkdir(parents=True, exist_ok=True)
    study = open_study(workspace.place(plan.title), plan.sweep.objectives, sampler("random", 0), pruner(plan))
    agree(study, plan)
    begin_with(study, plan)
    plan.write(folder)
    with recording.sweep(tracker, plan, options or RunOptions()) as mlflow_run:
        stopped = _search(study, plan, workspace, recording.record_for(tracker, mlflow_run), progress)
        results = Sweep(plan, folder, leaderboard.rows(study, plan), stopped)
        try:
            _check(results)
            if not stopped and plan.sweep.refit:
                results = _refit(results, tracker, mlflow_run, progress)
        finally:
            _write(study, results)
            recording.finished(mlflow_run, folder, results.rows, plan)
        if results.stopped:
            mlflow_run.end("KILLED", f"stopped by {stopping.cause()}; the same command goes on")
    return results, mlflow_run


def _search(study: Study, plan: Plan, workspace: Workspace, record: Record | None, progress: Progress) -> bool:
    """Let the workers run the trials; whether they were stopped."""
    total = plan.sweep.trials
    job = Job(
        str(workspace.folder.absolute()), study.study_name, total, url=workspace.url, heartbeat=workspace.heartbeat,
        until=time.time() + plan.sweep.timeout if plan.sweep.timeout else None, record=record,
        threads=workspace.threads or 0,
    )  # fmt: skip

    def look() -> None:
        history = study.get_trials(deepcopy=False)
        tally = trials.tally(history)
        progress("search", tally, total)
        if tally.failed >= FAILURES and tally.failed == tally.finished:
            last = [t for t in trials.counted(history) if t.state.name == "FAIL"][-1]
            text = f"the first {tally.failed} trials failed, the last: {last.user_attrs.get(trials.REASON, 'it died')}"
            raise TrainingError(text, f"read {workspace.folder / 'logs'}, mend it, and name another `out`")

    return _work(study, plan, job, look)


def _work(study: Study, plan: Plan, job: Job, look: Callable[[], None]) -> bool:
    """Let the workers do what a study lacks of a job's total, looking at it now and then; whether they were stopped."""
    if trials.tally(study.get_trials(deepcopy=False)).finished >= job.total:
        return False
    with launch.workers(plan, [replace(job, index=i) for i in range(plan.sweep.workers)]) as pool:
        pool.watch(look)
        look()
    return pool.stopping


def _check(results: Sweep) -> None:
    """Raises TrainingError where there is nothing to choose from."""
    if results.stopped or any(row.good for row in results.rows):
        return
    if any(row.state == "COMPLETE" or not row.kept for row in results.rows):
        raise TrainingError("no trial keeps the constraints", "loosen them, or widen the space with `space`")
    why = results.rows[-1].reason if results.rows else "the time was up before the first was done"
    raise TrainingError(f"no trial was completed: {why}", "raise sweep.trials or sweep.timeout, or mend what it says")


def _refit(results: Sweep, tracker: Tracker, parent: Run, progress: Progress) -> Sweep:
    """Refits in the workers, then the winner, its test scores beside the default's, and its model."""
    plan, folder = results.plan, results.folder
    total = refit.queue(folder, results.rows, plan)
    study = refit.open_refits(folder)

    def look() -> None:
        progress("refit", trials.tally(study.get_trials(deepcopy=False)), total)

    if _work(study, plan, Job(str(folder.absolute()), "", total, refit=True), look):
        return replace(results, stopped=True)
    candidates = refit.candidates(folder, results.rows, plan)
    if not candidates:
        raise TrainingError("none of the best could be fitted again", f"read {folder / 'logs'}")
    results = replace(results, candidates=candidates)
    data = SweepData.read(plan)
    for candidate in {c.name: c for c in (results.winner, results.default) if c is not None}.values():
        refit.test(candidate, folder, data)
    model, trained = refit.winner(candidates[0], folder)
    progress("fit", Tally(0, 0, 0, 1, None), 1)
    dataset = fitting.prepare(model.experiment)
    fit, _ = finish(trained, model, dataset, folder / "model", tracker, RunOptions(parent=parent))
    return replace(results, fit=fit)


def _write(study: Study, results: Sweep) -> None:
    """The results as files; what a person stops here has been written before or will be by the next start."""
    if not results.rows:
        return
    markdown = report.as_markdown(results.rows, results.plan, results.candidates, results.default)
    files.write(results.folder / "leaderboard.csv", report.as_csv(results.rows))
    files.write(results.folder / "leaderboard.md", markdown)
    if results.best is not None:
        (results.folder / "best.toml").write_text(results.best.toml(), encoding="utf-8")
    plots.draw(study, results.rows, results.plan, results.folder / "plots")
