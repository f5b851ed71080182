"""The space of a sweep: the ranges beside the fields of the configurations, and those that replace them.

A setting of a model is a branch of its own for each architecture, named lstm/model.width; with one architecture alone
it is model.width. Nothing here knows any architecture: a configuration with ranges has a space.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic.fields import FieldInfo

from tsforge.config import Choice, Config, Range
from tsforge.errors import ConfigError, listing, nearest
from tsforge.experiment import Experiment
from tsforge.settings import override

KIND = "model.kind"
FORMS = "as log(1e-4,1e-2), float(0,0.5), int(1,4), int(16,128,16), choice(16,32) or one value"

_FORM = re.compile(r"\s*(log|float|int|choice)\s*\((.*)\)\s*", re.DOTALL)
_DATA = ("data.context", "data.calendar")  # of the data, what does not change which truths are scored


class Trial(Protocol):
    """What is asked for values: Optuna's trial, or whatever a test puts in its place."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float: ...
    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int: ...
    def suggest_categorical(self, name: str, choices: Any) -> Any: ...


@dataclass(frozen=True)
class PastTrial:
    """Answers a space with the values that a trial once had."""

    params: Mapping[str, Any]

    def suggest_float(self, name: str, _low: float, _high: float, *, log: bool = False) -> float:  # noqa: ARG002
        return float(self.params[name])

    def suggest_int(self, name: str, _low: int, _high: int, *, step: int = 1, log: bool = False) -> int:  # noqa: ARG002
        return int(self.params[name])

    def suggest_categorical(self, name: str, _choices: Any) -> Any:
        return self.params[name]


@dataclass(frozen=True)
class Setting:
    """A dotted path with its values, and the architecture that alone has it; None where all share it."""

    path: str
    values: Range | Choice
    model: str | None = None

    @property
    def name(self) -> str:
        return f"{self.model}/{self.path}" if self.model else self.path

    @property
    def fixed(self) -> bool:
        return isinstance(self.values, Choice) and len(self.values.values) == 1

    @property
    def text(self) -> str:
        """The values as an expression, as `read` takes them."""
        values = self.values
        if isinstance(values, Choice):
            words = ",".join(map(str, values.values))
            return words if self.fixed else f"choice({words})"
        form = "log" if values.log else "int" if _whole(values) else "float"
        step = f",{values.step}" if values.step > 1 else ""
        return f"{form}({values.low:g},{values.high:g}{step})"

    def suggest(self, trial: Trial) -> Any:
        """A value from a trial; one that is fixed asks for nothing."""
        values = self.values
        if isinstance(values, Choice):
            return values.values[0] if self.fixed else trial.suggest_categorical(self.name, list(values.values))
        if _whole(values):
            low, high = int(values.low), int(values.high)
            return trial.suggest_int(self.name, low, high, step=values.step, log=values.log)
        return trial.suggest_float(self.name, values.low, values.high, log=values.log)

    def holds(self, value: Any) -> bool:
        """Whether a value lies in the range."""
        values = self.values
        if isinstance(values, Choice):
            return value in values.values
        if isinstance(value, bool) or not isinstance(value, int | float) or not values.low <= value <= values.high:
            return False
        return not _whole(values) or (isinstance(value, int) and (value - int(values.low)) % values.step == 0)


@dataclass(frozen=True)
class Space:
    """What a sweep searches: by architecture the experiment that it starts from, and what varies or is fixed."""

    bases: Mapping[str, Experiment]
    settings: tuple[Setting, ...]

    def of(self, model: str) -> list[Setting]:
        """The settings that an architecture has."""
        return [s for s in self.settings if s.model in (None, model)]

    def suggest(self, trial: Trial) -> Experiment:
        """Ask a trial for an architecture, then for that one's settings alone, and put them together."""
        models = list(self.bases)
        model = trial.suggest_categorical(KIND, models) if len(models) > 1 else models[0]
        return override(self.bases[model], {s.path: s.suggest(trial) for s in self.of(model)})

    def experiment(self, params: Mapping[str, Any]) -> Experiment:
        """The experiment of a trial."""
        return self.suggest(PastTrial(params))

    def defaults(self, model: str) -> dict[str, Any]:
        """The values by name with which an architecture starts, so far as they lie in the space."""
        flat = self.bases[model].flat()
        kind = {KIND: model} if len(self.bases) > 1 else {}
        varied = [s for s in self.of(model) if not s.fixed]
        return kind | {s.name: flat[s.path] for s in varied if s.path in flat and s.holds(flat[s.path])}


def space(bases: Mapping[str, Experiment], ranges: Mapping[str, Any]) -> Space:
    """The ranges beside the fields of each architecture's experiment, and others in place of some of them.

    ranges: by dotted path, or model/path for one architecture: an expression ("log(1e-4,1e-2)"), a list of choices, or
    a value.
    Raises ConfigError for a path that is not known, or a value that the setting cannot have.
    """
    settings: dict[str, Setting] = {}
    several = len(bases) > 1
    for model, base in bases.items():
        for path, values in (*_ranges(base.model, "model."), *_ranges(base.train, "train.")):
            setting = Setting(path, values, model if several and path.startswith("model.") else None)
            settings[setting.name] = setting
    for name, value in ranges.items():
        settings |= {setting.name: setting for setting in _settings(name, value, bases)}
    whole = Space(bases, tuple(settings.values()))
    _check(whole)
    return whole


def _ranges(config: Config, prefix: str) -> Iterator[tuple[str, Range | Choice]]:
    """Dotted path and range of every field that has one."""
    for path, field in _fields(config, prefix):
        yield from ((path, note) for note in field.metadata if isinstance(note, Range | Choice))


def _fields(config: Config, prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    """Dotted path and field of every value; of a union, those of the member that is there."""
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        if isinstance(value, Config):
            yield from _fields(value, f"{prefix}{name}.")
        else:
            yield prefix + name, field


def _settings(name: str, value: Any, bases: Mapping[str, Experiment]) -> list[Setting]:
    """The settings of one line of a space: one, or one for each architecture that has the path."""
    model, _, path = name.rpartition("/")
    if model and model not in bases:
        hint = nearest(model, bases) or f"it has {listing(bases)}"
        raise ConfigError(f"space: {name}: the sweep has no model '{model}'", hint)
    if path == KIND:
        raise ConfigError(f"space: {KIND} is chosen among the models", "pass sweep.models=rnn,lstm,gru")
    leaves = {kind: _leaves(bases[kind]) for kind in ([model] if model else bases)}
    having = [kind for kind, paths in leaves.items() if path in paths]
    if not having:
        every = dict.fromkeys(p for paths in leaves.values() for p in paths)
        refused = "it would change what is scored" if path.startswith(("data.", "backtest.")) or path == "seed" else ""
        hint = refused or nearest(path, every) or f"known: {listing(every, 40)}"
        raise ConfigError(f"space: '{path}' is no setting that a sweep can vary", hint)
    if not path.startswith("model."):
        return [Setting(path, read(name, value, having[0], bases))]
    several = len(bases) > 1
    return [Setting(path, read(name, value, kind, bases), kind if several else None) for kind in having]


def _leaves(experiment: Experiment) -> list[str]:
    """Every dotted path that a sweep may vary."""
    fields = (*_fields(experiment.model, "model."), *_fields(experiment.train, "train."))
    return [path for path, _ in fields if path not in (KIND, "train.device")] + list(_DATA)


def read(name: str, value: Any, model: str, bases: Mapping[str, Experiment]) -> Range | Choice:
    """The range that an expression, a list of choices or a value stands for.

    model: whose default says whether numbers are whole.
    """
    if isinstance(value, list | tuple):
        return _choice(name, list(value))
    match = _FORM.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        if isinstance(value, str) and "(" in value:
            raise ConfigError(f"space: {name} = {value}: not understood", FORMS)
        return Choice((value,))
    form, parts = match[1], [_plain(part) for part in match[2].split(",")]
    if form == "choice":
        return _choice(name, parts)
    numbers = [p for p in parts if isinstance(p, int | float) and not isinstance(p, bool)]
    if len(numbers) != len(parts) or len(parts) not in ((2, 3) if form == "int" else (2,)):
        raise ConfigError(f"space: {name} = {value}: needs {'two or three' if form == 'int' else 'two'} numbers", FORMS)
    if form == "int" and any(p != int(p) for p in numbers):
        raise ConfigError(f"space: {name} = {value}: not all of these are whole numbers", FORMS)
    low, high = numbers[:2]
    if low >= high or (form == "log" and low <= 0):
        why = "the lower end must be above 0" if low < high else "the lower end must be below the upper one"
        raise ConfigError(f"space: {name} = {value}: {why}", FORMS)
    default = bases[model].flat().get(name.rpartition("/")[2])
    if form == "float" or (form == "log" and isinstance(default, float)):
        return Range(float(low), float(high), log=form == "log")
    step = int(numbers[2]) if len(numbers) == 3 else 1
    if form == "int":
        low, high = int(low), int(high)
    return Range(low, high, form == "log", step)


def _choice(name: str, values: list[Any]) -> Choice:
    if not values or any(isinstance(v, list | dict) for v in values):
        raise ConfigError(f"space: {name}: a choice is among single values", FORMS)
    return Choice(tuple(values))


def _plain(text: str) -> Any:
    """A word of an expression as TOML reads it, and as text where it does not."""
    try:
        return tomllib.loads(f"v = {text.strip()}")["v"]
    except tomllib.TOMLDecodeError:
        return text.strip()


def _whole(values: Range) -> bool:
    return isinstance(values.low, int) and isinstance(values.high, int)


def _check(whole: Space) -> None:
    """Raises ConfigError where an end of a range or a choice is no value of its setting."""
    for setting in whole.settings:
        values = setting.values
        ends = values.values if isinstance(values, Choice) else (values.low, values.high)
        for model in [setting.model] if setting.model else whole.bases:
            for value in ends:
                try:
                    override(whole.bases[model], {setting.path: value})
                except ConfigError as problem:
                    what = problem.message.removeprefix("settings: ")
                    raise ConfigError(f"space: {what}", f"say it otherwise: `space` {setting.name}=...") from None
