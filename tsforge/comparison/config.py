"""What is compared, on what data, within which budgets: one TOML file.

A file for a comparison is an experiment's, with a [compare] table; each of its [[groups]] is a data set.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from tsforge.comparison.probes.memory_tasks import Budget
from tsforge.config import Config, parse
from tsforge.data import shipped
from tsforge.data.schema import AtLeastOne, Names, NotNegative
from tsforge.data.table import piped
from tsforge.errors import ConfigError, listing, nearest
from tsforge.experiment import Experiment
from tsforge.model.network import Neural
from tsforge.model.zoo import ZOO, complete, merge, networks
from tsforge.settings import grouped, nest, override, read_toml

DEFAULTS = ("rnn", "lstm", "gru", "transformer")
ALL = "all"  # settings that hold for every model

Lengths = Annotated[tuple[Annotated[int, Field(ge=2)], ...], Field(min_length=1)]


class ProbesConfig(Config):
    """What the architectures are probed with, all of them with `parameters` parameters.

    lengths: L of the curves. tokens: per batch of the timed steps. repeats: rounds of which the median counts.
    sequences: per step whose memory is counted. lags: of the tasks; an attempt has at most `steps` training steps of
    `batch` sequences and `task_tokens` tokens, and each lag `seeds` attempts. reach: the lag at which the gradients of
    a trained network are measured.
    """

    parameters: AtLeastOne = 16_000
    lengths: Lengths = (16, 32, 64, 128, 256, 512, 1024)
    tokens: AtLeastOne = 4096
    repeats: AtLeastOne = 5
    sequences: AtLeastOne = 8
    lags: Lengths = (10, 30, 100, 300, 1000)
    seeds: AtLeastOne = 3
    steps: AtLeastOne = 1200
    task_tokens: AtLeastOne = 4_000_000
    batch: AtLeastOne = 32
    lr: Annotated[float, Field(gt=0)] = 5e-3
    reach: Annotated[int, Field(ge=4)] = 100

    @property
    def budget(self) -> Budget:
        """Of one attempt at a task."""
        return Budget(self.steps, self.task_tokens, self.batch, self.lr)


class CompareConfig(Config):
    """Which models, and how they are made equal.

    seeds: trainings of each model. budget: "steps" gives all the same optimiser steps (train.max_steps), "time" the
    same time (train.max_time). parameters: of each network; None for as many as the first model has by itself.
    threads: that each training computes with; networks of this size gain nothing from more, and on a machine with
    anything else to do they wait for each other. settings: of single models by name, and of all of them under "all".
    optional: data sets that are left out where they are not at hand. probes: False leaves them out.
    tune: trials of the search on validation windows in which each model finds its settings before it is compared, on
    every data set; 0 to take them as they are given.
    """

    models: Names = DEFAULTS
    seeds: AtLeastOne = 3
    budget: Literal["steps", "time"] = "steps"
    parameters: AtLeastOne | None = None
    threads: AtLeastOne = 1
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)
    optional: Names = ()
    probes: ProbesConfig | Literal[False] = ProbesConfig()
    tune: NotNegative = 0

    @model_validator(mode="after")
    def _check_models(self) -> CompareConfig:
        for name in self.models:
            if name in ZOO and not ZOO[name]:
                raise ConfigError(f"'{name}' is no network to be trained", "the baselines are in every comparison")
            if name not in ZOO and name not in networks():
                near = nearest(name, networks()) or f"known: {listing(networks(), 20)}"
                raise ConfigError(f"there is no model '{name}' to compare", near)
        if len(set(self.models)) < max(len(self.models), 1):
            raise ConfigError("a model is named twice, or none is", f"for example compare.models={','.join(DEFAULTS)}")
        for name in self.settings:
            if name not in (*self.models, ALL):
                raise ConfigError(f"settings for '{name}', which is not compared", f"models: {listing(self.models)}")
        return self

    def model(self, name: str, width: int | None = None) -> Neural:
        """The configuration of a model, with the settings given for it."""
        values = merge(self.settings.get(ALL, {}), self.settings.get(name, {}))
        values = merge(complete({"kind": name}), values) | ({} if width is None else {"width": width})
        return parse(Neural, values, f"settings of {name}")


@dataclass(frozen=True)
class Comparison:
    """What is compared, with the experiments by data set; their model is that of the comparison.

    frame: the data, where it comes from no file.
    fixed: dotted settings that were given beside the file, which tuning leaves as they are.
    """

    name: str
    compare: CompareConfig
    experiments: dict[str, Experiment]
    frame: Any = None
    fixed: tuple[str, ...] = ()


def read(source: Any, overrides: dict[str, Any], compare: dict[str, Any]) -> Comparison:
    """A comparison as a TOML file describes it, or of a table (a path, a catalogued name, a frame) by default settings.

    overrides: dotted settings of the experiments; those of a model hold for every model.
    compare: settings of the comparison, which win over the file's.
    Raises ConfigError naming the setting.
    """
    source = str(source) if isinstance(source, Path) else source
    file = source if shipped.is_experiment(source) else None
    values = read_toml(Path(file)) if file else {}
    asked = merge(values.pop("compare", {}), compare)
    own = {path: value for path, value in overrides.items() if path.partition(".")[0] != "model"}
    shared = _models(values.pop("model", {}), overrides)
    asked = merge(asked, {"settings": {ALL: shared}}) if shared else asked
    source = piped.standard_input() if isinstance(source, str) and source == piped.NAME else source
    if file is None and isinstance(source, str):
        own["data.path"] = source
    config = parse(CompareConfig, asked, file or "settings")
    experiments = grouped(values, own, file or "settings")
    groups = {name or Path(e.data.path or "data").stem: e for name, e in experiments.items()}
    for name in config.optional:
        if name not in groups:
            raise ConfigError(f"{file}: optional names '{name}', which is no group", f"groups: {listing(groups)}")
    frame = None if isinstance(source, str) else source
    return Comparison(values.get("name") or "-vs-".join(config.models), config, groups, frame, tuple(overrides))


def quick(plan: Comparison) -> Comparison:
    """The same rows in about a minute, under another name: what it says is no result, only that everything works."""
    config = plan.compare
    update: dict[str, Any] = {"seeds": min(config.seeds, 2), "tune": min(config.tune, 2), "budget": "steps"}
    if config.probes:
        update["probes"] = config.probes.model_copy(update={
            "lengths": (16, 64, 256), "lags": (10, 30), "steps": 150, "seeds": 1, "repeats": 2, "reach": 30,
            "parameters": min(config.probes.parameters, 8000), "tokens": 1024,
        })  # fmt: skip
    small = {}
    for name, e in plan.experiments.items():
        less = {"data.context": min(e.data.context or 48, 48), "train.max_steps": min(e.train.max_steps, 40)}
        small[name] = override(e, less | {"train.max_time": None})
    return replace(plan, name=f"{plan.name}-quick", compare=config.model_copy(update=update), experiments=small)


def _models(table: Any, overrides: dict[str, Any]) -> dict[str, Any]:
    """Settings of every model, from the file's [model] and from overrides; which model it is comes from `models`."""
    settings = {key: value for key, value in table.items() if key != "kind"} if isinstance(table, dict) else {}
    for path, value in overrides.items():
        head, _, rest = path.partition(".")
        if head == "model":
            if not rest or rest == "kind":
                raise ConfigError("a comparison has several models", "name them: compare.models=rnn,lstm,transformer")
            settings = merge(settings, nest(rest, value))
    return settings
