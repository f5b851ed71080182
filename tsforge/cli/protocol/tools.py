"""The commands inspect, fit, predict, backtest, compare and runs with arguments of their own types.

Each is a function of a `Fence`, its arguments and of whom to tell how far it is; it answers with the document of the
command's --json. Long tables are written to a file, and their first rows stand in the answer.
"""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from tsforge.cli.options import FitOptions, RollOptions, TableOptions, TrackOptions
from tsforge.cli.protocol import calls
from tsforge.cli.protocol.calls import Told
from tsforge.cli.protocol.fence import Fence
from tsforge.cli.searching import CompareOptions
from tsforge.runtime import files

ROWS = 50  # of a list in an answer; longer ones are written to a file
ANSWERS = "tsforge-answers"  # the folder for these

Columns = str | list[str] | None


class Columned(NamedTuple):
    """Which column of a table is what; None where the table shows it."""

    target: Columns = None
    time: Columns = None
    id: Columns = None
    past: Columns = None
    future: Columns = None
    static: Columns = None

    def given(self) -> dict[str, Any]:
        """By the name of the option, for each that is given."""
        given = {name: [value] if isinstance(value, str) else value for name, value in self._asdict().items()}
        return {name: value for name, value in given.items() if value}


class Tools:
    """What a server offers, below one folder."""

    def __init__(self, fence: Fence) -> None:
        self.fence = fence

    def inspect(self, data: str, columns: Columned, settings: dict[str, Any] | None, tell: Told) -> dict[str, Any]:
        """What tsforge sees in a table, and a command to start with."""
        from tsforge.cli.commands.inspect import inspect

        table = self.fence.table(data)
        options = TableOptions(**columns.given(), set=self._set(settings))
        return self._short(calls.run(lambda: inspect(table, options=options, json=True), tell), "inspect")

    def fit(
        self, data: str, columns: Columned, fitted: dict[str, Any], place: tuple[str | None, bool, bool], tell: Told
    ) -> dict[str, Any]:  # fmt: skip
        """Train a model.

        fitted: options of `FitOptions`. place: the folder, whether to replace what lies there, whether to record.
        """
        from tsforge.cli.commands.fit import fit

        out, overwrite, track = place
        table = self.fence.table(data)
        folder = None if out is None else self._relative(self.fence.target(out, overwrite=overwrite))
        self.fence.inside("models")  # where it lies if nothing is said
        options = FitOptions(**columns.given(), **self._options(fitted))
        record = TrackOptions(track=track)

        def command() -> object:
            return fit(table, options=options, out=folder, overwrite=overwrite, record=record, json=True)

        return self._short(calls.run(command, tell), "fit")

    def predict(
        self, model: str, data: str, ahead: dict[str, Any], output: tuple[str | None, bool],
        settings: dict[str, Any] | None, tell: Told,
    ) -> dict[str, Any]:  # fmt: skip
        """Forecast. ahead: horizon, quantiles and future_data; output: the file, and whether to replace it."""
        from tsforge.cli.commands.predict import predict
        from tsforge.data import tidy

        folder, table = self.fence.model(model), self.fence.table(data)
        asked = None if output[0] is None else self.fence.target(output[0], tidy.ENDINGS, overwrite=output[1])
        target = asked or str(self._free("forecast", ".csv"))
        future = ahead["future_data"]
        levels = ahead["quantiles"]
        options = TableOptions(set=self._set(settings))

        def command() -> object:
            return predict(
                folder, table, output=target, horizon=ahead["horizon"], options=options, json=True,
                quantiles=None if levels is None else ",".join(map(str, levels)),
                future_data=None if future is None else self.fence.table(future),
            )  # fmt: skip

        document = calls.run(command, tell)
        if asked is None and document["rows"] <= ROWS:
            Path(target).unlink()
            return document | {"output": None}
        return document | {"forecast": document["forecast"][:ROWS], "output": self._relative(target)}

    def backtest(
        self, source: str, data: str | None, rolled: dict[str, Any], fitted: dict[str, Any], tell: Told
    ) -> dict[str, Any]:  # fmt: skip
        """Judge a fitted model on a table, or a table alone, which is fitted on the way."""
        from tsforge.cli.commands.backtest import backtest

        of_model = data is not None
        place = self.fence.model(source) if of_model else self.fence.table(source)
        table = None if data is None else self.fence.table(data)
        track, forecasts = rolled.pop("track"), rolled.pop("forecasts")
        target = None if forecasts is None else self.fence.target(forecasts, (".csv", ".parquet"))
        options, roll = FitOptions(**self._options(fitted)), RollOptions(**rolled)
        record = TrackOptions(track=track)

        def command() -> object:
            return backtest(place, table, roll=roll, options=options, record=record, forecasts=target, json=True)

        return self._short(calls.run(command, tell), "backtest")

    def compare(
        self, data: str, compared: dict[str, Any], fitted: dict[str, Any], place: tuple[str | None, bool], tell: Told
    ) -> dict[str, Any]:  # fmt: skip
        """Put architectures side by side. compared: options of `CompareOptions`; place: folder, whether to record."""
        from tsforge.cli.commands.compare import compare

        table = self.fence.table(data)
        folder = None if place[0] is None else self._relative(self.fence.target(place[0]))
        self.fence.inside("comparisons")
        options, of = FitOptions(**self._options(fitted)), CompareOptions(**compared)
        record = TrackOptions(track=place[1])

        def command() -> object:
            return compare(table, compared=of, options=options, out=folder, record=record, json=True)

        return self._short(calls.run(command, tell), "compare")

    def runs(self, names: list[str], experiment: str | None, tell: Told) -> dict[str, Any]:
        """Recorded runs: all of an experiment, or some side by side."""
        from tsforge.cli.commands import runs
        from tsforge.cli.recorded import ListOptions

        of = ListOptions(experiment=experiment)

        def command() -> object:
            return runs.compare(*names, json=True) if names else runs.runs(chosen=of, json=True)

        return self._short(calls.run(command, tell), "runs")

    def _options(self, given: dict[str, Any]) -> dict[str, Any]:
        """Arguments of a tool as options of a command, for each that is given."""
        own = {name: value for name, value in given.items() if value not in (None, [])}
        own["set"] = self._set(own.pop("settings", None))
        if "events" in own:
            own["events"] = str(self.fence.inside(own["events"]))
        return own

    def _set(self, settings: dict[str, Any] | None) -> list[str]:
        """Dotted settings as --set takes them."""
        return [f"{name}={json.dumps(value)}" for name, value in self.fence.settings(settings).items()]

    def _free(self, name: str, ending: str) -> Path:
        """A file for an answer, of a name that no other has."""
        folder = self.fence.inside(ANSWERS)
        folder.mkdir(exist_ok=True)
        names = (folder / f"{name}-{number}{ending}" for number in count(1))
        return next(path for path in names if not path.exists())

    def _relative(self, path: str) -> str:
        return str(Path(path).relative_to(self.fence.root))

    def _short(self, document: dict[str, Any], name: str) -> dict[str, Any]:
        """A document whose long lists are cut: the whole of it is written to a file, named in `whole`."""
        long = {key: value for key, value in document.items() if isinstance(value, list) and len(value) > ROWS}
        if not long:
            return document
        path = self._free(name, ".json")
        files.write(path, json.dumps(document, indent=1, ensure_ascii=False))
        cut = {key: value[:ROWS] for key, value in long.items()}
        counts = {key: len(value) for key, value in long.items()}
        return document | cut | {"rows_in_all": counts, "whole": self._relative(str(path))}
