"""tsforge fit"""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tsforge.api.progress import training_progress
from tsforge.cli.advice import after_fit, print_commands
from tsforge.cli.options import FitOptions, Flag, LaunchOptions, TrackOptions, table_or_file
from tsforge.cli.output import (
    echo,
    measure,
    measured,
    print_json,
    print_notes,
    print_run,
    print_timings,
    started,
    status,
)
from tsforge.cli.resuming import Asked, resume_command, take_up
from tsforge.cli.tables import fit as tables
from tsforge.runtime import garbage, processes, stopping
from tsforge.runtime.numbers import duration

if TYPE_CHECKING:
    from tsforge.data.dataset import Dataset
    from tsforge.experiment import Experiment
    from tsforge.tracking.journal import Run
    from tsforge.tracking.tracker import Tracker
    from tsforge.training.checkpointer import Checkpointer
    from tsforge.training.fitting import Fit

STOPS = {
    "patience": "validation no longer improved", "time": "the time was up", "interrupt": "stopped by {}",
    "diverged": "the loss was no longer a number",
}  # fmt: skip


def fit(
    data: str | None = None, /, *, options: FitOptions | None = None, launch: LaunchOptions | None = None,
    out: str | None = None, overwrite: Flag = False, resume: str | None = None, record: TrackOptions | None = None,
    register: str | None = None, alias: str | None = None, timings: Flag = False, quiet: Flag = False,
    json: Flag = False,
) -> int:  # fmt: skip
    """Train a model on a table and score it on the held-out end.

    Columns, frequency and season are detected where they are unambiguous.

    Parameters
    ----------
    data
        CSV (comma, semicolon, tab; may be gzipped), Parquet (a file, or a folder of files), or the name of a catalogued
        data set, or - for standard input; or a TOML file with an experiment, or the name of a pipeline.
    out
        Folder for the model; that of the same table is replaced. (default: models/DATA-MODEL-hHORIZON, then -2)
    overwrite
        Replace the model that lies there, whatever it was fitted on.
    resume
        Folder of a model whose fit was stopped or killed: it goes on, with the settings that it began with.
    register
        Name in MLflow's registry for the model: a new version of it.
    alias
        Alias of that version, as champion.
    timings
        Print where the wall time went, stage by stage.
    quiet
        Print neither notes nor progress.
    json
        Print one JSON document instead of tables.
    """
    options = options or FitOptions()
    data = table_or_file(data, options)
    asked = Asked(data, options, record or TrackOptions(), register, alias, launch=launch or LaunchOptions())
    if processes.rank() > 0:
        return _follow(asked, resume)
    measure(on=timings)
    print_notes(quiet=quiet)
    keeper = None
    if resume is not None:
        keeper, asked = _take_up(resume, asked, {"out": out, "overwrite": overwrite})
    asked.check()
    with asked.record.tracker(wait=json or asked.register is not None) as tracker, ExitStack() as stack:
        with garbage.paused():
            from tsforge.fitted import directory
            from tsforge.model.auto import Auto
            from tsforge.tracking import recording
            from tsforge.training import checkpointer, fitting, resuming
            from tsforge.training.auto import limits
            from tsforge.training.distributed import team

        draft = stack.enter_context(keeper).experiment if keeper else asked.experiment()
        words = asked.command if keeper is None else resume_command(keeper.folder)
        stack.enter_context(team.opened(draft.train, words))
        dataset = resuming.prepare(keeper, data, started()) if keeper else fitting.prepare(draft, data)
        dataset = replace(dataset, began=started())
        experiment = draft.on(dataset.config, dataset.sizes.narrow)
        if isinstance(draft.model, Auto):
            limits.start_up(experiment)
        start = time.perf_counter() - started()
        folder = keeper.folder if keeper else stack.enter_context(_place(experiment, out, overwrite=overwrite))
        directory.check_target(folder)
        keeper = keeper or checkpointer.begin(draft, dataset, folder)
        keeper.record |= asked.plain()
        if not quiet:
            _print_plan(experiment, dataset, keeper)
        wanted = recording.RunOptions(asked.command, asked.register, asked.alias)
        with nullcontext() if quiet else closing(training_progress(experiment, dataset)) as progress:
            result, run = recording.fit_resumable(keeper, dataset, tracker, wanted, progress)
        if not json:
            _print(result, folder)
        limit = limits.left(experiment, dataset, start, keeper.seconds) if isinstance(draft.model, Auto) else math.inf
        _wait(tracker, folder, limit)
    commands = after_fit(result, folder, asked.data, asked.options, asked.record)
    if keeper.written:
        commands.insert(0, ("resume", resume_command(folder, draft.train)))
    if json:
        where = {"run": tracker.id(run), "url": tracker.link(run), "next": [command for _, command in commands]}
        print_json(tables.document(result, folder) | where | measured())
    else:
        _print_run(tracker, run)
        print_commands(commands)
        print_timings()
    return stopping.exit_code() if result.stop == "interrupt" else 0


def _follow(asked: Asked, resume: str | None) -> int:
    """What processes of torchrun but the first do: they read and train too, and say and write nothing."""
    from tsforge.training import fitting, resuming
    from tsforge.training.distributed import team, torchrun

    print_notes(quiet=True)
    with torchrun.silent():
        plan = resuming.heard() if resume is not None else None
        draft = plan.experiment if plan is not None else asked.experiment()
    data = plan.data if plan is not None and asked.data is None else asked.data
    with team.opened(draft.train, asked.command), torchrun.silent():
        dataset = fitting.prepare(draft, data)
        trained = fitting.train(draft, dataset)
        return stopping.exit_code() if trained.stop == "interrupt" else 0


def _take_up(resume: str, asked: Asked, others: dict[str, object]) -> tuple[Checkpointer, Asked]:
    """The checkpoint of a fit that goes on, of which torchrun's other processes hear, and what it was asked for."""
    from tsforge.training import resuming

    found: list[Asked] = []

    def work() -> Checkpointer:
        keeper, begun = take_up(resume, asked, others)
        found.append(begun)
        return keeper

    return resuming.announced(work), found[0]


def _place(experiment: Experiment, out: str | None, *, overwrite: bool) -> AbstractContextManager[Path]:
    """The folder for the model: the one named, or a new one."""
    from tsforge.fitted import naming

    usual = Path("models") / experiment.folder
    if out is None and not overwrite:
        return naming.reserved(usual)
    folder = Path(out) if out is not None else usual
    if not overwrite:
        naming.check_replaced(folder, experiment.data.path)
    return nullcontext(folder)


def _wait(tracker: Tracker, folder: Path, limit: float) -> None:
    """Ctrl-C while the run is delivered leaves the model, which is saved by then, and the delivery to itself."""
    try:
        tracker.close(limit)
    except KeyboardInterrupt:
        status(f"note: not waiting for MLflow; the model is in {folder}")


def _print_plan(experiment: Experiment, dataset: Dataset, keeper: Checkpointer) -> None:
    """What will be done, in two lines."""
    from tsforge.api.gaps import season

    folder = keeper.folder
    if keeper.written:
        status(f"the fit of {folder} goes on, of which {duration(keeper.seconds)} were kept")
    if folder.exists() and any(folder.iterdir()):
        status(f"note: the model in {folder} will be replaced")
    data, panel, parts = dataset.config, dataset.panel, dataset.parts
    series = f"{len(panel):,} series" if len(panel) > 1 else "1 series"
    several = f"{experiment.ensemble} × " if experiment.ensemble > 1 else ""
    status(
        f"{several}{experiment.model.kind} on {', '.join(data.target)}: {series}, "
        f"{int(panel.lengths.sum()):,} steps of {panel.schema.frequency.name}, "
        f"{season(data.season, dataset.sizes.fallback)}, context {data.context}, horizon {data.horizon}"
    )
    status(
        f"windows: {len(parts.train.origins):,} to train, {len(parts.validation.origins):,} to validate, "
        f"{len(parts.test.origins):,} held out to test (the last {data.test} steps)"
    )


def _print(result: Fit, folder: Path) -> None:
    if result.standings:
        tables.tournament(result)
    note = f"; {STOPS[result.stop].format(stopping.cause())}" if result.stop in STOPS else ""
    count = result.model.experiment.ensemble
    of = f", {count} networks," if count > 1 else ""
    did = f"trained {result.parameters:,} parameters{of} in" if result.steps else "fitted in"
    threads = ", then ".join(map(str, result.threads))
    with_ = f" on {threads} thread{'s' if result.threads[-1] > 1 else ''}" if threads else ""
    train = result.model.experiment.train
    with_ += f" in each of {train.devices * train.nodes} processes" if train.devices * train.nodes > 1 else ""
    echo(f"{did} {duration(result.seconds)}{with_}{note}")
    if result.stop == "interrupt":
        several = count > 1 or result.standings
        echo(f"kept: {'what was finished' if several else 'the best weights on validation so far'}")
    if result.outcomes:
        tables.scores(result)
    echo()
    echo(f"model   {folder}")


def _print_run(tracker: Tracker, run: Run) -> None:
    print_run(tracker, run)
    version = tracker.version(run)
    if version is not None:
        echo(f"model   {version} in the registry")
