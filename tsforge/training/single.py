"""One network from its first weights to its best ones; a baseline learns in one pass."""

from __future__ import annotations

import logging
import time

import torch
from torch import nn

from tsforge.data.dataset import Dataset
from tsforge.data.windows import padded
from tsforge.evaluation import forecasting
from tsforge.evaluation.running_sums import RunningSums
from tsforge.experiment import Experiment
from tsforge.fitted import covariates, starting
from tsforge.model.baselines.forecaster import Baseline, BaselineForecaster
from tsforge.model.network import Network
from tsforge.model.zero.network import ZeroNetwork
from tsforge.runtime.seeds import seeded
from tsforge.training.checkpoint import Checkpoint
from tsforge.training.distributed import team
from tsforge.training.distributed.team import Launched
from tsforge.training.events import Report, Stop
from tsforge.training.loop import Trained, TrainingLoop

log = logging.getLogger("tsforge")


def train(
    experiment: Experiment, dataset: Dataset, report: Report | None = None, checkpoint: Checkpoint | None = None
) -> Trained:
    """Train one network, or let a baseline learn. Raises TrainingError where nothing was learned."""
    if isinstance(experiment.model, Baseline):
        return learn(experiment, dataset)
    if experiment.train.max_steps == 0:
        return as_pretrained(experiment, dataset)
    training = prepared(experiment, dataset, report, checkpoint)
    training.run()
    return training.finish()


def prepared(
    experiment: Experiment, dataset: Dataset, report: Report | None = None, checkpoint: Checkpoint | None = None
) -> TrainingLoop | Launched:
    """The training of a network, before its first step: in this process, or by the team that trains for it."""
    if (launched := team.current()) is None:
        return begin(experiment, dataset, report, checkpoint)
    network = untrained(experiment, dataset).to(dataset.source.device)
    return Launched(launched, network, (experiment, dataset, checkpoint), report or (lambda _: None))


def begin(
    experiment: Experiment, dataset: Dataset, report: Report | None = None, checkpoint: Checkpoint | None = None
) -> TrainingLoop:
    """The training of a network in this process, before its first step."""
    network = untrained(experiment, dataset).to(dataset.source.device)
    assert isinstance(network, Network | ZeroNetwork)
    return TrainingLoop(network, experiment, dataset, report or (lambda _: None), checkpoint)


def untrained(experiment: Experiment, dataset: Dataset) -> nn.Module:
    """A network with weights that depend on the seed alone, or with those it begins with, and the effect of covariates
    on this table if it was pretrained without any; the global random state is left as it was."""
    shape = dataset.source.shape
    with seeded(experiment.seed):
        network = experiment.network(shape)
    starting.begin(network, experiment, shape._asdict())
    if isinstance(network, Network):
        network.scaler.fit(*(torch.from_numpy(part) for part in dataset.level))
    if isinstance(network, ZeroNetwork):
        columns = dataset.panel.schema
        covariates.warn_unread(tuple(c.name for c in (*columns.past, *columns.static)))
        covariates.tell(covariates.fit(network.to(dataset.source.device), dataset))
    return network


def as_pretrained(experiment: Experiment, dataset: Dataset) -> Trained:
    """A network with the weights it begins with."""
    started, start = time.time(), time.perf_counter()
    network = untrained(experiment, dataset).to(dataset.source.device)
    return Trained(experiment, network.eval(), (), Stop.LEARNED, started, time.perf_counter() - start)


def warn_padding(dataset: Dataset, context: int) -> None:
    """Warn of series that are too short for a full context of so many steps."""
    count = padded(dataset.panel, dataset.parts.train, context)
    if count:
        log.warning(
            "%d of %d series are shorter than context and horizon; their contexts are padded and masked",
            count, len(dataset.panel),
        )  # fmt: skip


def learn(experiment: Experiment, dataset: Dataset, sums: RunningSums | None = None) -> Trained:
    """Let a baseline learn. sums: of its last fit in a backtest, as in `forecasting.fit_baseline`."""
    network = untrained(experiment, dataset).to(dataset.source.device)
    assert isinstance(network, BaselineForecaster)
    started, start = time.time(), time.perf_counter()
    forecasting.fit_baseline(network, dataset.source, dataset, sums)
    return Trained(experiment, network.eval(), (), Stop.LEARNED, started, time.perf_counter() - start)
