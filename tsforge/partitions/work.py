"""One partition: read, forecast, written. The same function whoever calls it, and so the same numbers."""

from __future__ import annotations

import base64
import json
import logging
import traceback
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from tsforge.data.table import parts
from tsforge.errors import DataError, TsforgeError
from tsforge.experiment import BacktestConfig, Experiment
from tsforge.fitted import directory, prediction
from tsforge.partitions import listing, places
from tsforge.partitions.job import Answer, Job, Task
from tsforge.partitions.listing import Part
from tsforge.runtime import timing
from tsforge.runtime.timing import stage
from tsforge.settings import override

if TYPE_CHECKING:
    import pyarrow as pa

    from tsforge.data import tidy
    from tsforge.data.panel import Panel
    from tsforge.data.table.reading import Frame
    from tsforge.fitted.model import Model

KEY, TALLY = b"tsforge", b"tsforge.tally"  # of the Parquet file's metadata


def do(job: Job, task: Task) -> Answer:
    """The answer to a task; an error is one, and leaves no file."""
    notes, timed = _Notes(), job.timed and not task.name_series
    with notes.heard():
        try:
            if timed:
                timing.start(perf_counter())
            answer = _answer(job, task)
        except TsforgeError as problem:
            return Answer(error=problem.message, hint=problem.hint)
        except Exception as problem:
            text = f"{task.part.name}: {type(problem).__name__}: {problem}"
            return Answer(error=text, trace=traceback.format_exc())
        finally:
            seconds = timing.stop() if timed else {}
    return Answer(**vars(answer) | {"notes": tuple(notes.taken), "seconds": seconds})


def _answer(job: Job, task: Task) -> Answer:
    if task.name_series:
        return _named(job, task.part)
    return _forecast(job, task.part) if job.rolled is None else _backtested(job, task.part)


def read(source: str, part: Part, columns: tuple[str, ...] | None) -> Frame:
    """The rows of a partition with the columns that are asked for, and those that its folders give."""
    place = places.locate(source)
    keys = {name: value for name, value in part.keys.items() if columns is None or name in columns}
    if part.path.endswith(listing.TEXTS) or (not part.path and place.path.endswith(listing.TEXTS)):
        return parts.read_part(Path(place.within(part.path)), place.shown(part.path), columns, keys, part.where)
    with place.reading(part.path) as file:
        return parts.read_part(file, place.shown(part.path), columns, keys, part.where)


def _named(job: Job, part: Part) -> Answer:
    """The series of a partition, as hashes."""
    texts = parts.keys(read(job.source, part, job.ids), job.ids)
    return Answer(series=len(texts), hashes=base64.b64encode(parts.hashes(texts).tobytes()).decode())


def _forecast(job: Job, part: Part) -> Answer:
    loaded, frame = _read(job, part)
    made = prediction.predict(loaded, frame, horizon=job.horizon, quantiles=job.quantiles)
    made = made.rounded() if job.rounded else made
    _check_time(part, made.panel)
    with stage("saving"):
        count = _write(job, part, as_arrow(made.frame, {*part.keys, *part.where}))
    n, H, _ = made.point.shape
    return Answer(rows=len(frame.data), series=n, horizon=H, written=count)


def _backtested(job: Job, part: Part) -> Answer:
    """The scores of a partition; its forecasts are written with them, where there is a place for them."""
    from tsforge.backtesting import rolling
    from tsforge.backtesting.tally import tally
    from tsforge.data import rolled

    loaded, frame = _read(job, part)
    experiment = as_rolled(loaded.experiment, job.rolled or {})
    test = rolling.of_model(
        replace(loaded, experiment=experiment), frame, experiment.backtest or BacktestConfig(), whole=False
    )
    with stage("scoring"):
        text = json.dumps(tally(test).plain())
    count = 0
    if job.output:
        _check_time(part, test.panel)
        with stage("saving"):
            table = as_arrow(rolled.joined(test.frames()), {*part.keys, *part.where})
            count = _write(job, part, table, {TALLY: text.encode()})
    return Answer(rows=len(frame.data), series=test.series, horizon=loaded.shape.horizon, written=count, tally=text)


def as_rolled(experiment: Experiment, rolled: Mapping[str, Any]) -> Experiment:
    """The experiment of a model with how it is backtested, and beside what."""
    values = dict(rolled)
    if (baselines := values.pop("baselines", None)) is not None:
        experiment = override(experiment, {"baselines": tuple(baselines)})
    return experiment.model_copy(update={"backtest": BacktestConfig.model_validate(values)})


def _read(job: Job, part: Part) -> tuple[Model, Frame]:
    loaded = model(job.model, job.digest)
    with stage("reading"):
        return loaded, replace(read(job.source, part, job.columns), usual=loaded.facts.columns.decimal)


def _check_time(part: Part, panel: Panel) -> None:
    if within := [name for name in (*part.keys, *part.where) if name in panel.schema.time_columns]:
        text = f"{part.name}: '{within[0]}', a column of the folders, is part of the time, which goes on behind it"
        raise DataError(text, "divide the table by series instead")


def _write(job: Job, part: Part, table: pa.Table, more: Mapping[bytes, bytes] | None = None) -> int:
    """Write the forecasts of a partition, with what they are made of and more about them; returns their rows."""
    import pyarrow as pa
    from pyarrow import parquet

    own = json.dumps(job.made_of(part)).encode()
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), KEY: own, **(more or {})})
    texts = [f.name for f in table.schema if not pa.types.is_floating(f.type)]
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink, use_dictionary=texts, compression="zstd")
    places.locate(job.output).write(part.target, sink.getvalue())
    return int(table.num_rows)


def as_arrow(frame: tidy.Frame, without: Collection[str] = ()) -> pa.Table:
    """Forecasts as an Arrow table, all numbers in double precision.

    Values are in the precision that the data of a partition need, and a folder whose files differ in a type is one that
    many readers refuse.

    without: columns that are left out, as the names of folders give them.
    """
    import pyarrow as pa

    kept = frame[[c for c in frame.columns if c not in without]]
    numbers = {c: "float64" for c in kept.columns if kept[c].dtype == "float32"}
    return pa.Table.from_pandas(kept.astype(numbers), preserve_index=False)


def kept_of(place: places.Place, target: str) -> tuple[dict[str, Any], str]:
    """What the forecasts in a file are made of, nothing where it is none of ours, or damaged; and their tally."""
    found = _metadata(place, target)
    try:
        values = json.loads(found.get(KEY, b"{}"))
    except ValueError:
        return {}, ""
    return values if isinstance(values, dict) else {}, found.get(TALLY, b"").decode()


def tally_of(place: places.Place, target: str) -> str:
    """The text of the tally that lies with the forecasts in a file; "" where there is none."""
    return _metadata(place, target).get(TALLY, b"").decode()


def _metadata(place: places.Place, target: str) -> dict[bytes, bytes]:
    """Of a Parquet file; nothing where it cannot be read."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with place.reading(target) as file:
            return dict(parquet.read_metadata(file).metadata or {})
    except (pa.ArrowException, ValueError, OSError):
        return {}


@lru_cache(maxsize=1)
def model(folder: str, digest: str) -> Model:  # noqa: ARG001 (a model that has changed is another)
    return directory.load(folder)


class _Notes(logging.Handler):
    """Takes the warnings of the library, each wording once."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        note = str(record.msg), record.getMessage()
        if note not in self.taken:
            self.taken.append(note)

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Inside, warnings come here and go nowhere else."""
        logger = logging.getLogger("tsforge")
        before, upward = logger.handlers, logger.propagate
        logger.handlers, logger.propagate = [self], False
        try:
            yield
        finally:
            logger.handlers, logger.propagate = before, upward
