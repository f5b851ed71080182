"""What a worker is told, and what it answers: plain values, which go through pipes and networks as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from tsforge.partitions.listing import Part

SHOWN = ("metrics", "average")  # of what a backtest is asked for, that only changes what is made of its sums


@dataclass(frozen=True)
class Job:
    """What is done with every partition.

    model: folder of the model. digest: of its files.
    source, output: addresses of folders (source: of a file, where its rows are split; output: "" to keep nothing).
    ids: columns that tell series apart. columns: all that are read.
    horizon, quantiles: as for `tsforge.predict`.
    timed: whether to measure the stages of the work.
    rolled: how the model is backtested, as plain values of a `BacktestConfig`, and "baselines" where others than its
    own are asked for; None where partitions are forecast.
    rounded: as `Prediction.rounded` makes them.
    """

    model: str
    digest: str
    source: str
    output: str
    ids: tuple[str, ...]
    columns: tuple[str, ...]
    horizon: int | None = None
    quantiles: tuple[float, ...] | None = None
    timed: bool = False
    rolled: dict[str, Any] | None = None
    rounded: bool = False

    def text(self) -> str:
        return json.dumps(asdict(self))

    def made_of(self, part: Part) -> dict[str, object]:
        """What the forecasts of a partition depend on: kept with them, so that a change is seen."""
        asked: list[object] = [self.horizon, list(self.quantiles) if self.quantiles is not None else None]
        asked += ["rounded"] * self.rounded
        rolled = {name: value for name, value in (self.rolled or {}).items() if name not in SHOWN}
        return {"model": self.digest, "input": part.state, "settings": rolled or asked}

    @property
    def scored(self) -> dict[str, Any] | None:
        """What is asked of the scores of a backtest, as plain values of a `BacktestConfig`."""
        if self.rolled is None:
            return None
        return {name: value for name, value in self.rolled.items() if name != "baselines"}


def read_job(text: str) -> Job:
    """The job of a text that `Job.text` wrote."""
    values = json.loads(text)
    for name in ("ids", "columns"):
        values[name] = tuple(values[name])
    values["quantiles"] = tuple(values["quantiles"]) if values["quantiles"] is not None else None
    return Job(**values)


@dataclass(frozen=True)
class Task:
    """A partition to forecast, or whose series are to be named (as hashes of 64 bits)."""

    part: Part
    name_series: bool = False

    def text(self) -> str:
        return json.dumps(asdict(self))


def read_task(text: str) -> Task:
    """The task of a text that `Task.text` wrote."""
    values = json.loads(text)
    return Task(Part(**values["part"]), values["name_series"])


@dataclass(frozen=True)
class Answer:
    """What became of a task.

    rows, series: that were read. horizon: steps. written: rows of forecasts.
    hashes: of the series, in base 64, where these were asked for.
    tally: of a backtest, its plain values as JSON.
    notes: of the reader and the model: how each is worded, and what it says.
    seconds: by stage, where that is measured.
    error, hint: of a task that failed. trace: where in the program, for what the user cannot fix.
    """

    rows: int = 0
    series: int = 0
    horizon: int = 0
    written: int = 0
    hashes: str = ""
    tally: str = ""
    notes: tuple[tuple[str, str], ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    error: str = ""
    hint: str = ""
    trace: str = ""

    def text(self) -> str:
        return json.dumps(asdict(self))


def read_answer(text: str) -> Answer:
    """The answer of a text that `Answer.text` wrote."""
    values = json.loads(text)
    values["notes"] = tuple((wording, said) for wording, said in values["notes"])
    return Answer(**values)
