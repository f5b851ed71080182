"""Options that several commands share, and how they become dotted settings of an experiment."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from tsforge.plotting.choosing import View
    from tsforge.tracking.tracker import Tracker

SETTINGS = {  # of an experiment that have a flag of their own, and the names of these
    "data.target": "target", "data.time": "time", "data.id": "id", "data.horizon": "horizon", "data.context": "context",
    "data.season": "season", "data.past": "past", "data.future": "future", "data.static": "static", "data.freq": "freq",
    "data.time_format": "time_format", "data.dayfirst": "dayfirst", "data.timezone": "timezone", "data.snap": "snap",
    "data.category": "category", "data.decimal": "decimal", "data.duplicates": "duplicates",
    "data.holidays": "holidays", "data.events": "events",
    "data.hierarchy": "hierarchy", "data.reconcile": "reconcile",
    "data.resample": "resample", "data.aggregate": "aggregate", "data.mapped": "mapped", "data.cache": "cache",
    "model.kind": "model",
    "train.max_steps": "max_steps", "train.epochs": "epochs", "train.max_time": "max_time", "train.device": "device",
    "train.start": "from_",
    "seed": "seed", "ensemble": "ensemble", "baselines": "baselines",
}  # fmt: skip
SWITCHES = ("data.dayfirst", "data.snap", "data.mapped")  # settings whose flags stand without a value

Flag = Annotated[bool, Parameter(negative="")]
Columns = Annotated[list[str], Parameter(consume_multiple=True, negative="")]
Repeated = Annotated[list[str], Parameter(negative="")]


@Parameter(name="*")
@dataclass
class TrackOptions:
    """Where the run is recorded."""

    experiment: str | None = None
    "MLflow experiment that the run belongs to. (default: tsforge)"
    tracking_uri: str | None = None
    "MLflow store. (default: MLFLOW_TRACKING_URI, else mlflow.db in this folder)"
    track: Annotated[bool, Parameter(negative="--no-track")] = True
    "Whether to record the run in MLflow."

    def tracker(self, *, wait: bool) -> Tracker:
        """The tracker of the run; enter it before anything slow, as its courier starts meanwhile.

        wait: for what MLflow alone knows, as the number of the run; else its delivery may go on behind the command.
        """
        from tsforge.tracking.tracker import BUSY, PROMPT, Tracker

        return Tracker(self.tracking_uri, self.experiment, on=self.track, limit=BUSY if wait else PROMPT)


def model_folder(word: str, uri: str | None) -> str:
    """The folder of a model: the word itself, or where a recorded one (runs:/RUN, models:/NAME@ALIAS) lies."""
    from tsforge.tracking import registry

    return str(registry.local(word, uri))


def fitted_folder(word: str, uri: str | None) -> str:
    """`model_folder` of a command that takes fitted models alone. Raises ConfigError for a pretrained one."""
    from pathlib import Path

    from tsforge.errors import ConfigError
    from tsforge.model.zoo import PRETRAINED

    if word in PRETRAINED and not Path(word).exists():
        hint = f"fit it to one, which trains nothing: tsforge fit DATA --model {word} --horizon STEPS"
        raise ConfigError(f"{word}: is a pretrained model that belongs to no table", hint)
    return model_folder(word, uri)


def table_or_file(data: str | None, options: FitOptions) -> str | None:
    """The table that is named; of a TOML file, or the name of a pipeline, None, and `options.config` is that.

    Raises ConfigError where two TOML files are named.
    """
    from pathlib import Path

    if data is None or (not data.endswith(".toml") and Path(data).exists()):
        return data
    from tsforge.data.shipped import is_experiment
    from tsforge.errors import ConfigError

    if not is_experiment(data):
        return data
    if options.config is not None:
        raise ConfigError(f"two TOML files are named: {data} and {options.config}", "leave out one of them")
    options.config = data
    return None


@Parameter(name="*")
@dataclass
class TableOptions:
    """How a table is read; flags and --set win over --config."""

    target: Columns = field(default_factory=list)
    "Column to forecast; several may follow, or be separated by commas."
    time: Repeated = field(default_factory=list)
    "Column with the time; several, separated by commas, are parts of it: year,month,day,hour."
    id: Columns = field(default_factory=list)
    "Column that tells the series apart."
    hierarchy: Columns = field(default_factory=list)
    "Columns of the ids from the top down, as region/store: sums of every level are forecast too, and all adds up. Several cross each other: state/region purpose."  # noqa: E501
    reconcile: Literal["bottom-up", "ols", "wls", "mint", "none"] | None = None
    "How forecasts of a hierarchy are made to add up. (default: ols)"
    past: Columns = field(default_factory=list)
    "Covariates known up to the present."
    future: Columns = field(default_factory=list)
    "Covariates known in advance."
    static: Columns = field(default_factory=list)
    "Covariates with one value per series."
    category: Columns = field(default_factory=list)
    "Covariates whose values are names, though they are written as numbers."
    decimal: Literal[".", ","] | None = None
    "Decimal sign of a text file. (default: as the data shows)"
    season: int | None = None
    "Steps of one season, as 7; 1 for none. (default: as the data shows)"
    freq: str | None = None
    "Frequency of the times, as 30min, h, D, B, W, MS, QS, YS, or a number. (default: as the data shows)"
    time_format: str | None = None
    "How the times are written, as %d/%m/%Y %H:%M. (default: as the data shows)"
    dayfirst: bool | None = None
    "Whether 01/02/2024 is the first of February. (default: as the data shows)"
    timezone: str | None = None
    "Zone of local times that are written without an offset, as Europe/Berlin."
    snap: Annotated[bool | None, Parameter(negative="")] = None
    "Round times that miss the grid a little to it."
    duplicates: Literal["mean", "sum", "first", "last", "error"] | None = None
    "What becomes of several rows of one series and time. (default: error)"
    resample: str | None = None
    "A longer frequency that the rows are brought to, as D."
    aggregate: Literal["mean", "sum"] | None = None
    "What --resample makes of the numbers that fall into one step. (default: mean)"
    holidays: Repeated = field(default_factory=list)
    "Public holidays known in advance: of countries, their parts or exchanges, as DE-BY,FR,NYSE; or the id column that holds such codes."  # noqa: E501
    events: str | None = None
    "A table of events known in advance: date, name, and, if wanted, before and after (days) and id columns."
    mapped: bool | None = None
    "Whether Parquet is brought to disk as a panel once, for data larger than memory. (default: by size)"
    cache: str | None = None
    "Folder for such panels. (default: .tsforge/panels)"
    config: str | None = None
    "A TOML file with a whole experiment, or the name of a pipeline (tsforge pipelines)."
    set: Repeated = field(default_factory=list)
    "Any setting, as train.lr=0.01; may be repeated."

    def refuse_swallowed_table(self, command: str) -> None:
        """Raises ConfigError where a flag that takes several columns has taken the table behind it as one of them."""
        from pathlib import Path

        from tsforge.errors import ConfigError

        for name in ("target", "id", "past", "future", "static", "category"):
            values = getattr(self, name)
            if values and (values[-1] == "-" or Path(values[-1]).is_file()):
                words = shlex.join(["tsforge", command, values[-1], f"--{name}", *values[:-1]])
                problem = f"--{name} takes all the names that follow it, the table '{values[-1]}' too"
                raise ConfigError(problem, f"put the table first: {words}")

    def given(self) -> dict[str, Any]:
        """Dotted path to value, for every flag that was given; without those of --set."""
        values = {path: getattr(self, name, None) for path, name in SETTINGS.items()}
        return {path: value for path, value in values.items() if value not in (None, [])}

    def overrides(self) -> dict[str, Any]:
        """Dotted path to value, for everything that was given."""
        if not self.set:
            return self.given()
        from tsforge.settings import assignment

        return self.given() | dict(assignment(text) for text in self.set)


@Parameter(name="*")
@dataclass
class PlotOptions:
    """A picture, and what of the table it shows."""

    plot: str | None = None
    "File for a picture, .png, .svg or .pdf."
    series: Repeated = field(default_factory=list)
    "With --plot: ids of the series in the picture, as A,B. (default: a choice; the picture says which)"
    last: int | None = None
    "With --plot: steps of the past in the picture. (default: as suits the forecast)"

    def refuse(self) -> None:
        """Raises ConfigError for what goes with a picture, where none is asked for."""
        from tsforge.errors import ConfigError

        if self.plot is None and (self.series or self.last is not None):
            given = "--series" if self.series else "--last"
            raise ConfigError(f"{given} is of a picture", "add --plot picture.png, or leave it out")

    def view(self) -> View:
        """What the picture shows. Raises ConfigError for less than one step."""
        from tsforge.plotting.choosing import View

        return View(tuple(self.series), self.last)


@Parameter(name="*")
@dataclass
class FitOptions(TableOptions):
    """What to fit; flags and --set win over --config."""

    horizon: int | None = None
    "Steps to forecast."
    context: int | None = None
    "Steps of history that the model sees."
    model: str | None = None
    "auto (a tournament), [patch-|min-]lstm, [patch-|min-]gru, [patch-]rnn, growth-gru, transformer[-encoder|-decoder], patch-transformer, inverted-transformer, nlinear, cyclenet, linear, naive, seasonal-naive, drift, naive2, theta, ets, mstl, shape-ridge, croston, tsb, zero (pretrained). (default: auto; sweep: gru)"  # noqa: E501
    ensemble: int | None = None
    "Networks to train, with seeds of their own; the forecast is their median. (default: 1)"
    max_steps: int | None = None
    "Optimiser steps at most. (default: 1000; zero: none)"
    epochs: int | None = None
    "Passes over the training data at most."
    max_time: str | None = None
    "Time for training at most, as 90s, 5m or 1h30m; with auto for the whole command, in which networks compete too."
    from_: str | None = None
    "Folder of a fitted model of the same architecture, whose weights the training goes on from."
    seed: int | None = None
    "Seed of the weights and of the order of windows. (default: 1)"
    device: Literal["auto", "cpu", "cuda"] | None = None
    "Where to train. (default: auto)"
    baselines: Columns = field(default_factory=list)
    "Models to score beside the usual baselines: theta, ets, mstl, shape-ridge, croston, tsb, naive2."

    def overrides(self) -> dict[str, Any]:
        """Dotted path to value, for everything that was given; ConfigError where `baselines` took the table behind."""
        from pathlib import Path

        from tsforge.errors import ConfigError

        last = Path(self.baselines[-1]) if self.baselines else Path()
        if last.suffix and last.is_file():
            problem = f"--baselines takes all the names that follow it, the table '{last}' too"
            raise ConfigError(problem, "put the table first")
        return super().overrides()


@Parameter(name="*")
@dataclass
class LaunchOptions:
    """Which devices train a network together."""

    devices: int | None = None
    "Processes of each machine that train together, on GPUs one to each. (default: 1)"
    nodes: int | None = None
    "Machines that train together, under torchrun or in a Ray cluster. (default: 1)"
    engine: Literal["processes", "ray"] | None = None
    "What starts them: this command, or a Ray cluster. (default: processes)"
    address: str | None = None
    "Address of a running Ray cluster; auto finds it. (default: one is started on this machine)"

    def overrides(self) -> dict[str, Any]:
        """Dotted path to value, for everything that was given."""
        return {f"train.{name}": value for name, value in vars(self).items() if value is not None}


@Parameter(name="*")
@dataclass
class RollOptions:
    """How to roll and to score."""

    windows: int | None = None
    "Forecast origins per series, the last a horizon before its end. (default: all of the test part)"
    stride: int | None = None
    "Steps between origins. (default: a horizon with --windows or --refit, else 1)"
    gap: int | None = None
    "Steps left out between what is trained on and the first origin. (default: 0)"
    refit: int | None = None
    "Origins after which the model is fitted again; 0 for once, before the first. (default: 0)"
    train_window: int | None = None
    "Steps to train on before each fit (sliding). (default: all there are, expanding)"
    intervals: Literal["adaptive", "static", "raw"] | None = None
    "Corrected after every origin, as predict gives them, or as the network does. (default: adaptive)"
    average: Literal["points", "series"] | None = None
    "Scores over all points, or the mean over series. (default: points)"
    units: Literal["data", "standard"] | None = None
    "Score in the data's units, or in deviations of the training part. (default: data)"
    metrics: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None
    "Scores to show, as mase wql coverage_60 pinball_0.9."

    def overrides(self) -> dict[str, Any]:
        """Dotted path to value, for everything that was given."""
        given = vars(self) | {"metrics": self.metrics or None}
        return {f"backtest.{name}": value for name, value in given.items() if value is not None}
