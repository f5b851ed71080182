"""One partition: read, forecast, written. The same function whoever calls it, and so the same numbers."""

from __future__ import annotations

import base64
import json
import logging
import traceback
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from tsforge.data.table import parts
from tsforge.errors import DataError, TsforgeError
from tsforge.fitted import directory, prediction
from tsforge.partitions import listing, places
from tsforge.partitions.job import Answer, Job, Task
from tsforge.partitions.listing import Part
from tsforge.runtime import timing
from tsforge.runtime.timing import stage

if TYPE_CHECKING:
    import pyarrow as pa

    from tsforge.data.table.reading import Frame
    from tsforge.fitted.model import Model
    from tsforge.fitted.prediction import Prediction

KEY = b"tsforge"  # of the Parquet file's metadata


def do(job: Job, task: Task) -> Answer:
    """The answer to a task; an error is one, and leaves no file."""
    notes, timed = _Notes(), job.timed and not task.name_series
    with notes.heard():
        try:
            if timed:
                timing.start(perf_counter())
            answer = _named(job, task.part) if task.name_series else _forecast(job, task.part)
        except TsforgeError as problem:
            return Answer(error=problem.message, hint=problem.hint)
        except Exception as problem:
            text = f"{task.part.name}: {type(problem).__name__}: {problem}"
            return Answer(error=text, trace=traceback.format_exc())
        finally:
            seconds = timing.stop() if timed else {}
    return Answer(**vars(answer) | {"notes": tuple(notes.taken), "seconds": seconds})


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
    loaded = model(job.model, job.digest)
    with stage("reading"):
        frame = replace(read(job.source, part, job.columns), usual=loaded.facts.columns.decimal)
    made = prediction.predict(loaded, frame, horizon=job.horizon, quantiles=job.quantiles)
    count = _write(job, part, made)
    n, H, _ = made.point.shape
    return Answer(rows=len(frame.data), series=n, horizon=H, written=count)


@stage("saving")
def _write(job: Job, part: Part, made: Prediction) -> int:
    """Write the forecasts of a partition, with what they are made of; returns their rows."""
    import pyarrow as pa
    from pyarrow import parquet

    if within := [name for name in (*part.keys, *part.where) if name in made.panel.schema.time_columns]:
        text = f"{part.name}: '{within[0]}', a column of the folders, is part of the time, which goes on behind it"
        raise DataError(text, "divide the table by series instead")
    table = as_arrow(made, {*part.keys, *part.where})
    own = json.dumps(job.made_of(part)).encode()
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), KEY: own})
    texts = [f.name for f in table.schema if not pa.types.is_floating(f.type)]
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink, use_dictionary=texts, compression="zstd")
    places.locate(job.output).write(part.target, sink.getvalue())
    return int(table.num_rows)


def as_arrow(made: Prediction, without: Collection[str] = ()) -> pa.Table:
    """Forecasts as an Arrow table, all numbers in double precision.

    Values are in the precision that the data of a partition need, and a folder whose files differ in a type is one that
    many readers refuse.

    without: columns that are left out, as the names of folders give them.
    """
    import pyarrow as pa

    frame = made.frame
    kept = frame[[c for c in frame.columns if c not in without]]
    numbers = {c: "float64" for c in kept.columns if kept[c].dtype == "float32"}
    return pa.Table.from_pandas(kept.astype(numbers), preserve_index=False)


def made_of(place: places.Place, target: str) -> dict[str, Any]:
    """What the forecasts in a file are made of; nothing where it is none of ours, or damaged."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with place.reading(target) as file:
            found = parquet.read_metadata(file).metadata or {}
        values = json.loads(found.get(KEY, b"{}"))
    except (pa.ArrowException, ValueError, OSError):
        return {}
    return values if isinstance(values, dict) else {}


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
