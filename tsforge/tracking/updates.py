"""What MLflow remembers of an update: what was held out, both models' scores, the decision, and the new model.

A new model that takes its place is a new version of a registered one, with the alias; one that does not is a version
without it, so that it can still be looked at.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tsforge.errors import ConfigError
from tsforge.runtime import numbers
from tsforge.runtime.timing import stage
from tsforge.tracking import recording, registry
from tsforge.tracking.journal import Run
from tsforge.tracking.recording import RunOptions, described, tags
from tsforge.tracking.tracker import Tracker
from tsforge.training.events import Report
from tsforge.updating import running
from tsforge.updating.plan import Plan
from tsforge.updating.running import RECORD, Decision, Update, When


@dataclass(frozen=True)
class Target:
    """Where a new model goes.

    out: its folder; that of the old one where None. register, alias: its name in the registry, and the alias that it
    has where it takes the old one's place.
    """

    out: Path | None = None
    register: str | None = None
    alias: str | None = None


def target(model: str, out: str | None, register: str | None, alias: str | None) -> Target:
    """Where the new model goes: as asked for, and of models:/NAME@ALIAS to that name, with that alias if it is better.

    Raises ConfigError for an alias without a name.
    """
    name, own = registry.named(model)
    register, alias = register or name, alias or own
    if alias is not None and register is None:
        raise ConfigError("an alias without a name to give it to", "add `register`, or name models:/NAME@ALIAS")
    return Target(Path(out) if out is not None else None, register, alias)


def carry_out(
    plan: Plan, to: Target, tracker: Tracker, command: str, when: When = "always", report: Report | None = None
) -> tuple[Update, Run]:
    """Train, compare, decide and record it; a plan with too few rows leaves no run."""
    if plan.dataset is None:
        return running.carry_out(plan, to.out, when), Run(None)
    options = RunOptions(command)
    with _run(plan, tracker, options) as run:
        result = running.carry_out(plan, to.out, when, recording.watching(run, report, options))
        if run.folder is not None:
            _write(run, result, to, options)
    return result, run


@contextmanager
def _run(plan: Plan, tracker: Tracker, options: RunOptions) -> Iterator[Run]:
    experiment = plan.experiment.with_train({"start": None})  # it is the model that the tag names
    labels = tags("update", options, experiment.model.kind) | {"tsforge.model": str(plan.folder.absolute())}
    params = experiment.flat() | {"update.new_rows": plan.new, "update.test_rows": plan.test}
    with tracker.run(f"update-{experiment.title}", params, labels) as run:
        run.text("experiment.toml", experiment.toml())
        path = plan.dataset.config.path if plan.dataset is not None else None
        run.dataset(described(plan.panel, path))
        yield run


@stage("delivery")
def _write(run: Run, result: Update, to: Target, options: RunOptions) -> None:
    facts = running.record(result)
    run.text(RECORD, json.dumps(facts, indent=2) + "\n")
    run.tags({"tsforge.decision": result.decision.value})
    if result.drift is not None:
        own = result.drift
        run.metrics(numbers.rounded({"drift/missed": own.missed, "drift/before": own.before, "drift/p": own.p}))
    if result.fit is None or result.written is None:
        return
    alias = to.alias if result.decision == Decision.REPLACED else None
    recording.fitted(run, result.fit, result.written, replace(options, register=to.register, alias=alias))
    run.metrics(numbers.rounded({f"old/{name}": value for name, value in result.scores["old"].items()}))
    if result.judgement is not None:
        run.metrics(numbers.rounded({"update/gain": result.judgement.gain, "update/p": result.judgement.paired.p}))
