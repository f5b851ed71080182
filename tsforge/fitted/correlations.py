"""How the errors of a model hang together, as a file beside its weights: three small tables and what their rows are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from tsforge.batch import WindowShape
from tsforge.config import Config, parse
from tsforge.errors import ConfigError, ModelError
from tsforge.evaluation.dependence import Dependence
from tsforge.fitted import manifest

MOST = 4096  # rows of a table
_REPAIR = "fit again, or restore the folder"


class Stored(Config):
    """What stands in the header of the file."""

    keys: tuple[str, ...]
    common: Annotated[float, Field(ge=-1, le=1)]
    windows: Annotated[int, Field(ge=0)]
    origins: Annotated[int, Field(ge=0)]


def save(dependence: Dependence, path: Path) -> None:
    """Write the tables."""
    d = dependence
    text = Stored(keys=d.keys, common=d.common, windows=d.windows, origins=d.origins).model_dump_json()
    tables = {"steps": d.steps, "targets": d.targets, "series": d.series}
    path.write_bytes(to_bytes({k: v.astype(np.float32) for k, v in tables.items()}, {"dependence": text}))


def load(path: Path, shape: WindowShape, digest: Callable[[Path], None]) -> Dependence:
    """Read the tables of a model whose windows have a shape; ModelError where they are of another, or no correlations.

    digest: called with the path once the file is known to be no larger than it can be, and before it is read.
    """
    header = manifest.header(path)
    try:
        stored = parse(Stored, json.loads(header.texts.get("dependence", "{}")), path.name)
    except (ConfigError, ValueError, RecursionError) as problem:
        raise ModelError(f"{path}: damaged: {problem}", _REPAIR) from None
    sizes = {"steps": shape.horizon, "targets": shape.targets, "series": len(stored.keys)}
    if max(sizes.values()) > MOST or header.sizes != {k: ("F32", (n, n)) for k, n in sizes.items()}:
        raise ModelError(f"{path}: the correlations are of another horizon, other targets or other series", _REPAIR)
    digest(path)
    try:
        with safe_open(path, framework="np") as file:
            tables = {name: file.get_tensor(name).astype(np.float64) for name in sizes}
    except (OSError, SafetensorError, ValueError) as problem:
        raise ModelError(f"{path}: cannot be loaded: {problem}", _REPAIR) from None
    for name, table in tables.items():
        sound = np.isfinite(table).all() and np.abs(table).max() <= 1 + 1e-5 and np.allclose(table, table.T, atol=1e-5)
        if not sound or not np.allclose(np.diagonal(table), 1, atol=1e-5):
            raise ModelError(f"{path}: '{name}' holds no correlations", _REPAIR)
    return Dependence(**tables, **stored.model_dump())
