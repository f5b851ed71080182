"""What to do after a fit, as commands that work when they are pasted: a better model first, where one is known."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsforge.cli.hints import words
from tsforge.cli.output import echo

if TYPE_CHECKING:
    from tsforge.cli.options import FitOptions, TrackOptions
    from tsforge.training.fitting import Fit

LONGER = "5m"  # in which networks compete too
KEPT = ("seed", "train.device", "baselines")  # settings beside those of the data that any model takes


def after_fit(
    result: Fit, folder: Path, data: str | None, options: FitOptions, record: TrackOptions
) -> list[tuple[str, str]]:
    """Commands with the word that says how each goes on: next, or, then.

    data: the table as the command named it; None where a TOML file does.
    """
    from tsforge.fitted.ahead import missing_ahead

    again = _again(result, data, options, record)
    longer = shlex.join([*again, "--model", "auto", "--max-time", LONGER])
    judgement = result.judgement
    if judgement is not None and judgement.loses:
        auto = shlex.join([*again, "--model", "auto"])
        second = [] if result.networks_competed else [("or", longer if result.standings else auto)]
        return [("next", shlex.join([*again, "--model", judgement.rival])), *second]
    second = [("or", longer)] if result.standings and not result.networks_competed else []
    where = [str(folder), *([data] if data else [])]
    if missing_ahead(result.dataset.panel, result.model.shape.horizon):
        future = shlex.join(["tsforge", "future", *where, "--output", "future.csv"])
        words = ["tsforge", "predict", *where, "--future-data", "future.csv", "--output", "forecast.csv"]
        return [("next", future), ("then", shlex.join([*words, "--plot", "forecast.png"])), *second]
    predict = shlex.join(["tsforge", "predict", *where, "--output", "forecast.csv", "--plot", "forecast.png"])
    return [("next", predict), *second]


def after_predict(model: str, data: str | None, horizon: int, read: dict[str, Any] | None) -> tuple[str, str]:
    """What shows whether a forecast is to be believed: a page on the model, or a backtest of a pretrained one.

    model, data: as the command named them.
    read: settings by which a pretrained model reads the table; None for a model of its own table.
    """
    table = [data] if data else []
    if read is None:
        line = ["tsforge", "report", model, *table, "--output", "report.html"]
    else:
        read = {path: value for path, value in read.items() if path != "data.horizon"}
        line = ["tsforge", "backtest", *table, "--model", model, "--horizon", str(horizon), *words(read, "backtest")]
    return "next", shlex.join(line)


def _again(result: Fit, data: str | None, options: FitOptions, record: TrackOptions) -> list[str]:
    """The words of the same fit, without its model."""
    line = ["tsforge", "fit", *([data] if data else [])]
    line += words({path: value for path, value in options.overrides().items() if _is_kept(path)}, "fit")
    if options.config is not None:
        line += ["--config", options.config, *(["--ensemble", "1"] if result.model.experiment.ensemble > 1 else [])]
    for name, value in (("--experiment", record.experiment), ("--tracking-uri", record.tracking_uri)):
        line += [name, value] if value is not None else []
    return [*line, *([] if record.track else ["--no-track"])]


def _is_kept(path: str) -> bool:
    return path.startswith("data.") or path in KEPT


def print_commands(commands: list[tuple[str, str]]) -> None:
    """A line for each."""
    for label, command in commands:
        echo(f"{label:<7} {command}")
