"""The same numbers, bit for bit, from one process, two processes, Ray and Spark."""

from __future__ import annotations

import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.helpers.stores import ROOT
from tests.helpers.team import unavailable
from tests.partitions.conftest import as_one, collected, same, table, write_hive
from tsforge.errors import ConfigError
from tsforge.partitions import running, spark
from tsforge.partitions.running import Request
from tsforge.tracking import export


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Ray and Spark start finds the checkout that is tested."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)


@pytest.mark.parametrize(("engine", "workers"), [("processes", 2), ("ray", 2)])
def test_processes_and_ray(engine: Any, workers: int, gru: Path, tmp_path: Path) -> None:
    """Prevents: a network that computes other digits where its threads or batches differ."""
    data, out = write_hive(tmp_path / "d", table()), tmp_path / "f"
    report = running.forecast(Request(str(gru), str(data), str(out), workers=workers, engine=engine))
    assert report.done == 3
    same(collected(out), as_one(gru, table()))


def test_ray_sees_no_memory_of_ours(theta: Path) -> None:
    with pytest.raises(ConfigError, match="memory of one process"):
        running.forecast(Request(str(theta), "memory://nothing", "memory://f", engine="ray"))


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    """Spark in this process, with two threads."""
    if shutil.which("java") is None:
        unavailable("no java")
    from pyspark.sql import SparkSession

    with pytest.MonkeyPatch.context() as patch:  # its workers have the variables with which it is started
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        yield from _started(SparkSession)


def _started(spark_session: Any) -> Iterator[Any]:
    builder = spark_session.builder.master("local[2]").config("spark.ui.enabled", "false")
    options = {"spark.driver.host": "127.0.0.1", "spark.sql.shuffle.partitions": "2", "spark.log.level": "ERROR"}
    for name, value in options.items():
        builder = builder.config(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of pandas 3, which is not used on the way
        found = builder.getOrCreate()
        yield found
        found.stop()


def test_spark(session: Any, gru: Path, theta: Path, tmp_path: Path) -> None:
    """Prevents: a group of Spark's that is not read as the same rows of a file are."""
    frame = session.read.parquet(str(write_hive(tmp_path / "d", table())))
    same(spark.forecast(gru, frame, by=["region"]).toPandas(), as_one(gru, table()))
    same(spark.forecast(theta, frame).toPandas(), as_one(theta, table()))
    few = spark.forecast(gru, frame, by=["region"], horizon=2, quantiles=(0.1,))
    assert few.columns == ["region", "shop", "day", "forecast", "q0.1"]
    assert [kind for _, kind in few.dtypes] == ["string", "bigint", "timestamp_ntz", "double", "double"]
    with pytest.raises(ConfigError, match="no column sold"):
        spark.forecast(gru, frame.drop("sold"))


@pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas")
def test_a_recorded_model_in_spark(session: Any, gru: Path, tmp_path: Path) -> None:
    """As docs/scale.md has it: MLflow's model over whole series. Prevents: other numbers than those of predict."""
    export.export(gru, tmp_path / "recorded")
    recorded = str(tmp_path / "recorded")

    def forecasts(rows: pd.DataFrame) -> pd.DataFrame:
        import mlflow

        return mlflow.pyfunc.load_model(recorded).predict(rows)

    wanted = as_one(gru, table())
    levels = ", ".join(f"`{name}` double" for name in wanted.columns if name.startswith("q0"))
    frame = session.read.parquet(str(write_hive(tmp_path / "d", table())))
    made = frame.groupBy("region").applyInPandas(
        forecasts, f"region string, shop long, day string, forecast double, {levels}"
    )
    found = made.toPandas()
    found["day"] = pd.to_datetime(found["day"]).astype(wanted["day"].dtype)
    keys = ["region", "shop", "day"]
    found, wanted = (f.sort_values(keys, ignore_index=True)[sorted(wanted.columns)] for f in (found, wanted))
    pd.testing.assert_frame_equal(found, wanted, check_dtype=False, rtol=1e-6)
