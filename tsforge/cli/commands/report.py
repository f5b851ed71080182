"""tsforge report"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from tsforge.cli.options import Flag, Repeated
from tsforge.cli.output import STANDARD, check_targets, command_line, echo, print_json, print_notes
from tsforge.runtime.numbers import size


def report(
    what: str, data: str | None = None, /, *, output: str = "report.html", horizon: int | None = None,
    series: Repeated | None = None, most: int = 100, tracking_uri: str | None = None, quiet: Flag = False,
    json: Flag = False,
) -> int:  # fmt: skip
    """Write a page on a model, a sweep or a comparison: one HTML file that opens offline.

    Of a model: forecast, scores, errors by step and series, calibration, data, experiment; series can be chosen and
    looked at closely. Of a sweep: leaderboard, what decided, the best model. Of a comparison: verdicts, figures,
    scores.

    Parameters
    ----------
    what
        Folder that fit, sweep or compare wrote; a recorded model: runs:/RUN, models:/NAME@ALIAS, models:/NAME/VERSION;
        or a recorded run by its id or name.
    data
        The table to forecast from, and to judge the model on where it has not seen it; - for standard input. (default:
        the training data)
    output
        File for the page, .html, or - for standard output.
    horizon
        Steps to forecast. (default: as trained)
    series
        Ids of the series that can be chosen in the page, as A,B. (default: as many as --most, the worst first)
    most
        Series that can be chosen at most.
    tracking_uri
        MLflow store of recorded models and runs. (default: MLFLOW_TRACKING_URI, else mlflow.db in this folder)
    quiet
        Print no notes.
    json
        Print one JSON document.
    """
    from tsforge.api import reporting

    print_notes(quiet=quiet)
    check_targets(output, (".html", ".htm"), None, [data])
    place = Path(output)
    asked: dict[str, Any] = {"horizon": horizon, "series": series, "most": most, "tracking_uri": tracking_uri}
    if output == STANDARD:
        with tempfile.TemporaryDirectory() as draft:
            place = Path(draft) / "report.html"
            reporting.report(what, data, place, command=command_line(), **asked)
            print(place.read_text(encoding="utf-8"), flush=True)
        return 0
    reporting.report(what, data, place, command=command_line(), **asked)
    if json:
        print_json({"model": what, "output": output, "bytes": place.stat().st_size})
    else:
        echo(f"report in {output} ({size(place.stat().st_size)}); it opens in any browser")
    return 0
