"""How fast a network is trained, from a few steps of it, and from whole trainings later."""

from __future__ import annotations

from itertools import cycle

import torch

from tsforge.data.dataset import Dataset
from tsforge.data.loader import WindowLoader
from tsforge.experiment import Experiment
from tsforge.runtime import timing
from tsforge.training import single
from tsforge.training.auto.time_budget import Pace
from tsforge.training.loop import Trained

WATCHED = 128  # validation windows by which the best weights of a training are chosen
WARM, TIMED, LIMIT = 1, 4, 2.0  # steps before and of a measurement; seconds after which it is cut short


def pace(experiment: Experiment, dataset: Dataset) -> Pace:
    """Seconds of a step and of a validation of a candidate: the fastest of a few."""
    source, train = dataset.source, experiment.train
    network = single.untrained(experiment, dataset).to(source.device).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.0)
    loader = WindowLoader(source, dataset.parts.train, train.batch_size)
    watched = WindowLoader(source, dataset.parts.validation.thin(WATCHED), 2 * train.batch_size)
    order = cycle(range(len(loader)))

    def step() -> None:
        batch = loader.batch(next(order))
        network(batch.context).loss(batch.truth).backward()
        optimiser.step()
        optimiser.zero_grad()

    def validation() -> None:
        network.eval()(watched.batch(0).context).point.sum().item()

    seconds = timing.best(step, WARM + TIMED, device=source.device, limit=LIMIT)
    with torch.no_grad():
        return Pace(seconds, timing.best(validation, 1, device=source.device) * len(watched))


def corrected(pace: Pace, trained: Trained) -> Pace:
    """The pace as a whole training had it, which says more than a few steps do."""
    expected = pace.seconds(trained.rounds[-1].step, len(trained.rounds))
    factor = min(max(trained.seconds / max(expected, 1e-9), 0.5), 4.0)
    return Pace(factor * pace.step, factor * pace.validation)
