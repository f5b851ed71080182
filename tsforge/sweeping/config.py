"""What a sweep is: the experiments it starts from, its space, and how it searches. A value, and a JSON file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from tsforge.config import Config, flattened, parse
from tsforge.data.schema import AtLeastOne, Names, NotNegative
from tsforge.errors import ConfigError, listing, nearest
from tsforge.evaluation.metrics import every, find, lower_is_better
from tsforge.experiment import Duration, Experiment, single
from tsforge.model.zoo import MADE_OF_MODELS, NETWORK
from tsforge.runtime import files
from tsforge.settings import build, of_sweep
from tsforge.sweeping.space import Space, space

LATENCY, PARAMETERS = "latency", "parameters"
FILE = "sweep.json"
ROUNDS = 20  # reports of a training: what pruners count by, however long it is
_UNITS = ("model.scaling", "model.head.")  # what changes the units or the kind of the loss


def count(value: Any) -> Any:
    """A number as people write it: 100k, 1.5M."""
    match = re.fullmatch(r"\s*([\d.]+)\s*([kKmM]?)\s*", value) if isinstance(value, str) else None
    if match is None:
        return value
    return round(float(match[1]) * {"": 1, "k": 1_000, "m": 1_000_000}[match[2].lower()])


def number(value: Any) -> Any:
    """A number that was written as text."""
    return int(value) if isinstance(value, str) and value.isdigit() else value


Pack = Annotated[Literal["auto", "off"] | Annotated[int, Field(ge=2)], BeforeValidator(number)]
Count = Annotated[int, BeforeValidator(count), Field(ge=1)]


class SweepConfig(Config):
    """How to search.

    models: architectures that are part of the space.
    trials: in total, over all starts.
    timeout: of one start.
    objectives: val/METRIC or val/loss on the validation windows, "latency" (ms of a forecast), "parameters"; lower is
    better.
    folds: rolling origins that a score is the mean of.
    sampler, pruner: Optuna's, by name.
    max_parameters, max_latency (seconds): trials beyond are not trained.
    refit: how many of the best are fitted again, with `seeds` seeds each.
    workers: processes.
    study: its name where several share a storage.
    pack: trials of one shape that a worker trains side by side; "auto" where that is measured to be faster.
    engine: where workers run, as processes of this machine or as tasks of a Ray cluster.
    address: of the cluster; "auto" finds a running one, None starts one on this machine.
    """

    models: Names = ()
    trials: AtLeastOne = 50
    timeout: Duration | None = None
    objectives: Names = ("val/mase",)
    folds: AtLeastOne = 1
    sampler: Literal["tpe", "gp", "cmaes", "qmc", "random"] = "tpe"
    pruner: Literal["asha", "median", "hyperband", "wilcoxon", "none"] = "asha"
    max_parameters: Count | None = None
    max_latency: Duration | None = None
    refit: NotNegative = 3
    seeds: AtLeastOne = 3
    workers: AtLeastOne = 1
    study: str | None = None
    pack: Pack = "off"
    engine: Literal["processes", "ray"] = "processes"
    address: str | None = None

    @field_validator("objectives")
    @classmethod
    def _check_objectives(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            check_objective(name)
        if not names or len(set(names)) < len(names):
            raise ValueError("names one objective, or several that differ")
        if not names[0].startswith("val/"):
            raise ValueError("the first objective is a validation score, as val/mase")
        return names


def check_objective(name: str) -> None:
    """Raises ConfigError for what a sweep cannot make small."""
    metric = name.removeprefix("val/")
    if name in (LATENCY, PARAMETERS, "val/loss"):
        return
    if not name.startswith("val/") or find(metric) is None:
        names = ["val/loss", LATENCY, PARAMETERS, *(f"val/{m}" for m in every() if lower_is_better(m))]
        raise ConfigError(f"there is no objective '{name}'", nearest(name, names) or f"known: {listing(names, 99)}")
    if not lower_is_better(metric):
        raise ConfigError(f"{name} is no objective: lower is not better", "take an error, as val/mase or val/wql")


class Plan(Config):
    """A sweep as a value.

    bases: the experiment of each architecture, its data resolved.
    space: ranges other than those of the configurations, by name.
    sweep: how to search.
    digest: of the data; empty before they were read.
    """

    bases: dict[str, Experiment]
    space: dict[str, Any] = Field(default_factory=dict)
    sweep: SweepConfig = SweepConfig()
    digest: str = ""

    @cached_property
    def search_space(self) -> Space:
        """What is searched: every setting with its values."""
        return space(self.bases, self.space)

    @property
    def first(self) -> Experiment:
        """Of the bases the first, whose data and seed are those of all."""
        return next(iter(self.bases.values()))

    @property
    def title(self) -> str:
        """The study's name, else as "lstm-gru-demand-h48"; a folder can have it."""
        kinds = "-".join(self.bases) if len(self.bases) <= 4 else f"{len(self.bases)}-models"
        rest = self.first.model_copy(update={"name": None}).title.removeprefix(self.first.model.kind)
        return re.sub(r"[^\w.-]+", "_", self.sweep.study or self.first.name or kinds + rest)

    def decisive(self) -> dict[str, Any]:
        """By path, everything that a trial's value depends on: what two starts of one study must share."""
        meaning: dict[str, Any] = {}
        free = ("data.path", "name", "train.device", "baselines")
        for kind, base in self.bases.items():
            flat = base.flat()
            meaning |= {f"{kind}: {k}": v for k, v in flat.items() if k not in free}
        meaning |= {f"space: {s.name}": s.text for s in self.search_space.settings}
        sweep = self.sweep.model_dump(include={"objectives", "folds", "max_parameters", "max_latency"}, mode="json")
        return meaning | {f"sweep.{k}": v for k, v in sweep.items()} | {"data": self.digest}

    def json_text(self) -> str:
        """As a document that `load` takes back."""
        return self.model_dump_json(indent=2, exclude_none=True) + "\n"

    def write(self, folder: Path) -> None:
        """As a file that `load` takes back."""
        files.write(folder / FILE, self.json_text())


def load(folder: Path) -> Plan:
    """The plan of a sweep's folder."""
    import json

    path = folder / FILE
    if not path.is_file():
        raise ConfigError(f"{folder}: holds no sweep", "name a folder that tsforge sweep wrote")
    return parse(Plan, json.loads(path.read_text(encoding="utf-8")), str(path))


def plan(
    overrides: dict[str, Any], file: str | Path | None, settings: Mapping[str, Any], ranges: Sequence[tuple[str, Any]]
) -> Plan:
    """A plan from a TOML file, dotted settings of the experiment, settings of the sweep, and ranges of its space.

    overrides: as of `settings.build`; one that the space has is thereby fixed.
    file: an experiment, with [sweep] and [space] perhaps.
    settings: fields of SweepConfig, which win over the file's [sweep].
    ranges: (name, expression) pairs, which win over the file's [space].
    """
    tables = of_sweep(file) if file is not None else {"sweep": {}, "space": {}}
    given = {name: value for name, value in settings.items() if value not in (None, [], ())}
    sweep = parse(SweepConfig, tables["sweep"] | given, str(file) if tables["sweep"] else "sweep")
    first = single(build(overrides, file, NETWORK), "a sweep")
    overrides = overrides | {"ensemble": 1}
    own = first.model.kind
    bases = {n: first if n == own else build(overrides | {"model.kind": n}, file) for n in sweep.models or (own,)}
    asked = flattened(tables["space"])
    varied = {s.path for s in space(bases, asked).settings}
    asked |= {path: value for path, value in overrides.items() if path in varied}
    return checked(Plan(bases=bases, space=asked | dict(ranges), sweep=sweep))


def of_experiment(experiment: Experiment, sweep: SweepConfig, ranges: Mapping[str, Any]) -> Plan:
    """A plan from an experiment; other models than its own start from their named rows.

    ranges: of the space, by dotted path: an expression, a list of choices, or a value.
    """
    experiment = single(experiment, "a sweep")
    bases = dict.fromkeys(sweep.models or (experiment.model.kind,), experiment)
    for name in bases.keys() - {experiment.model.kind}:
        bases[name] = experiment.model_copy(update={"model": build({"model.kind": name}).model})
    return checked(Plan(bases=bases, space=flattened(ranges), sweep=sweep))


def checked(plan: Plan) -> Plan:
    """A plan whose parts go together. Raises ConfigError for one whose parts do not."""
    for kind, base in plan.bases.items():
        if base.train.max_steps == 0:
            raise ConfigError(f"{kind} is not trained, and a sweep varies trainings", "add train.max_steps=200")
        if kind in MADE_OF_MODELS:
            raise ConfigError(
                f"{kind} is made of models of its own, which a sweep does not vary",
                "name others: sweep.models=gru,lstm",
            )
    sweep, varied = plan.sweep, [s for s in plan.search_space.settings if not s.fixed]
    compares_losses = sweep.pruner not in ("none", "wilcoxon") and len(sweep.objectives) == 1
    for setting in varied:
        if setting.path.startswith(_UNITS) and (compares_losses or "val/loss" in sweep.objectives):
            use = "compared" if "val/loss" in sweep.objectives else "pruned"
            text = f"{setting.name} changes the units of the loss, by which trials are {use}"
            raise ConfigError(text, "fix it, or take sweep.pruner=none and an objective such as val/mase")
    if sweep.pruner == "wilcoxon" and (sweep.folds < 2 or len(sweep.objectives) > 1):
        raise ConfigError("the Wilcoxon pruner compares one objective over folds", "add sweep.folds=8, or take another")
    if sweep.sampler in ("gp", "cmaes") and len(plan.bases) > 1:
        text = f"the sampler {sweep.sampler} knows no conditional settings, which several models have"
        raise ConfigError(text, "take sweep.sampler=tpe, or one model")
    if sweep.address is not None and sweep.engine != "ray":
        raise ConfigError("an address is that of a Ray cluster", "add sweep.engine=ray")
    if not varied and len(plan.bases) == 1:
        raise ConfigError("there is nothing to vary", "name several sweep.models, or a range with `space`")
    return plan
