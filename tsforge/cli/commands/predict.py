"""tsforge predict"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tsforge.cli import folders
from tsforge.cli.folders import PartitionOptions
from tsforge.cli.options import Flag, TableOptions, model_folder
from tsforge.cli.output import check_targets, echo, measure, measured, print_json, print_notes, print_timings
from tsforge.runtime import garbage


def predict(
    model: str, data: str | None = None, /, *, output: str | None = None, plot: str | None = None,
    horizon: int | None = None, quantiles: str | None = None, future_data: str | None = None,
    options: TableOptions | None = None, partitions: PartitionOptions | None = None, tracking_uri: str | None = None,
    timings: Flag = False, quiet: Flag = False, json: Flag = False,
) -> int:  # fmt: skip
    """Forecast what comes after the end of a table.

    Parameters
    ----------
    model
        Folder that `tsforge fit` wrote, or a recorded model: runs:/RUN, models:/NAME@ALIAS, models:/NAME/VERSION. Or
        zero, a pretrained model that forecasts any table without a fit, read as the options below say.
    data
        The table to forecast from, with the columns of the training data; or a folder of Parquet or CSV files with
        whole series in each, region=EU/part-0.parquet, on a disk or in a store (s3://...). (default: the training data)
    output
        File for the forecast, .csv or .parquet; or of a folder the folder, in which what is there already is not done
        again. (default: the first rows are printed)
    plot
        File for a picture, .png, .svg or .pdf.
    horizon
        Steps to forecast; more than the model was trained for are rolled out. (default: as trained)
    quantiles
        Levels to write, as 0.025,0.5,0.975: any between 0.025 and 0.975. (default: those the model forecasts)
    future_data
        What is known in advance of these steps: the file of `tsforge future`, filled in. (default: the last rows of the
        table, whose target is empty)
    tracking_uri
        MLflow store of a recorded model. (default: MLFLOW_TRACKING_URI, else mlflow.db in this folder)
    timings
        Print where the wall time went, stage by stage.
    quiet
        Print no notes.
    json
        Print one JSON document instead of a table.
    """
    measure(on=timings)
    print_notes(quiet=quiet)
    with garbage.paused():
        from tsforge.data import tidy as tables
        from tsforge.fitted import prediction, zero_shot

    partitions = partitions or PartitionOptions()
    levels, settings = _levels(quantiles), _settings(options or TableOptions())
    if data is not None and folders.wanted(data, output, partitions):
        from tsforge.partitions.plan import Request

        output = folders.check(output, plot, future_data)
        if zero_shot.place(model) is None:
            model = model_folder(model, tracking_uri)
        asked = {**partitions.given(), "partition_by": tuple(partitions.partition_by), "timed": timings}
        request = Request(model, data, output, horizon, tuple(levels) if levels else None, settings, **asked)
        return folders.forecast(request, json=json)
    check_targets(output, tables.ENDINGS, plot, [data, future_data])
    if (place := zero_shot.place(model)) is not None:
        result = zero_shot.predict(place, data, settings, horizon=horizon, quantiles=levels, future_data=future_data)
    else:
        zero_shot.refuse(settings)
        folder = model_folder(model, tracking_uri)
        result = prediction.predict(folder, data, horizon=horizon, quantiles=levels, future_data=future_data)
    frame = result.frame
    if output is not None:
        tables.write(frame, Path(output))
    if plot is not None:
        from tsforge.plotting import forecasts

        forecasts.forecast(result.panel, result.point, result.quantiles, result.levels, Path(plot))
    n, H, C = result.point.shape
    if json:
        print_json(
            {"model": model, "series": n, "horizon": H, "output": output, "plot": plot,
             "rows": len(frame), "forecast": tables.records(frame)} | measured()
        )  # fmt: skip
        return 0
    if output is None:
        echo(tables.on_screen(frame.head(24)))
        if len(frame) > 24:
            echo(f"... {len(frame) - 24:,} more rows; --output forecast.csv writes them all")
    else:
        echo(f"{len(frame):,} rows in {output}: {n:,} series x {H} steps" + (f" x {C} targets" if C > 1 else ""))
    if plot is not None:
        echo(f"picture in {plot}")
    print_timings()
    return 0


def _settings(options: TableOptions) -> dict[str, Any]:
    """How a table is read, as dotted settings: what a TOML file says of data, and what is given beside it."""
    if options.config is None:
        return options.overrides()
    from tsforge.settings import build

    data = build({}, options.config).data.model_dump(exclude_unset=True)
    return {f"data.{name}": value for name, value in data.items()} | options.overrides()


def _levels(text: str | None) -> list[float] | None:
    """Quantile levels from text, as "0.1,0.5,0.9"; None where none was given. Raises ConfigError."""
    from tsforge.errors import ConfigError

    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise ConfigError(f"--quantiles {text}: not all of these are numbers", "as 0.1,0.5,0.9") from None
