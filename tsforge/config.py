"""The base class of every configuration, its parser with readable errors, and the ranges of a sweep."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from tsforge.errors import ConfigError, listing, nearest


class Config(BaseModel):
    """A frozen, typed value; unknown keys are errors, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)


C = TypeVar("C", bound=Config)


@dataclass(frozen=True)
class Range:
    """Where a sweep looks for a number, both ends included; stands with a field as `Annotated[int, Range(1, 3)]`.

    Whole numbers where both ends are. log: equal ratios are equally likely. step: between whole numbers.
    """

    low: float
    high: float
    log: bool = False
    step: int = 1


@dataclass(frozen=True)
class Choice:
    """The values among which a sweep chooses; a single one fixes the setting."""

    values: tuple[Any, ...]


def parse(cls: type[C], values: dict[str, Any], source: str) -> C:
    """Validate nested plain values as `cls`.

    Raises ConfigError naming their source, the dotted path and, for an unknown key, the nearest that exists.
    """
    try:
        return cls.model_validate(values)
    except ValidationError as problem:
        raise _readable(cls, problem, source) from None


def paths(cls: type[Config], prefix: str = "") -> Iterator[str]:
    """Every dotted path of a configuration, through nested configurations and their unions."""
    for name, field in cls.model_fields.items():
        yield prefix + name
        for part in _configs(field.annotation):
            yield from paths(part, f"{prefix}{name}.")


def _configs(annotation: Any) -> Iterator[type[Config]]:
    """The configuration classes inside an annotation (a class, a union, an Annotated union)."""
    if isinstance(annotation, type) and issubclass(annotation, Config):
        yield annotation
    elif get_origin(annotation) in (Union, types.UnionType, Annotated):
        for part in get_args(annotation):
            yield from _configs(part)


_MESSAGES = {
    "greater_than_equal": "must be {ge} or more",
    "greater_than": "must be more than {gt}",
    "finite_number": "must be a finite number",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "bool_parsing": "must be true or false",
    "tuple_type": "must be a list",
    "literal_error": "must be {expected}",
    "union_tag_invalid": "must be one of {expected_tags}",
}


def _readable(cls: type[Config], problem: ValidationError, source: str) -> ConfigError:
    """The first problem that pydantic names, in the project's words."""
    settings = list(dict.fromkeys(paths(cls)))
    first = problem.errors()[0]
    path = _dotted(first["loc"], settings, unknown=first["type"] == "extra_forbidden")
    if first["type"] == "extra_forbidden":
        parent = path.rpartition(".")[0]
        siblings = [k for k in settings if k.rpartition(".")[0] == parent and k != path]
        # A path that exists can still be impossible here, as a network's width for a baseline.
        near = nearest(path, [k for k in settings if k != path])
        names = listing((k.rpartition(".")[2] for k in siblings), 20)
        hint = f"known here: {names}" if path in settings or not near else near
        return ConfigError(f"{source}: there is no setting '{path}'", hint)
    if first["type"] == "union_tag_invalid":
        path += "." + first["ctx"]["discriminator"].strip("'")
    template = _MESSAGES.get(first["type"])
    text = template.format(**first.get("ctx", {})) if template else first["msg"].removeprefix("Value error, ")
    given = first.get("input")
    shown = f", not {given!r}" if isinstance(given, str | int | float | bool) else ""
    hint = f"give another value, as with {path}=VALUE" if path else ""
    if first["type"] == "literal_error" and isinstance(given, str):
        hint = nearest(given, re.findall(r"'([^']*)'", first["ctx"]["expected"])) or hint
    return ConfigError(f"{source}: {path or 'the experiment'}: {text}{shown}", hint)


def _dotted(loc: tuple[str | int, ...], settings: list[str], *, unknown: bool) -> str:
    """A dotted path without the tags that pydantic puts between a union and its member."""
    path = ""
    for i, part in enumerate(loc):
        longer = f"{path}.{part}" if path else str(part)
        if longer in settings or (unknown and i == len(loc) - 1):
            path = longer
    return path


def flattened(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Tables in tables as dotted paths."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= flattened(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat
