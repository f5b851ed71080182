"""TOML files, dotted overrides and groups of experiments, read into an `Experiment`."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from tsforge.config import parse, paths
from tsforge.data import shipped
from tsforge.data.table import piped
from tsforge.errors import ConfigError, listing, nearest
from tsforge.experiment import SWEEP, Experiment, log
from tsforge.model.zoo import NETWORK, merge


def build(overrides: dict[str, Any], file: str | Path | None = None, usual: str | None = None) -> Experiment:
    """An experiment from defaults, then a TOML file, then dotted overrides such as {"train.lr": 0.01}.

    Overrides that name another model than the file's start from that model's row, not from the file's.
    usual: the kind of model where neither names one; None for what `Experiment` says.
    Raises ConfigError naming the setting, with the nearest known name for an unknown one.
    """
    values = _experiments(file) if file is not None else {}
    if "groups" in values:
        raise ConfigError(f"{file}: holds several experiments (groups)", f"tsforge backtest {file} runs them all")
    usually = {"model": {"kind": usual}} if usual is not None else {}
    return _build(merge(usually, _named(values)), overrides, str(file) if file is not None else "settings")


def of_sweep(file: str | Path) -> dict[str, dict[str, Any]]:
    """The tables [sweep] and [space] of a TOML file, as they stand; empty where they do not."""
    values = read_toml(Path(file))
    tables = {name: values.get(name, {}) for name in SWEEP}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigError(f"{file}: {name} is no table", f"write [{name}] on a line of its own, settings below it")
    return tables


def override(experiment: Experiment, settings: dict[str, Any]) -> Experiment:
    """The experiment with some dotted settings changed, as in {"train.lr": 0.01}."""
    values = experiment.plain()
    for path, value in settings.items():
        values = merge(values, nest(path, value))
    return parse(Experiment, values, source="settings")


def groups(overrides: dict[str, Any], file: str | Path) -> dict[str, Experiment]:
    """The experiments of a file with [[groups]], by their names; of any other file the one, under "".

    Each group holds the settings in which it differs from the file's own, and a name.
    """
    return grouped(_experiments(file), overrides, str(file))


def grouped(values: dict[str, Any], overrides: dict[str, Any], source: str) -> dict[str, Experiment]:
    """The experiments of nested plain values, by the names of their groups. source: of the values, for messages."""
    values = dict(values)
    parts = values.pop("groups", [{"name": ""}])
    experiments: dict[str, Experiment] = {}
    for i, part in enumerate(parts):
        if not isinstance(part, dict) or not isinstance(part.get("name"), str) or part["name"] in experiments:
            hint = 'write name = "..." in each [[groups]]'
            raise ConfigError(f"{source}: group {i + 1} has no name of its own", hint)
        rest = {key: value for key, value in part.items() if key != "name"}
        experiments[part["name"]] = _build(merge(values, rest), overrides, source)
    return experiments


def _build(values: dict[str, Any], overrides: dict[str, Any], source: str) -> Experiment:
    values = _named(values)
    given: dict[str, Any] = {}
    for path, value in overrides.items():
        given = merge(given, _named(nest(path, value)))
    if _kind(given) not in (None, _kind(values) or NETWORK):
        dropped = set(values.pop("model", {})) - {"kind"}
        if dropped:
            names = listing(sorted(dropped))
            log.warning("model settings of %s belong to another model and are left out: %s", source, names)
    made = parse(Experiment, _started(merge(values, given)), source=source)
    told = given.get("data", {})  # an experiment written out tells both
    if "reconcile" in told and "hierarchy" not in told and not made.data.hierarchy:
        hint = "name its columns from the top down, as data.hierarchy=region/store; or leave data.reconcile out"
        raise ConfigError("there is no hierarchy to reconcile", hint)
    return made


def _started(values: dict[str, Any]) -> dict[str, Any]:
    """With the model's settings of the directory that a training starts from, where they are not given otherwise."""
    train = values.get("train")
    start = train.get("start") if isinstance(train, dict) else None
    if start is None:
        return values
    path = Path(str(start)) / "experiment.json"
    try:
        model = json.loads(path.read_text(encoding="utf-8"))["model"]
    except (OSError, ValueError, KeyError, TypeError):
        hint = "train.start names the folder of a fitted model"
        raise ConfigError(f"{start}: no model directory to start from", hint) from None
    given = values.get("model", {})
    alike = isinstance(model, dict) and isinstance(given, dict) and given.get("kind") in (None, model.get("kind"))
    return values | {"model": merge(model, given)} if alike else values


def _named(values: dict[str, Any]) -> dict[str, Any]:
    """With model = "gru", and model.head = "tweedie", written as the tables that they stand for."""
    model = values.get("model")
    if isinstance(model, dict) and isinstance(model.get("head"), str):
        return values | {"model": model | {"head": {"type": model["head"]}}}
    return values | {"model": {"kind": model}} if isinstance(model, str) else values


def _kind(values: dict[str, Any]) -> Any:
    model = values.get("model")
    return model.get("kind") if isinstance(model, dict) else None


def full(path: str) -> str:
    """The dotted path of a setting that is named by its end: train.lr of lr. Unchanged where there is no such setting.

    Raises ConfigError where several end so.
    """
    known = set(paths(Experiment))
    ending = sorted(name for name in known if name.endswith(f".{path}"))
    if path in known or not ending or path.partition(".")[0] in {name.partition(".")[0] for name in known}:
        return path
    if len(ending) > 1:
        raise ConfigError(f"'{path}' is the end of several settings", f"one of {listing(ending)}")
    return ending[0]


def assignment(text: str, flag: str = "--set") -> tuple[str, Any]:
    """One "--set dotted.path=value"; the value is read as TOML, and as text where that fails.

    A path may be its end alone, as lr of train.lr, where no other setting ends so.
    """
    path, sign, value = text.partition("=")
    path, value = path.strip(), value.strip()
    if not sign or not path:
        raise ConfigError(f"{flag} {text}: not of the form dotted.path=value", f"for example {flag} train.lr=0.01")
    path = full(path)
    try:
        return path, tomllib.loads(f"v = {value}")["v"]
    except tomllib.TOMLDecodeError:
        return path, value


def read_toml(path: Path) -> dict[str, Any]:
    """A file as nested plain values: where there is none, the pipeline of that name; of -, standard input.

    Raises ConfigError where there is neither, or no TOML in it.
    """
    if str(path) == piped.NAME:
        return _parsed(piped.text("the experiment"), piped.TITLE)
    if not path.is_file():
        found = shipped.find(path)
        if found is None:
            folder = path.parent if path.parent.is_dir() else Path()
            near = nearest(path.name, [*(p.name for p in folder.glob("*.toml")), *shipped.paths()])
            hint = near or "name a file, or one of those that `tsforge pipelines` lists"
            raise ConfigError(f"{path}: no such file, and no pipeline of that name", hint)
        if path.suffix:
            log.info("%s is not there: the pipeline of that name that tsforge brings along is read", path)
        path = found
    try:
        return _parsed(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError as problem:
        raise ConfigError(f"{path}: not valid TOML: {problem}", "fix the line it names") from None


def _parsed(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise ConfigError(f"{name}: not valid TOML: {problem}", "fix the line it names") from None


def _experiments(file: str | Path) -> dict[str, Any]:
    """What a TOML file says beside its sweep."""
    return {name: value for name, value in read_toml(Path(file)).items() if name not in SWEEP}


def nest(path: str, value: Any) -> dict[str, Any]:
    """{"a": {"b": value}} for "a.b"."""
    head, _, rest = path.partition(".")
    return {head: nest(rest, value) if rest else value}
