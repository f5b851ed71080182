"""What MLflow remembers of a fit: settings, data, curves, scores, pictures, the model."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tsforge.data.dataset import Dataset
from tsforge.data.panel import Panel
from tsforge.data.table import piped
from tsforge.evaluation.scores import best_simple, by_step, primary, skill
from tsforge.experiment import Experiment
from tsforge.fitted.model import Model
from tsforge.plotting.style import COLOURS, PLAIN
from tsforge.runtime import numbers, stopping, tables
from tsforge.runtime.timing import stage
from tsforge.tracking import provenance
from tsforge.tracking.journal import BASELINES, Earlier, Run
from tsforge.tracking.tracker import Tracker
from tsforge.training import fitting
from tsforge.training.checkpointer import Checkpointer
from tsforge.training.events import Event, Report, Round, Standing, Stop, Tick
from tsforge.training.loop import Trained

Scores = dict[str, dict[str, float]]

MEMORY = "memory"  # the source of data that was in no file


@dataclass(frozen=True)
class RunOptions:
    """What is recorded of a run beside its results."""

    command: str = ""  # the line that makes it again
    register: str | None = None  # name in the registry
    alias: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    parent: Run | None = None  # the run that it is shown under
    earlier: Earlier | None = None  # journal of a process that was stopped, whose run goes on


def fit(
    experiment: Experiment, dataset: Dataset, folder: Path, tracker: Tracker, *, options: RunOptions | None = None,
    report: Report | None = None,
) -> tuple[fitting.Fit, Run]:  # fmt: skip
    """Train, save the model directory, and record it all while it happens.

    A fit that fails or is stopped leaves a run that says so. Nothing that happens to the store reaches the fit.
    """
    experiment, options = experiment.on(dataset.config, dataset.sizes.narrow), options or RunOptions()
    with _run(experiment, dataset, tracker, options) as run:
        trained = fitting.train(experiment, dataset, watching(run, report, options))
        return _save(fitting.finish(trained, dataset), run, folder, options), run


def fit_resumable(
    keeper: Checkpointer, dataset: Dataset, tracker: Tracker, options: RunOptions, report: Report | None = None
) -> tuple[fitting.Fit, Run]:
    """Train, save and record from where a checkpoint is, which goes once the model is saved.

    Of a fit that goes on and was recorded, the run goes on too.
    """
    experiment = keeper.experiment.on(dataset.config, dataset.sizes.narrow)
    if known := keeper.record.get("run"):
        options = replace(options, earlier=Earlier(**known))
    with keeper, _run(experiment, dataset, tracker, options) as run:
        if run.folder is not None:
            keeper.record |= {"run": Earlier(str(run.folder), run.key)._asdict(), "uri": tracker.uri}
        trained = fitting.train(experiment, dataset, watching(run, report, options), keeper.checkpoint)
        result = _save(fitting.finish(trained, dataset), run, keeper.folder, options)
        if result.stop != Stop.INTERRUPT:
            keeper.remove()
        return result, run


def finish(
    trained: Trained, model: Model, dataset: Dataset, folder: Path, tracker: Tracker, options: RunOptions
) -> tuple[fitting.Fit, Run]:
    """Score and record a model that was trained before, and save its directory."""
    with _run(trained.experiment, dataset, tracker, options) as run:
        for event in trained.rounds:
            _record(run, event)
        model = fitting.correlate(trained, model, dataset)
        return _save(fitting.score(trained, model, dataset), run, folder, options), run


@contextmanager
def _run(experiment: Experiment, dataset: Dataset, tracker: Tracker, options: RunOptions) -> Iterator[Run]:
    """The run of a fit, with its settings and its data."""
    with stage("delivery"):
        labels = tags("fit", options, experiment.model.kind)
    with tracker.run(experiment.title, experiment.flat(), labels, options.parent, options.earlier) as run:
        with stage("delivery"):
            run.text("experiment.toml", experiment.toml())
            run.dataset(described(dataset.panel, experiment.data.path))
        yield run


def _save(result: fitting.Fit, run: Run, folder: Path, options: RunOptions) -> fitting.Fit:
    """Save the model directory and record it, with its scores, curves and pictures."""
    if result.standings:  # the experiment that repeats what a tournament chose, in place of the first one
        run.text("experiment.toml", result.model.experiment.toml())
        for event in result.rounds:
            _record(run, event)
        run.tags({"tsforge.chosen": ", ".join(f"{s.name} {s.weight:.0%}" for s in result.standings if s.weight)})
    with stopping.first(lambda: None):  # what was learned is not lost to a request that comes now
        fitting.save(result, folder)
    fitted(run, result, folder, options)
    if result.stop == Stop.INTERRUPT:
        run.end("KILLED", f"stopped by {stopping.cause()}; the best weights so far are kept")
    return result


def tags(kind: str, options: RunOptions, model: str = "") -> dict[str, str]:
    """Where and how a run came about, under MLflow's own names where it has some."""
    labels = {f"versions.{name}": value for name, value in provenance.versions().items()}
    labels |= {f"hardware.{name}": value for name, value in provenance.hardware().items()}
    labels |= {
        "tsforge.kind": kind, "mlflow.source.name": f"tsforge {kind}", "mlflow.source.type": "LOCAL",
        "mlflow.user": provenance.user(), "mlflow.runColor": COLOURS.get(model, PLAIN),
    }  # fmt: skip
    if options.command:
        labels["tsforge.command"] = options.command
    if commit := provenance.commit(Path()):
        labels["mlflow.source.git.commit"] = commit
    return labels | dict(options.tags)


def described(panel: Panel, path: str | None) -> dict[str, str]:
    """A panel as MLflow describes data; the source is where it lay, or that it lay in memory or came through a pipe."""
    path = piped.TITLE if panel.name == piped.TITLE else path
    place = Path(path).absolute() if path and Path(path).exists() else None
    columns = [{"name": name, "type": "double", "required": True} for name in panel.schema.target]
    return {
        "name": panel.name, "digest": panel.digest(), "source": str(place or path or MEMORY),
        "schema": json.dumps({"mlflow_colspec": columns}),
        "profile": json.dumps({"num_rows": int(panel.lengths.sum()), "num_series": len(panel)}),
    }  # fmt: skip


def scores(by_model: Scores) -> dict[str, float]:
    """test/METRIC of the first model, and its skill, where they are finite."""
    model = next(iter(by_model))
    values = {f"test/{name}": value for name, value in by_model[model].items()}
    judge = primary(by_model[model])
    if simple := best_simple({name: scored[judge] for name, scored in by_model.items()}):
        values["test/skill"] = skill(by_model[model][judge], by_model[simple][judge])
    return numbers.rounded(values)


def beside(run: Run, by_model: Scores) -> None:
    """Record the scores of a model and of the baselines beside it, as a table with a row for each."""
    if len(by_model) > 1:
        names = list(next(iter(by_model.values())))
        rounded = {model: numbers.rounded(own) for model, own in by_model.items()}
        rows = [[model, *(own.get(name) for name in names)] for model, own in rounded.items()]
        run.table(BASELINES, ["model", *names], rows)


def note(shown: Scores, judge: str, windows: int, options: RunOptions) -> str:
    """The result and the command, in Markdown."""
    lines = []
    if shown:
        model = next(iter(shown))
        result = f"**{judge} {numbers.figure(shown[model][judge])}**"
        simple = best_simple({name: values[judge] for name, values in shown.items()})
        if simple not in (None, model):
            gain = numbers.percent(skill(shown[model][judge], shown[simple][judge]))
            result += f", {gain} against {simple.replace('-', ' ')}" if gain else ""
        lines += [f"{result}, over {windows:,} held-out windows.", ""]
        rows = [[name, *(numbers.figure(values[name]) for values in shown.values())] for name in shown[model]]
        lines += [*tables.markdown(["", *shown], rows), ""]
    if options.command:
        lines.append(f"    {options.command}")
    return "\n".join(lines)


def watching(run: Run, report: Report | None, options: RunOptions) -> Report:
    """A report that passes events on and records them, unless the run has them already."""

    def watch(event: Event) -> None:
        if report is not None:
            report(event)
        if isinstance(event, Tick) or not (event.again and options.earlier):
            _record(run, event)

    return watch


def _record(run: Run, event: Event) -> None:
    """Record the losses of a validation, those of later members as val/loss_2, or the score of a candidate."""
    if isinstance(event, Round):
        of = f"_{event.member}" if event.member > 1 else ""
        trained = {f"train/loss{of}": event.train} if event.step else {}  # before the first step there is none
        run.metrics(trained | {f"val/loss{of}": event.validation}, event.step)
    if isinstance(event, Standing):
        run.metrics(numbers.rounded({f"auto/{event.name}": event.score}), event.rung)


@stage("delivery")
def fitted(run: Run, result: fitting.Fit, folder: Path, options: RunOptions) -> None:
    """Record a model directory with the scores, curves and pictures of its fit."""
    text = note(result.shown, result.primary, len(result.dataset.parts.test), options)
    labels = {"mlflow.note.content": text, "tsforge.stop": result.stop, "tsforge.folder": str(folder.absolute())}
    train = result.model.experiment.train
    if train.devices * train.nodes > 1:
        labels |= {"tsforge.devices": str(train.devices), "tsforge.nodes": str(train.nodes)}
    run.tags(labels | ({"tsforge.threads": ", ".join(map(str, result.threads))} if result.threads else {}))
    run.model(folder, options.register, options.alias)  # after the note, which describes its version
    if result.outcomes:
        run.metrics(scores(result.metrics), of_model=True)
        beside(run, result.metrics)
    figures = {"speed/fit_s": result.seconds, "model/parameters": float(result.parameters)}
    if result.rounds and result.seconds > 0:
        figures["speed/windows_per_s"] = result.windows / result.seconds
    figures |= {f"memory/{name}": value for name, value in provenance.peak_memory().items()}
    run.metrics(numbers.rounded(figures))
    if result.outcomes:
        steps(run, by_step(next(iter(result.outcomes.values())), "mae").tolist())
    for name in ("scores.json", "history.csv", "tournament.csv"):
        if (folder / name).exists():
            run.file(folder / name)
    for picture in sorted(folder.glob("*.png")):
        run.file(picture, "plots")


def steps(run: Run, values: list[float]) -> None:
    """Record the error along the horizon, as a curve over the horizon step."""
    for h, value in enumerate(values):
        if math.isfinite(value):
            run.metrics(numbers.rounded({"test/mae_by_step": value}), h + 1)
