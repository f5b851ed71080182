"""fit: an experiment and a table to a trained model, its scores, and a model directory."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tsforge.data.dataset import Prepared, pick_device, prepare
from tsforge.data.split import thin_test
from tsforge.errors import TrainingError
from tsforge.evaluation import forecasting
from tsforge.evaluation.conformal import Calibration
from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.scores import scores
from tsforge.experiment import Experiment
from tsforge.fitted import directory
from tsforge.fitted.model import Baselines, Model
from tsforge.model.auto import Auto
from tsforge.model.baselines.forecaster import BaselineForecaster
from tsforge.model.network import parameters
from tsforge.training import ensemble
from tsforge.training.auto import tournament
from tsforge.training.checkpoint import Checkpoint
from tsforge.training.events import Report, Round, Standing
from tsforge.training.single import Learned, begin, learned, untrained

__all__ = ["Fit", "Learned", "begin", "finish", "fit", "for_fit", "learn", "learned", "save", "train", "untrained"]


@dataclass(frozen=True)
class Fit:
    """A trained model and how it came about.

    outcomes: forecasts of the test windows by model name, the fitted one first; empty without a test part.
    stop: why training ended: "steps", "patience", "time", "interrupt", "diverged", or "learned" for a baseline.
    """

    model: Model
    prepared: Prepared
    rounds: tuple[Round, ...]
    outcomes: dict[str, Outcome]
    stop: str
    started: float  # seconds since the epoch
    seconds: float  # of training alone
    parameters: int
    standings: tuple[Standing, ...] = ()  # of the tournament that chose the model

    @property
    def steps(self) -> int:
        """Optimiser steps of all members."""
        return sum(last.step for last in self._ends)

    @property
    def windows(self) -> int:
        """Training windows that all members have seen."""
        return sum(last.windows for last in self._ends)

    @property
    def _ends(self) -> tuple[Round, ...]:
        """The last round of each member."""
        return tuple({r.member: r for r in self.rounds}.values())

    @property
    def scores(self) -> dict[str, dict[str, float]]:
        """Every metric by model name."""
        return {name: scores(o) for name, o in self.outcomes.items()}


def fit(
    experiment: Experiment, data: Any = None, *, out: str | Path | None = None, report: Report | None = None
) -> Fit:
    """Train on a table and score the held-out end.

    data: path, pandas or Polars frame; the experiment's data.path where None.
    out: folder for the model directory; nothing is written where None.
    report: called with a `Tick` every few steps and a `Round` after each validation.
    Raises TsforgeError for what the user can mend; KeyboardInterrupt when stopped before anything was learned.
    """
    prepared = for_fit(experiment, data)
    folder = Path(out) if out is not None else None
    if folder is not None:
        directory.check_target(folder)
    result = train(prepared, report)
    if folder is not None:
        save(result, folder)
    return result


def for_fit(experiment: Experiment, data: Any) -> Prepared:
    """What `fit` trains on: with no more test windows than it takes to tell how good the model is."""
    prepared = prepare(experiment, data, pick_device(experiment.train.device))
    return replace(prepared, parts=thin_test(prepared.parts))


def train(prepared: Prepared, report: Report | None = None) -> Fit:
    """The second half of `fit`: train on what was prepared, and score it."""
    return finish(prepared, learn(prepared, report))


def finish(prepared: Prepared, learned: Learned) -> Fit:
    """Score what was learned on the test windows, beside the baselines."""
    kept, outcomes = _scored(learned, prepared)
    model = replace(learned.model, baselines=kept)
    for network in (model.network, *(network for network, _ in kept.values())):
        network.cpu()  # where they are kept and predict from
    return Fit(
        model, prepared, learned.rounds, outcomes, learned.stop, learned.started, learned.seconds,
        parameters(model.network), learned.standings,
    )  # fmt: skip


def learn(prepared: Prepared, report: Report | None = None, keep: Checkpoint | None = None) -> Learned:
    """Train on the training windows and calibrate on the validation windows; the test windows are not touched.

    Ensembles member by member; "auto" by a tournament. keep: where the state is kept after each validation, and from
    where an earlier training is gone on with, to the same weights as if it had not been stopped; refused for several.
    """
    if not isinstance(prepared.experiment.model, Auto):
        return ensemble.learn(prepared, report, keep)
    if keep is not None:
        raise TrainingError("a tournament keeps no checkpoints", "train one of its models")
    return tournament.learn(prepared, report)


def _scored(learned: Learned, prepared: Prepared) -> tuple[Baselines, dict[str, Outcome]]:
    """The baselines that learned beside the model, and the test windows as forecast by it and by them."""
    test = prepared.parts.test
    if not len(test):
        return {}, {}
    kind: str = learned.model.experiment.model.kind
    found = forecasting.baselines([name for name in forecasting.BASELINES if name != kind], prepared)
    outcomes = {name: one.outcome(prepared, test) for name, one in ({kind: learned.judged} | found).items()}
    kept: dict[str, tuple[BaselineForecaster, Calibration | None]] = {}
    for name, one in found.items():
        if len(prepared.parts.train) and isinstance(one.reader.network, BaselineForecaster):
            kept[name] = one.reader.network, one.calibration
    return kept, outcomes


def save(result: Fit, folder: Path) -> None:
    """Write the model directory, with the scores, the loss curve and a picture of a held-out forecast."""
    directory.save(result.model, folder, lambda draft: _write_extras(result, draft))


def _write_extras(result: Fit, folder: Path) -> None:
    """What people look at; nothing of it is read back."""
    from tsforge.plotting import forecasts
    from tsforge.plotting.training import loss_curve

    (folder / "scores.json").write_text(json.dumps(result.scores, indent=2) + "\n", encoding="utf-8")
    if result.rounds:
        (folder / "history.csv").write_text(_history(result.rounds), encoding="utf-8")
        loss_curve(result.rounds, folder / "loss.png")
    if result.standings:
        (folder / "tournament.csv").write_text(_standings(result.standings), encoding="utf-8")
    if result.outcomes:
        forecasts.held_out(result.prepared.panel, result.prepared.parts.test, result.outcomes, folder / "forecast.png")


def _history(rounds: tuple[Round, ...]) -> str:
    """A line per validation; with the member where there are several."""
    several = rounds[-1].member > 1
    lines = [("member," if several else "") + "step,train_loss,validation_loss,seconds,windows\n"]
    for r in rounds:
        member = f"{r.member}," if several else ""
        lines.append(f"{member}{r.step},{r.train:.6g},{r.validation:.6g},{r.seconds:.3f},{r.windows}\n")
    return "".join(lines)


def _standings(standings: tuple[Standing, ...]) -> str:
    """A line per candidate and rung, as CSV."""
    lines = ["model,rung,seed,steps,seconds,score,weight,note"]
    for s in standings:
        note = '"' + s.note.replace('"', "'") + '"' if s.note else ""
        lines.append(f"{s.name},{s.rung},{s.seed},{s.steps},{s.seconds:.3f},{s.score:.6g},{s.weight:.4g},{note}")
    return "\n".join(lines) + "\n"
