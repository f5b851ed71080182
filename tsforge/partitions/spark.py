"""Forecasts of a Spark data frame, by Spark's own workers: an ordinary function of whole groups of series."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tsforge.errors import ConfigError, listing
from tsforge.fitted import directory, prediction
from tsforge.fitted.model import Model
from tsforge.partitions import ray
from tsforge.partitions.job import Job
from tsforge.partitions.plan import of_folder

BUCKET = "__bucket"  # a column that Spark groups by where nobody says


def forecast(
    model: str | Path, frame: Any, *, by: Sequence[str] = (), horizon: int | None = None,
    quantiles: Sequence[float] | None = None, groups: int | None = None,
) -> Any:  # fmt: skip
    """The forecasts of all series of a Spark data frame, as another: ids, times, `forecast`, `q0.1`, ...

    model: a model directory; its files go to the workers with the function, so that they need not share a disk.
    frame: a `pyspark.sql.DataFrame` with the columns of the training data.
    by: columns by whose values series are forecast together, each group in the memory of one worker; where none are
    given, by a hash of the ids in `groups` groups (default: Spark's shuffle partitions).
    horizon, quantiles: as for `tsforge.predict`.
    Raises ConfigError for columns that the frame lacks, ModelError for a model that cannot be loaded; what is wrong
    with the rows of a series is an error of the Spark job.
    """
    from pyspark.sql import functions

    loaded = directory.load(model)
    schema = loaded.facts.columns
    levels = prediction.wanted(loaded, quantiles)
    missing = [name for name in (*schema.columns(), *by) if name not in frame.columns]
    if missing:
        raise ConfigError(f"the data frame has no column {listing(missing)}", f"it has {listing(frame.columns, 20)}")
    kept = frame.select(*dict.fromkeys((*schema.columns(), *by)))
    keys = list(by)
    if not keys:
        count = groups or int(frame.sparkSession.conf.get("spark.sql.shuffle.partitions"))
        bucket = functions.pmod(functions.hash(*schema.id), functions.lit(count)) if schema.id else functions.lit(0)
        kept, keys = kept.withColumn(BUCKET, bucket), [BUCKET]
    digest, _ = of_folder(Path(model))
    job = Job(str(model), digest, "", "", schema.id, schema.columns(), horizon, tuple(quantiles) if quantiles else None)
    out = _schema(loaded, frame, levels)
    return kept.groupBy(*keys).applyInArrow(_function(job, ray.packed(Path(model)), out), out)


def _function(job: Job, files: ray.Files, out: Any) -> Callable[[Any], Any]:
    """What forecasts a group: an Arrow table of its rows to one of forecasts."""

    def forecasts(table: Any) -> Any:
        import pyarrow
        from pyspark.sql.pandas.types import to_arrow_schema

        from tsforge.data.table.parts import of_arrow
        from tsforge.partitions import work

        pyarrow.set_cpu_count(1)
        own = ray.unpacked(job, files)
        model = work.model(own.model, own.digest)
        rows = of_arrow(table.select(own.columns), [*own.ids, *model.facts.columns.time_columns])
        made = prediction.predict(model, rows, horizon=own.horizon, quantiles=own.quantiles)
        wanted = to_arrow_schema(out)
        return work.as_arrow(made.frame).select(wanted.names).cast(wanted)

    return forecasts


def _schema(model: Model, frame: Any, levels: tuple[float, ...]) -> Any:
    """The columns of the forecasts and their types: those of the frame, and numbers in double precision."""
    from pyspark.sql import types

    from tsforge.data.tidy import quantile_name

    schema = model.facts.columns
    given = {field.name: field.dataType for field in frame.schema.fields}
    columns = {name: given[name] for name in (*schema.id, *schema.time_columns)}
    if schema.time_kind == "datetime" and not schema.time_parts and isinstance(given[schema.time], types.DateType):
        columns[schema.time] = types.TimestampNTZType()
    if len(schema.target) > 1:
        columns["target"] = types.StringType()
    columns |= dict.fromkeys(("forecast", *map(quantile_name, levels)), types.DoubleType())
    return types.StructType([types.StructField(name, kind) for name, kind in columns.items()])
