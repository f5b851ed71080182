"""How fast a network is trained, from a few steps of it, and from whole trainings later."""

from __future__ import annotations

import time

import torch

from tsforge.data.dataset import Dataset
from tsforge.data.loader import WindowLoader
from tsforge.experiment import Experiment
from tsforge.training import single
from tsforge.training.auto.time_budget import Pace
from tsforge.training.loop import Trained

now = time.perf_counter
WATCHED = 128  # validation windows by which the best weights of a training are chosen
WARM, TIMED, LIMIT = 1, 4, 2.0  # steps before and of a measurement; seconds after which it is cut short


def pace(experiment: Experiment, dataset: Dataset) -> Pace:
    """Seconds of a step and of a validation of a candidate: the fastest of a few."""
    source, train = dataset.source, experiment.train
    network = single.untrained(experiment, dataset).to(source.device).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.0)
    loader = WindowLoader(source, dataset.parts.train, train.batch_size)
    start, times = now(), list[float]()
    for i in range(WARM + TIMED):
        begin = now()
        batch = loader.batch(i % len(loader))
        network(batch.context).loss(batch.truth).backward()
        optimiser.step()
        optimiser.zero_grad()
        if source.device == "cuda":
            torch.cuda.synchronize()
        times.append(now() - begin)
        if now() - start > LIMIT:
            break
    watched = WindowLoader(source, dataset.parts.validation.thin(WATCHED), 2 * train.batch_size)
    begin = now()
    with torch.no_grad():
        network.eval()(watched.batch(0).context).point.sum().item()
    return Pace(min(times), (now() - begin) * len(watched))


def corrected(pace: Pace, trained: Trained) -> Pace:
    """The pace as a whole training had it, which says more than a few steps do."""
    expected = pace.seconds(trained.rounds[-1].step, len(trained.rounds))
    factor = min(max(trained.seconds / max(expected, 1e-9), 0.5), 4.0)
    return Pace(factor * pace.step, factor * pace.validation)
