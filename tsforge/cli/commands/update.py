"""tsforge update"""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cyclopts import Parameter

from tsforge.cli.options import Flag, Repeated, TrackOptions, model_folder
from tsforge.cli.output import (
    command_line,
    echo,
    measure,
    measured,
    print_json,
    print_notes,
    print_run,
    print_timings,
    status,
)
from tsforge.runtime import garbage

if TYPE_CHECKING:
    from tsforge.tracking.updates import Target
    from tsforge.updating.plan import Plan

KEPT, NOTHING = 3, 4  # exit codes: the old model stays; nothing was trained


@Parameter(name="*")
@dataclass
class TrainOptions:
    """How long and how the new model is trained; else as the old one was."""

    max_steps: int | None = None
    "Optimiser steps at most. (default: as the model was trained)"
    max_time: str | None = None
    "Time for training at most, as 90s, 5m or 1h30m."
    device: Literal["auto", "cpu", "cuda"] | None = None
    "Where to train. (default: as the model was trained)"
    set: Repeated = field(default_factory=list)
    "Any setting of the training, as train.lr=0.0005; may be repeated."

    def overrides(self) -> dict[str, Any]:
        """Dotted path to value, for everything that was given."""
        from tsforge.settings import assignment

        flags = {"train.max_steps": self.max_steps, "train.max_time": self.max_time, "train.device": self.device}
        given = {path: value for path, value in flags.items() if value is not None}
        return given | dict(assignment(text) for text in self.set)


def update(
    model: str, data: str, /, *, when: Literal["always", "drift"] = "always", test: int | None = None,
    out: str | None = None, options: TrainOptions | None = None, record: TrackOptions | None = None,
    register: str | None = None, alias: str | None = None, timings: Flag = False,
    quiet: Flag = False, json: Flag = False,
) -> int:  # fmt: skip
    """Bring a model up to date with new rows, and keep what comes out if it is not worse.

    Training goes on from the model's weights; models without weights are fitted again. Old and new forecast the newest
    rows, which neither has seen, and are compared by the test of a backtest. Exit code 0: the new model has taken the
    place of the old one; 3: it is worse, the old one stays and the new one lies beside it; 4: nothing was trained, as
    there are too few new rows or the errors have not changed.

    Parameters
    ----------
    model
        Folder that `tsforge fit` wrote, or a recorded model: models:/NAME@ALIAS, models:/NAME/VERSION, runs:/RUN.
    data
        The table as it is now, with its history and the new rows; - for standard input.
    when
        Train always, or only on drift: where the intervals miss the new rows otherwise than the rows they were
        calibrated by.
    test
        Newest rows of each series to compare on, which the new model does not learn from. (default: half of the new)
    out
        Folder for the new model. (default: that of the old one, in one move; of a recorded one models/NAME)
    register
        Name in MLflow's registry for the new model. (default: that of a recorded model)
    alias
        Alias that the new version has if it is not worse, as champion. (default: that of models:/NAME@ALIAS)
    timings
        Print where the wall time went, stage by stage.
    quiet
        Print neither notes nor progress.
    json
        Print one JSON document instead of tables.
    """
    measure(on=timings)
    print_notes(quiet=quiet)
    record, options = record or TrackOptions(), options or TrainOptions()
    with garbage.paused():
        from tsforge.tracking import updates

    to = _target(model, out, register, alias, record)
    with record.tracker(wait=json or to.register is not None) as tracker, ExitStack() as stack:
        from tsforge.updating.plan import prepare

        folder = Path(model_folder(model, record.tracking_uri))
        plan = prepare(folder, data, test, options.overrides())
        to = _placed(to, model, stack)
        report = None if quiet else _begin(plan, stack)
        result, run = updates.carry_out(plan, to, tracker, command_line(), when, report)
        if not json:
            from tsforge.cli.tables import update as tables

            stack.close()
            tables.show(result, model)
    if json:
        from tsforge.updating.running import record as facts

        where = {"run": tracker.id(run), "url": tracker.link(run), "version": tracker.version(run)}
        print_json(facts(result) | {"model": model} | where | measured())
    else:
        print_run(tracker, run)
        if version := tracker.version(run):
            named = f", {to.alias} now" if to.alias and result.decision == "replaced" else ""
            echo(f"model   {version} in the registry{named}")
        print_timings()
    return {"replaced": 0, "kept": KEPT}.get(result.decision, NOTHING)


def _target(model: str, out: str | None, register: str | None, alias: str | None, record: TrackOptions) -> Target:
    """Where the new model goes. Raises ConfigError for a name in the registry without the run that it needs."""
    from tsforge.errors import ConfigError
    from tsforge.model.zoo import PRETRAINED
    from tsforge.tracking import updates

    if model in PRETRAINED and not Path(model).is_dir():
        raise ConfigError(f"{model}: is trained already and belongs to no table", "fit it first: tsforge fit DATA")
    to = updates.target(model, out, register, alias)
    if to.register is not None and not record.track:
        problem = f"'{to.register}' in the registry needs the run that --no-track leaves out"
        raise ConfigError(problem, "leave out one of them")
    return to


def _placed(to: Target, model: str, stack: ExitStack) -> Target:
    """With a folder of its own for the new version of a recorded model."""
    from dataclasses import replace

    from tsforge.fitted import naming
    from tsforge.tracking import registry

    if to.out is not None or not registry.is_recorded(model):
        return to
    name = to.register or "update"
    return replace(to, out=stack.enter_context(naming.reserved(Path("models") / name.replace("/", "_"))))


def _begin(plan: Plan, stack: ExitStack) -> Any:
    """Say what will be done; the report of the training, where there is one to watch."""
    from tsforge.api.progress import training_progress
    from tsforge.model.baselines.forecaster import Baseline

    if plan.dataset is None:
        return None
    parts, series = plan.dataset.parts, len(plan.panel)
    several = f", {series:,} series" if series > 1 else ""
    status(
        f"{plan.experiment.model.kind} on {', '.join(plan.panel.schema.target)}{several}: {plan.new:,} steps are new; "
        f"the newest {plan.test:,} are held out"
    )
    status(
        f"windows: {len(parts.train):,} to train, {len(parts.validation):,} to validate, "
        f"{len(parts.test):,} to compare on"
    )
    if isinstance(plan.experiment.model, Baseline):
        return None
    return stack.enter_context(closing(training_progress(plan.experiment, plan.dataset)))
