"""Whatever stands for a model, as what the rest of the package takes: a model, or a model directory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
