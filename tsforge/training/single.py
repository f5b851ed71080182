"""One network from its first weights to its best ones, and what it gives: judged, with its intervals calibrated."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

import torch
from torch import nn

from tsforge.data.dataset import Prepared
from tsforge.data.windows import padded
from tsforge.evaluation import forecasting
from tsforge.evaluation.forecasting import Forecaster
from tsforge.experiment import Experiment
from tsforge.fitted.model import DataFacts, Model
from tsforge.model.baselines.forecaster import Baseline, BaselineForecaster
from tsforge.model.network import Network
from tsforge.runtime.seeds import seeded
from tsforge.training.checkpoint import Checkpoint
from tsforge.training.events import Report, Round, Standing
from tsforge.training.loop import Course

log = logging.getLogger("tsforge")


@dataclass(frozen=True)
class Learned:
    """What training gives before anything is scored on the test part.

    rounds: of all members, one after the other. stop: why training ended, as in `training.Fit`. standings: of the
    tournament that chose the model, where there was one.
    """

    model: Model
    judged: Forecaster
    rounds: tuple[Round, ...]
    stop: str
    started: float
    seconds: float
    standings: tuple[Standing, ...] = ()


@dataclass(frozen=True)
class Trained:
    """A network with the weights that are kept. started: seconds since the epoch; seconds: that it took."""

    network: nn.Module
    rounds: tuple[Round, ...]
    stop: str
    started: float
    seconds: float


def train(prepared: Prepared, report: Report | None = None, keep: Checkpoint | None = None) -> Trained:
    """Train one network, or let a baseline learn. Raises TrainingError where nothing was learned.

    keep: where the state is kept after each validation, and from where an earlier training is gone on with.
    """
    if isinstance(prepared.experiment.model, Baseline):
        network = untrained(prepared).to(prepared.source.device)
        assert isinstance(network, BaselineForecaster)
        started, start = time.time(), time.perf_counter()
        forecasting.learn_baseline(network, prepared.source, prepared)
        return Trained(network.eval(), (), "learned", started, time.perf_counter() - start)
    course = begin(prepared, report, keep)
    course.run()
    return trained(course)


def begin(prepared: Prepared, report: Report | None = None, keep: Checkpoint | None = None) -> Course:
    """The training of a network, before its first step."""
    network = untrained(prepared).to(prepared.source.device)
    assert isinstance(network, Network)
    return Course(network, prepared, report or (lambda _: None), keep)


def trained(course: Course) -> Trained:
    """What a training that has ended leaves. Raises TrainingError, or KeyboardInterrupt, where that is nothing."""
    stop = course.finish()
    return Trained(course.network.eval(), tuple(course.watch.rounds), stop, *course.time)


def learned(course: Course) -> Learned:
    """The same, judged and calibrated."""
    return judged(course.prepared, course.prepared.experiment, trained(course))


def judged(prepared: Prepared, experiment: Experiment, one: Trained) -> Learned:
    """A trained network with its intervals calibrated on the validation windows. experiment: what makes it again."""
    found = forecasting.forecaster(one.network, prepared)
    model = Model(experiment, _facts(prepared), one.network, found.calibration)
    return Learned(model, found, one.rounds, one.stop, one.started, one.seconds)


def untrained(prepared: Prepared) -> nn.Module:
    """A network with weights that depend on the seed alone; the global random state is left as it was."""
    with seeded(prepared.experiment.seed):
        network = prepared.experiment.network(prepared.source.shape)
    if isinstance(network, Network):
        network.scaler.fit(*(torch.from_numpy(part) for part in prepared.level))
    return network


def _facts(prepared: Prepared) -> DataFacts:
    panel, source = prepared.panel, prepared.experiment.data.path
    stops = panel.first + prepared.cuts.validation - panel.offsets[:-1]
    seen = {panel.key(i): int(stop) for i, stop in enumerate(stops)}
    return DataFacts(
        columns=panel.schema, encodings=prepared.encodings, shape=prepared.source.shape._asdict(),
        source=source or "", series=len(panel),
        rows=int((panel.ends - panel.offsets[:-1]).sum()), seen=seen,
    )  # fmt: skip


def say_padding(prepared: Prepared) -> None:
    count = padded(prepared.panel, prepared.parts.train, prepared.source.shape.context)
    if count:
        log.warning(
            "%d of %d series are shorter than context and horizon; their contexts are padded and masked",
            count, len(prepared.panel),
        )  # fmt: skip
