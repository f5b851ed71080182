"""fit: an experiment and a table to a trained model, its scores, and a model directory.

One chain, each step one function with one result:

    prepare -> Dataset    read the table, settle sizes, cut windows
    train -> Trained      find the weights on the training windows
    calibrate -> Model    correct the intervals on the validation windows, and see how errors hang together
    score -> Fit          forecast the test windows, beside the baselines
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from tsforge.data import dataset as datasets
from tsforge.data.dataset import Dataset
from tsforge.data.loader import pick_device
from tsforge.data.split import affordable
from tsforge.data.windows import Windows
from tsforge.evaluation import forecasting, held_out, judgement
from tsforge.evaluation.gaps import Gap, gaps
from tsforge.evaluation.judgement import Judgement
from tsforge.evaluation.metrics import SHOWN
from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.scores import best_simple, distinct, primary, scores, skill
from tsforge.experiment import Experiment
from tsforge.fitted import directory
from tsforge.fitted.model import DataFacts, Model
from tsforge.model.auto import Auto
from tsforge.model.baselines.forecaster import BaselineForecaster
from tsforge.model.network import parameters
from tsforge.runtime.threads import sparing
from tsforge.runtime.timing import stage
from tsforge.training import ensemble
from tsforge.training.auto import tournament
from tsforge.training.checkpoint import Checkpoint
from tsforge.training.checkpointer import Checkpointer
from tsforge.training.distributed import ranks, team, torchrun
from tsforge.training.events import Report, Round, Standing, Stop, rounds_csv, standings_csv
from tsforge.training.loop import Trained

NOTED = 200  # test windows in which is looked for forecasts that were kept within bounds


@dataclass(frozen=True)
class Fit:
    """A trained model and how it came about.

    outcomes: forecasts of the test windows by model name, the fitted one first; empty without a test part.
    """

    model: Model
    dataset: Dataset
    trained: Trained
    outcomes: dict[str, Outcome]

    @property
    def rounds(self) -> tuple[Round, ...]:
        """Validations, of all members one after the other."""
        return self.trained.rounds

    @property
    def stop(self) -> Stop:
        """Why training ended."""
        return self.trained.stop

    @property
    def started(self) -> float:
        """When training began, in seconds since the epoch."""
        return self.trained.started

    @property
    def seconds(self) -> float:
        """Of training alone."""
        return self.trained.seconds

    @property
    def threads(self) -> tuple[int, ...]:
        """Of the processor that steps were computed with, one count after the other; none where nothing was trained."""
        return self.trained.threads

    @property
    def standings(self) -> tuple[Standing, ...]:
        """Of the tournament that chose the model, where there was one."""
        return self.trained.standings

    @property
    def networks_competed(self) -> bool:
        """Whether some were trained in the tournament."""
        return any(standing.steps for standing in self.standings)

    @property
    def parameters(self) -> int:
        """How many numbers training could change."""
        return parameters(self.model.network)

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

    @cached_property
    @stage("scoring")
    def metrics(self) -> dict[str, dict[str, float]]:
        """Every metric by model name."""
        return {name: scores(o) for name, o in self.outcomes.items()}

    @property
    def shown(self) -> dict[str, dict[str, float]]:
        """The usual metrics by model name; naive and seasonal naive once where they are one forecast."""
        shown = {name: {metric: values[metric] for metric in SHOWN} for name, values in self.metrics.items()}
        return {name: shown[name] for name in distinct(shown)}

    @property
    def gaps(self) -> dict[str, Gap]:
        """What the scores of the model leave out, and why some are missing, by metric; of the usual ones."""
        kind: str = self.model.experiment.model.kind
        return gaps(self.outcomes[kind], self.shown[kind]) if self.outcomes else {}

    @property
    def primary(self) -> str:
        """The metric that the model is judged by: MASE, or MAE where that has no value."""
        return primary(self.metrics[self.model.experiment.model.kind]) if self.outcomes else "mase"

    @property
    def best_simple(self) -> str | None:
        """The best simple forecaster, seasonal naive or naive, in the primary metric; None without a test part."""
        return best_simple({name: values[self.primary] for name, values in self.shown.items()})

    @property
    def skill(self) -> float:
        """Per cent better than the best simple forecaster in the primary metric; NaN where there is none."""
        kind, reference = self.model.experiment.model.kind, self.best_simple
        return skill(*(self.metrics[name][self.primary] for name in (kind, reference))) if reference else float("nan")

    @cached_property
    @stage("scoring")
    def judgement(self) -> Judgement | None:
        """The model against the best of the baselines; None without a test part."""
        outcomes = {name: self.outcomes[name] for name in self.shown}
        return judgement.of_outcomes(self.primary, outcomes, self.metrics)


def carry_out(keeper: Checkpointer, dataset: Dataset, report: Report | None = None) -> Fit:
    """Train, score and save what a checkpoint is kept for, from where it is; it goes once the model is saved."""
    with keeper:
        fitted = finish(train(keeper.experiment, dataset, report, keeper.checkpoint), dataset)
        save(fitted, keeper.folder)
        if fitted.stop != Stop.INTERRUPT:
            keeper.remove()
    return fitted


def prepare(experiment: Experiment, data: Any = None) -> Dataset:
    """The windows of an experiment, with no more of them to test than it takes to tell how good a model is."""

    def work() -> Dataset:
        return datasets.prepare(experiment.data, data, experiment.model, pick_device(experiment.train.device))

    dataset = torchrun.alike(work, lambda made: f"{made.panel.digest()} {made.sizes}")
    return replace(dataset, parts=affordable(dataset.parts, dataset.sizes.context + dataset.sizes.horizon))


@stage("training")
@sparing()
def train(
    experiment: Experiment, dataset: Dataset, report: Report | None = None, checkpoint: Checkpoint | None = None
) -> Trained:
    """Train on the training windows and choose the weights on the validation windows; the test windows are not touched.

    Ensembles member by member; "auto" by a tournament.
    report: called with what happens, see `events`.
    checkpoint: where the state is kept after each validation, and from where an earlier training is gone on with, to
    the same weights as if it had not been stopped. Of several processes that train together the first has it.
    """
    experiment = experiment.on(dataset.config, dataset.sizes.narrow)
    if isinstance(experiment.model, Auto):
        return tournament.train(experiment, dataset, report, checkpoint)
    with team.opened(experiment.train):
        if (together := ranks.current()) is not None and together.shared(checkpoint is not None):
            checkpoint = checkpoint or Checkpoint.of_first()
        return ensemble.train(experiment, dataset, report, checkpoint)


@sparing()
def finish(trained: Trained, dataset: Dataset) -> Fit:
    """Calibrate and score in this process; where somebody asks to stop meanwhile, what was trained as it is by then."""
    team.dismiss()
    model = uncorrected(trained, dataset)
    try:
        model = correlate(trained, calibrate(trained, dataset), dataset)
        return score(trained, model, dataset)
    except KeyboardInterrupt:
        model.network.cpu()
        return Fit(model, dataset, replace(trained, stop=Stop.INTERRUPT), {})


@stage("calibration")
def calibrate(trained: Trained, dataset: Dataset) -> Model:
    """The model of a training, with its intervals corrected on the validation windows."""
    model = uncorrected(trained, dataset)
    forecaster = forecasting.forecaster(trained.unseen or trained.network, trained.narrowed(dataset))
    return replace(model, calibration=forecaster.calibration)


@stage("calibration")
def correlate(trained: Trained, model: Model, dataset: Dataset) -> Model:
    """The model with how the errors of its steps, targets and series hang together, for sample paths and sums."""
    network, dataset = trained.unseen or trained.network, trained.narrowed(dataset)
    return replace(model, dependence=held_out.learn(network, dataset))


def uncorrected(trained: Trained, dataset: Dataset) -> Model:
    """The model of a training, with the intervals that are its own."""
    dataset = trained.narrowed(dataset)
    facts = DataFacts.of(dataset, dataset.cuts.validation)
    return Model(trained.experiment, facts, trained.network)


@stage("scoring")
def score(trained: Trained, model: Model, dataset: Dataset) -> Fit:
    """Forecast the test windows, beside the baselines, which are kept with the model; all moved to the CPU."""
    dataset = trained.narrowed(dataset)
    test = dataset.parts.test
    kind: str = model.experiment.model.kind
    rolled = {kind: model.forecaster(dataset.source).rolled(dataset, test)} if len(test) else {}
    with stage("baselines"):
        others = forecasting.baselines(forecasting.beside(model.experiment), dataset) if len(test) else {}
        rolled |= {name: forecaster.rolled(dataset, test) for name, forecaster in others.items()}
    outcomes = {name: outcome for name, (outcome, _) in rolled.items()}
    if len(test):
        model = replace(model, calibration=rolled[kind][1])
        some = slice(None, None, max(1, len(test) // NOTED))
        shown, windows = outcomes[kind].part(some), Windows(*(part[some] for part in test))
        names = dataset.panel.schema.target
        for bound in dataset.limits.of(windows).report(names, shown.point, shown.quantiles):
            bound.tell()
    baselines = {
        name: (other.reader.network, rolled[name][1])
        for name, other in others.items()
        if len(dataset.parts.train) and isinstance(other.reader.network, BaselineForecaster)
    }
    for network in (model.network, *(network for network, _ in baselines.values())):
        network.cpu()  # where they are kept and predict from
    return Fit(replace(model, baselines=baselines), dataset, trained, outcomes)


@stage("saving")
def save(fitted: Fit, folder: Path) -> None:
    """Write the model directory, with the scores, the loss curve and a picture of a held-out forecast."""
    directory.save(fitted.model, folder, lambda draft: write_extras(fitted, draft))


def write_extras(fitted: Fit, folder: Path) -> None:
    """What people look at, into the draft of a model directory; nothing of it is read back."""
    from tsforge.plotting import forecasts
    from tsforge.plotting.captions import About
    from tsforge.plotting.training import loss_curve

    kind, panel = fitted.model.experiment.model.kind, fitted.dataset.panel
    subject = About(kind).title(panel.name)
    (folder / "scores.json").write_text(json.dumps(fitted.metrics, indent=2) + "\n", encoding="utf-8")
    if fitted.rounds:
        (folder / "history.csv").write_text(rounds_csv(fitted.rounds), encoding="utf-8")
        loss_curve(fitted.rounds, f"{subject}: loss by optimiser step", folder / "loss.png")
    if fitted.standings:
        (folder / "tournament.csv").write_text(standings_csv(fitted.standings), encoding="utf-8")
    if fitted.outcomes:
        tested = forecasts.Tested(panel, fitted.dataset.parts.test, fitted.outcomes)
        forecasts.held_out(tested, About(kind, fitted.metrics[kind]), folder / "forecast.png")
