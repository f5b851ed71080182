"""What a training says while it runs: signs of life, validations, and in a tournament how candidates did."""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from tsforge.runtime import tables


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
    train: float  # mean training loss since the last round; no number before the first step
    validation: float  # mean validation loss, in the units of the forecast's loss
    seconds: float  # since training began
    windows: int  # training windows seen so far
    best: bool  # the lowest validation loss so far
    member: int = 1  # of an ensemble, in the order of training
    again: bool = False  # reported before, by a process that was stopped


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
    again: bool = False  # reported before, by a process that was stopped


Event = Round | Tick | Standing
Report = Callable[[Event], None]


def ticks(report: Report) -> Report:
    """Signs of life alone: losses of trainings that may come to nothing are not the model's."""

    def pass_on(event: Event) -> None:
        if isinstance(event, Tick):
            report(event)

    return pass_on


def rounds_csv(rounds: tuple[Round, ...]) -> str:
    """A line per validation, as CSV; with the member where there are several."""
    header = ["member", "step", "train_loss", "validation_loss", "seconds", "windows"]
    lines = [
        [r.member, r.step, _figure(r.train), _figure(r.validation), f"{r.seconds:.3f}", r.windows] for r in rounds
    ]  # fmt: skip
    first = 0 if rounds[-1].member > 1 else 1
    return tables.csv(header[first:], [line[first:] for line in lines])


def _figure(loss: float) -> str:
    return "" if math.isnan(loss) else f"{loss:.6g}"


def standings_csv(standings: tuple[Standing, ...]) -> str:
    """A line per candidate and rung, as CSV."""
    lines = ["model,rung,seed,steps,seconds,score,weight,note"]
    for s in standings:
        note = '"' + s.note.replace('"', "'") + '"' if s.note else ""
        lines.append(f"{s.name},{s.rung},{s.seed},{s.steps},{s.seconds:.3f},{s.score:.6g},{s.weight:.4g},{note}")
    return "\n".join(lines) + "\n"
