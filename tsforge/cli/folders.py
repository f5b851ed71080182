"""predict and backtest for tables in many files: their options, the progress line, and what they print."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from cyclopts import Parameter

from tsforge.api.progress import Line
from tsforge.cli.hints import flag
from tsforge.cli.options import Columns, Flag
from tsforge.cli.output import STANDARD, echo, measured, print_error, print_json, print_table, print_timings, started
from tsforge.runtime import stopping
from tsforge.runtime.numbers import duration

if TYPE_CHECKING:
    from tsforge.backtesting.tally import Tally
    from tsforge.partitions.plan import Request
    from tsforge.partitions.running import Report

FILES = (".csv", ".parquet")  # how an output ends that is one file


@Parameter(name="*")
@dataclass
class PartitionOptions:
    """How a table in many files is forecast."""

    partition_by: Columns = field(default_factory=list)
    "Columns by whose values one Parquet file is split into partitions."
    workers: int | None = None
    "Processes, for partitions. (default: one on each core)"
    engine: Literal["processes", "ray"] | None = None
    "Where partitions are forecast: by processes of this machine, or as tasks of a Ray cluster. (default: processes)"
    address: str | None = None
    "Address of a running Ray cluster; auto finds it. (default: one is started on this machine)"
    shard: str | None = None
    "Share of the partitions, as 1/8: each machine does its own."
    keep_going: Flag = False
    "Forecast the other partitions where one fails."

    def given(self) -> dict[str, Any]:
        """Name to value, for everything that was given."""
        given = {name: value for name, value in vars(self).items() if value is not None and value != []}
        return given | {"keep_going": True} if given.pop("keep_going") else given


def wanted(data: str | None, output: str | None, options: PartitionOptions) -> bool:
    """Whether partitions are to be forecast, each into a file of its own: of a folder or of what lies in a store, where
    the output is a folder; or of a file that is to be split. Else a folder is one table, with one output."""
    from tsforge.errors import ConfigError

    if data is not None:
        from tsforge.partitions.plan import is_folder

        if options.partition_by or "://" in data:
            return True
        into_folder = output is not None and output != STANDARD and not output.endswith(FILES)
        if is_folder(data) and (options.given() or into_folder):
            return True
    if given := options.given():
        name = flag(next(iter(given)))
        raise ConfigError(f"{name} is for a folder of partitions", f"leave out {name}, or name a folder")
    return False


def check(output: str | None, plot: str | None, future_data: str | None) -> str:
    """The folder for the forecasts. Raises ConfigError for what partitions cannot have."""
    from tsforge.errors import ConfigError

    if output is None or output == STANDARD:
        raise ConfigError("forecasts of partitions need a folder", "name it with --output FOLDER")
    if output.endswith(FILES):
        raise ConfigError(f"{output}: forecasts of partitions are a folder", "name a folder")
    if plot is not None:
        raise ConfigError("a picture shows one table", "leave out --plot, or name one partition")
    if future_data is not None:
        hint = "add these rows to the partitions, with the target empty, and leave out `future_data`"
        raise ConfigError("what is known in advance of partitions stands in them", hint)
    return output


def forecast(request: Request, *, json: bool) -> int:
    """Forecast partitions and show what was done; the exit code."""
    from tsforge.partitions import running

    progress = _Progress()
    try:
        report = running.forecast(request, progress)
    except KeyboardInterrupt:
        return _stopped(request, progress.done)
    finally:
        progress.close()
    if json:
        whole = measured()
        print_json({"model": request.model, "output": request.output} | document(report) | whole)
    else:
        show(request.output, report, request.shard)
        print_timings()
    return print_failures(report)


def backtest(request: Request) -> tuple[Report, Tally] | int:
    """Backtest a model on partitions; the exit code where that was stopped."""
    from tsforge.partitions import running

    progress = _Progress()
    try:
        return running.backtest(request, progress)
    except KeyboardInterrupt:
        return _stopped(request, progress.done)
    finally:
        progress.close()


def _stopped(request: Request, done: int) -> int:
    kept = f"{done:,} partitions were done"
    kept += ", and the next run goes on from there" if request.output else ", of which nothing is kept"
    print_error(f"stopped by {stopping.cause()}; {kept}", "")
    return stopping.exit_code()


def print_failures(report: Report) -> int:
    """Print why partitions failed; the exit code."""
    for name, error in report.failed.items():
        print_error(f"{name}: {error}" if not error.startswith(name) else error, "")
    return 2 if report.failed else 0


def document(report: Report) -> dict[str, Any]:
    """What was done, as plain values."""
    workers = {"stages": {name: round(value, 3) for name, value in report.seconds.items()}} if report.seconds else {}
    counts = {
        "all": report.partitions, "shard": report.mine, "done": report.done, "there": report.there,
        "again": report.again, "failed": report.failed,
    }  # fmt: skip
    seconds = round(time.perf_counter() - started(), 3)
    return {
        "partitions": counts, "processes": report.processes, "series": report.series, "horizon": report.horizon,
        "rows_read": report.rows, "rows": report.written, "seconds": seconds,
    } | workers  # fmt: skip


def show(output: str | None, report: Report, shard: str | None = None) -> None:
    """Print what was done, and how fast."""
    seconds = time.perf_counter() - started()
    mine = f" of this shard ({shard})" if shard else ""
    if report.there:
        echo(f"{report.there:,} of {report.mine:,} partitions{mine} were there already")
    if report.done:
        to = f"{report.written:,} rows in {output}: " if output else ""
        echo(
            f"{to}{report.done:,} partitions, {report.series:,} series x {report.horizon} steps, from "
            f"{report.rows:,} rows"
        )
        rate = report.series / seconds
        several = f" on {report.processes} processes" if report.processes > 1 else ""
        echo(f"{duration(seconds)}, {rate:,.0f} series/s{several}")
    if report.failed:
        echo(f"{len(report.failed):,} partitions failed; the next run tries them again")
    if report.seconds:
        whole = sum(report.seconds.values())
        rows = [[name, f"{value:.2f}", f"{value / whole:.0%}"] for name, value in report.seconds.items()]
        echo()
        print_table(["in all processes", "seconds", "share"], rows)


class _Progress:
    """Prints how many partitions are done, the pace, and the time left."""

    EVERY = 10.0  # seconds between lines in a pipe

    def __init__(self) -> None:
        self._line, self._began, self._printed = Line(), time.monotonic(), time.monotonic()
        self.close = self._line.close
        self.done = 0

    def __call__(self, report: Report) -> None:
        self.done = report.done
        now, count = time.monotonic(), report.done + len(report.failed)
        plain = now - self._printed >= self.EVERY
        if plain:
            self._printed = now
        pace = report.series / max(now - self._began, 1e-9)
        left = (now - self._began) / count * (report.todo - count)
        failed = f"  {len(report.failed)} failed" if report.failed else ""
        text = f"{count:,}/{report.todo:,} partitions{failed}  {report.series:,} series  {pace:,.0f} series/s"
        self._line.write(f"{text}  {duration(left)} left", plain=plain)
