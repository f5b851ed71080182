"""What is to be forecast, settled before anything is: the partitions, the model, and what is there already."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tsforge.backtesting.tally import covers
from tsforge.config import parse
from tsforge.data.table import parts as tables
from tsforge.errors import ConfigError, DataError, nearest
from tsforge.experiment import BacktestConfig
from tsforge.fitted import directory, manifest, zero_shot
from tsforge.fitted.model import DataFacts
from tsforge.partitions import listing, places, work
from tsforge.partitions.job import Job
from tsforge.partitions.listing import Part
from tsforge.partitions.places import Place
from tsforge.runtime.threads import each

LOOKS = 16  # files of forecasts that are looked at together

Engine = Literal["processes", "ray"]


@dataclass(frozen=True)
class Request:
    """Forecasts of a folder of partitions, or of a file split by some columns, as a user asks for them; or a backtest.

    model: a model directory, or a pretrained model by its name or folder. data, output: paths or addresses; a backtest
    without an output keeps no forecasts.
    settings: how a pretrained model reads the table; events and bounds of a fitted one.
    workers: processes; 1 for this one, None for one on each core.
    engine: processes of this machine, or tasks of a Ray cluster at `address` (None: one of this machine).
    shard: the share of the partitions that is forecast, as 1/8; all where None.
    keep_going: whether the others are forecast where a partition fails.
    rolled: how the model is backtested, as in a `Job`; None for forecasts.
    rounded: whether forecasts are whole numbers where the values of a series always were.
    """

    model: str
    data: str
    output: str | None
    horizon: int | None = None
    quantiles: tuple[float, ...] | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    partition_by: tuple[str, ...] = ()
    workers: int | None = None
    engine: Engine = "processes"
    address: str | None = None
    shard: str | None = None
    keep_going: bool = False
    timed: bool = False
    rolled: dict[str, Any] | None = None
    rounded: bool = False

    def processes(self) -> int:
        """Processes that forecast: of a table in memory, which other processes do not see, only this one."""
        if self.workers is not None and self.workers < 1:
            raise ConfigError(f"workers {self.workers} is not positive", "take 1 or more")
        if any(places.locate(name).scheme == places.MEMORY for name in (self.data, self.output) if name):
            return 1
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return self.workers or cores or 1


@dataclass(frozen=True)
class Todo:
    """Partitions of which there are no forecasts yet.

    every: all partitions of the table, of which `mine` are those of this shard; `missing` of these have no forecasts.
    stale: those of them that have some, of another model, other settings or another state of the file.
    strange: files in the output that belong to no partition.
    """

    every: list[Part]
    mine: list[Part]
    missing: list[Part]
    stale: dict[str, list[Part]]
    strange: list[str]


def is_folder(data: str) -> bool:
    """Whether a table is a folder, or lies in a store."""
    if "://" not in data:
        return Path(data).is_dir()
    from pyarrow import fs

    return bool(places.locate(data).info().type == fs.FileType.Directory)


def check_places(request: Request, source: Place, output: Place | None) -> None:
    """Raises ConfigError where forecasts would lie among the data, or where the engine cannot reach them."""
    if request.engine == "ray" and places.MEMORY in (source.scheme, output.scheme if output else ""):
        raise ConfigError("what lies in the memory of one process cannot be reached by a cluster", "use a store")
    if output is None:
        return
    inside = f"{output.path.rstrip('/')}/".startswith(f"{source.path.rstrip('/')}/")
    if source.scheme == output.scheme and inside:
        raise ConfigError(f"{output.address}: lies in the data", "name another folder for the output")
    from pyarrow import fs

    if output.info().type == fs.FileType.File:
        raise ConfigError(f"{output.address}: a file, where a folder is needed", "name another folder for the output")


def split(source: Place, by: Sequence[str]) -> list[Part]:
    """The partitions of one Parquet file by the values of some columns, in their order.

    Raises ConfigError where the file lacks a column, DataError where it is none.
    """
    whole = listing.single(source)
    if source.path.endswith(listing.TEXTS):
        raise ConfigError("only a Parquet file is split into partitions", "write the table as Parquet")
    has = _names(source)
    for name in by:
        if name not in has:
            raise ConfigError(f"{source.address}: no column '{name}' to split by", nearest(name, has))
    with source.reading() as file:
        rows = tables.rows(file, by)
    values = [{name: _value(name, cell) for name, cell in zip(by, row, strict=True)} for row in rows]
    values.sort(key=lambda row: [(cell is None, str(type(cell)), cell) for cell in row.values()])
    return [Part("", whole.state, where=row) for row in values]


def _value(name: str, cell: Any) -> listing.Value:
    if cell is None or isinstance(cell, str | int):
        return cell
    raise ConfigError(f"column '{name}' holds {type(cell).__name__}: no name for a folder", "split by texts or numbers")


def _names(source: Place) -> list[str]:
    """The columns of a Parquet file. Raises DataError where it is none."""
    from pyarrow import ArrowException, parquet

    try:
        with source.reading() as file:
            return list(parquet.read_schema(file).names)
    except (ArrowException, OSError) as problem:
        raise DataError(f"{source.address}: not a readable Parquet file: {problem}", "write the file again") from None


def of_folder(folder: Path) -> tuple[str, DataFacts]:
    """What a model directory is known by, and what it says of tables, without loading the model."""
    files = manifest.check(folder).sha256
    digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:32]
    facts = parse(DataFacts, manifest.read_json(folder / "schema.json"), "schema.json")
    if facts.columns.hierarchy:
        raise ConfigError("a hierarchy adds up in one table, not in parts of one", "name one table with all its series")
    return digest, facts


def settle(request: Request, first: Part, source: Place, place: Path, folder: Path) -> None:
    """Make of a pretrained model the one of a table, as its first partition shows it, in a new folder.

    place: of the pretrained model.
    """
    from tsforge.fitted import prediction

    config, bounds = zero_shot.of_table(request.settings, request.horizon)
    model, _ = zero_shot.for_table(place, work.read(source.address, first, None), config, bounds=bounds)
    prediction.wanted(model, request.quantiles)
    directory.save(model, folder, lambda _: None)


def job_for(request: Request, folder: Path, source: Place, output: Place | None) -> Job:
    """What every worker is told."""
    digest, facts = of_folder(folder)
    schema = facts.columns
    return Job(
        str(folder.absolute()), digest, source.address, output.address if output else "", schema.id, schema.columns(),
        request.horizon, request.quantiles, request.timed, request.rolled, request.rounded,
    )  # fmt: skip


def todo(job: Job, every: list[Part], shard: listing.Shard) -> Todo:
    """What there is to do, by what lies in the output. Raises DataError where two partitions have one place there."""
    if not job.output:
        mine = shard.take(every)
        return Todo(every, mine, mine, {}, [])
    targets: dict[str, Part] = {}
    for part in every:
        if part.target in targets:
            both = f"{targets[part.target].name} and {part.name}"
            raise DataError(f"{job.source}: {both} would have their forecasts in one file", "rename one of them")
        targets[part.target] = part
    output = places.locate(job.output)
    start = len(output.path.rstrip("/")) + 1
    there = {info.path[start:] for info in output.list() if info.is_file}
    strange = [
        name for name in sorted(there - targets.keys())
        if name.endswith(".parquet") and not any(map(listing.left_out, name.split("/")))
    ]  # fmt: skip
    mine = shard.take(every)
    has = [part for part in mine if part.target in there]
    missing = [part for part in mine if part.target not in there]
    stale: dict[str, list[Part]] = {}
    asked = "rolled otherwise" if job.rolled else "of another horizon or levels"
    scored = BacktestConfig.model_validate(job.scored) if job.scored is not None else None

    def look(part: Part) -> str:
        made, text = work.kept_of(output, part.target)
        reason = _changed(made, job.made_of(part), asked)
        return reason or ("scored by other metrics" if scored and not covers(json.loads(text or "{}"), scored) else "")

    for part, reason in zip(has, each(look, has, LOOKS), strict=True):
        if reason:
            stale.setdefault(reason, []).append(part)
    return Todo(every, mine, missing, stale, strange)


def _changed(made: dict[str, Any], now: dict[str, object], asked: str) -> str:
    """Why forecasts that are there are no longer good, in words; "" where they are."""
    words = {"input": "its file has changed", "model": "of another model", "settings": asked}
    if not made:
        return "not written by this command, or damaged"
    return next((text for name, text in words.items() if made.get(name) != now[name]), "")
