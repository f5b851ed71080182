"""tsforge compare"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsforge.cli.options import FitOptions, Flag, TrackOptions
from tsforge.cli.output import command_line, echo, print_json, print_notes, print_run, print_verdict, status
from tsforge.cli.searching import CompareOptions

if TYPE_CHECKING:
    from tsforge.cli.progress import SweepProgress
    from tsforge.comparison.config import Comparison
    from tsforge.comparison.results import OnData
    from tsforge.data.dataset import Dataset
    from tsforge.experiment import Experiment
    from tsforge.training.events import Report


def compare(
    source: str | None = None, /, *, compared: CompareOptions | None = None, quick: Flag = False,
    options: FitOptions | None = None, record: TrackOptions | None = None, out: str | None = None,
    definitions: Flag = False, quiet: Flag = False, json: Flag = False,
) -> int:  # fmt: skip
    """Put architectures side by side: what they can do, what they cost, how well they forecast.

    All are trained on the same windows with the same loss and budget, at the same number of parameters.

    Parameters
    ----------
    source
        A table, - for standard input, the name of a data set, a TOML file with a comparison, or the name of a pipeline.
    quick
        The same rows in about a minute, to see that everything works; its figures mean nothing.
    out
        Folder for the tables, the pictures and the models. (default: comparisons/NAME)
    definitions
        Show what each row means and how its words follow.
    quiet
        Print neither notes nor progress.
    json
        Print one JSON document instead of tables.
    """
    print_notes(quiet=quiet)
    compared, options, record = compared or CompareOptions(), options or FitOptions(), record or TrackOptions()
    plan = _plan(source, options, compared.settings())
    with record.tracker(wait=json) as tracker:
        from tsforge.cli.tables.comparison import print_comparison
        from tsforge.comparison import config, report, running

        plan = config.quick(plan) if quick else plan
        folder = Path(out or f"comparisons/{plan.name}")
        with closing(_Lines(quiet=quiet)) as lines:
            session = running.Session(
                folder, tracker, command_line(), os.cpu_count() or 1, lines.write, lines.watch, lines.follow
            )
            done = running.run(plan, session)
        if not json:
            print_comparison(done.table, definitions=definitions)
            _print_verdicts(done.measured.data)
            _print_written(done.files, quick=quick)
    if json:
        where = {"out": str(folder), "run": tracker.id(done.run), "url": tracker.link(done.run)}
        print_json(report.document(done.measured, done.table) | where)
    else:
        print_run(tracker, done.run)
    return 0


def _plan(source: str | None, options: FitOptions, settings: dict[str, Any]) -> Comparison:
    """Raises ConfigError for what does not go together."""
    from tsforge.comparison import config
    from tsforge.errors import ConfigError

    if options.config is not None:
        if source is not None:
            raise ConfigError("a comparison has one file or one table", f"tsforge compare {options.config}")
        source, options.config = options.config, None
    if source is None:
        options.refuse_swallowed_table("compare")
        raise ConfigError("no data is named", "tsforge compare DATA, or a TOML file with a comparison")
    return config.read(source, options.overrides(), settings)


def _print_verdicts(sets: Sequence[OnData]) -> None:
    """A line for each data set: the best network against the best of all others."""
    if sets:
        echo()
    for data in sets:
        if data.judgement is not None:
            print_verdict(data.judgement, f"{data.name}: " if len(sets) > 1 else "")


def _print_written(files: list[Path], *, quick: bool) -> None:
    echo()
    if quick:
        echo("quick: everything was run with tiny budgets; none of these figures is a result")
    page = next(path for path in files if path.suffix == ".html")
    echo(f"page    {page}")
    echo(f"tables  {', '.join(path.name for path in files if path.suffix in ('.md', '.csv', '.json'))} beside it")


class _Lines:
    """Progress on stderr: what is measured now, and each training with its number."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self._open = ExitStack()  # the line that still has to be ended
        self.close = self._open.close

    def write(self, text: str) -> None:
        self.close()
        if not self.quiet:
            status(text)

    def watch(self, title: str, experiment: Experiment, dataset: Dataset) -> Report | None:
        from tsforge.api.progress import training_progress

        self.write(title)
        if self.quiet or not sys.stderr.isatty():  # in a pipe a line for each training is enough
            return None
        return self._open.enter_context(closing(training_progress(experiment, dataset)))

    def follow(self, title: str) -> SweepProgress | None:
        from tsforge.cli.progress import SweepProgress

        self.write(title)
        return None if self.quiet else self._open.enter_context(closing(SweepProgress("score on validation")))
