"""An experiment: one frozen, typed value (data + model + training) that is one TOML file."""

from __future__ import annotations

import logging
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BeforeValidator, Field, model_validator
from torch import nn

from tsforge.batch import WindowShape
from tsforge.config import Choice, Config, Range, parse
from tsforge.data.schema import AtLeastOne, DataConfig, Names, NotNegative
from tsforge.errors import ConfigError, listing, nearest
from tsforge.model.auto import Auto
from tsforge.model.baselines import Baseline
from tsforge.model.ensemble import Blend, Ensemble
from tsforge.model.network import Neural
from tsforge.model.zoo import DEFAULT, complete, merge

AnyModel = Annotated[Neural | Baseline | Blend | Auto, Field(discriminator="kind"), BeforeValidator(complete)]
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
Share = Annotated[float, Field(ge=0, lt=1)]


class TrainConfig(Config):
    """How the weights are found.

    max_steps: optimiser steps; epochs: passes over the training windows (the smaller of both counts).
    patience: validations without an improvement before stopping; validations: how many fit into max_steps, more where
    these would lie over 500 steps apart.
    validation_windows: that each of them looks at, evenly spaced; all calibrate the intervals in the end.
    until: stop after so many steps of what max_steps is the plan for, as a clock did that stopped it before.
    warmup: share of the steps in which the rate rises to lr. schedule: "cosine" then lets it fall to 0; "step" has it
    constant in the first three of `stages` equal parts of the steps, and times `decay` from each later part on.
    average: decay of the moving average of the weights that is validated and kept; 0 for the weights themselves.
    precision: of the products inside the network: "32", "bf16", or "auto" for bf16 on a GPU that has it.
    refit: "all" trains once more, on training and validation windows together, for as many steps as were best on
    validation; the intervals are corrected by what the first training said of validation, which it had not seen.
    """

    max_steps: AtLeastOne = 1000
    epochs: AtLeastOne | None = None
    max_time: Duration | None = None
    batch_size: Annotated[AtLeastOne, Choice((16, 32, 64))] = 32
    lr: Annotated[float, Field(gt=0), Range(1e-4, 1e-2, log=True)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0), Range(0.0, 0.1)] = 0.0
    clip: Annotated[float, Field(gt=0)] = 1.0
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    decay: Annotated[float, Field(gt=0, le=1)] = 0.8
    stages: AtLeastOne = 30
    warmup: Share = 0.05
    average: Share = 0.99
    patience: AtLeastOne = 8
    validations: AtLeastOne = 20
    validation_windows: AtLeastOne = 1024
    until: AtLeastOne | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["32", "bf16", "auto"] = "32"
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


class Experiment(Config):
    """Everything that decides a fit. The same experiment on the same data gives the same numbers.

    ensemble: so many networks, with seeds seed, seed + 1, ...; the forecast is the median over them.
    """

    name: str | None = None
    seed: Annotated[int, Field(ge=0)] = 1
    data: DataConfig = DataConfig()
    ensemble: AtLeastOne = 1
    model: AnyModel = Field(default_factory=lambda: complete({}), validate_default=True)
    train: TrainConfig = TrainConfig()
    backtest: BacktestConfig | None = None  # where one was asked for

    @model_validator(mode="after")
    def _differ(self) -> Experiment:
        if self.ensemble > 1 and not isinstance(self.model, Neural):
            why = "learns the same with every seed" if isinstance(self.model, Baseline) else "is an ensemble already"
            raise ValueError(f"ensemble = {self.ensemble} is for networks: {self.model.kind} {why}")
        return self

    def network(self, shape: WindowShape) -> nn.Module:
        """The network of the experiment, untrained: an ensemble where it has members."""
        if self.ensemble == 1:
            return self.model.build(shape)
        return Ensemble([self.model.build(shape) for _ in range(self.ensemble)])

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

    def toml(self) -> str:
        """The experiment as a TOML document that `read` takes back."""
        return tomli_w.dumps(self.plain())

    def flat(self) -> dict[str, Any]:
        """Dotted path to value, as in `--set` and in MLflow; what stands in a list of tables by its number."""
        return _flatten(self.plain())


def build(overrides: dict[str, Any], file: str | Path | None = None) -> Experiment:
    """An experiment from defaults, then a TOML file, then dotted overrides such as {"train.lr": 0.01}.

    Overrides that name another model than the file's start from that model's row, not from the file's.
    Raises ConfigError naming the setting, with the nearest known name for an unknown one.
    """
    values = _experiments(file) if file is not None else {}
    if "groups" in values:
        raise ConfigError(f"{file}: holds several experiments (groups)", f"tsforge backtest {file} runs them all")
    return _build(values, overrides, str(file) if file is not None else "settings")


def of_sweep(file: str | Path) -> dict[str, dict[str, Any]]:
    """The tables [sweep] and [space] of a TOML file, as they stand; empty where they do not."""
    values = read_toml(Path(file))
    found = {name: values.get(name, {}) for name in SWEEP}
    for name, table in found.items():
        if not isinstance(table, dict):
            raise ConfigError(f"{file}: {name} is no table", f"write [{name}] on a line of its own, settings below it")
    return found


def override(experiment: Experiment, settings: dict[str, Any]) -> Experiment:
    """The experiment with some dotted settings changed, as in {"train.lr": 0.01}."""
    values = experiment.plain()
    for path, value in settings.items():
        values = merge(values, nest(path, value))
    return parse(Experiment, values, source="settings")


def single(experiment: Experiment, where: str) -> Experiment:
    """The experiment of one member, which is said. where: who trains single networks."""
    if experiment.ensemble > 1:
        log.warning(
            "%s trains single networks: ensemble = %d is left out; fit what it finds with --ensemble %d",
            where, experiment.ensemble, experiment.ensemble,
        )  # fmt: skip
    return experiment.model_copy(update={"ensemble": 1})


def groups(overrides: dict[str, Any], file: str | Path) -> dict[str, Experiment]:
    """The experiments of a file with [[groups]], by their names; of any other file the one, under "".

    Each group holds the settings in which it differs from the file's own, and a name.
    """
    return grouped(_experiments(file), overrides, str(file))


def grouped(values: dict[str, Any], overrides: dict[str, Any], source: str) -> dict[str, Experiment]:
    """The same of nested plain values. source: where they come from, for messages."""
    values = dict(values)
    parts = values.pop("groups", [{"name": ""}])
    found = {}
    for i, part in enumerate(parts):
        if not isinstance(part, dict) or not isinstance(part.get("name"), str) or part["name"] in found:
            raise ConfigError(
                f"{source}: group {i + 1} has no name of its own", 'write name = "..." in each [[groups]]'
            )
        rest = {key: value for key, value in part.items() if key != "name"}
        found[part["name"]] = _build(merge(values, rest), overrides, source)
    return found


def _build(values: dict[str, Any], overrides: dict[str, Any], source: str) -> Experiment:
    values = _named(values)
    given: dict[str, Any] = {}
    for path, value in overrides.items():
        given = merge(given, _named(nest(path, value)))
    if _kind(given) not in (None, _kind(values) or DEFAULT):
        dropped = set(values.pop("model", {})) - {"kind"}
        if dropped:
            log.warning(
                "model settings of %s belong to another model and are left out: %s",
                source,
                listing(sorted(dropped)),
            )
    values = merge(values, given)
    return parse(Experiment, values, source=source)


def _named(values: dict[str, Any]) -> dict[str, Any]:
    """With model = "gru" written as the table it stands for."""
    model = values.get("model")
    return values | {"model": {"kind": model}} if isinstance(model, str) else values


def _kind(values: dict[str, Any]) -> Any:
    model = values.get("model")
    return model.get("kind") if isinstance(model, dict) else None


def assignment(text: str, flag: str = "--set") -> tuple[str, Any]:
    """One "--set dotted.path=value"; the value is read as TOML, and as text where that fails."""
    path, sign, value = text.partition("=")
    path, value = path.strip(), value.strip()
    if not sign or not path:
        raise ConfigError(f"{flag} {text}: not of the form dotted.path=value", f"for example {flag} train.lr=0.01")
    try:
        return path, tomllib.loads(f"v = {value}")["v"]
    except tomllib.TOMLDecodeError:
        return path, value


def read_toml(path: Path) -> dict[str, Any]:
    """A file as nested plain values. Raises ConfigError where there is none, or no TOML in it."""
    if not path.is_file():
        folder = path.parent if path.parent.is_dir() else Path()
        near = nearest(path.name, [p.name for p in folder.glob("*.toml")])
        raise ConfigError(f"{path}: no such file", near or "check the path given with --config")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ConfigError(f"{path}: not valid TOML: {problem}", "mend the line it names") from None


def _experiments(file: str | Path) -> dict[str, Any]:
    """What a TOML file says beside its sweep."""
    return {name: value for name, value in read_toml(Path(file)).items() if name not in SWEEP}


def nest(path: str, value: Any) -> dict[str, Any]:
    """{"a": {"b": value}} for "a.b"."""
    head, _, rest = path.partition(".")
    return {head: nest(rest, value) if rest else value}


def _flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, list) and any(isinstance(v, dict) for v in value):
            value = dict(enumerate(value))
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
