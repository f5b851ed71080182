"""fit and resume as Python users call them: a table and a few words; progress and tracking where these are wanted."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tsforge.api import progress as lines
from tsforge.api.fitted import Fitted
from tsforge.data.dataset import Dataset
from tsforge.data.shipped import is_experiment
from tsforge.errors import ConfigError
from tsforge.experiment import Experiment
from tsforge.fitted import directory
from tsforge.runtime import logs
from tsforge.settings import build, full, override
from tsforge.training import checkpointer, fitting, resuming
from tsforge.training.distributed import ranks, team
from tsforge.training.events import Event, Report
from tsforge.training.fitting import Fit

Names = str | Sequence[str] | None


def fit(
    what: Any, data: Any = None, *, horizon: int | None = None, model: str | None = None, target: Names = None,
    time: Names = None, id: Names = None, future: Names = None, settings: Mapping[str, Any] | None = None,  # noqa: A002
    out: str | Path | None = None, track: bool | None = None, progress: bool | None = None,
    report: Report | None = None,
) -> Fitted:  # fmt: skip
    """Train a model on a table and score it on the held-out end.

    fitted = tsforge.fit(frame, horizon=12, model="gru", settings={"train.lr": 0.01})

    what: a table (path, name of a data set, pandas or Polars frame); or an `Experiment` or the path of a TOML file
        with one, to which the words below are added.
    data: the table of an experiment; its own data.path where None.
    horizon: steps to forecast; as the frequency suggests where None.
    model: its kind, as "auto", "gru", "theta"; "auto" where None.
    target, time, id, future: columns: what is forecast, the time, what tells series apart, what is known in advance;
        detected where they are unambiguous.
    settings: anything else by its dotted path, or the end of one that no other ends in, as "lr".
    out: folder for the model directory; nothing is written where None. OUT.checkpoint beside it keeps the state of a
        fit that takes more than a few seconds, until it has ended; `tsforge.resume` goes on with it.
    track: record the fit in MLflow (MLFLOW_TRACKING_URI, else mlflow.db in this folder). Where a run of MLflow is
        active in this process, the fit becomes a run below it, unless this is False.
    progress: a line that shows how far it is; where None, if somebody looks at a terminal or a notebook.
    report: called with a `Tick` every few steps and a `Round` after each validation.
    Raises TsforgeError for what the user can fix; KeyboardInterrupt when stopped before anything was learned.
    """
    logs.heard()
    if not isinstance(settings, Mapping | None):
        raise ConfigError(f"settings: {type(settings).__name__} is no mapping", 'write {"train.lr": 0.01}')
    columns = {"target": target, "time": time, "id": id, "future": future}
    given: dict[str, Any] = {f"data.{name}": value for name, value in columns.items() if value is not None}
    given |= {"data.horizon": horizon} if horizon is not None else {}
    given |= {"model.kind": model} if model is not None else {}
    given |= {full(path): value for path, value in (settings or {}).items()}
    experiment, table = _asked(what, data, given)
    with team.opened(experiment.train):  # by now: its processes import while the table is read
        dataset = fitting.prepare(experiment, table)
        if not ranks.writes():
            return Fitted.of(fitting.finish(fitting.train(experiment, dataset, report), dataset), table)
        watched = lines.is_watched() if progress is None else progress
        resolved = experiment.on(dataset.config, dataset.sizes.narrow)
        with closing(lines.training_progress(resolved, dataset)) if watched else nullcontext() as line:
            both = _both(line, report)
            folder = Path(out) if out is not None else None
            place = _place_of_runs(track)
            if place is not None:
                fitted, run = _recorded(experiment, dataset, folder, place, both)
                return Fitted.of(fitted, table, folder, run)
            return Fitted.of(_unrecorded(experiment, dataset, folder, both), table, folder)


def resume(folder: str | Path, data: Any = None, *, report: Report | None = None) -> Fitted:
    """Go on with a fit that was stopped, to the weights that it would have had: bit for bit on a CPU.

    folder: of its model, or the checkpoint folder beside it.
    data: the table, where it is not at its path any more or was in memory.
    report: as for `fit`; what was reported before is reported again, marked.
    Raises ModelError where there is nothing to go on with, or it is damaged, of another version, or its fit still
    runs; DataError where the data have changed.
    """
    logs.heard()
    return Fitted.of(resuming.resume(folder, data, report=report), data, Path(folder))


def _asked(what: Any, data: Any, given: dict[str, Any]) -> tuple[Experiment, Any]:
    """The experiment that is asked for, and its table."""
    if isinstance(what, Experiment):
        return override(what, given) if given else what, data
    if is_experiment(what):
        return build(given, what), data
    if data is not None:
        raise ConfigError("two tables are given", "fit(table, horizon=12), or fit(experiment, table)")
    return build(given), what


def _both(line: Report | None, report: Report | None) -> Report | None:
    if line is None or report is None:
        return line or report

    def watch(event: Event) -> None:
        line(event)
        report(event)

    return watch


def _unrecorded(experiment: Experiment, dataset: Dataset, folder: Path | None, report: Report | None) -> Fit:
    if folder is None:
        return fitting.finish(fitting.train(experiment, dataset, report), dataset)
    directory.check_target(folder)
    return fitting.carry_out(checkpointer.begin(experiment, dataset, folder), dataset, report)


def _place_of_runs(track: bool | None) -> tuple[str | None, str | None, str | None] | None:
    """Store, experiment and parent of the run, each None for what is usual; None where nothing is recorded."""
    mlflow = sys.modules.get("mlflow")
    active = mlflow.active_run() if mlflow is not None and track is not False else None
    if mlflow is not None and active is not None:
        experiment = mlflow.get_experiment(active.info.experiment_id)
        return mlflow.get_tracking_uri(), experiment.name, active.info.run_id
    return (None, None, None) if track else None


def _recorded(
    experiment: Experiment, dataset: Dataset, folder: Path | None, place: tuple[str | None, str | None, str | None],
    report: Report | None,
) -> tuple[Fit, str | None]:  # fmt: skip
    """A fit that MLflow remembers, and the id of its run."""
    from tsforge.tracking import recording
    from tsforge.tracking.tracker import Tracker

    uri, name, parent = place
    options = recording.RunOptions(tags=(("mlflow.parentRunId", parent),) if parent else ())
    with Tracker(uri, name) as tracker:
        if folder is None:
            with TemporaryDirectory() as draft:
                fitted, run = recording.fit(
                    experiment, dataset, Path(draft) / "model", tracker, options=options, report=report
                )
        else:
            directory.check_target(folder)
            keeper = checkpointer.begin(experiment, dataset, folder)
            fitted, run = recording.fit_resumable(keeper, dataset, tracker, options, report)
    return fitted, tracker.id(run)
