"""What the processes of a team are asked to train, and what comes of it."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from tsforge.experiment import Experiment
from tsforge.training.events import Round, Stop
from tsforge.training.monitor import State


class Job(NamedTuple):
    """The training of one network.

    dataset: the name of the file that it lies in, beside that of the job.
    every: seconds at least between the validations after which its state is wanted; None where it is not.
    state: to go on from.
    """

    experiment: Experiment
    dataset: str
    every: float | None = None
    state: State | None = None


class Result(NamedTuple):
    """How it ended.

    problem: message and hint where nothing was learned; empty where it was stopped before that.
    weights: of the network, those that are kept. rounds, started, seconds, threads: as in `Trained`.
    """

    stop: Stop
    problem: tuple[str, ...] | None = None
    weights: dict[str, Tensor] | None = None
    rounds: tuple[Round, ...] = ()
    started: float = 0.0
    seconds: float = 0.0
    threads: tuple[int, ...] = ()
