"""mlflow/compose.yaml as a test reads it: without containers, but with its own options, settings and variables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parents[2] / "mlflow"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
SERVICE: dict[str, Any] = COMPOSE["services"]["mlflow"]
VARIABLE = re.compile(r"\$\{(?P<name>\w+):(?P<rule>[-?])(?P<rest>[^}]*)\}")  # the two forms the file uses


def texts(node: Any) -> Iterator[str]:
    """Every string of the file that compose interpolates."""
    if isinstance(node, dict):
        node = list(node.values())
    if isinstance(node, list):
        for part in node:
            yield from texts(part)
    elif isinstance(node, str):
        yield node


def filled(text: str, values: Mapping[str, str]) -> str:
    """As compose fills in variables: ${A:-default}, and ${A:?why it is needed}."""

    def one(found: re.Match[str]) -> str:
        value = values.get(found["name"], "")
        if not value and found["rule"] == "?":
            raise KeyError(found["name"])
        return value or found["rest"]

    return VARIABLE.sub(one, text)


def mounted() -> dict[str, str]:
    """Path in the container of mlflow to what is mounted there."""
    return {volume.split(":")[1]: volume.split(":")[0] for volume in SERVICE["volumes"]}
