"""tsforge future"""

from __future__ import annotations

import shlex
from pathlib import Path

from tsforge.cli.options import Flag, fitted_folder
from tsforge.cli.output import STANDARD, check_targets, echo, print_json, print_notes
from tsforge.cli.standard import place, write_frame
from tsforge.cli.tables.forecast import print_frame


def future(
    model: str, data: str | None = None, /, *, output: str | None = None, horizon: int | None = None,
    tracking_uri: str | None = None, quiet: Flag = False, json: Flag = False,
) -> int:  # fmt: skip
    """Write the rows ahead of a table, to fill in what is known in advance.

    Parameters
    ----------
    model
        Folder that `tsforge fit` wrote, or a recorded model: runs:/RUN, models:/NAME@ALIAS, models:/NAME/VERSION.
    data
        The table that is forecast from, - for standard input. (default: the training data)
    output
        File for the rows, .csv or .parquet, which `tsforge predict --future-data` takes once it is filled in; it must
        not be there yet. Or - for standard output. (default: the first rows are printed)
    horizon
        Steps to forecast. (default: as trained)
    tracking_uri
        MLflow store of a recorded model. (default: MLFLOW_TRACKING_URI, else mlflow.db in this folder)
    quiet
        Print no notes.
    json
        Print one JSON document instead of a table.
    """
    print_notes(quiet=quiet)
    from tsforge.data import tidy
    from tsforge.errors import ConfigError
    from tsforge.fitted import ahead, directory

    check_targets(output, tidy.ENDINGS, None, [data])
    if output not in (None, STANDARD) and Path(str(output)).exists():
        raise ConfigError(f"{output}: exists, and may hold what was filled in", "name another file, or remove it")
    fitted = directory.load(fitted_folder(model, tracking_uri))
    frame = ahead.rows_ahead(fitted, data, horizon)
    names = [c.name for c in fitted.facts.columns.future]
    empty = [name for name in names if frame[name].isna().any()]
    if output is not None:
        write_frame(frame, output, fitted.facts.columns.decimal)
    if json:
        rows = tidy.records(frame.astype(dict.fromkeys(names, object)))
        print_json({"model": model, "output": output, "rows": len(frame), "to_fill_in": empty, "future": rows})
        return 0
    if output is None:
        print_frame(frame.head(24))
        if len(frame) > 24:
            echo(f"... {len(frame) - 24:,} more rows; --output future.csv writes them all")
        return 0
    echo(
        f"{len(frame):,} rows in {place(output)}"
        + (f": fill in {', '.join(empty)}" if empty else ", complete as they are")
    )
    if output == STANDARD:
        return 0
    steps = ["--horizon", str(horizon)] if horizon is not None else []
    words = ["tsforge", "predict", model, *([data] if data else []), "--future-data", output, *steps]
    echo(f"next    {shlex.join(words)} --output forecast.csv --plot forecast.png")
    return 0
