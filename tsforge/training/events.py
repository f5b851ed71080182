"""What a training says while it runs: signs of life, validations, and in a tournament how candidates did."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple


class Stop(StrEnum):
    """Why a training ended."""

    STEPS = "steps"  # it took all its steps
    PATIENCE = "patience"  # validations brought nothing better
    TIME = "time"
    INTERRUPT = "interrupt"  # Ctrl-C
    DIVERGED = "diverged"  # the loss was no number any more
    LEARNED = "learned"  # a baseline, which takes no steps


class Round(NamedTuple):
    """What is known after a validation."""

    step: int  # optimiser steps so far
    train: float  # mean training loss since the last round
    validation: float  # mean validation loss, in the units of the forecast's loss
    seconds: float  # since training began
    windows: int  # training windows seen so far
    best: bool  # the lowest validation loss so far
    member: int = 1  # of an ensemble, in the order of training


class Tick(NamedTuple):
    """A sign of life between validations."""

    step: int
    seconds: float
    windows: int
    member: int = 1


class Standing(NamedTuple):
    """How a candidate of a tournament did."""

    name: str
    rung: int  # from 1; 0 for what needs no training
    seed: int
    steps: int
    seconds: float
    score: float  # mean error over validation windows; infinite where there is none
    weight: float = 0.0  # in the blend that was chosen
    note: str = ""  # why it was left out


Event = Round | Tick | Standing
Report = Callable[[Event], None]


def ticks(report: Report) -> Report:
    """Signs of life alone: losses of trainings that may come to nothing are not the model's."""

    def pass_on(event: Event) -> None:
        if isinstance(event, Tick):
            report(event)

    return pass_on
