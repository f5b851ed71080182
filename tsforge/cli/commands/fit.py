"""tsforge fit"""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsforge.cli.advice import after_fit, print_commands
from tsforge.cli.options import FitOptions, Flag, LaunchOptions, TrackOptions
from tsforge.cli.output import (
    command_line,
    echo,
    measure,
    measured,
    print_json,
    print_notes,
    print_run,
    print_table,
    print_timings,
    started,
    status,
)
from tsforge.cli.progress import training_progress
from tsforge.runtime import garbage, processes, stopping
from tsforge.runtime.numbers import duration, figure

if TYPE_CHECKING:
    from tsforge.data.dataset import Dataset
    from tsforge.experiment import Experiment
    from tsforge.tracking.journal import Run
    from tsforge.tracking.tracker import Tracker
    from tsforge.training.fitting import Fit

STOPS = {
    "patience": "validation no longer improved", "time": "the time was up", "interrupt": "stopped by {}",
    "diverged": "the loss was no longer a number",
}  # fmt: skip


def fit(
    data: str | None = None, /, *, options: FitOptions | None = None, launch: LaunchOptions | None = None,
    out: str | None = None, overwrite: Flag = False, record: TrackOptions | None = None, register: str | None = None,
    alias: str | None = None, timings: Flag = False, quiet: Flag = False, json: Flag = False,
) -> int:  # fmt: skip
    """Train a model on a table and score it on the held-out end.

    Columns, frequency and season are detected where they are unambiguous.

    Parameters
    ----------
    data
        CSV (comma, semicolon, tab; may be gzipped), Parquet (a file, or a folder of files), or the name of a catalogued
        data set.
    out
        Folder for the model; that of the same table is replaced. (default: models/DATA-MODEL-hHORIZON, then -2)
    overwrite
        Replace the model that lies there, whatever it was fitted on.
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
    options, record, launch = options or FitOptions(), record or TrackOptions(), launch or LaunchOptions()
    settings = options.overrides() | launch.overrides()
    if processes.rank() > 0:
        return _follow(data, settings, options.config)
    measure(on=timings)
    print_notes(quiet=quiet)
    _check(record, register, alias)
    with record.tracker(wait=json or register is not None) as tracker, ExitStack() as stack:
        with garbage.paused():
            from tsforge.fitted import directory
            from tsforge.model.auto import Auto
            from tsforge.tracking.recording import RunOptions
            from tsforge.tracking.recording import fit as recorded
            from tsforge.training import fitting
            from tsforge.training.auto import tournament
            from tsforge.training.distributed import team

        draft = _draft(settings, options.config)
        if data is None and draft.data.path is None:
            options.refuse_swallowed_table("fit")
        stack.enter_context(team.opened(draft.train, command_line()))
        dataset = replace(fitting.prepare(draft, data), began=started())
        experiment = draft.on(dataset.config, dataset.sizes.narrow)
        if isinstance(draft.model, Auto):
            tournament.start_up(experiment)
        start = time.perf_counter() - started()
        folder = stack.enter_context(_place(experiment, out, overwrite=overwrite))
        directory.check_target(folder)
        if not quiet:
            _print_plan(experiment, dataset, folder)
        wanted = RunOptions(command_line(), register, alias)
        with nullcontext() if quiet else closing(training_progress(experiment, dataset)) as progress:
            result, run = recorded(experiment, dataset, folder, tracker, options=wanted, report=progress)
        if not json:
            _print(result, folder)
        limit = tournament.left(experiment, dataset, start) if isinstance(draft.model, Auto) else math.inf
        _wait(tracker, folder, limit)
    commands = after_fit(result, folder, data, options, record)
    if json:
        where = {"run": tracker.id(run), "url": tracker.link(run), "next": [command for _, command in commands]}
        print_json(_document(result, folder) | where | measured())
    else:
        _print_run(tracker, run)
        print_commands(commands)
        print_timings()
    return stopping.exit_code() if result.stop == "interrupt" else 0


def _draft(settings: dict[str, Any], config: str | None) -> Experiment:
    """The experiment as it is asked for; under torchrun for the devices that it has."""
    from tsforge.settings import build
    from tsforge.training.distributed import torchrun

    draft = build(settings, config)
    there = torchrun.settings(draft.train)
    return build(settings | there, config) if there else draft


def _follow(data: str | None, settings: dict[str, Any], config: str | None) -> int:
    """What processes of torchrun but the first do: they read and train too, and say and write nothing."""
    from tsforge.training import fitting
    from tsforge.training.distributed import team, torchrun

    print_notes(quiet=True)
    draft = _draft(settings, config)
    with team.opened(draft.train, command_line()), torchrun.silent():
        dataset = fitting.prepare(draft, data)
        return stopping.exit_code() if fitting.train(draft, dataset).stop == "interrupt" else 0


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


def _check(record: TrackOptions, register: str | None, alias: str | None) -> None:
    from tsforge.errors import ConfigError

    if alias is not None and register is None:
        raise ConfigError("--alias without a name to give it to", "add --register NAME")
    if register is not None and not record.track:
        raise ConfigError("--register needs the run that --no-track leaves out", "leave out one of them")


def _wait(tracker: Tracker, folder: Path, limit: float) -> None:
    """Ctrl-C while the run is delivered leaves the model, which is saved by then, and the delivery to itself."""
    try:
        tracker.close(limit)
    except KeyboardInterrupt:
        status(f"note: not waiting for MLflow; the model is in {folder}")


def _print_plan(experiment: Experiment, dataset: Dataset, folder: Path) -> None:
    """What will be done, in two lines."""
    from tsforge.cli.tables.gaps import season

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
        _tournament(result)
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
        _scores(result)
    echo()
    echo(f"model   {folder}")


def _tournament(result: Fit) -> None:
    """All candidates, the best first, and the part that each has in the model; then those that were left out."""
    echo()
    networks = any(s.steps for s in result.standings)
    head, rows, out = ["rung", "steps", "seconds"], [], dict[str, list[str]]()
    for s in sorted(result.standings, key=lambda s: s.score):
        if s.note and not s.steps:
            out.setdefault(s.note, []).append(s.name)
            continue
        trained = [str(s.rung), f"{s.steps:,}", f"{s.seconds:.1f}"] if s.rung else ["", "", ""]
        score = s.note or figure(s.score)
        rows.append([s.name, *(trained if networks else []), score, f"{s.weight:.0%}" if s.weight else ""])
    print_table(["candidate", *(head if networks else []), "validation", "weight"], rows)
    for note, names in out.items():
        echo(f"  left out: {', '.join(names)}: {note}")
    echo()


def _print_run(tracker: Tracker, run: Run) -> None:
    print_run(tracker, run)
    version = tracker.version(run)
    if version is not None:
        echo(f"model   {version} in the registry")


def _scores(result: Fit) -> None:
    """Metric by model, with the skill against the best simple forecaster."""
    from tsforge.cli.tables.backtest import score_rows
    from tsforge.cli.tables.gaps import season, sentences, skill_of
    from tsforge.cli.tables.verdict import sentence

    data = result.model.experiment.data
    echo()
    echo(
        f"held-out end: {len(next(iter(result.outcomes.values())).truth):,} windows of {data.horizon} steps, "
        f"pooled; {season(data.season, result.dataset.sizes.fallback)}"
    )
    print_table(["", *result.shown, "skill"], score_rows(result.shown, result.best_simple))
    simple = result.best_simple
    against = skill_of(simple, result.shown[simple][result.primary] if simple else math.nan)
    echo(f"  {'; '.join([*against, 'coverage_80 should be 0.8, coverage_90 0.9'])}")
    for line in sentences(result.gaps, data.season):
        echo(f"  {line}")
    if result.judgement:
        echo()
        echo(f"verdict {sentence(result.judgement)}")


def _document(result: Fit, folder: Path) -> dict[str, Any]:
    from tsforge.cli.tables.gaps import sentences

    scores, name = result.scores, result.model.experiment.model.kind
    document: dict[str, Any] = {
        "model": str(folder), "kind": name, "stop": result.stop, "seconds": round(result.seconds, 3),
        "parameters": result.parameters, "steps": result.steps, "threads": result.threads,
        "devices": result.model.experiment.train.devices, "nodes": result.model.experiment.train.nodes,
        "season": result.dataset.sizes.season, "naive_season": result.dataset.source.shape.naive_season,
        "test_windows": len(result.dataset.parts.test.origins), "test_steps": result.dataset.sizes.test,
        "scores": scores,
    }  # fmt: skip
    if result.standings:
        scored = [(s, s.score if math.isfinite(s.score) else None) for s in result.standings]
        document["tournament"] = [s._asdict() | {"score": score} for s, score in scored]
    if scores:
        document |= {"primary": result.primary, "best_simple": result.best_simple, "skill": result.skill}
        document["left_out"] = {name: gap.points for name, gap in result.gaps.items() if gap.points}
        document["reasons"] = {name: gap.reason for name, gap in result.gaps.items()}
        document["notes"] = sentences(result.gaps, result.model.experiment.data.season)
        document["judgement"] = result.judgement.plain() if result.judgement else None
    return document | {"experiment": result.model.experiment.plain()}
