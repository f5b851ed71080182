"""tsforge predict"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from tsforge.cli import folders
from tsforge.cli import sampling as paths
from tsforge.cli.advice import after_predict, print_commands
from tsforge.cli.folders import PartitionOptions
from tsforge.cli.options import Flag, PlotOptions, TableOptions, model_folder
from tsforge.cli.output import (
    Written,
    check_targets,
    command_line,
    echo,
    measure,
    measured,
    print_json,
    print_notes,
    print_run,
    print_timings,
)
from tsforge.cli.sampling import SampleOptions
from tsforge.cli.standard import place, print_written, write_frame
from tsforge.cli.tables.forecast import print_forecast
from tsforge.runtime import garbage


def predict(
    model: str, data: str | None = None, /, *, output: str | None = None,
    picture: PlotOptions | None = None, horizon: int | None = None, quantiles: str | None = None,
    future_data: str | None = None,
    round_: Annotated[bool, Parameter(name="--round", negative="")] = False, sampling: SampleOptions | None = None,
    scenario: Annotated[list[str] | None, Parameter(negative="")] = None, track: Flag = False,
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
        The table to forecast from, with the columns of the training data, - for standard input; or a folder of Parquet
        or CSV files with whole series in each, region=EU/part-0.parquet, on a disk or in a store (s3://...). (default:
        the training data)
    output
        File for the forecast, .csv or .parquet, or - for standard output as CSV; or of a folder the folder, in which
        what is there already is not done again. (default: the first rows are printed)
    horizon
        Steps to forecast; more than the model was trained for are rolled out. (default: as trained)
    quantiles
        Levels to write, as 0.025,0.5,0.975: any between 0.025 and 0.975. (default: those the model forecasts)
    future_data
        What is known in advance of these steps: the file of `tsforge future`, filled in. (default: the last rows of the
        table, whose target is empty)
    round_
        Round forecasts and quantiles to the nearest whole number, where the values of a series always were whole.
    scenario
        What if: another future of the columns known in advance, as 'price*1.1', 'promo=1' or
        'sale: price*0.9, promo=1'; may be given several times. Shows the forecast and its difference to the planned
        one: what the model has learned, which need not be a cause.
    track
        Record the scenarios, or what was made of sample paths, as a run in MLflow.
    tracking_uri
        MLflow store of a recorded model, and of scenarios. (default: MLFLOW_TRACKING_URI, else mlflow.db in this
        folder)
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
        from tsforge.errors import ConfigError
        from tsforge.fitted import occasions, reconciled, zero_shot

    partitions, picture = partitions or PartitionOptions(), picture or PlotOptions()
    plot = picture.plot
    picture.refuse()
    wanted, settings = levels(quantiles), _settings(options or TableOptions())
    if data is not None and folders.wanted(data, output, partitions):
        if scenario or (sampling and sampling.given):
            raise ConfigError("scenarios and sample paths are of one table", "name one of the files")
        from tsforge.partitions.plan import Request

        output = folders.check(output, plot, future_data)
        if zero_shot.place(model) is None:
            model = model_folder(model, tracking_uri)
        own = {**partitions.given(), "partition_by": tuple(partitions.partition_by)}
        own |= {"timed": timings, "rounded": round_}
        request = Request(model, data, output, horizon, tuple(wanted) if wanted else None, settings, **own)
        return folders.forecast(request, json=json)
    check_targets(output, tables.ENDINGS, plot, [data, future_data])
    if scenario and round_:
        raise ConfigError("differences of rounded forecasts are mostly 0 or 1", "leave out --round or --scenario")
    if scenario:
        if sampling is not None and sampling.given:
            raise ConfigError("sample paths are of the planned future alone", "leave out --scenario")
        ahead: dict[str, Any] = {"horizon": horizon, "quantiles": wanted, "future_data": future_data}
        to = Written(output, picture, tracking_uri, track=track, json=json)
        fitted = occasions.with_settings(model_folder(model, tracking_uri), settings)
        return _what_if((model, fitted), data, scenario, ahead, to)
    folder = None if zero_shot.place(model) is not None else model_folder(model, tracking_uri)
    reconcile = None if folder is None else settings.pop("data.reconcile", None)  # a pretrained one reads it itself
    if sampling is not None and sampling.given:
        sampling.check(wanted)
        ahead = {"horizon": horizon, "quantiles": wanted, "future_data": future_data, "settings": settings}
        to = Written(output, picture, tracking_uri, track=track, json=json, folder=folder)
        return paths.forecast(model, data, sampling, ahead | {"reconcile": reconcile, "rounded": round_}, to)
    if track:
        raise ConfigError("a forecast alone is not recorded", "--track goes with --scenario and --samples")
    ahead = {"horizon": horizon, "quantiles": wanted, "future_data": future_data}
    result = reconciled.predict(folder or model, data, settings, **ahead, reconcile=reconcile)
    result = result.rounded() if round_ else result
    frame = result.frame
    if output is not None:
        write_frame(frame, output)
    if plot is not None:
        from tsforge.fitted.scored import scores
        from tsforge.plotting import forecasts
        from tsforge.plotting.captions import About

        about = About(result.model, scores(folder, result.model))
        forecasts.forecast(result, about, Path(plot), picture.view())
    n, H, C = result.point.shape
    if json:
        print_json(
            {"model": model, "series": n, "horizon": H, "output": output, "plot": plot,
             "rows": len(frame), "rounded": round_, "reconcile": result.reconcile,
             "bounds": [bound._asdict() for bound in result.bounds],
             "forecast": tables.records(frame)} | measured()
        )  # fmt: skip
        return 0
    if output is None:
        print_forecast(result, frame, every=wanted is not None)
    else:
        echo(f"{len(frame):,} rows in {place(output)}: {n:,} series x {H} steps" + (f" x {C} targets" if C > 1 else ""))
    if plot is not None:
        echo(f"picture in {plot}")
    if not quiet:
        read = options.given() if folder is None and options is not None else None if folder else {}
        print_commands([after_predict(model, data, H, read)])
    print_timings()
    return 0


def _what_if(of: tuple[str, Any], data: str | None, scenario: list[str], ahead: dict[str, Any], to: Written) -> int:
    """Forecast several futures; print, write and record how they differ. of: the word for the model, and the model."""
    from tsforge.cli.tables import scenarios as shown
    from tsforge.data import tidy as tables
    from tsforge.fitted.scenarios import what_if
    from tsforge.tracking import scenarios as recording
    from tsforge.tracking.tracker import BUSY, Tracker

    model, fitted = of
    result = what_if(fitted, data, scenario, **ahead)
    frame = result.frame
    if not to.json:
        for line in shown.lines(result):
            echo(line)
    if to.output is not None:
        write_frame(frame, to.output)
    if to.plot is not None:
        recording.draw(result, Path(to.plot), to.picture.view())
    with Tracker(to.tracking_uri, None, on=to.track, limit=BUSY) as tracker:
        run = recording.record(result, model, data, tracker, command_line())
    if to.json:
        print_json(
            {"model": model, "scenarios": shown.document(result), "rows": len(frame), "output": to.output,
             "plot": to.plot, "bounds": [bound._asdict() for bound in result.planned.bounds],
             "forecast": tables.records(frame), "run": tracker.id(run)} | measured()
        )  # fmt: skip
        return 0
    for name in (to.output, to.plot):
        if name is not None:
            print_written(name)
    print_run(tracker, run)
    print_timings()
    return 0


def _settings(options: TableOptions) -> dict[str, Any]:
    """How a table is read, as dotted settings: what a TOML file says of data, and what is given beside it."""
    if options.config is None:
        return options.overrides()
    from tsforge.settings import build

    data = build({}, options.config).data.model_dump(exclude_unset=True)
    return {f"data.{name}": value for name, value in data.items()} | options.overrides()


def levels(text: str | None) -> list[float] | None:
    """Quantile levels from text, as "0.1,0.5,0.9"; None where none was given. Raises ConfigError."""
    from tsforge.errors import ConfigError

    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise ConfigError(f"--quantiles {text}: not all of these are numbers", "as 0.1,0.5,0.9") from None
