"""What a report is of: a model, a sweep or a comparison, by its folder, its address, or the run that remembers it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from tsforge.errors import ConfigError, TrackingError

if TYPE_CHECKING:
    from tsforge.tracking.runs import Recorded

Kind = Literal["model", "sweep", "comparison"]
FILES: dict[Kind, str] = {"model": "manifest.json", "sweep": "sweep.json", "comparison": "comparison.json"}


class Found(NamedTuple):
    """place: a model, or the folder of a model, a sweep or a comparison. run: that remembers it, if one was named."""

    kind: Kind
    place: Any
    run: Recorded | None = None


def find(what: Any, uri: str | None = None) -> Found:
    """What somebody means: a fit, a model, what `sweep` or `compare` gave back, a folder, an address, a run.

    uri: the store of runs; MLFLOW_TRACKING_URI or mlflow.db in this folder where None.
    Raises ConfigError and TrackingError for what is not there.
    """
    from tsforge.api import models
    from tsforge.model.zoo import PRETRAINED
    from tsforge.tracking import registry

    if not isinstance(what, str | Path):
        if hasattr(what, "candidates"):  # of a sweep
            return Found("sweep", what.folder)
        if hasattr(what, "measured"):  # of a comparison
            return Found("comparison", what.files[0].parent)
        return Found("model", models.of(what))
    if registry.is_recorded(what):
        return Found("model", registry.local(what, uri))
    if Path(what).exists():
        return _of_folder(Path(what))
    if str(what) in PRETRAINED:
        hint = f"fit it to one, which trains nothing: tsforge fit DATA --model {what} --horizon STEPS"
        raise ConfigError(f"{what}: is a pretrained model that belongs to no table", hint)
    return _of_run(str(what), uri)


def _of_folder(folder: Path) -> Found:
    for kind, name in FILES.items():
        if (folder / name).is_file():
            return Found(kind, folder)
    raise ConfigError(
        f"{folder}: neither the folder of a model nor of a sweep or a comparison",
        "name one that fit, sweep or compare wrote, or a recorded run",
    )


def _of_run(word: str, uri: str | None) -> Found:
    """What a run left: its model, or its folder where that is still there."""
    from tsforge.tracking import registry, runs, store

    try:
        run = runs.get(store.reading(store.address(uri)), word)
    except TrackingError as problem:
        hint = problem.hint or "tsforge runs lists those that are recorded"
        raise ConfigError(f"{word}: no folder, and no recorded run", hint) from None
    kind = run.tags.get("tsforge.kind", "")
    folder = Path(run.tags.get("tsforge.folder") or run.tags.get("tsforge.model") or "")
    if kind in ("sweep", "comparison"):
        if not (folder / FILES[kind]).is_file():  # type: ignore[index]
            where = f": {folder} is gone" if folder.name else ""
            raise ConfigError(f"run {run.name}: its folder is not at hand{where}", f"name the folder of the {kind}")
        return Found(kind, folder, run)  # type: ignore[arg-type]
    try:
        return Found("model", registry.fetch(f"runs:/{run.id}", uri), run)
    except TrackingError as problem:
        if folder.name and (folder / FILES["model"]).is_file():  # of a backtest, or a model whose copy is gone
            return Found("model", folder, run)
        raise ConfigError(
            f"run {run.name}: {problem.message}", "name a run of a fit, a sweep or a comparison"
        ) from None
