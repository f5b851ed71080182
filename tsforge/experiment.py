"""An experiment: one frozen, typed value (data + model + training) that is one TOML file."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator
from torch import nn

from tsforge.batch import WindowShape
from tsforge.config import Choice, Config, Range
from tsforge.data.schema import AtLeastOne, DataConfig, Names, NotNegative, names
from tsforge.errors import ConfigError
from tsforge.model.auto import Auto
from tsforge.model.baselines.forecaster import Baseline, kinds
from tsforge.model.baselines.naive import BaselineKind
from tsforge.model.ensemble import Blend, Ensemble
from tsforge.model.network import Neural
from tsforge.model.zero.network import Zero
from tsforge.model.zoo import DEFAULT, NETWORK, PRETRAINED, complete, family

AnyModel = Annotated[
    Annotated[Neural, Tag("network")] | Annotated[Baseline, Tag("baseline")] | Annotated[Zero, Tag("zero")]
    | Annotated[Blend, Tag("blend")] | Annotated[Auto, Tag("auto")],
    Discriminator(family), BeforeValidator(complete),
]  # fmt: skip
_PART = re.compile(r"(\d+\.?\d*|\.\d+)\s*([a-z]*)")
log = logging.getLogger("tsforge")

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(value: Any) -> Any:
    """A duration in seconds: 90, "90s", "5m", "1h30m"."""
    if not isinstance(value, str):
        return value
    parts = _PART.findall(value.lower())
    unit_missing = len(parts) > 1 and any(not u for _, u in parts)  # 1h30 could be minutes or seconds
    rest = _PART.sub("", value.lower()).strip()
    if not parts or rest or unit_missing or any(u not in {"", *_UNITS} for _, u in parts):
        raise ValueError("not a duration; write 90s, 5m or 1h30m")
    return sum(float(n) * _UNITS.get(u, 1.0) for n, u in parts)


Duration = Annotated[float, BeforeValidator(seconds), Field(gt=0)]
SWEEP = ("sweep", "space")  # what a TOML file may say of a sweep, beside the experiment
Kinds = Annotated[tuple[BaselineKind, ...], BeforeValidator(kinds), BeforeValidator(names)]
Share = Annotated[float, Field(ge=0, lt=1)]
# As a number it is what TOML and a command line make of the word.
Precision = Annotated[Literal["cells", "32", "bf16", "auto"], BeforeValidator(lambda v: "32" if v == 32 else v)]


class TrainConfig(Config):
    """How the weights are trained.

    max_steps: optimiser steps, 0 for a pretrained model as it is; epochs: passes over the training windows (the smaller
    of both counts).
    patience: validations without an improvement before stopping; validations: how many fit into max_steps, more where
    these would lie over 500 steps apart.
    validation_windows: that each of them looks at, evenly spaced; fewer, but not below 128, where so many would cost
    over a tenth of the steps. All calibrate the intervals in the end.
    until: stop after so many steps of what max_steps is the plan for, as a clock did that stopped it before.
    warmup: share of the steps in which the rate rises to lr. schedule: "cosine" then lets it fall to 0; "step" has it
    constant in the first three of `stages` equal parts of the steps, and times `decay` from each later part on.
    average: decay of the moving average of the weights that is validated and kept; 0 for the weights themselves.
    threads: of the processor that a step computes with; "auto" measures steps with 1, 2, 4, ... up to as many as torch
    has, keeps the fastest, and looks again where the pace falls by half. Another number rounds differently.
    devices: processes of this machine that train a network together, each with its share of every batch and of the
    threads: on GPUs one to each. nodes: machines that do so.
    engine: what starts them: this command ("processes"; torchrun for several nodes), or a Ray cluster ("ray") at
    `address`, "auto" for one that runs, one of this machine's own where None.
    precision: of the products inside the network: "cells" for single precision, but for LSTM cells on a processor that
    has products of brain floats (AVX-512 BF16, AMX), where these are trained in them; "32" for single precision
    throughout; "bf16" for brain floats throughout; "auto" for "bf16" on a GPU that has it, and "cells" elsewhere.
    start: a model directory whose weights the training begins with; those of the package for `zero` where None. Then
    the weights at the start are validated too, and kept where no step brings better ones. start_member: which of its
    networks, from 1, where it holds several; members of an ensemble or a blend begin with those at their own places.
    refit: "all" trains once more, on training and validation windows together, for as many steps as were best on
    validation; the intervals are corrected by what the first training said of validation, which it had not seen.
    """

    max_steps: NotNegative = 1000
    epochs: AtLeastOne | None = None
    max_time: Duration | None = None  # time for the training at most, in seconds, or as "90s", "5m", "1h30m"
    batch_size: Annotated[AtLeastOne, Choice((16, 32, 64))] = 32  # windows of a step
    lr: Annotated[float, Field(gt=0), Range(1e-4, 1e-2, log=True)] = 1e-3  # the highest rate of learning, of AdamW
    weight_decay: Annotated[float, Field(ge=0), Range(0.0, 0.1)] = 0.0  # of AdamW, times the rate
    clip: Annotated[float, Field(gt=0)] = 1.0  # the largest norm of a gradient; longer ones are shortened to it
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    decay: Annotated[float, Field(gt=0, le=1)] = 0.8  # what the rate is multiplied by in each later part of "step"
    stages: AtLeastOne = 30  # equal parts of the steps, of the schedule "step"
    warmup: Share = 0.05
    average: Share = 0.99
    patience: AtLeastOne = 8
    validations: AtLeastOne = 20
    validation_windows: AtLeastOne = 1024
    until: AtLeastOne | None = None
    start: str | None = None
    start_member: Annotated[int, Field(ge=1, le=1000)] | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"  # where to train; "auto" takes a GPU where there is one
    threads: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = "auto"
    devices: Annotated[int, Field(ge=1, le=1024)] = 1
    nodes: Annotated[int, Field(ge=1, le=1024)] = 1
    engine: Literal["processes", "ray"] = "processes"
    address: str | None = None  # of a Ray cluster: "auto" for one that runs, one of this machine's own where None
    precision: Precision = "cells"
    refit: Literal["none", "all"] = "none"


class BacktestConfig(Config):
    """How forecasts are rolled over the end of the data, and how they are scored.

    windows: forecast origins per series, the last one a horizon before its end; all of the test part where None.
    stride: steps between origins; a horizon where windows or refit are given, else 1.
    gap: steps left out between what is trained on and the first origin that is forecast.
    refit: fit anew every so many origins; 0 for once, before the first.
    train_window: steps of training and validation together (sliding); None for all there are (expanding).
    intervals: "adaptive" moves them after each origin, "static" keeps the corrections of the fit, "raw" has none.
    gamma: step of the adaptive ones. units: "standard" scores in deviations of the training part.
    average: over all points, or over series. metrics: those to show.
    """

    windows: AtLeastOne | None = None
    stride: AtLeastOne | None = None
    gap: NotNegative = 0
    refit: NotNegative = 0
    train_window: AtLeastOne | None = None
    intervals: Literal["adaptive", "static", "raw"] = "adaptive"
    gamma: Annotated[float, Field(gt=0)] = 0.015
    units: Literal["data", "standard"] = "data"
    average: Literal["points", "series"] = "points"
    metrics: Names = ()


_STEPS = {"max_steps", "epochs", "max_time"}  # settings by which a pretrained model is trained at all
_CLOCKS = {"max_time", "device"}  # settings of a training that a tournament has too


def _usual_model(values: dict[str, Any]) -> str:
    """The kind where none is named: a network where an ensemble or settings of a network or its training are given."""
    train = values.get("train", {})
    told = set(train if isinstance(train, dict) else getattr(train, "model_fields_set", ()))
    learns = bool(told - _CLOCKS) or bool(set(values.get("model", ())) - set(Auto.model_fields))
    several = values.get("ensemble", 1)
    return NETWORK if learns or (isinstance(several, int) and several > 1) else DEFAULT


class Experiment(Config):
    """Everything that decides a fit. The same experiment on the same data gives the same numbers.

    ensemble: so many networks, with seeds seed, seed + 1, ...; the forecast is the median over them.
    baselines: that the model stands beside wherever it is scored, beside the usual ones.
    """

    name: str | None = None  # what a run and a model folder are called; made of model, target and horizon where None
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 1  # of the weights and of the order of windows
    data: DataConfig = DataConfig()
    ensemble: Annotated[int, Field(ge=1, le=1000)] = 1
    model: AnyModel = Auto()
    train: TrainConfig = TrainConfig()
    baselines: Kinds = ()
    backtest: BacktestConfig | None = None  # where one was asked for

    @model_validator(mode="before")
    @classmethod
    def _name_model(cls, values: Any) -> Any:
        model = values.get("model", {}) if isinstance(values, dict) else None
        if not isinstance(model, dict) or "kind" in model:
            return values
        return values | {"model": {"kind": _usual_model(values)} | model}

    @model_validator(mode="before")
    @classmethod
    def _leave_pretrained(cls, values: Any) -> Any:
        """Of a pretrained model no steps, unless some are asked for."""
        model = values.get("model") if isinstance(values, dict) else None
        kind = model.get("kind") if isinstance(model, dict) else getattr(model, "kind", model)
        train = values.get("train", {}) if kind in PRETRAINED else None
        if isinstance(train, TrainConfig) and not train.model_fields_set & _STEPS:
            return values | {"train": train.model_copy(update={"max_steps": 0})}
        if isinstance(train, dict) and not train.keys() & _STEPS:
            return values | {"train": train | {"max_steps": 0}}
        return values

    @model_validator(mode="after")
    def _has_steps(self) -> Experiment:
        if self.train.max_steps == 0 and not isinstance(self.model, Zero):
            problem = f"train.max_steps = 0 is for pretrained models: {self.model.kind} would learn nothing"
            raise ConfigError(problem, "ask for a step or more, or take model=zero")
        return self

    @model_validator(mode="after")
    def _is_for_several(self) -> Experiment:
        train, count = self.train, self.train.devices * self.train.nodes
        if train.address is not None and train.engine != "ray":
            raise ConfigError("train.address is of a Ray cluster", "add train.engine=ray")
        if count == 1 and train.engine == "processes":
            return self
        one = f"train.devices = {train.devices}" + (f", train.nodes = {train.nodes}" if train.nodes > 1 else "")
        if isinstance(self.model, Auto):
            problem = f"{one}: a tournament trains many small networks, each on one device"
            raise ConfigError(problem, "name the network to train on several, as model.kind=gru")
        if isinstance(self.model, Baseline) or train.max_steps == 0:
            problem = f"{one}: {self.model.kind} takes no training steps that devices could share"
            raise ConfigError(problem, "leave train.devices, train.nodes and train.engine out")
        if train.batch_size < count:
            problem = f"a batch of {train.batch_size} windows is too small for {count} processes"
            raise ConfigError(problem, f"give each a window at least: train.batch_size={count}")
        return self

    @model_validator(mode="after")
    def _differ(self) -> Experiment:
        if self.train.start is not None and not isinstance(self.model, Neural | Zero | Blend):
            problem = f"train.start is for a network, {self.model.kind} starts from no weights"
            raise ConfigError(problem, "leave train.start out, or name the model of its folder")
        if self.ensemble > 1 and not isinstance(self.model, Neural):
            same = isinstance(self.model, Baseline | Zero)
            why = "learns the same with every seed" if same else "is an ensemble already"
            raise ValueError(f"ensemble = {self.ensemble} is for networks: {self.model.kind} {why}")
        return self

    def network(self, shape: WindowShape) -> nn.Module:
        """The network of the experiment, untrained: an ensemble where it has members."""
        if self.ensemble == 1:
            return self.model.build(shape)
        return Ensemble([self.model.build(shape) for _ in range(self.ensemble)])

    def on(self, data: DataConfig, narrow: int = 0) -> Experiment:
        """The experiment with its data settled, as `Dataset.config` has them.

        narrow: steps that a network reads where its context is wider for what it adds to.
        """
        model = self.model.reading(narrow) if isinstance(self.model, Neural) else self.model
        return self.model_copy(update={"data": data, "model": model})

    def with_train(self, update: dict[str, Any]) -> Experiment:
        """The experiment with some settings of its training changed, which are not checked."""
        return self.model_copy(update={"train": self.train.model_copy(update=update)})

    def plain(self) -> dict[str, Any]:
        """Nested plain values, without what is not set."""
        return self.model_dump(mode="json", exclude_none=True)

    @property
    def title(self) -> str:
        """The name, else as "lstm-demand-h48"; what a folder's name cannot hold is left out."""
        data = self.data
        target = data.target[0] if len(data.target) == 1 else f"{len(data.target)}-targets"
        several = f"-x{self.ensemble}" if self.ensemble > 1 else ""
        return re.sub(r"[^\w.-]+", "_", self.name or f"{self.model.kind}{several}-{target}-h{data.horizon}")

    @property
    def folder(self) -> str:
        """The name of a folder for its model: the experiment's, else as "sales-gru-h12", with the name of the table."""
        if self.name or self.data.path is None:
            return self.title
        several = f"-x{self.ensemble}" if self.ensemble > 1 else ""
        table = Path(Path(self.data.path).name.removesuffix(".gz")).stem[:60]
        return re.sub(r"[^\w.-]+", "_", f"{table}-{self.model.kind}{several}-h{self.data.horizon}")

    def toml(self) -> str:
        """The experiment as a TOML document that `read` takes back."""
        return tomli_w.dumps(self.plain())

    def flat(self) -> dict[str, Any]:
        """Dotted path to value, as in MLflow; what stands in a list of tables by its number."""
        return _flatten(self.plain())


def single(experiment: Experiment, where: str) -> Experiment:
    """The experiment of one member on one device, with a warning where others are left out.

    where: who trains single networks.
    """
    if experiment.train.devices * experiment.train.nodes > 1 or experiment.train.engine == "ray":
        log.warning(
            "%s trains each network on one device: train.devices, train.nodes and train.engine are left out", where
        )  # fmt: skip
        experiment = experiment.with_train({"devices": 1, "nodes": 1, "engine": "processes", "address": None})
    if experiment.ensemble > 1:
        log.warning(
            "%s trains single networks: ensemble = %d is left out; fit what it finds with ensemble=%d",
            where, experiment.ensemble, experiment.ensemble,
        )  # fmt: skip
    return experiment.model_copy(update={"ensemble": 1})


def _flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, list) and any(isinstance(v, dict) for v in value):
            value = dict(enumerate(value))
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
