"""Forecasts of many partitions, from the first to the last: what is there already is left, what is missing is made.

list ──▶ check that series are whole ──▶ forecast, each partition a file of its own ──▶ report
"""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tsforge.backtesting.tally import Tally, restored, total
from tsforge.errors import ConfigError, DataError, listing
from tsforge.experiment import BacktestConfig
from tsforge.fitted import directory, occasions, prediction, zero_shot
from tsforge.fitted.model import Model
from tsforge.partitions import listing as partitions
from tsforge.partitions import places, plan, pool, series, work
from tsforge.partitions.job import Answer, Job, Task
from tsforge.partitions.listing import Part
from tsforge.partitions.plan import Request, Todo
from tsforge.runtime.threads import each
from tsforge.runtime.timing import stage

log = logging.getLogger("tsforge")


@dataclass
class Report:
    """What was done.

    partitions: of the table. mine: of this shard. there: that had forecasts already. again: that had some, of other
    data or another model, by the reason. failed: the partitions that could not be forecast, and why.
    processes: of this machine; 0 where others do the work.
    done, rows, series, written: partitions forecast now, rows and series read, rows of forecasts.
    horizon: steps.
    seconds: by stage, over all processes.
    tallies: of a backtest, by the place of the partition in the output.
    digest: of the files of this shard, by their names, sizes and times.
    """

    partitions: int = 0
    mine: int = 0
    there: int = 0
    again: dict[str, int] = field(default_factory=dict)
    todo: int = 0
    done: int = 0
    rows: int = 0
    series: int = 0
    written: int = 0
    horizon: int = 0
    processes: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    tallies: dict[str, str] = field(default_factory=dict)
    digest: str = ""

    def add(self, part: Part, answer: Answer) -> None:
        """Count a partition that was forecast."""
        self.done += 1
        self.rows += answer.rows
        self.series += answer.series
        self.written += answer.written
        self.horizon = answer.horizon
        for name, value in answer.seconds.items():
            self.seconds[name] = self.seconds.get(name, 0.0) + value
        if answer.tally:
            self.tallies[part.target] = answer.tally


def forecast(request: Request, watch: Callable[[Report], None] = lambda _: None) -> Report:
    """Forecast every partition that has no forecasts yet, or those of another model or other data.

    watch: called whenever a partition is done.
    Raises TsforgeError for the first partition that cannot be forecast, unless it is to keep going; what was forecast
    until then is kept.
    """
    source, output = places.locate(request.data), places.locate(request.output) if request.output else None
    shard = partitions.shard(request.shard)
    prediction.check_horizon(request.horizon, prediction.LONGEST)
    plan.check_places(request, source, output)
    with stage("listing"):
        every = _parts(request, source)
    with tempfile.TemporaryDirectory(prefix="tsforge-") as scratch:
        job = plan.job_for(request, _model(request, every, source, Path(scratch)), source, output)
        with stage("listing"):
            todo = plan.todo(job, every, shard)
        _tell(todo, job.output)
        stale = [part for parts in todo.stale.values() for part in parts]
        tasks = [Task(part) for part in sorted([*todo.missing, *stale], key=lambda part: (part.path, part.target))]
        report = Report(len(every), len(todo.mine), len(todo.mine) - len(tasks))
        report.again = {reason: len(parts) for reason, parts in todo.stale.items()}
        report.todo = len(tasks)
        names = "\n".join(f"{part.target} {part.state}" for part in todo.mine)
        report.digest = hashlib.sha256(names.encode()).hexdigest()[:32]
        if request.engine == "processes":
            report.processes = max(1, min(request.processes(), len(tasks)))
        if tasks:
            with _pool(request, job, report.processes) as engine:
                _check_whole(job, todo.every if shard.number == 1 else todo.mine, engine)
                _run(engine, tasks, report, watch, keep_going=request.keep_going)
        if request.rolled is not None and output is not None:
            _tallies_there(todo.mine, output, report)
    return report


def backtest(request: Request, watch: Callable[[Report], None] = lambda _: None) -> tuple[Report, Tally]:
    """Backtest a model on every partition, and the scores of them all.

    Series keep to themselves: baselines are those that were kept with the model (others have no intervals), and
    intervals do not move from origin to origin, so that no score depends on how the table is divided. Forecasts that
    are there already, of this model and rolled like this, are not made again; their scores lie with them.
    watch, errors: as for `forecast`.
    """
    if zero_shot.place(request.model) is not None:
        raise ConfigError(
            "partitions are backtested by a fitted model", f"fit one first, of model.kind={request.model}"
        )
    begin = time.perf_counter()
    asked = request.rolled or {}
    experiment = work.as_rolled(directory.load(request.model).experiment, asked)
    config = experiment.backtest or BacktestConfig()
    if config.intervals == "adaptive":
        why = "adaptive intervals learn from all series at once, and partitions are scored one by one"
        raise ConfigError(why, 'ask for backtest.intervals "static", or backtest the folder as one table')
    if config.refit or config.gap or config.train_window:
        raise ConfigError("a fitted model is not trained again: refit, gap and train_window do not go with it", "")
    rolled = config.model_dump(mode="json")  # as every file of results has it
    if "baselines" in asked:
        rolled["baselines"] = list(asked["baselines"])
    report = forecast(replace(request, rolled=rolled), watch)
    if not report.mine:
        problem = f"{request.data}: shard {request.shard} has none of its {report.partitions} partitions"
        raise ConfigError(problem, "take as many shards as partitions at most")
    if not report.tallies:
        raise DataError(f"{request.data}: no partition could be scored", next(iter(report.failed.values()), ""))
    texts = [text for _, text in sorted(report.tallies.items())]  # in one order, whoever was first
    tally = total([restored(json.loads(text), experiment) for text in texts])
    return report, replace(tally, seconds=time.perf_counter() - begin)


def _tallies_there(mine: list[Part], output: places.Place, report: Report) -> None:
    """Add the tallies of partitions that were there already."""
    there = [part for part in mine if part.target not in report.tallies and part.name not in report.failed]
    texts = each(lambda part: work.tally_of(output, part.target), there, plan.LOOKS)
    report.tallies |= {part.target: text for part, text in zip(there, texts, strict=True) if text}


def _parts(request: Request, source: places.Place) -> list[Part]:
    if not request.partition_by:
        if not plan.is_folder(request.data) and source.info().is_file:
            raise ConfigError(f"{request.data}: a file", "name the folder that it lies in, or `partition_by` a column")
        return partitions.find(source)
    if plan.is_folder(request.data):
        message = f"{request.data}: a folder is not split: its files are the partitions"
        raise ConfigError(message, "name one Parquet file, or leave out `partition_by`")
    return plan.split(source, request.partition_by)


def _model(request: Request, every: list[Part], source: places.Place, scratch: Path) -> Path:
    """The folder of the model: that of the request, or of one with other events or bounds, or of a pretrained one for
    the table."""
    place = zero_shot.place(request.model)
    if place is None:
        changed = occasions.with_settings(request.model, request.settings)
        if not isinstance(changed, Model):
            return Path(changed)
        directory.save(changed, scratch / "model", lambda _: None)
        return scratch / "model"
    plan.settle(request, every[0], source, place, scratch / "model")
    log.warning("columns, frequency, season and context are those that the first partition shows: %s", every[0].name)
    return scratch / "model"


def _pool(request: Request, job: Job, count: int) -> pool.Pool:
    """Whoever does the work."""
    if request.engine == "ray":
        from tsforge.partitions.ray import Cluster

        return Cluster(job, request.workers, request.address)
    if count == 1:
        return pool.Here(replace(job, timed=False))  # whose stages are those of this process
    return pool.Processes(job, count)


def _check_whole(job: Job, every: list[Part], engine: pool.Pool) -> None:
    """Raises DataError where a series is split among partitions."""
    for group in series.doubtful(every, job.ids):
        if not job.ids:
            raise series.alone(job.source, group)
        with stage("checking"):
            series.check(job, group, _sound(engine.answers([Task(part, name_series=True) for part in group])))


def _sound(answers: Iterator[pool.Done]) -> Iterator[pool.Done]:
    for task, answer in answers:
        if answer.error:
            raise _failure(answer)
        yield task, answer


def _run(
    engine: pool.Pool, tasks: Sequence[Task], report: Report, watch: Callable[[Report], None], *, keep_going: bool
) -> None:
    notes: dict[str, list[tuple[str, str]]] = {}
    try:
        with stage("partitions"):
            for task, answer in engine.answers(tasks):
                if answer.error and not keep_going:
                    raise _failure(answer)
                if answer.error:
                    report.failed[task.part.name] = answer.error
                else:
                    report.add(task.part, answer)
                for wording, text in answer.notes:
                    notes.setdefault(wording, []).append((task.part.name, text))
                watch(report)
    finally:
        _tell_notes(notes, report.done)


def _failure(answer: Answer) -> Exception:
    """What a task that failed raises here: a bug keeps its traceback."""
    if answer.trace:
        return RuntimeError(f"{answer.error}\n{answer.trace}")
    return DataError(answer.error, answer.hint)


def _tell(todo: Todo, output: str) -> None:
    """Say what is done again and why, and what lies in the output that nobody asked for."""
    for reason, parts in todo.stale.items():
        count = f"{len(parts)} partition{'s' if len(parts) > 1 else ''} in {output}"
        log.warning("%s: %s; done again: %s", count, reason, listing([part.target for part in parts], 3))
    if todo.strange:
        names = listing(todo.strange, 3)
        log.warning("%s: %d files belong to no partition of the data: %s", output, len(todo.strange), names)


def _tell_notes(notes: dict[str, list[tuple[str, str]]], done: int) -> None:
    """Say once what the reading of several partitions had to say, and of how many."""
    for found in notes.values():
        name, text = found[0]
        if done == 1:
            log.warning("%s", text)
        elif len({text for _, text in found}) == 1:
            log.warning("%s (%d of %d partitions)", text, len(found), done)
        else:
            log.warning("%s: %s (and so in %d of %d partitions)", name, text, len(found), done)
