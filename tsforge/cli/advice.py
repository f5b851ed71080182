"""What to do after a fit, as commands that work when they are pasted: a better model first, where one is known."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from tsforge.cli.hints import words
from tsforge.cli.output import echo

if TYPE_CHECKING:
    from tsforge.cli.options import FitOptions, TrackOptions
    from tsforge.training.fitting import Fit

KEPT = ("seed", "train.device", "baselines")  # settings beside those of the data that any model takes


def after_fit(
    result: Fit, folder: Path, data: str | None, options: FitOptions, record: TrackOptions
) -> list[tuple[str, str]]:
    """Commands with the word that says how each goes on: next, or, then.

    data: the table as the command named it; None where a TOML file does.
    """
    from tsforge.fitted.ahead import missing_ahead

    judgement = result.judgement
    if judgement is not None and judgement.loses:
        return _better(result, judgement.rival, data, options, record)
    where = [str(folder), *([data] if data else [])]
    if missing_ahead(result.dataset.panel, result.model.shape.horizon):
        future = shlex.join(["tsforge", "future", *where, "--output", "future.csv"])
        words = ["tsforge", "predict", *where, "--future-data", "future.csv", "--output", "forecast.csv"]
        return [("next", future), ("then", shlex.join([*words, "--plot", "forecast.png"]))]
    return [("next", shlex.join(["tsforge", "predict", *where, "--output", "forecast.csv", "--plot", "forecast.png"]))]


def _better(
    result: Fit, rival: str, data: str | None, options: FitOptions, record: TrackOptions
) -> list[tuple[str, str]]:
    """The fit again with the forecaster that was better, and with a tournament, unless that gave the model."""
    line = ["tsforge", "fit", *([data] if data else [])]
    line += words({path: value for path, value in options.overrides().items() if _is_kept(path)}, "fit")
    if options.config is not None:
        line += ["--config", options.config, *(["--ensemble", "1"] if result.model.experiment.ensemble > 1 else [])]
    for name, value in (("--experiment", record.experiment), ("--tracking-uri", record.tracking_uri)):
        line += [name, value] if value is not None else []
    line += [] if record.track else ["--no-track"]
    models = [("next", rival)] if result.standings else [("next", rival), ("or", "auto")]
    return [(word, shlex.join([*line, "--model", model])) for word, model in models]


def _is_kept(path: str) -> bool:
    return path.startswith("data.") or path in KEPT


def print_commands(commands: list[tuple[str, str]]) -> None:
    """A line for each."""
    for label, command in commands:
        echo(f"{label:<7} {command}")
