"""Whatever stands for a model, as what the rest of the package takes: a model, or a model directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tsforge.tracking import registry

if TYPE_CHECKING:
    from tsforge.fitted.model import Model
    from tsforge.training.fitting import Fit


def of(what: Fit | Model | str | Path) -> Model | str | Path:
    """The model of a fit; the folder of a recorded one by its address; a model or a folder as it is.

    Raises TrackingError for a recorded model that is not there.
    """
    if isinstance(what, str | Path):
        return registry.local(what)
    return what.model if hasattr(what, "model") else what  # of a fit, whose module need not be loaded
