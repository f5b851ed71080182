"""tsforge sweep"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsforge.cli.advice import after_fit, print_commands
from tsforge.cli.options import FitOptions, Flag, TrackOptions
from tsforge.cli.output import (
    command_line,
    echo,
    print_json,
    print_notes,
    print_run,
    print_table,
    print_verdict,
    status,
)
from tsforge.cli.progress import SweepProgress
from tsforge.cli.searching import SweepOptions
from tsforge.data.shipped import is_experiment
from tsforge.runtime import stopping

if TYPE_CHECKING:
    from tsforge.sweeping.config import Plan
    from tsforge.sweeping.place import Workspace
    from tsforge.sweeping.running import Sweep
    from tsforge.tracking.journal import Run
    from tsforge.tracking.tracker import Tracker


def sweep(
    source: str | None = None, data: str | None = None, /, *, search: SweepOptions | None = None,
    options: FitOptions | None = None, out: str | None = None, storage: str | None = None,
    record: TrackOptions | None = None, dashboard: Flag = False, quiet: Flag = False, json: Flag = False,
) -> int:  # fmt: skip
    """Search the settings, the architecture too, and fit a model with the best.

    The same command goes on with a search that was stopped. --set fixes a setting that the search would vary.

    Parameters
    ----------
    source
        A table, - for standard input, the name of a data set, a TOML file with an experiment, [sweep] and [space], or
        the name of a pipeline.
    data
        The table for a TOML file. (default: its own)
    out
        Folder for the study and its results. (default: sweeps/NAME)
    storage
        Database for the study, as postgresql+psycopg://..., which machines can share. (default: a file in --out)
    dashboard
        Show the study in optuna-dashboard while it runs.
    quiet
        Print neither notes nor progress.
    json
        Print one JSON document instead of tables.
    """
    print_notes(quiet=quiet)
    search, options, record = search or SweepOptions(), options or FitOptions(), record or TrackOptions()
    if is_experiment(source):
        options = replace(options, config=source)
    else:
        source, data = None, source
    with record.tracker(wait=json) as tracker:
        from tsforge.sweeping import running
        from tsforge.sweeping.config import plan
        from tsforge.sweeping.place import Workspace
        from tsforge.tracking.recording import RunOptions

        draft = plan(options.overrides(), options.config, search.settings(), search.ranges())
        if data is None and draft.first.data.path is None:
            options.refuse_swallowed_table("sweep")
        settled = running.settle(draft, data)
        workspace = Workspace.at(out or f"sweeps/{settled.title}", storage)
        if not quiet:
            _print_plan(settled, workspace.folder)
        line = nullcontext() if quiet else closing(SweepProgress(settled.sweep.objectives[0]))
        try:
            with _dashboard(settled, workspace) if dashboard else nullcontext(), line as progress:
                done, run = running.run(settled, workspace, tracker, RunOptions(command_line()), progress)
        except KeyboardInterrupt:
            status("stopped; the same command goes on with what was finished")
            return stopping.exit_code()
        if not json:
            _print(done)
        tracker.close()
    commands = after_fit(done.fit, done.folder / "model", data, options, record) if done.fit is not None else []
    if json:
        where = {"run": tracker.id(run), "url": tracker.link(run), "next": [command for _, command in commands]}
        judgement = done.fit.judgement.plain() if done.fit is not None and done.fit.judgement is not None else None
        print_json(_document(done) | where | {"judgement": judgement})
    else:
        _print_next(done, tracker, run, commands)
    return stopping.exit_code() if done.stopped else 0


@contextmanager
def _dashboard(plan: Plan, workspace: Workspace) -> Iterator[None]:
    from tsforge.sweeping import dashboard

    with dashboard.serving(workspace.place(plan.title)) as url:
        status(f"dashboard  {url}")
        yield


def _print_plan(plan: Plan, folder: Path) -> None:
    """What will be done, in two lines."""
    sweep = plan.sweep
    varied = [s for s in plan.search_space.settings if not s.fixed]
    processes = f"{sweep.workers} workers" if sweep.workers > 1 else "1 worker"
    status(
        f"{', '.join(plan.bases)} on {', '.join(plan.first.data.target)}: {sweep.trials} trials, {processes}; "
        f"{' and '.join(sweep.objectives)}, sampler {sweep.sampler}, pruner {sweep.pruner}"
    )
    status("space: " + ", ".join(f"{s.name} {s.text}" for s in varied))
    if (folder / "sweep.json").exists():
        status(f"note: going on with {folder}")


def _print(done: Sweep) -> None:
    from tsforge.cli.tables import sweep as tables
    from tsforge.sweeping import report

    tables.leaderboard(done)
    if done.candidates:
        echo()
        echo("fitted again, mean ± standard deviation over seeds of the validation score")
        print_table(*report.refits(done.candidates, done.default, done.plan), left=(0, 1))
        head, lines = report.tests(done.candidates)
        if lines:
            echo()
            echo("the held-out end, forecast once")
            print_table(head, lines)


def _print_next(done: Sweep, tracker: Tracker, run: Run, commands: list[tuple[str, str]]) -> None:
    echo()
    if done.fit is not None and done.fit.judgement is not None:
        print_verdict(done.fit.judgement)
    if done.stopped:
        echo("stopped; the same command goes on with what was finished")
    if done.best is not None:
        echo(f"best    {done.folder / 'best.toml'}")
    print_run(tracker, run)
    if done.fit is not None:
        echo(f"model   {done.folder / 'model'}")
        print_commands(commands)


def _document(done: Sweep) -> dict[str, Any]:
    rows = [
        {"trial": r.number, "model": r.model, "state": r.state, "values": list(r.values), "kept": r.kept,
         "front": r.front, "params": r.params, "scores": r.scores, "seconds": r.seconds, "reason": r.reason}
        for r in done.rows
    ]  # fmt: skip
    refits = [
        {"name": c.name, "model": c.experiment.model.kind, "mean": c.mean, "validation": c.validation, "test": c.test}
        for c in done.candidates
    ]
    return {
        "study": done.plan.title, "folder": str(done.folder), "objectives": list(done.plan.sweep.objectives),
        "stopped": done.stopped, "leaderboard": rows, "refits": refits,
        "winner": done.winner.name if done.winner else None, "default": done.default.name if done.default else None,
        "best": done.best.plain() if done.best else None, "model": str(done.folder / "model") if done.fit else None,
    }  # fmt: skip
