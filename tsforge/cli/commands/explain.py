"""tsforge explain"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cyclopts import Parameter

from tsforge.cli.options import Flag, PlotOptions, fitted_folder
from tsforge.cli.output import (
    Written,
    check_targets,
    command_line,
    echo,
    print_json,
    print_notes,
    print_run,
    print_table,
)
from tsforge.cli.standard import print_written, write_frame
from tsforge.runtime import files
from tsforge.runtime.numbers import figure

if TYPE_CHECKING:
    from tsforge.fitted.explanation import Explanation, Method

SHOWN = 5  # past steps, and lags, that are printed
WINDOWS = 300  # held-out windows that covariates are weighed on, at most


@Parameter(name="*")
@dataclass
class CovariateOptions:
    """Which covariates matter."""

    covariates: Flag = False
    "Show which covariates the forecasts depend on: by gradients, and by what the error becomes with each one moved."
    ablate: Flag = False
    "With --covariates: fit the model without each of them too, with three seeds."
    metric: str | None = None
    "With --covariates: the error that is taken, as mae or wql. (default: mase)"
    windows: int = WINDOWS
    "With --covariates: held-out windows to forecast, at most."
    track: Flag = False
    "With --covariates: record it as a run in MLflow."

    def check(self, others: dict[str, Any]) -> None:
        """Raises ConfigError for options that are of one window's steps."""
        from tsforge.errors import ConfigError

        for name, value in others.items():
            if value is not None:
                raise ConfigError(f"--{name} is of the steps of one window", f"leave out --{name} or --covariates")

    def refuse(self) -> None:
        """Raises ConfigError for what goes with --covariates alone."""
        from tsforge.errors import ConfigError

        given = {"ablate": self.ablate, "metric": self.metric, "track": self.track}
        for name, value in given.items():
            if value:
                raise ConfigError(f"--{name} goes with --covariates", "add --covariates")


def explain(
    model: str, data: str | None = None, /, *, plot: str | None = None, output: str | None = None,
    method: Literal["attention", "gradient"] | None = None, series: str | None = None, origin: str | None = None,
    target: str | None = None, step: int | None = None, asked: CovariateOptions | None = None,
    tracking_uri: str | None = None, quiet: Flag = False, json: Flag = False,
) -> int:  # fmt: skip
    """Show which steps of the past a forecast looks at, or which covariates the forecasts depend on.

    Parameters
    ----------
    model
        Folder that `tsforge fit` wrote, or a recorded model: runs:/RUN, models:/NAME@ALIAS, models:/NAME/VERSION.
    data
        The table to forecast from, with the columns of the training data; - for standard input. (default: the training
        data)
    plot
        File for a picture, .png, .svg or .pdf: forecast steps by past steps, and by lag.
    output
        File for the numbers: .npz (every layer and head), .csv or .parquet (a row per forecast step and past step; with
        --covariates a row per covariate); - for standard output as CSV.
    method
        What is shown: attention (of a Transformer), or gradient x input. (default: attention where there is some)
    series
        Which series, by its id. (default: the first)
    origin
        Time of the first step to forecast. (default: the step after the last observed target)
    target
        Which of several targets is shown. (default: the first)
    step
        One forecast step, from 1. (default: the mean over all)
    tracking_uri
        MLflow store of a recorded model. (default: MLFLOW_TRACKING_URI, else mlflow.db in this folder)
    quiet
        Print no notes.
    json
        Print one JSON document instead of tables.
    """
    print_notes(quiet=quiet)
    asked = asked or CovariateOptions()
    if asked.covariates:
        asked.check({"method": method, "series": series, "origin": origin, "target": target, "step": step})
        return _covariates(
            model, data, asked, Written(output, PlotOptions(plot), tracking_uri, track=asked.track, json=json)
        )
    asked.refuse()
    from tsforge.fitted import explanation
    from tsforge.plotting import explanation as maps
    from tsforge.plotting.captions import About

    check_targets(output, (".npz", ".csv", ".parquet"), plot, [data])
    result = explanation.explain(fitted_folder(model, tracking_uri), data, series=series, origin=origin)
    c, way = result.target(target), method or result.methods[0]
    summary = _summary(result, way, c, step)
    if output is not None:
        _write(result, output)
    if plot is not None:
        maps.draw(result, Path(plot), method=way, target=c, step=step, about=About(result.model))
    if json:
        print_json({"model": model, **summary, "output": output, "plot": plot})
    else:
        _print(result, summary, [name for name in (output, plot) if name is not None])
    return 0


def _covariates(model: str, data: str | None, asked: CovariateOptions, to: Written) -> int:
    """Print, write and record what the covariates of a model are worth."""
    check_targets(to.output, (".csv", ".parquet"), to.plot, [data])
    from tsforge.backtesting import ablation, importance
    from tsforge.cli.tables import importance as shown
    from tsforge.tracking import importance as recording
    from tsforge.tracking.tracker import BUSY, Tracker

    importance.refuse_pretrained(model)
    folder = fitted_folder(model, to.tracking_uri)
    result = importance.covariates(folder, data, metric=asked.metric, windows=asked.windows)
    result = ablation.ablate(result, folder, data) if asked.ablate else result
    if not to.json:
        for line in shown.lines(result):
            echo(line)
    if to.output is not None:
        write_frame(result.frame, to.output)
    if to.plot is not None:
        recording.draw(result, Path(to.plot))
    with Tracker(to.tracking_uri, None, on=to.track, limit=BUSY) as tracker:
        run = recording.record(result, model, data, tracker, command_line())
    if to.json:
        files = {"output": to.output, "plot": to.plot, "run": tracker.id(run)}
        print_json({"model": model, **shown.document(result), **files})
        return 0
    for name in (to.output, to.plot):
        if name is not None:
            print_written(name)
    print_run(tracker, run)
    return 0


def _write(result: Explanation, output: str) -> None:
    import numpy as np

    path = Path(output)
    if path.suffix == ".npz":
        arrays: dict[str, Any] = result.arrays()
        with files.replacing(path) as draft, draft.open("wb") as file:
            np.savez_compressed(file, **arrays)
    else:
        write_frame(result.frame, output)


def _summary(result: Explanation, method: Method, target: int, step: int | None) -> dict[str, Any]:
    """What is looked at, along the past and by lag, as plain values."""
    L, H, *_ = result.shape
    past, ahead = ([str(time) for time in times] for times in result.times)
    along, by_lag = result.along(method, target, step)
    repeats = result.autocorrelation[:, target]
    return {
        "series": result.panel.label(0) or None, "target": result.panel.schema.target[target], "origin": ahead[0],
        "horizon": H, "context": L, "season": result.shape.season, "method": method, "step": step,
        "attention": {kind: list(weights.shape) for kind, weights in result.attention.items()},
        "past": [
            {"time": time, "value": float(v), "mean": float(mean)}
            for time, v, mean in zip(past, result.values[:, target], along, strict=True)
        ],
        "lags": [
            {"lag": k, "mean": float(by_lag[k]), "autocorrelation": float(repeats[k])}
            for k in range(1, L + H) if by_lag[k] == by_lag[k]
        ],
    }  # fmt: skip


def _print(result: Explanation, summary: dict[str, Any], files: list[str]) -> None:
    series = f"series {summary['series']}, " if summary["series"] else ""
    whose = f"step {summary['step']}" if summary["step"] else f"mean over {summary['horizon']} steps"
    what = "gradient x input, absolute, in units of the forecast"
    if summary["method"] == "attention":
        layers, heads = result.heads().shape[:2]
        what = f"attention, mean over {layers} layers x {heads} heads"
    echo(f"{series}{summary['target']}: forecast from {summary['origin']}, {summary['context']} steps back")
    echo(f"{what}; {whose}")
    steps = sorted(summary["past"], key=lambda row: -row["mean"])[:SHOWN]
    lags = sorted(summary["lags"], key=lambda row: -row["mean"])[:SHOWN]
    total = sum(row["mean"] for row in summary["past"]) or 1.0
    echo()
    rows = [[s["time"], figure(s["value"]), figure(s["mean"]), f"{100 * s['mean'] / total:.1f} %"] for s in steps]
    print_table(["past step", "value", "mean", "share"], rows)
    echo()
    rows = [[str(lag["lag"]), figure(lag["mean"]), figure(lag["autocorrelation"])] for lag in lags]
    print_table(["lag", "mean", "autocorrelation"], rows, left=())
    for name in files:
        print_written(name)
