"""The base class of every configuration, its parser with readable errors, and the ranges of a sweep."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    SerializationInfo,
    ValidationError,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from tsforge.errors import ConfigError, listing, nearest
from tsforge.runtime import plugins


class Config(BaseModel):
    """A frozen, typed value; unknown keys are errors, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _true_is_no_number(cls, values: Any) -> Any:
        for name, value in values.items() if isinstance(values, dict) else ():
            field = cls.model_fields.get(name)
            if isinstance(value, bool) and field is not None and not _may_be_bool(field.annotation):
                raise PydanticCustomError("no_bool", "cannot be true or false", {"name": name})
        return values


def _may_be_bool(annotation: Any) -> bool:
    """Whether true or false may stand in a field."""
    if annotation in (bool, Any, object):
        return True
    parts = get_args(annotation)
    return any(part is True or part is False or _may_be_bool(part) for part in parts)


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


@dataclass(frozen=True)
class Parts:
    """Stands with a union of configurations, told apart by `type`, to which users add theirs: `tsforge.register`.

    own: the words of the union. check: as `plugins.find` takes it; gives a configuration's class.
    """

    kind: plugins.Kind
    own: tuple[str, ...]
    check: plugins.Check

    @property
    def types(self) -> tuple[type[Config], ...]:
        """What users have added."""
        return tuple(plugins.every(self.kind, self.check).values())

    @property
    def words(self) -> tuple[str, ...]:
        """Every `type` that there is."""
        return *self.own, *plugins.names(self.kind)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        own = handler(source)
        plain = core_schema.wrap_serializer_function_ser_schema(self._plain, schema=own, info_arg=True)
        return core_schema.no_info_wrap_validator_function(self._validated, own, serialization=plain)

    def _validated(self, value: Any, own: Callable[[Any], Any]) -> Any:
        word = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
        if not isinstance(word, str) or word in self.own:
            return own(value)
        cls = plugins.find(self.kind, word, self.check)
        if cls is None:
            raise plugins.unknown(self.kind, word, self.own)
        return cls.model_validate(value)

    def _plain(self, value: Any, own: Callable[[Any], Any], info: SerializationInfo) -> Any:
        if value.type in self.own:
            return own(value)
        return value.model_dump(mode=info.mode, exclude_none=info.exclude_none, exclude_unset=info.exclude_unset)


@dataclass(frozen=True)
class Words:
    """Stands with a text that is one of some words, to which users add theirs: `tsforge.register`."""

    kind: plugins.Kind
    own: tuple[str, ...]
    check: plugins.Check

    @property
    def words(self) -> tuple[str, ...]:
        """Every word that there is."""
        return *self.own, *plugins.names(self.kind)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._validated, handler(source))

    def _validated(self, word: str) -> str:
        if word not in self.own and plugins.find(self.kind, word, self.check) is None:
            raise plugins.unknown(self.kind, word, self.own)
        return word


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
        added = (cls for note in field.metadata if isinstance(note, Parts) for cls in note.types)
        for part in (*_configs(field.annotation), *added):
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
    if first["type"] == "no_bool":
        path = f"{path}.{first['ctx']['name']}".removeprefix(".")
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
