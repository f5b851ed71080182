"""One network from its first weights to its best ones; a baseline learns in one pass."""

from __future__ import annotations

import logging
import time

import torch
from torch import nn

from tsforge.data import traits
from tsforge.data.dataset import Dataset
from tsforge.data.windows import padded
from tsforge.evaluation import forecasting
from tsforge.evaluation.running_sums import RunningSums
from tsforge.experiment import Experiment
from tsforge.fitted import covariates, starting
from tsforge.model.baselines.forecaster import Baseline, BaselineForecaster
from tsforge.model.network import Network, Neural
from tsforge.model.zero.network import ZeroNetwork
from tsforge.runtime.seeds import seeded
from tsforge.training.checkpoint import Checkpoint
from tsforge.training.distributed import ranks, team
from tsforge.training.distributed.team import Launched
from tsforge.training.events import Report, Round, Stop
from tsforge.training.loop import Trained, TrainingLoop
from tsforge.training.monitor import State

log = logging.getLogger("tsforge")


def train(
    experiment: Experiment, dataset: Dataset, report: Report | None = None, checkpoint: Checkpoint | None = None
) -> Trained:
    """Train one network, or let a baseline learn. Raises TrainingError where nothing was learned."""
    if isinstance(experiment.model, Baseline):
        return learn(experiment, dataset)
    if experiment.train.max_steps == 0:
        return as_pretrained(experiment, dataset)
    if checkpoint is not None and (trained := restored(experiment, dataset, checkpoint, report)) is not None:
        return trained
    training = prepared(experiment, dataset, report, checkpoint)
    training.run()
    return finish(training, checkpoint)


def finish(training: TrainingLoop | Launched, checkpoint: Checkpoint | None) -> Trained:
    """The result of a training that has run; its checkpoint keeps it, unless the training was interrupted."""
    trained = training.finish()
    if checkpoint is not None and trained.stop != Stop.INTERRUPT and ranks.writes():
        facts = {
            "finished": True, "rounds": trained.rounds, "stop": trained.stop, "started": trained.started,
            "seconds": trained.seconds, "threads": trained.threads,
        }  # fmt: skip
        checkpoint.write(State(trained.network.state_dict(), facts))
    return trained


def restored(
    experiment: Experiment, dataset: Dataset, checkpoint: Checkpoint, report: Report | None = None
) -> Trained | None:
    """The result of a training that an earlier process finished; None where none did. The first of several knows."""
    together = ranks.current()
    state = checkpoint.finished() if ranks.writes() else None
    if together is not None:
        state = together.shared(state)
    if state is None:
        return None
    network = untrained(experiment, dataset).to(dataset.source.device)
    network.load_state_dict(state.tensors)
    facts = state.facts
    rounds = tuple(Round(*values) for values in facts["rounds"])
    for event in rounds:
        if report is not None:
            report(event._replace(again=True))
    return Trained(
        experiment, network.eval(), rounds, Stop(facts["stop"]), facts["started"], facts["seconds"],
        threads=tuple(facts["threads"]),
    )  # fmt: skip


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
        assert isinstance(experiment.model, Neural)
        if (support := experiment.model.head.support) != "real":
            traits.check_support(dataset.panel, experiment.model.head.type, whole=support == "whole")
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
    count = padded(dataset.panel, dataset.parts.train, context, dataset.sizes.horizon)
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
