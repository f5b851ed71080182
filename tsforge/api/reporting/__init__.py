"""Reports: one HTML file that opens offline, of a model, a sweep or a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tsforge.comparison.running import Compared
    from tsforge.fitted.model import Model
    from tsforge.sweeping.running import Sweep
    from tsforge.training.fitting import Fit


def report(
    what: Fit | Model | Sweep | Compared | str | Path, data: Any = None, path: str | Path = "report.html", *,
    horizon: int | None = None, series: str | Sequence[str] | None = None, most: int = 100, command: str = "",
    tracking_uri: str | None = None,
) -> None:  # fmt: skip
    """Write a page on a model, a sweep or a comparison.

    Of a model: its forecast, scores, errors by step and series, calibration, what it looks at, data and experiment.
    Of a sweep: its leaderboard, what decided, and the page of the best model. Of a comparison: verdicts with their
    rules, figures, pictures and scores.

    what: a fit, a model, its directory or its address; what `sweep` or `compare` gave back, or its folder; or the id,
    the beginning of one, or the name of a run that remembers one of these.
    data: the table to forecast from, and to judge a model on where it has not seen it; the training data where None.
    path: of the page, .html. horizon: steps to forecast.
    series: ids that can be chosen; where None as many as `most`, the worst first.
    command: the line that makes it again. tracking_uri: the store of runs.
    Raises what `tsforge.predict` raises, ConfigError for what is none of these or has no use for a setting; a table
    without unseen rows gives a report without scores.
    """
    from tsforge.api.reporting import finding, page, sweeps
    from tsforge.api.reporting.gathering import Request
    from tsforge.comparison import page as comparisons
    from tsforge.errors import ConfigError
    from tsforge.runtime import files

    if most < 1:
        raise ConfigError(f"a report shows 1 series or more, not {most}", "name a larger number of series")
    target = Path(path)
    files.check_path(target, (".html", ".htm"))
    found = finding.find(what, tracking_uri)
    names = (series,) if isinstance(series, str) else tuple(series or ())
    asked = Request(data, horizon, names, most, command, found.run)
    if found.kind == "comparison":
        asked.refuse("a comparison", "its models have reports of their own, of any table")
        text = comparisons.text(comparisons.read(Path(found.place)))
    elif found.kind == "sweep":
        text = sweeps.text(Path(found.place), asked)
    else:
        text = page.text(found.place, asked)
    files.write(target, text)
