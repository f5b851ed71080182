"""tsforge sweep"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from tsforge.cli import output
from tsforge.cli.options import Columns, FitOptions, TrackOptions
from tsforge.cli.progress import SweepProgress

if TYPE_CHECKING:
    from tsforge.sweeping.config import Plan
    from tsforge.sweeping.running import Sweep, Where
    from tsforge.tracking.journal import Run
    from tsforge.tracking.tracker import Tracker

ROWS = 15  # of the leaderboard on a terminal


@Parameter(name="*")
@dataclass
class SweepOptions:
    """How to search."""

    models: Columns = field(default_factory=list)
    "Architectures that are part of the space. (default: the one of --model)"
    trials: int | None = None
    "Trials in total, over all starts. (default: 50)"
    timeout: str | None = None
    "Time for the search at most, as 30m or 2h; the best are fitted again after it."
    space: Annotated[list[str], Parameter(negative="")] = field(default_factory=list)
    "A range, as train.lr=log(1e-4,1e-2), lstm/model.width=int(16,64,16), float(a,b), choice(a,b); one value fixes it."
    objectives: Columns = field(default_factory=list)
    "What is to be small: val/mase, val/wql, ...; with latency or parameters too, a Pareto front. (default: val/mase)"
    folds: int | None = None
    "Rolling origins that a validation score is the mean of. (default: 1)"
    sampler: Literal["tpe", "gp", "cmaes", "qmc", "random"] | None = None
    "Who proposes settings. (default: tpe)"
    pruner: Literal["asha", "median", "hyperband", "wilcoxon", "none"] | None = None
    "Who ends trials early; wilcoxon compares folds. (default: asha)"
    max_parameters: str | None = None
    "Models with more are not trained, as 100k."
    max_latency: str | None = None
    "Models that take longer for one forecast are not trained, as 5ms."
    refit: int | None = None
    "How many of the best are fitted again, beside the default; 0 for none. (default: 3)"
    seeds: int | None = None
    "Seeds of each of these. (default: 3)"
    workers: int | None = None
    "Processes; each has its share of the cores. (default: 1)"
    pack: str | None = None
    "Trials of one shape that each trains side by side: a number, off, or auto where it is faster. (default: off)"
    engine: Literal["processes", "ray"] | None = None
    "Where workers run: as processes of this machine, or as tasks of a Ray cluster. (default: processes)"
    address: str | None = None
    "Of a running Ray cluster; auto finds it. (default: one is started on this machine)"
    study: str | None = None
    "Name of the study, by which machines share it. (default: from models and data)"

    def said(self) -> dict[str, Any]:
        """What was given, by the name of its setting."""
        return {name: value for name, value in vars(self).items() if name != "space"}

    def ranges(self) -> list[tuple[str, Any]]:
        """Name and expression of each --space."""
        from tsforge.settings import assignment

        return [assignment(text, "--space") for text in self.space]


def sweep(
    source: str | None = None,
    data: str | None = None,
    /,
    *,
    search: SweepOptions | None = None,
    options: FitOptions | None = None,
    out: str | None = None,
    storage: str | None = None,
    record: TrackOptions | None = None,
    dashboard: Annotated[bool, Parameter(negative="")] = False,
    quiet: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Search the settings, the architecture too, and fit a model with the best.

    The same command goes on with a search that was stopped. --set fixes a setting that the search would vary.

    Parameters
    ----------
    source
        A table, the name of a data set, or a TOML file with an experiment, [sweep] and [space].
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
    output.notes(quiet=quiet)
    search, options, record = search or SweepOptions(), options or FitOptions(), record or TrackOptions()
    if source is not None and source.endswith(".toml"):
        options = replace(options, config=source)
    else:
        source, data = None, source
    with record.tracker() as tracker:
        from tsforge.sweeping import running
        from tsforge.sweeping.config import plan
        from tsforge.tracking.recording import Wish

        asked = plan(options.overrides(), options.config, search.said(), search.ranges())
        if data is None and next(iter(asked.bases.values())).data.path is None:
            options.refuse_swallowed_table("sweep")
        settled = running.settle(asked, data)
        where = running.Where.fresh(out or f"sweeps/{settled.title}", storage)
        if not quiet:
            _say_plan(settled, where.folder)
        progress = None if quiet else SweepProgress(settled.sweep.objectives[0])
        try:
            with _dashboard(settled, where) if dashboard else nullcontext():
                done, run = running.sweep(settled, where, tracker, Wish(output.command()), progress)
        except KeyboardInterrupt:
            output.tell("stopped; the same command goes on with what was finished")
            return 130
        finally:
            if progress is not None:
                progress.close()
        if not json:
            _print(done)
        tracker.close()
    if json:
        output.document(_document(done) | {"run": tracker.id(run), "url": tracker.link(run)})
    else:
        _say_next(done, tracker, run)
    return 130 if done.stopped else 0


@contextmanager
def _dashboard(plan: Plan, where: Where) -> Iterator[None]:
    from tsforge.sweeping import dashboard

    with dashboard.serving(where.place(plan.title)) as url:
        output.tell(f"dashboard  {url}")
        yield


def _say_plan(plan: Plan, folder: Path) -> None:
    """What will be done, in two lines."""
    sweep, first = plan.sweep, next(iter(plan.bases.values()))
    varied = [s for s in plan.made.settings if not s.fixed]
    processes = f"{sweep.workers} workers" if sweep.workers > 1 else "1 worker"
    output.tell(
        f"{', '.join(plan.bases)} on {', '.join(first.data.target)}: {sweep.trials} trials, {processes}; "
        f"{' and '.join(sweep.objectives)}, sampler {sweep.sampler}, pruner {sweep.pruner}"
    )
    output.tell("space: " + ", ".join(f"{s.name} {s.text}" for s in varied))
    if (folder / "sweep.json").exists():
        output.tell(f"note: going on with {folder}")


def _print(done: Sweep) -> None:
    from tsforge.sweeping import leaderboard, report

    head = leaderboard.header(done.plan)[:-1]
    lines = [leaderboard.cells(i + 1, row, done.plan)[:-1] for i, row in enumerate(done.rows[:ROWS])]
    if lines:
        output.table(head, lines, left=(2, len(head) - 1))
    if len(done.rows) > ROWS:
        output.say(f"  {len(done.rows) - ROWS} more in {done.folder / 'leaderboard.csv'}")
    if done.candidates:
        output.say()
        output.say("fitted again, mean ± standard deviation over seeds of the validation score")
        output.table(*report.refits(done.candidates, done.default, done.plan), left=(0, 1))
        head, lines = report.tests(done.candidates)
        if lines:
            output.say()
            output.say("the held-out end, forecast once")
            output.table(head, lines)


def _say_next(done: Sweep, tracker: Tracker, run: Run) -> None:
    output.say()
    if done.stopped:
        output.say("stopped; the same command goes on with what was finished")
    if done.best is not None:
        output.say(f"best    {done.folder / 'best.toml'}")
    output.where(tracker, run)
    if done.fit is not None:
        output.say(f"model   {done.folder / 'model'}")
        output.say(f"next    tsforge predict {done.folder / 'model'} --output forecast.csv --plot forecast.png")


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
