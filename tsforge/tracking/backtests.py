"""What MLflow remembers of a backtest: scores, pictures, and what it was run on."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tsforge.backtesting.result import Backtest
from tsforge.backtesting.scoreboard import Scoreboard, document
from tsforge.experiment import Experiment
from tsforge.plotting import forecasts
from tsforge.plotting.captions import ERRORS, About
from tsforge.plotting.choosing import ALL, View
from tsforge.plotting.forecasts import Tested
from tsforge.runtime.timing import stage
from tsforge.tracking.journal import Run
from tsforge.tracking.recording import RunOptions, beside, described, note, scores, steps, tags
from tsforge.tracking.tracker import Tracker


class Files(NamedTuple):
    """A table in many files: its folder, and a digest of them."""

    folder: str
    digest: str


class Recorder(ExitStack):
    """The run of a backtest, which begins with the first fit: a table that cannot be read leaves none."""

    def __init__(self, tracker: Tracker, command: str) -> None:
        super().__init__()
        self.tracker = tracker
        self.options = RunOptions(command)
        self.run: Run | None = None

    def of_model(self, folder: str | None) -> None:
        """Note that a fitted model is backtested, where `folder` is one."""
        if folder is not None and Path(folder).is_dir():
            self.options = replace(self.options, tags=(("tsforge.model", str(Path(folder).absolute())),))

    def begin(self, experiment: Experiment) -> Run:
        """The run, which is the same for all fits and groups."""
        if self.run is None:
            labels = tags("backtest", self.options, experiment.model.kind)
            run = self.tracker.run(f"backtest-{experiment.title}", experiment.flat(), labels)
            self.run = self.enter_context(run)
        return self.run

    def finish(self, board: Scoreboard, forecasts: str | None = None, table: Files | None = None) -> Run:
        """Record the scores, the pictures, what it was run on, and the file that the forecasts were written to.

        table: that lies in many files, whose forecasts are not taken into the store.
        """
        run = self.begin(board.first.experiment)
        if run.folder is not None:
            _backtested(run, board, self.options)
            if table is not None:
                run.dataset(_partitioned(table, board.first.read))
            elif forecasts is not None:
                run.file(Path(forecasts), "forecasts")
        return run


@stage("delivery")
def _backtested(run: Run, board: Scoreboard, options: RunOptions) -> None:
    test = board.first
    run.text("experiment.toml", test.experiment.toml())
    if isinstance(test, Backtest):
        run.dataset(described(test.panel, test.experiment.data.path))
    seconds = sum(t.seconds for t in board.tests.values())
    run.metrics(scores(board.scores) | {"speed/backtest_s": seconds})
    beside(run, board.scores)
    steps(run, board.by_step(["mae"])["mae"][board.models[0]])
    run.text("scores.json", json.dumps(document(board), indent=2) + "\n")
    with TemporaryDirectory() as place:
        draw(board, Path(place) / "forecasts.png", Path(place) / "by-step.png")
        for picture in sorted(Path(place).iterdir()):
            run.file(picture, "plots")
    names = dict.fromkeys((board.primary, *board.shown))
    shown = {
        model: {name: values[name] for name in names}
        for model, values in board.scores.items()
        if model in board.distinct
    }
    windows = sum(t.windows for t in board.tests.values())
    groups = {"tsforge.groups": ", ".join(board.tests)} if len(board.tests) > 1 else {}
    run.tags({"mlflow.note.content": note(shown, board.primary, windows, options)} | groups)


def draw(board: Scoreboard, path: Path, steps: Path, view: View = ALL) -> None:
    """The last windows of a backtest, where they are kept, and its error by horizon step in a picture of its own."""
    test, model = board.first, board.models[0]
    about = About(model, {name: board.score(model, name) for name in (*ERRORS, "coverage_80")})
    name = test.experiment.data.path or ""
    if isinstance(test, Backtest):
        name = test.panel.name
        forecasts.rolled(Tested(test.panel, test.forecasts.windows, test.outcomes), about, path, view)
    title = About(model).title(name, f"{board.primary.upper()} by horizon step")
    forecasts.by_step(board.by_step([board.primary])[board.primary], board.primary, title, steps)


def _partitioned(table: Files, series: int) -> dict[str, str]:
    """A table in many files as MLflow describes data."""
    place = str(Path(table.folder).absolute()) if "://" not in table.folder else table.folder
    return {
        "name": Path(table.folder).name, "digest": table.digest, "source": place,
        "schema": json.dumps({"mlflow_colspec": []}), "profile": json.dumps({"num_series": series}),
    }  # fmt: skip
