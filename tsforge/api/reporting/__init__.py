"""A report of a model: one HTML file that opens offline, with its data, forecasts, scores and how far to trust them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tsforge.fitted.model import Model
    from tsforge.training.fitting import Fit


def report(
    model: Fit | Model | str | Path, data: Any, path: str | Path, *, horizon: int | None = None, series: int = 100,
    command: str = "",
) -> None:  # fmt: skip
    """Write a page on a model: forecast, scores, errors by step and series, calibration, data and experiment.

    model: a fit, a model, its directory or its address.
    data: the table to forecast from, and to judge the model on where it has not seen it; the training data where None.
    path: of the page, .html. horizon: steps to forecast. series: that can be chosen at most, the worst first.
    command: the line that makes it again.
    Raises what `tsforge.predict` raises; a table without unseen rows gives a report without scores.
    """
    import logging

    from tsforge.api import models, using
    from tsforge.api.reporting import facts, page
    from tsforge.errors import ConfigError, DataError
    from tsforge.fitted import directory

    if series < 1:
        raise ConfigError(f"a report shows 1 series or more, not {series}", "name a larger number of series")
    place, data = models.beside(model, data)
    loaded = directory.load(place) if isinstance(place, str | Path) else place
    made = using.predict(loaded, data, horizon=horizon)
    try:
        test = using.backtest(loaded, data)
    except DataError as problem:
        logging.getLogger("tsforge").warning("no scores: %s", problem.message)
        test = None
    found = facts.collect(made, test, series)
    page.write(found, loaded, Path(path), command, facts.along_the_past(loaded, data))
