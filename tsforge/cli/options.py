"""Options that several commands share, and how they become dotted settings of an experiment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from tsforge.tracking.tracker import Tracker

Columns = Annotated[list[str], Parameter(consume_multiple=True, negative="")]


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

    def tracker(self) -> Tracker:
        """To be entered before anything that takes long: its courier starts meanwhile."""
        from tsforge.tracking.tracker import Tracker

        return Tracker(self.tracking_uri, self.experiment, on=self.track)


def model_folder(word: str, uri: str | None) -> str:
    """The folder of a model: itself, or where a recorded one (runs:/RUN, models:/NAME@ALIAS) lies or was fetched to."""
    from tsforge.tracking import registry

    return str(registry.local(word, uri))


@Parameter(name="*")
@dataclass
class FitOptions:
    """What to fit; flags and --set win over --config."""

    target: Columns = field(default_factory=list)
    "Column to forecast; several may follow, or be separated by commas."
    time: str | None = None
    "Column with the time."
    id: Columns = field(default_factory=list)
    "Column that tells the series apart."
    horizon: int | None = None
    "Steps to forecast."
    context: int | None = None
    "Steps of history that the model sees."
    model: str | None = None
    "auto (a tournament), [patch-|min-]lstm, [patch-|min-]gru, [patch-]rnn, growth-gru, transformer[-encoder|-decoder], patch-transformer, inverted-transformer, nlinear, cyclenet, linear, naive, seasonal-naive, drift, naive2. (default: gru)"  # noqa: E501
    ensemble: int | None = None
    "Train so many of the model, with seeds of their own; the forecast is their median. (default: 1)"
    past: Columns = field(default_factory=list)
    "Covariates known up to the present."
    future: Columns = field(default_factory=list)
    "Covariates known in advance."
    static: Columns = field(default_factory=list)
    "Covariates with one value per series."
    freq: str | None = None
    "Frequency of the times, as 30min, h, D, B, W, MS, QS, YS, or a number. (default: as the data shows)"
    max_steps: int | None = None
    "Optimiser steps at most. (default: 1000)"
    epochs: int | None = None
    "Passes over the training data at most."
    max_time: str | None = None
    "Time for training at most, as 90s, 5m or 1h30m; with --model auto for the whole command. (auto: 5m)"
    seed: int | None = None
    "Seed of the weights and of the order of windows. (default: 1)"
    device: Literal["auto", "cpu", "cuda"] | None = None
    "Where to train. (default: auto)"
    config: str | None = None
    "A TOML file with a whole experiment."
    set: Annotated[list[str], Parameter(negative="")] = field(default_factory=list)
    "Any setting, as train.lr=0.01; may be repeated."

    def refuse_swallowed_table(self, command: str) -> None:
        """Raises ConfigError where the table stands behind a flag that takes several columns, which then has it."""
        from pathlib import Path

        from tsforge.errors import ConfigError

        for flag in ("target", "id", "past", "future", "static"):
            values = getattr(self, flag)
            if values and Path(values[-1]).is_file():
                raise ConfigError(
                    f"--{flag} takes all the names that follow it, the table '{values[-1]}' too",
                    f"put the table first: tsforge {command} {values[-1]} --{flag} {' '.join(values[:-1])}",
                )

    def overrides(self) -> dict[str, Any]:
        """Dotted path to value, for everything that was given."""
        from tsforge.settings import assignment

        given: dict[str, Any] = {
            "data.target": self.target, "data.time": self.time, "data.id": self.id, "data.horizon": self.horizon,
            "data.context": self.context, "data.past": self.past, "data.future": self.future,
            "data.static": self.static, "data.freq": self.freq, "model.kind": self.model,
            "train.max_steps": self.max_steps, "train.epochs": self.epochs, "train.max_time": self.max_time,
            "train.device": self.device, "seed": self.seed, "ensemble": self.ensemble,
        }  # fmt: skip
        flags = {path: value for path, value in given.items() if value not in (None, [])}
        return flags | dict(assignment(text) for text in self.set)
