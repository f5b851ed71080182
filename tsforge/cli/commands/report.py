"""tsforge report"""

from __future__ import annotations

from pathlib import Path

from tsforge.cli.options import Flag, fitted_folder
from tsforge.cli.output import check_targets, command_line, echo, print_json, print_notes


def report(
    model: str, data: str | None = None, /, *, output: str = "report.html", horizon: int | None = None,
    series: int = 100, tracking_uri: str | None = None, quiet: Flag = False, json: Flag = False,
) -> int:  # fmt: skip
    """Write a page on a model: forecast, scores, errors by step and series, calibration, data, experiment.

    One HTML file that opens offline; series can be chosen and looked at closely.

    Parameters
    ----------
    model
        Folder that `tsforge fit` wrote, or a recorded model: runs:/RUN, models:/NAME@ALIAS, models:/NAME/VERSION.
    data
        The table to forecast from, and to judge the model on where it has not seen it. (default: the training data)
    output
        File for the page, .html.
    horizon
        Steps to forecast. (default: as trained)
    series
        Series that can be chosen in the page at most, the worst first.
    tracking_uri
        MLflow store of a recorded model. (default: MLFLOW_TRACKING_URI, else mlflow.db in this folder)
    quiet
        Print no notes.
    json
        Print one JSON document.
    """
    from tsforge.api import reporting

    print_notes(quiet=quiet)
    check_targets(output, (".html", ".htm"), None, [data])
    place = Path(output)
    folder = fitted_folder(model, tracking_uri)
    reporting.report(folder, data, place, horizon=horizon, series=series, command=command_line())
    if json:
        print_json({"model": model, "output": output, "bytes": place.stat().st_size})
    else:
        echo(f"report in {output} ({place.stat().st_size / 1e6:.1f} MB); it opens in any browser")
    return 0
