"""tsforge detect"""

from __future__ import annotations

import json as jsons
from pathlib import Path
from typing import Any

from tsforge.cli.options import Flag, PlotOptions, model_folder
from tsforge.cli.output import (
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
from tsforge.cli.standard import print_written, write_frame
from tsforge.runtime import files, garbage


def detect(
    model: str, data: str | None = None, /, *, output: str | None = None, picture: PlotOptions | None = None,
    rate: float = 0.001, everything: Flag = False, state: str | None = None, track: Flag = False,
    tracking_uri: str | None = None, timings: Flag = False, quiet: Flag = False, json: Flag = False,
) -> int:  # fmt: skip
    """Find the values of a table that a model did not expect.

    Each value is judged by the forecast of one step from all that lies before it. Judged are the rows after what the
    model has seen.

    Parameters
    ----------
    model
        Folder that `tsforge fit` wrote, or a recorded model: runs:/RUN, models:/NAME@ALIAS, models:/NAME/VERSION.
    data
        The table, with its history before the rows to judge; - for standard input. (default: the training data)
    output
        File for the unusual values, .csv or .parquet, or - for standard output: what was expected, the interval,
        p-value, severity, kind.
    rate
        False alarms per value in normal times, at most 0.2. (default: 0.001)
    everything
        Judge all rows that have enough before them, also those that the model has learned from. Not with a state that
        is gone on from.
    state
        File that remembers where the detection ended: the next command with it judges the rows since then, as if all
        had come at once. Made where there is none.
    track
        Record it as a run in MLflow.
    tracking_uri
        MLflow store of a recorded model and of the run. (default: MLFLOW_TRACKING_URI, else mlflow.db in this folder)
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
        from tsforge.cli.tables import detect as tables
        from tsforge.data import tidy
        from tsforge.detecting.running import detect as find
        from tsforge.model.zoo import PRETRAINED

    if model in PRETRAINED and not Path(model).is_dir():
        from tsforge.errors import ConfigError

        raise ConfigError(f"{model}: knows of no table what is usual in it", f"tsforge fit DATA --model {model} first")
    picture = picture or PlotOptions()
    picture.refuse()
    plot = picture.plot
    check_targets(output, tidy.ENDINGS, plot, [data])
    folder = model_folder(model, tracking_uri)
    result = find(folder, data, rate=rate, everything=everything, state=_read(state))
    if not json:
        echo("\n".join(tables.lines(result)))
    if output is not None:
        write_frame(result.frame, output)
    if plot is not None and result.judged:
        from tsforge.fitted.scored import scores
        from tsforge.plotting.anomalies import anomalies
        from tsforge.plotting.captions import About

        anomalies(result, About(result.model, scores(folder, result.model)), Path(plot), picture.view())
    run, number = _record(result, model, data, tracking_uri) if track else (None, None)
    if state is not None:  # last: what could not be written is judged again
        files.write(Path(state), jsons.dumps(result.state))
    if json:
        where = {"model": model, "output": output, "plot": plot, "state": state, "run": number}
        print_json(tables.document(result) | where | measured())
        return 0
    for name in (output, plot if result.judged else None):
        if name is not None:
            print_written(name)
    if run is not None:
        run()
    print_timings()
    return 0


def _record(result: Any, model: str, data: str | None, uri: str | None) -> tuple[Any, str | None]:
    """Record a detection; what prints its run, and the run's id."""
    from tsforge.tracking import detections
    from tsforge.tracking.tracker import BUSY, Tracker

    with Tracker(uri, None, limit=BUSY) as tracker:
        run = detections.record(result, model, data, tracker, command_line())
    return lambda: print_run(tracker, run), tracker.id(run)


def _read(path: str | None) -> dict[str, Any] | None:
    """The state in a file; None where there is no file. Raises ConfigError for what is no state."""
    from tsforge.errors import ConfigError

    if path is None or not Path(path).exists():
        return None
    try:
        values = jsons.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        values = None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: is not the state of a detection", "name another file, or remove this one")
    return values
