"""update: new rows have come. A new fit from the old weights takes the old model's place, unless it is worse.

One chain, each step one function with one result:

    prepare -> Plan       read the table, hold out the newest of the rows that the old model has not seen
    carry_out -> Update   fit on what lies before, compare both on what was held out, put the new one in its place
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, Literal

from tsforge.errors import ConfigError, ModelError
from tsforge.evaluation import judgement
from tsforge.evaluation.adaptive import adapt
from tsforge.evaluation.judgement import Judgement
from tsforge.evaluation.metrics import SHOWN
from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.scores import primary, scores
from tsforge.fitted import directory, manifest
from tsforge.fitted.model import DataFacts
from tsforge.runtime.threads import sparing
from tsforge.runtime.timing import stage
from tsforge.training import fitting
from tsforge.training.events import Report, Stop
from tsforge.training.fitting import Fit
from tsforge.updating import drift
from tsforge.updating.drift import Drift
from tsforge.updating.plan import Plan, prepare

CANDIDATE = ".candidate"  # behind the name of a folder: where a new model lies that did not take its place
PICTURE = "update.png"
RECORD = "update.json"  # in a model's folder: how it came about
When = Literal["always", "drift"]


class Decision(StrEnum):
    """What became of an update."""

    REPLACED = "replaced"  # the new model has taken the place
    KEPT = "kept"  # the old one stays, the new one lies beside it
    NO_DRIFT = "no drift"  # nothing was trained
    TOO_FEW = "too few new rows"  # nothing was trained


@dataclass(frozen=True, repr=False)
class Update:
    """What became of an update.

    folder: of the model that is in charge now. written: of the new model; None where none was trained.
    drift: where it was asked for. fit: the new fit, scored on the rows that neither had seen.
    old: forecasts of the same windows by the old model. judgement: the new one against it.
    """

    decision: Decision
    plan: Plan
    folder: Path
    written: Path | None = None
    drift: Drift | None = None
    fit: Fit | None = None
    old: Outcome | None = None
    judgement: Judgement | None = None

    def __repr__(self) -> str:
        return f"<update of {self.plan.folder}: {self.decision.value}, {self.folder} is in charge>"

    @property
    def scores(self) -> dict[str, dict[str, float]]:
        """The usual metrics on the rows that neither had seen: of "new", "old", and of the baselines by name."""
        if self.fit is None or self.old is None:
            return {}
        own, *others = self.fit.shown
        old = scores(self.old, SHOWN)
        return {"new": self.fit.shown[own], "old": old} | {name: self.fit.shown[name] for name in others}


def update(
    folder: Path, data: Any, *, out: str | Path | None = None, when: When = "always", test: int | None = None,
    settings: Mapping[str, Any] | None = None, report: Report | None = None,
) -> Update:  # fmt: skip
    """Bring a model up to date: `tsforge.update` with its directory."""
    return carry_out(prepare(folder, data, test, settings), out, when, report)


@sparing()
def carry_out(plan: Plan, out: str | Path | None = None, when: When = "always", report: Report | None = None) -> Update:
    """Train, compare and decide. Raises KeyboardInterrupt where somebody stops it: then nothing has changed."""
    if when not in ("always", "drift"):
        raise ConfigError(f"`when` is {when}", "one of: always, drift")
    place = Path(out) if out is not None else plan.folder
    directory.check_target(place)
    directory.check_target(beside(place))
    if plan.dataset is None:
        return Update(Decision.TOO_FEW, plan, plan.folder)
    found = drift.measure(plan) if when == "drift" else None
    if when == "drift" and found is None:
        return Update(Decision.TOO_FEW, plan, plan.folder)
    if found is not None and not found.found:
        return Update(Decision.NO_DRIFT, plan, plan.folder, drift=found)
    fitted = fitting.finish(fitting.train(plan.experiment, plan.dataset, report), plan.dataset)
    if fitted.stop == Stop.INTERRUPT:
        raise KeyboardInterrupt
    with stage("scoring"):
        old = _old(plan)
        judged = _judge(fitted, old)
    decision = Decision.KEPT if judged is None or judged.loses else Decision.REPLACED
    folder = place if decision == Decision.REPLACED else plan.folder
    result = Update(decision, plan, folder, place, found, _settled(plan, fitted), old, judged)
    return _saved(replace(result, written=place if decision == Decision.REPLACED else beside(place)))


def beside(folder: Path) -> Path:
    """Where a new model lies that did not take the place of a folder."""
    return folder.with_name(folder.name + CANDIDATE)


def _old(plan: Plan) -> Outcome:
    """The old model on what was held out, with intervals that move as the truths come."""
    assert plan.dataset is not None
    raw = drift.outcome(plan, plan.dataset.parts.test)
    return raw if plan.old.calibration is None else adapt(raw, plan.old.calibration)


def _judge(fitted: Fit, old: Outcome) -> Judgement | None:
    """The new model against the old one, by the paired test, in the usual metric of a backtest."""
    new = fitted.outcomes[fitted.model.experiment.model.kind]
    by_name = {"new": scores(new, SHOWN), "old": scores(old, SHOWN)}
    return judgement.of_outcomes(primary(by_name["new"]), {"new": new, "old": old}, by_name)


def _settled(plan: Plan, fitted: Fit) -> Fit:
    """With a model that knows what it has seen: all rows, as those held out have chosen it; and without its start."""
    panel, old, own = plan.panel, plan.old.facts, fitted.model.facts
    ends = {panel.key(i): int(panel.first[i] + panel.lengths[i]) for i in range(len(panel))}
    facts: DataFacts = own.model_copy(update={
        "seen": old.seen | {key: max(end, old.seen.get(key, end)) for key, end in ends.items()},
        "held_out": plan.test, "usual": old.usual | own.usual, "negative": old.negative | own.negative,
    })  # fmt: skip
    experiment = fitted.model.experiment.with_train({"start": plan.old.experiment.train.start, "start_member": None})
    return replace(fitted, model=replace(fitted.model, facts=facts, experiment=experiment))


@stage("saving")
def _saved(result: Update) -> Update:
    """Put the new model where it belongs. Raises ModelError where somebody else has replaced the old one meanwhile."""
    assert result.fit is not None
    assert result.written is not None
    plan, fitted = result.plan, result.fit
    if manifest.read(plan.folder).sha256 != plan.digest:
        raise ModelError(f"{plan.folder}: was replaced by somebody else meanwhile", "update it again")
    directory.save(fitted.model, result.written, partial(_write_extras, result))
    return result


def _write_extras(result: Update, draft: Path) -> None:
    assert result.fit is not None
    from tsforge.plotting import updates
    from tsforge.plotting.captions import About
    from tsforge.plotting.choosing import Subject

    fitting.write_extras(result.fit, draft)
    if result.old is not None and result.judgement is not None:
        new = result.fit.outcomes[result.fit.model.experiment.model.kind]
        subject = Subject(result.plan.panel, About(result.fit.model.experiment.model.kind))
        updates.errors(subject, new, result.old, result.judgement.metric, draft / PICTURE)
    (draft / RECORD).write_text(json.dumps(record(result), indent=2) + "\n", encoding="utf-8")


def record(result: Update) -> dict[str, Any]:
    """What an update did, as plain values: what is in the model's folder, in MLflow and in the document of --json."""
    plan, found = result.plan, result.drift
    facts: dict[str, Any] = {
        "decision": result.decision.value, "model": str(plan.folder), "new_rows": plan.new, "least": plan.least,
        "series": len(plan.panel), "series_new": plan.series_new, "series_gone": plan.series_gone,
    }  # fmt: skip
    if found is not None:
        facts["drift"] = {
            "found": found.found, "missed": found.missed, "before": found.before, "promised": found.promised,
            "p": found.p, "origins": found.origins,
        }  # fmt: skip
    if result.fit is None or plan.dataset is None:
        return facts
    first, last = plan.tested
    return facts | {
        "at": datetime.now(UTC).isoformat(timespec="seconds"), "folder": str(result.folder),
        "written": str(result.written), "test_rows": plan.test, "learned_until": plan.until,
        "tested_from": first, "tested_until": last, "windows": len(plan.dataset.parts.test),
        "seconds": round(result.fit.seconds, 3), "steps": result.fit.steps, "scores": result.scores,
        "judgement": result.judgement.plain() if result.judgement else None,
    }  # fmt: skip
