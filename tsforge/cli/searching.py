"""Options of the commands that train many models: what is searched, and what is compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from tsforge.cli.options import Columns


@Parameter(name="*")
@dataclass
class SweepOptions:
    """How to search."""

    models: Columns = field(default_factory=list)
    "Architectures that are part of the space. (default: the one of --model)"
    trials: int | None = None
    "Trials in total, over all starts. (default: 50)"
    timeout: str | None = None
    "Time for the search at most, as 30m or 2h; the best are fitted again after it."
    space: Annotated[list[str], Parameter(negative="")] = field(default_factory=list)
    "A range, as train.lr=log(1e-4,1e-2), lstm/model.width=int(16,64,16), float(a,b), choice(a,b); one value fixes it."
    objectives: Columns = field(default_factory=list)
    "What to minimise: val/mase, val/wql, ...; with latency or parameters too, a Pareto front. (default: val/mase)"
    folds: int | None = None
    "Rolling origins that a validation score is the mean of. (default: 1)"
    sampler: Literal["tpe", "gp", "cmaes", "qmc", "random"] | None = None
    "Optuna sampler that proposes settings. (default: tpe)"
    pruner: Literal["asha", "median", "hyperband", "wilcoxon", "none"] | None = None
    "Optuna pruner that ends trials early; wilcoxon compares folds. (default: asha)"
    max_parameters: str | None = None
    "Parameters at most, as 100k; larger models are not trained."
    max_latency: str | None = None
    "Time of one forecast at most, as 5ms; slower models are not trained."
    refit: int | None = None
    "How many of the best are fitted again, beside the default; 0 for none. (default: 3)"
    seeds: int | None = None
    "Seeds of each of these. (default: 3)"
    workers: int | None = None
    "Processes; each has its share of the cores. (default: 1)"
    pack: str | None = None
    "Trials of one shape that each trains side by side: a number, off, or auto where it is faster. (default: off)"
    engine: Literal["processes", "ray"] | None = None
    "Where workers run: as processes of this machine, or as tasks of a Ray cluster. (default: processes)"
    address: str | None = None
    "Address of a running Ray cluster; auto finds it. (default: one is started on this machine)"
    study: str | None = None
    "Name of the study, by which machines share it. (default: from models and data)"

    def settings(self) -> dict[str, Any]:
        """Value by name of a setting of the sweep, None or empty where it was not given."""
        return {name: value for name, value in vars(self).items() if name != "space"}

    def ranges(self) -> list[tuple[str, Any]]:
        """Name and expression of each --space."""
        from tsforge.settings import assignment

        return [assignment(text, "--space") for text in self.space]


@Parameter(name="*")
@dataclass
class CompareOptions:
    """What to compare, and how the architectures are made equal."""

    models: Columns = field(default_factory=list)
    "Networks to compare. (default: rnn, lstm, gru, transformer)"
    seeds: int | None = None
    "Trainings of each; the first has --seed. (default: 3)"
    budget: Literal["steps", "time"] | None = None
    "Give all the same optimiser steps (--max-steps), or the same time (--max-time). (default: steps)"
    parameters: int | None = None
    "Parameters of each network, which its width follows from. (default: those of the first model)"
    threads: int | None = None
    "CPU threads of each training. (default: 1)"
    tune: int | None = None
    "Trials in which each finds settings of its own on validation windows, before it is compared. (default: 0)"
    probes: Annotated[bool, Parameter(negative="--no-probes")] = True
    "Whether to measure the architectures themselves too, which takes some minutes."

    def settings(self) -> dict[str, Any]:
        """Value by name of a setting of the comparison, for everything that was given."""
        given = vars(self) | {"probes": None if self.probes else False}
        return {name: value for name, value in given.items() if value not in (None, [])}
