"""tsforge fit"""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from tsforge.cli import show
from tsforge.cli.options import FitOptions
from tsforge.cli.progress import Progress

if TYPE_CHECKING:
    from tsforge.preparation import Prepared
    from tsforge.training import Fit

STOPS = {
    "patience": "validation no longer improved", "time": "the time was up", "interrupt": "stopped by Ctrl-C",
    "diverged": "the loss was no longer a number",
}  # fmt: skip


def fit(
    data: str | None = None,
    /,
    *,
    options: FitOptions | None = None,
    out: str | None = None,
    experiment: str | None = None,
    tracking_uri: str | None = None,
    track: Annotated[bool, Parameter(negative="--no-track")] = True,
    quiet: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Train a model on a table and score it on the held-out end.

    Columns, frequency and season are detected where they are unambiguous.

    Parameters
    ----------
    data
        CSV (comma, semicolon, tab; may be gzipped), Parquet, or the name of a catalogued data set.
    out
        Folder for the model. (default: models/NAME)
    experiment
        MLflow experiment that the run belongs to. (default: tsforge)
    tracking_uri
        MLflow store. (default: MLFLOW_TRACKING_URI, else mlflow.db in this folder, which `mlflow ui` opens)
    track
        Whether to record the run in MLflow.
    quiet
        Print neither notes nor progress.
    json
        Print one JSON document instead of tables.
    """
    show.notes(quiet=quiet)
    options = options or FitOptions()
    from tsforge import artifact, training
    from tsforge.experiment import build

    asked = build(options.overrides(), options.config)
    if data is None and asked.data.path is None:
        options.refuse_swallowed_table("fit")
    prepared = training.for_fit(asked, data)
    folder = Path(out or f"models/{prepared.title}")
    artifact.check_target(folder)
    if not quiet:
        _say_plan(prepared, folder)
    progress = None if quiet else Progress(training.planned_steps(prepared), asked.train.max_time)
    try:
        result = training.train(prepared, progress)
    finally:
        if progress is not None:
            progress.close()
    training.save(result, folder)
    run = _record(result, folder, tracking_uri, experiment) if track else None
    if json:
        show.document(_document(result, folder) | {"run": run})
    else:
        _print(result, folder, data, run)
    return 130 if result.stop == "interrupt" else 0


def _record(result: Fit, folder: Path, uri: str | None, experiment: str | None) -> str | None:
    """Ctrl-C while recording leaves the model, which is saved by then."""
    from tsforge import recording

    try:
        return recording.record(result, folder, uri, experiment)
    except KeyboardInterrupt:
        show.tell(f"note: stopped while recording the run in MLflow; the model is in {folder}")
        return None


def _say_plan(prepared: Prepared, folder: Path) -> None:
    """What will be done, in two lines."""
    if folder.exists() and any(folder.iterdir()):
        show.tell(f"note: the model in {folder} will be replaced")
    data, panel, parts = prepared.experiment.data, prepared.panel, prepared.parts
    series = f"{len(panel):,} series" if len(panel) > 1 else "1 series"
    show.tell(
        f"{prepared.experiment.model.kind} on {', '.join(data.target)}: {series}, "
        f"{int((panel.ends - panel.offsets[:-1]).sum()):,} steps of {data.freq}, season {data.season}, "
        f"context {data.context}, horizon {data.horizon}"
    )
    show.tell(
        f"windows: {len(parts.train.origins):,} to train, {len(parts.validation.origins):,} to validate, "
        f"{len(parts.test.origins):,} held out to test (the last {data.test} steps)"
    )


def _print(result: Fit, folder: Path, data: str | None, run: str | None) -> None:
    why = STOPS.get(result.stop)
    note = f"; {why}" if why else ""
    show.say(f"trained {result.parameters:,} parameters in {show.duration(result.seconds)}{note}")
    if result.stop == "interrupt":
        show.say("kept: the best weights on validation so far")
    if result.outcomes:
        _scores(result)
    show.say()
    show.say(f"model   {folder}")
    if run is not None:
        show.say(f"run     {run} (mlflow ui shows it)")
    words = ["tsforge", "predict", str(folder), *([data] if data else [])]
    show.say(f"next    {shlex.join(words)} --output forecast.csv --plot forecast.png")


def _scores(result: Fit) -> None:
    """Metric by model, with the skill against seasonal naive."""
    from tsforge.metrics import SHOWN

    scores = result.scores
    names = list(scores)
    data = result.model.experiment.data
    show.say()
    show.say(
        f"held-out end: {len(next(iter(result.outcomes.values())).truth):,} windows of {data.horizon} steps, "
        f"pooled; season {data.season}"
    )
    shown = {name: {metric: found[metric] for metric in SHOWN} for name, found in scores.items()}
    show.table(["", *names, "skill"], show.score_rows(shown, "seasonal-naive"))
    show.say("  skill: per cent better than seasonal naive; coverage_80 should be 0.8, coverage_90 0.9")


def _document(result: Fit, folder: Path) -> dict[str, Any]:
    from tsforge.metrics import skill

    scores = result.scores
    name = result.model.experiment.model.kind
    document: dict[str, Any] = {
        "model": str(folder), "kind": name, "stop": result.stop, "seconds": round(result.seconds, 3),
        "parameters": result.parameters, "steps": result.rounds[-1].step if result.rounds else 0,
        "test_windows": len(result.prepared.parts.test.origins), "scores": scores,
    }  # fmt: skip
    if scores:
        metric = "mase" if math.isfinite(scores[name]["mase"]) else "mae"  # no MASE where a series never changed
        document["skill"] = skill(scores[name][metric], scores["seasonal-naive"][metric])
    return document | {"experiment": result.model.experiment.plain()}
