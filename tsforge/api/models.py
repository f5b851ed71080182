"""Whatever stands for a model, as what the rest of the package takes: a model, or a model directory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tsforge.data import frames
from tsforge.errors import ConfigError
from tsforge.tracking import registry

if TYPE_CHECKING:
    from tsforge.fitted.model import Model
    from tsforge.training.fitting import Fit


def of(what: Fit | Model | str | Path) -> Model | str | Path:
    """The model of a fit; the folder of a recorded one by its address; a model or a folder as it is.

    Raises TrackingError for a recorded model that is not there, ConfigError for what is no model.
    """
    if isinstance(what, str | Path):
        return registry.local(what)
    model: Any = getattr(what, "model", what)  # of a fit, whose module need not be loaded
    if not hasattr(model, "network"):
        hint = "give a fit, a model, its folder or its address first, and the table after it"
        raise ConfigError(f"{type(what).__name__} is no model", hint)
    own: Model = model
    return own


def scores(what: Fit | Model | str | Path, own: Model | str | Path, kind: str) -> Mapping[str, float]:
    """Metrics of held-out windows that are known of a model: those of a fit, or written beside it; else none.

    own: as `of` gives it. kind: of the model.
    """
    from tsforge.fitted import scored

    metrics: Mapping[str, Mapping[str, float]] = getattr(what, "metrics", {})
    return metrics.get(kind, {}) or scored.scores(own, kind)


def beside(what: Fit | Model | str | Path, data: Any) -> tuple[Model | str | Path, Any]:
    """A model and the table that it is used on: as given, else that of a fit, else None. Raises as `of`."""
    return of(what), getattr(what, "table", None) if data is None else data


def folder_of(what: Fit | Model | str | Path, out: str | Path | None) -> Path:
    """The folder of a model that is to be updated; a fit or a model that lies in none is written to `out` first.

    Raises ConfigError where `out` is needed and not given, ModelError where something else lies there.
    """
    if isinstance(what, str | Path):
        if out is None and registry.is_recorded(what):
            raise ConfigError(f"{what}: is in the registry, whose versions stay as they are", "name a folder as `out`")
        return Path(registry.local(what))
    own, place = of(what), getattr(what, "folder", None)
    if place is not None:
        return Path(place)
    if out is None:
        problem = "the model lies in no folder, where the newer of two would take the place of the other"
        raise ConfigError(problem, 'name one: update(fitted, table, out="models/a"), or fit with `out`')
    from tsforge.fitted import directory

    if hasattr(what, "save"):
        what.save(out)
    else:
        directory.save(own, Path(out), lambda _: None)  # type: ignore[arg-type]  # as it is no path
    return Path(out)


R = TypeVar("R")


def as_given(result: R, data: Any) -> R:
    """A result whose frames are of Polars where the table was one."""
    made: Any = result
    kept: R = replace(made, polars=frames.is_polars(data))
    return kept
