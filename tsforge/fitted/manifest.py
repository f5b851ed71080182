"""What makes a folder a model directory: its manifest, checked without loading anything heavy."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tsforge.config import Config, parse
from tsforge.errors import ConfigError, ModelError
from tsforge.version import __version__

FORMAT = 1
NAME = "manifest.json"
ALWAYS = ("experiment.json", "schema.json", "weights.safetensors")
CALIBRATION, BASELINES = "calibration.json", "baselines.safetensors"  # not every model has them


class Manifest(Config):
    """What a model directory says of itself."""

    format: int
    tsforge: str
    sha256: dict[str, str]


def write(folder: Path, names: Iterable[str]) -> None:
    """Say which files make the model, and what they hold."""
    digests = {name: _digest(folder / name) for name in names}
    write_json(folder / NAME, Manifest(format=FORMAT, tsforge=__version__, sha256=digests).model_dump())


def check(folder: Path) -> Manifest:
    """The manifest of a sound model directory; ModelError naming what is missing, damaged or from a newer version."""
    if not (folder / NAME).is_file():
        what = f"not a model directory (it has no {NAME})" if folder.exists() else "no such model directory"
        raise ModelError(f"{folder}: {what}", "name the folder of a fitted model")
    try:
        manifest = parse(Manifest, read_json(folder / NAME), NAME)
    except ConfigError as problem:
        raise ModelError(f"{folder}: damaged: {problem}", "restore the folder, or fit again") from None
    if manifest.format != FORMAT:
        raise ModelError(
            f"{folder}: format {manifest.format}, written by tsforge {manifest.tsforge}; this is "
            f"tsforge {__version__}, which reads format {FORMAT}",
            "install the tsforge that wrote it, or fit again",
        )
    for name in {*ALWAYS, *manifest.sha256} & {*ALWAYS, CALIBRATION, BASELINES}:
        _check(folder / name, manifest.sha256.get(name))
    return manifest


def write_json(path: Path, value: Any) -> None:
    """As people read it."""
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file; ModelError where there is none."""
    return as_object(path.read_bytes(), path)


def as_object(text: str | bytes, path: Path) -> dict[str, Any]:
    """The JSON object that a text from the file `path` is; ModelError where it is none."""
    try:
        value = json.loads(text)
    except ValueError as problem:
        raise ModelError(f"{path}: damaged: {problem}", "restore it, or fit again") from None
    if not isinstance(value, dict):
        raise ModelError(f"{path}: damaged: not a JSON object", "restore it, or fit again")
    return value


def _check(path: Path, expected: str | None) -> None:
    if not path.is_file():
        raise ModelError(f"{path}: missing", "restore the folder, or fit again")
    if _digest(path) != expected:
        raise ModelError(f"{path}: damaged or changed: its sha256 is not the manifest's", "restore it, or fit again")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
