"""An experiment written out for a table: what was detected stands in it, every other setting as a comment."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from tsforge.api import reference, surveys
from tsforge.api.reference import Setting
from tsforge.data.table import piped
from tsforge.errors import DataError

WIDTH = 80
ROLES = ("time", "id", "target", "past", "future", "static")
SECTIONS = ("data", "model", "train", "backtest")


def outline(path: str, settings: Mapping[str, Any] | None = None, model: str = "auto") -> str:
    """The TOML of an experiment on a table, which `fit` and `backtest` take.

    path: of the table, or the name of a data set. settings: how it is read. model: its kind.
    Raises DataError where something is in the way of a fit, or the table can be read in several ways.
    """
    given = dict(settings or {})
    facts = surveys.inspect(path, given).facts
    if facts["problem"] is not None:
        raise DataError(facts["problem"], facts["hint"], facts["choices"])
    roles: dict[str, list[str]] = {role: [] for role in ROLES}
    for column in facts["columns"]:
        if column["role"] in roles:
            roles[column["role"]].append(column["name"])
    target = facts["target"] or facts["could_be_target"][-1:]
    found = {f"data.{role}": names for role, names in (roles | {"target": target}).items() if names}
    found |= {"data.horizon": facts["horizon"]} | given | {"model.kind": model}
    found |= {"data.path": path} if path != piped.NAME else {}
    seen = {"data.freq": facts["frequency"], "data.season": facts["season"]}
    every = reference.settings(None, model)
    heads = [s for s in every if "." not in s.path]
    head = f"# An experiment on {path}: tsforge fit --config THIS.toml"
    if path == piped.NAME:
        head = f"# An experiment on {piped.TITLE}: tsforge fit DATA --config THIS.toml"
    blocks = [[head, "", *_lines(heads, found, seen)]]
    for section in SECTIONS:
        own = [s for s in every if s.path.startswith(f"{section}.")]
        blocks.append([f"[{section}]", *_lines(own, found, seen, f"{section}.")])
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _lines(settings: list[Setting], found: dict[str, Any], seen: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """A line for each setting: its value where it was found, else its default as a comment, with its sentence."""
    for setting in settings:
        name = setting.path.removeprefix(prefix)
        if setting.path in found:
            value = found[setting.path]
            short = value[0] if setting.path == "data.time" and isinstance(value, list) and len(value) == 1 else value
            yield f"{name} = {_toml(short)}"
            continue
        detected = seen.get(setting.path)
        default = detected if detected is not None else setting.default
        shown = f" = {_toml(default)}" if default not in (None, ()) else " ="
        text = f"{setting.text} (detected)" if detected is not None else setting.text or setting.values
        first, *rest = textwrap.wrap(text, WIDTH - 6) or [""]
        line = f"# {name}{shown}"
        if rest or len(f"{line}  # {first}") > WIDTH:
            yield from (f"#   {part}" for part in textwrap.wrap(text, WIDTH - 4))
            yield line
        else:
            yield f"{line}  # {first}"


def _toml(value: Any) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
