"""tsforge backtest"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from cyclopts import Parameter

from tsforge.cli import folders
from tsforge.cli.folders import PartitionOptions
from tsforge.cli.options import FitOptions, Flag, PlotOptions, RollOptions, TrackOptions, model_folder
from tsforge.cli.output import (
    STANDARD,
    check_targets,
    command_line,
    echo,
    measure,
    measured,
    print_json,
    print_notes,
    print_run,
    print_timings,
    status,
)
from tsforge.cli.standard import print_written
from tsforge.runtime import garbage

if TYPE_CHECKING:
    from tsforge.backtesting.result import Backtest
    from tsforge.data.dataset import Dataset
    from tsforge.experiment import BacktestConfig, Experiment
    from tsforge.partitions.plan import Request
    from tsforge.partitions.running import Report as Partitions
    from tsforge.tracking.backtests import Recorder
    from tsforge.training.events import Report


KEPT = ("baselines", "data.reconcile")  # settings that a fitted model can have otherwise, beside how it is rolled


def backtest(
    source: str | None = None, data: str | None = None, /, *, roll: RollOptions | None = None,
    options: FitOptions | None = None, record: TrackOptions | None = None,
    group: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    by: Literal["step", "series"] | None = None, coverage: Flag = False, output: str | None = None,
    forecasts: str | None = None, picture: PlotOptions | None = None, partitions: PartitionOptions | None = None,
    timings: Flag = False, quiet: Flag = False, json: Flag = False,
) -> int:  # fmt: skip
    """Judge a model on data it never saw, beside baselines.

    --plot draws the last windows; errors by step go beside that picture (NAME-by-step).

    MODEL [DATA] rolls a fitted model; DATA fits on the way; PROTOCOL.toml runs what it says.

    Parameters
    ----------
    source
        Folder that `tsforge fit` wrote or a recorded model (runs:/RUN, models:/NAME@ALIAS), a table or the name of a
        data set, or a TOML file with an experiment, or the name of a pipeline.
    data
        The table for a model or a TOML file; for a model also a folder of Parquet or CSV files with whole series in
        each, on a disk or in a store (s3://...). (default: its own)
    group
        Only these groups of a TOML file with several.
    by
        Show the scores by horizon step or by series.
    coverage
        Show how much the intervals cover, by horizon step.
    output
        File for the scores, .csv or .md, or - for standard output as CSV.
    forecasts
        File for every forecast beside its truth, .parquet or .csv: model, ids, origin, time, step, forecast, quantiles.
        Of a folder the folder for these, in which what is there already is not done again.
    timings
        Print where the wall time went, stage by stage.
    quiet
        Print neither notes nor progress.
    json
        Print one JSON document instead of tables.
    """
    measure(on=timings)
    print_notes(quiet=quiet)
    with garbage.paused():
        from tsforge.backtesting.hierarchies import by_level
        from tsforge.backtesting.scoreboard import Scoreboard, check_metrics, document
        from tsforge.cli.tables import backtest as scores
        from tsforge.errors import ConfigError
        from tsforge.tracking.backtests import Files, Recorder, draw

    roll, options, record = roll or RollOptions(), options or FitOptions(), record or TrackOptions()
    roll.metrics = [name for words in roll.metrics or [] for name in words.split(",") if name]
    check_metrics(roll.metrics)
    picture = picture or PlotOptions()
    picture.refuse()
    plot = picture.plot
    check_targets(output, (".csv", ".md"), plot, [source, data, options.config])
    partitions = partitions or PartitionOptions()
    many = source is not None and data is not None and folders.wanted(data, forecasts, partitions)
    if forecasts == STANDARD:
        if many:
            raise ConfigError("forecasts of partitions go to a folder", "name it with --forecasts FOLDER")
        raise ConfigError("forecasts go to a file", "name one that ends in .csv or .parquet")
    if many:
        _refuse_for_many(group, by, plot)
    else:
        check_targets(forecasts, (".csv", ".parquet"), None, [source, data, options.config])
    report: Partitions | None = None
    with record.tracker(wait=json) as tracker, Recorder(tracker, command_line()) as recorder:
        source = None if source is None else model_folder(source, record.tracking_uri)
        work = _chosen(_work(source, data, roll, options), group or [])
        recorder.of_model(source)
        if many:
            done = folders.backtest(
                _request(work[""], forecasts, partitions, timed=timings, chosen=roll.intervals is not None)
            )
            if isinstance(done, int):
                return done
            report, board = done[0], Scoreboard({"": done[1]})
        else:
            tests = {name: _run(what, name, recorder, quiet=quiet) for name, what in work.items()}
            board = Scoreboard(tests if len(tests) > 1 else by_level(tests.popitem()[1]))
        texts = scores.tables(board, by, coverage=coverage)
        if not json:  # before what is written, which may fail
            for text in texts:
                text.print()
        for bound in () if report else board.whole[next(iter(board.tests))].bounds:
            bound.tell()
        if output is not None:
            scores.write(board, texts, by, output)
        if forecasts is not None and report is None:
            board.write_forecasts(Path(forecasts))
        if plot is not None:
            path = Path(plot)
            draw(board, path, path.with_stem(f"{path.stem}-by-step"), picture.view())
        if not json:
            _print_written(output, forecasts, plot)
        run = recorder.finish(board, forecasts, Files(str(data), report.digest) if report else None)
    if json:
        steps = {"by": {by: scores.rows(board, by)}} if by else {}
        cover = {"coverage_by_step": scores.coverage_by_step(board)} if coverage else {}
        where = {
            "run": tracker.id(run),
            "url": tracker.link(run),
            "output": output,
            "forecasts": forecasts,
            "plot": plot,
            "notes": scores.gaps(board),
        }
        files = folders.document(report) if report else {}
        print_json(files | document(board) | steps | cover | where | measured())
    else:
        if report is not None:
            folders.show(forecasts, report, partitions.shard)
        print_run(tracker, run)
        print_timings()
    return folders.print_failures(report) if report else 0


def _print_written(*written: str | None) -> None:
    echo()
    for name in written:
        if name is not None:
            print_written(name)


def _refuse_for_many(group: list[str] | None, by: str | None, plot: str | None) -> None:
    """Raises ConfigError for what a backtest over partitions cannot have."""
    from tsforge.errors import ConfigError

    if group:
        raise ConfigError("a folder has no groups", "leave out --group")
    if by == "series":
        raise ConfigError("scores by series are not kept of partitions", "--forecasts FOLDER has every forecast")
    if plot is not None:
        raise ConfigError("a picture shows one table", "leave out --plot, or name one partition")


def _request(
    work: Work, forecasts: str | None, options: PartitionOptions, *, timed: bool, chosen: bool
) -> Request:  # fmt: skip
    """What is asked for of partitions. chosen: whether the kind of intervals is what somebody wants."""
    from tsforge.backtesting.rolling import for_model
    from tsforge.errors import ConfigError
    from tsforge.partitions.plan import Request

    if not isinstance(work.what, str) or not Path(work.what).is_dir() or work.data is None:
        raise ConfigError("partitions are backtested by a fitted model", "tsforge backtest MODEL FOLDER")
    rolled = (work.config or for_model(None)).model_dump(mode="json")
    if not chosen:  # what is usual learns from all series at once
        rolled["intervals"] = "static" if rolled["intervals"] == "adaptive" else rolled["intervals"]
    if work.baselines is not None:
        rolled["baselines"] = list(work.baselines)
    asked = {**options.given(), "partition_by": tuple(options.partition_by), "timed": timed}
    return Request(work.what, work.data, forecasts, rolled=rolled, **asked)


class Work(NamedTuple):
    """What to backtest: an experiment or a model's folder, its data, how, and beside what where not as it says."""

    what: Experiment | str
    data: str | None
    config: BacktestConfig | None = None
    baselines: Sequence[str] | None = None
    reconcile: str | None = None


def _work(source: str | None, data: str | None, roll: RollOptions, options: FitOptions) -> dict[str, Work]:
    """What to backtest, by group: an experiment or a model's folder, its data, and how."""
    from tsforge.data.shipped import is_experiment
    from tsforge.errors import ConfigError
    from tsforge.model.zoo import PRETRAINED
    from tsforge.settings import build, groups

    given = options.overrides() | roll.overrides()
    if source is not None and Path(source).is_dir():
        return {"": _for_model(source, data, given)}
    if source is not None and source not in PRETRAINED and is_experiment(source):
        if options.config is not None:
            raise ConfigError("two TOML files are named", "leave out --config")
        work = {name: Work(e, data) for name, e in groups(given, source).items()}
        if data is not None and len(work) > 1:
            raise ConfigError(f"{source} names the data of each of its groups", f"leave out {data}")
        return work
    if data is not None:
        pretrained = f"a pretrained model with: backtest {data} --model {source}"
        hint = pretrained if source in PRETRAINED else "a table alone is backtested with: backtest DATA"
        raise ConfigError(f"{source}: no such folder of a model", hint)
    experiment = build(given, options.config)
    if source is None and experiment.data.path is None:
        options.refuse_swallowed_table("backtest")
        raise ConfigError("no data is named", "tsforge backtest DATA, or MODEL [DATA], or PROTOCOL.toml")
    return {"": Work(experiment, source)}


def _chosen(work: dict[str, Work], names: list[str]) -> dict[str, Work]:
    """The groups that are named; all where none is."""
    from tsforge.errors import ConfigError, listing, nearest

    for name in names:
        if name not in work:
            groups = [group for group in work if group]
            hint = nearest(name, groups) or (f"groups: {listing(groups, 20)}" if groups else "leave out --group")
            raise ConfigError(f"there is no group '{name}'", hint)
    return {name: work[name] for name in names} or work


def _for_model(folder: str, data: str | None, given: dict[str, Any]) -> Work:
    """How to roll a fitted model, and beside what. Raises ConfigError for flags that a fitted model has no use for."""
    from tsforge.backtesting.rolling import for_model
    from tsforge.errors import ConfigError
    from tsforge.experiment import BacktestConfig
    from tsforge.fitted.directory import load
    from tsforge.settings import build

    experiment = load(folder).experiment
    extra = [path for path in given if path not in KEPT and not path.startswith("backtest.")]
    if given.get("data.horizon") == experiment.data.horizon:
        extra.remove("data.horizon")
    if extra:
        text = f"a fitted model keeps its experiment: {', '.join(extra)} cannot be changed"
        raise ConfigError(text, "leave these flags out, or backtest the table itself, which fits on the way")
    own = for_model(experiment.backtest).model_dump()
    rolling = build({path: value for path, value in given.items() if path.startswith("backtest.")}).backtest
    config = BacktestConfig.model_validate(own | (rolling.model_dump(exclude_unset=True) if rolling else {}))
    return Work(folder, data, config, given.get("baselines"), given.get("data.reconcile"))


def _run(work: Work, group: str, recorder: Recorder, *, quiet: bool) -> Backtest:
    from tsforge.api.progress import training_progress
    from tsforge.backtesting.rolling import backtest as run
    from tsforge.model.baselines.forecaster import Baseline

    def on_fit(experiment: Experiment, dataset: Dataset, number: int, count: int) -> Report | None:
        recorder.begin(experiment)
        if quiet or isinstance(experiment.model, Baseline):  # it needs no progress
            return None
        lines.close()  # that of the fit before
        of = f"{group}: " if group else ""
        status(f"{of}fit {number + 1} of {count} on {len(dataset.parts.train):,} windows")
        return lines.enter_context(closing(training_progress(experiment, dataset)))

    with ExitStack() as lines:
        beside: dict[str, Any] = {"baselines": work.baselines, "reconcile": work.reconcile}
        return run(work.what, work.data, config=work.config, **beside, on_fit=on_fit)
