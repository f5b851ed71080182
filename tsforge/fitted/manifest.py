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
WEIGHTS = "weights.safetensors"
ALWAYS = ("experiment.json", "schema.json", WEIGHTS)
# Not every model has these.
CALIBRATION, BASELINES, DEPENDENCE = "calibration.json", "baselines.safetensors", "dependence.safetensors"
TEXTS = ("experiment.json", "schema.json", CALIBRATION)
MOST_TEXT, MOST_HEADER, MOST_WEIGHTS = 100_000_000, 100_000_000, 16_000_000_000  # bytes


class Manifest(Config):
    """What a model directory says of itself."""

    format: int
    tsforge: str
    sha256: dict[str, str]


def write(folder: Path, names: Iterable[str]) -> None:
    """Say which files make the model, and what they hold."""
    digests = {name: _digest(folder / name) for name in names}
    write_json(folder / NAME, Manifest(format=FORMAT, tsforge=__version__, sha256=digests).model_dump())


def read(folder: Path) -> Manifest:
    """The manifest of a model directory whose files are there, each of a size that it can have; none is read whole.

    Raises ModelError naming what is missing, too large, damaged or from a newer version.
    """
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
    for name in _used(manifest):
        _check_size(folder / name)
    return manifest


def check(folder: Path) -> Manifest:
    """The manifest of a sound model directory; ModelError naming what is missing, damaged or from a newer version."""
    manifest = read(folder)
    for name in _used(manifest):
        check_digest(folder / name, manifest.sha256.get(name))
    return manifest


def check_digest(path: Path, expected: str | None) -> None:
    """Raises ModelError where a file is not what the manifest says."""
    if _digest(path) != expected:
        raise ModelError(f"{path}: damaged or changed: its sha256 is not the manifest's", "restore it, or fit again")


def write_json(path: Path, value: Any) -> None:
    """As people read it."""
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file; ModelError where there is none."""
    _check_size(path)
    return as_object(path.read_bytes(), path)


class Tensors(Config):
    """The header of a safetensors file: type and size of each tensor, and texts beside them."""

    sizes: dict[str, tuple[str, tuple[int, ...]]]
    texts: dict[str, str]


def header(path: Path) -> Tensors:
    """What a safetensors file says it holds, read without the rest; ModelError where it is not of the size it says."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= min(MOST_HEADER, size - 8):
            raise ModelError(f"{path}: damaged: it has no header", "restore it, or fit again")
        entries = as_object(file.read(length), path)
    try:
        texts = entries.pop("__metadata__", {})
        end = max((int(entry["data_offsets"][1]) for entry in entries.values()), default=0)
        sizes = {name: (entry["dtype"], entry["shape"]) for name, entry in entries.items()}
        tensors = parse(Tensors, {"sizes": sizes, "texts": texts}, path.name)
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError, IndexError, ConfigError):
        raise ModelError(f"{path}: damaged: its header is none", "restore it, or fit again") from None
    if size != 8 + length + end:
        raise ModelError(f"{path}: damaged: its size is not what its header says", "restore it, or fit again")
    return tensors


def as_object(text: str | bytes, path: Path) -> dict[str, Any]:
    """The JSON object that a text from the file `path` is; ModelError where it is none."""
    try:
        value = json.loads(text, parse_constant=_no_number)
    except RecursionError:
        raise ModelError(f"{path}: damaged: nested too deeply", "restore it, or fit again") from None
    except ValueError as problem:
        raise ModelError(f"{path}: damaged: {problem}", "restore it, or fit again") from None
    if not isinstance(value, dict):
        raise ModelError(f"{path}: damaged: not a JSON object", "restore it, or fit again")
    return value


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


def _used(manifest: Manifest) -> list[str]:
    """The files that are read back."""
    return [*ALWAYS, *(name for name in (CALIBRATION, BASELINES, DEPENDENCE) if name in manifest.sha256)]


def _check_size(path: Path) -> None:
    """Raises ModelError for a file that is not there, or larger than it can be."""
    if not path.is_file():
        raise ModelError(f"{path}: missing", "restore the folder, or fit again")
    size, most = path.stat().st_size, MOST_WEIGHTS if path.suffix == ".safetensors" else MOST_TEXT
    if size > most:
        raise ModelError(f"{path}: damaged: {size:,} bytes, more than any model has", "restore it, or fit again")
    if path.suffix == ".safetensors":
        header(path)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
