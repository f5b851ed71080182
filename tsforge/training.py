"""fit: an experiment and a table to a trained model, its scores, and a model directory."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from tsforge import artifact, evaluation
from tsforge.calibration import Calibration
from tsforge.checkpoint import Checkpoint
from tsforge.course import Course
from tsforge.data.split import thin_test
from tsforge.data.windows import padded
from tsforge.environment import seeded
from tsforge.evaluation import Forecaster
from tsforge.experiment import Experiment
from tsforge.learner import Report, Round
from tsforge.metrics import scores
from tsforge.model.baselines import Baseline, BaselineForecaster
from tsforge.model.network import Network, parameters
from tsforge.outcome import Outcome
from tsforge.preparation import Prepared, pick_device, prepare

log = logging.getLogger("tsforge")


@dataclass(frozen=True)
class Fit:
    """A trained model and how it came about.

    outcomes: forecasts of the test windows by model name, the fitted one first; empty without a test part.
    stop: why training ended: "steps", "patience", "time", "interrupt", "diverged", or "learned" for a baseline.
    """

    model: artifact.Model
    prepared: Prepared
    rounds: tuple[Round, ...]
    outcomes: dict[str, Outcome]
    stop: str
    started: float  # seconds since the epoch
    seconds: float  # of training alone
    parameters: int

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
        artifact.check_target(folder)
    result = train(prepared, report)
    if folder is not None:
        save(result, folder)
    return result


def for_fit(experiment: Experiment, data: Any) -> Prepared:
    """What `fit` trains on: with no more test windows than it takes to tell how good the model is."""
    prepared = prepare(experiment, data, pick_device(experiment.train.device))
    return replace(prepared, parts=thin_test(prepared.parts))


@dataclass(frozen=True)
class Learned:
    """What training gives before anything is scored on the test part."""

    model: artifact.Model
    judged: Forecaster
    rounds: tuple[Round, ...]
    stop: str
    started: float
    seconds: float


def train(prepared: Prepared, report: Report | None = None) -> Fit:
    """The second half of `fit`: train on what was prepared, and score it."""
    return finish(prepared, learn(prepared, report))


def finish(prepared: Prepared, learned: Learned) -> Fit:
    """Score what was learned on the test windows, beside the baselines."""
    kept, outcomes = _scored(learned.judged, prepared)
    model = replace(learned.model, baselines=kept)
    for network in (model.network, *(network for network, _ in kept.values())):
        network.cpu()  # where they are kept and predict from
    return Fit(
        model, prepared, learned.rounds, outcomes, learned.stop, learned.started, learned.seconds,
        parameters(model.network),
    )  # fmt: skip


def learn(prepared: Prepared, report: Report | None = None, keep: Checkpoint | None = None) -> Learned:
    """Train on the training windows and calibrate on the validation windows; the test windows are not touched.

    keep: where the state is kept after each validation, and from where an earlier training is gone on with, to the same
    weights as if it had not been stopped.
    """
    if isinstance(prepared.experiment.model, Baseline):
        network = untrained(prepared).to(prepared.source.device)
        assert isinstance(network, BaselineForecaster)
        _say_padding(prepared)
        started, start = time.time(), time.perf_counter()
        evaluation.learn_baseline(network, prepared.source, prepared)
        return _learned(prepared, network, (), "learned", (started, time.perf_counter() - start))
    course = begin(prepared, report, keep)
    course.run()
    return learned(course)


def begin(prepared: Prepared, report: Report | None = None, keep: Checkpoint | None = None) -> Course:
    """The training of a network, before its first step."""
    _say_padding(prepared)
    network = untrained(prepared).to(prepared.source.device)
    assert isinstance(network, Network)
    return Course(network, prepared, report or (lambda _: None), keep)


def learned(course: Course) -> Learned:
    """What a training that has ended gives: the best weights, calibrated. Raises TrainingError where there are none."""
    stop = course.finish()
    return _learned(course.prepared, course.network, tuple(course.watch.rounds), stop, course.time)


def _learned(
    prepared: Prepared, network: Network | BaselineForecaster, rounds: tuple[Round, ...], stop: str,
    time: tuple[float, float],
) -> Learned:  # fmt: skip
    judged = evaluation.forecaster(network.eval(), prepared)
    model = artifact.Model(prepared.experiment, _facts(prepared), network, judged.calibration)
    return Learned(model, judged, rounds, stop, *time)


def untrained(prepared: Prepared) -> Network | BaselineForecaster:
    """A network with weights that depend on the seed alone; the global random state is left as it was."""
    with seeded(prepared.experiment.seed):
        network = prepared.experiment.model.build(prepared.source.shape)
    if isinstance(network, Network):
        network.scaler.learn(*(torch.from_numpy(part) for part in prepared.level))
    return network


def _scored(judged: Forecaster, prepared: Prepared) -> tuple[artifact.Baselines, dict[str, Outcome]]:
    """The baselines that learned beside the model, and the test windows as forecast by it and by them."""
    test = prepared.parts.test
    if not len(test):
        return {}, {}
    kind: str = prepared.experiment.model.kind
    found = evaluation.baselines([name for name in evaluation.BASELINES if name != kind], prepared)
    outcomes = {name: one.outcome(prepared, test) for name, one in ({kind: judged} | found).items()}
    kept: dict[str, tuple[BaselineForecaster, Calibration | None]] = {}
    for name, one in found.items():
        if len(prepared.parts.train) and isinstance(one.reader.network, BaselineForecaster):
            kept[name] = one.reader.network, one.calibration
    return kept, outcomes


def save(result: Fit, folder: Path) -> None:
    """Write the model directory, with the scores, the loss curve and a picture of a held-out forecast."""
    artifact.save(result.model, folder, lambda draft: _write_extras(result, draft))


def _write_extras(result: Fit, folder: Path) -> None:
    """What people look at; nothing of it is read back."""
    from tsforge import plotting

    (folder / "scores.json").write_text(json.dumps(result.scores, indent=2) + "\n", encoding="utf-8")
    if result.rounds:
        header = "step,train_loss,validation_loss,seconds,windows\n"
        lines = [f"{r.step},{r.train:.6g},{r.validation:.6g},{r.seconds:.3f},{r.windows}\n" for r in result.rounds]
        (folder / "history.csv").write_text(header + "".join(lines), encoding="utf-8")
        plotting.loss_curve(result.rounds, folder / "loss.png")
    if result.outcomes:
        plotting.held_out(result.prepared.panel, result.prepared.parts.test, result.outcomes, folder / "forecast.png")


def _facts(prepared: Prepared) -> artifact.DataFacts:
    panel, source = prepared.panel, prepared.experiment.data.path
    stops = panel.first + prepared.cuts.validation - panel.offsets[:-1]
    seen = {panel.key(i): int(stop) for i, stop in enumerate(stops)}
    return artifact.DataFacts(
        columns=panel.schema, encodings=prepared.encodings, shape=prepared.source.shape._asdict(),
        source=source or "", series=len(panel),
        rows=int((panel.ends - panel.offsets[:-1]).sum()), seen=seen,
    )  # fmt: skip


def _say_padding(prepared: Prepared) -> None:
    count = padded(prepared.panel, prepared.parts.train, prepared.source.shape.context)
    if count:
        log.warning(
            "%d of %d series are shorter than context and horizon; their contexts are padded and masked",
            count, len(prepared.panel),
        )  # fmt: skip
