"""Rows: from a file of four million rows to the first batch that training sees, in seconds and memory.

The table has 2,000 daily series of 2,000 rows. The base is a hand-written reader: pyarrow's, one tensor, one gather.
A program is a module with `first_batch(path)`, which may end by raising FirstBatch.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.speed import machine, program
from benchmarks.speed.options import Options
from benchmarks.speed.tables import Result, markdown, number, paired
from benchmarks.speed.works import ID, TARGET, TIME

TITLE = "Reading: from a file of 2,000 series × 2,000 rows to the first batch"
ROWS = {"read-csv": "CSV", "read-parquet": "Parquet"}
SERIES, LENGTH, FEW = 2_000, 2_000, 100  # series of a quick run
OURS, FLOOR = "benchmarks.speed.ours", "benchmarks.speed.floor"


class FirstBatch(Exception):  # noqa: N818 (nothing went wrong)
    """The first batch is there."""

    @classmethod
    def callback(cls, base: type) -> Any:
        """A callback of a Lightning Trainer that raises this at its first batch.

        base: the Callback class of that program's Lightning.
        """

        class First(base):  # type: ignore[misc]
            def on_train_batch_start(self, *_: Any) -> None:
                raise FirstBatch

        return First()


def write(path: Path, series: int = SERIES, length: int = LENGTH) -> Path:
    """A made table of daily series, in the format that the file's name says; nothing is done where it is there."""
    if path.exists():
        return path
    import numpy as np
    import pandas as pd

    random, day = np.random.default_rng(0), np.arange(length)
    week, year = (random.uniform(0.5, 2.0, (series, 1)) * np.sin(2 * np.pi * day / period) for period in (7, 365.25))
    values = 10 + 3 * random.normal(size=(series, 1)) + week + year + 0.5 * random.normal(size=(series, length))
    frame = pd.DataFrame({
        ID: np.repeat([f"item_{i:06d}" for i in range(series)], length),
        TIME: np.tile(pd.date_range("2015-01-01", periods=length, freq="D").to_numpy(), series),
        TARGET: values.reshape(-1).astype(np.float32).round(4),
    })  # fmt: skip
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False, date_format="%Y-%m-%d")
    return path


def read_frame(path: Path) -> Any:
    """A CSV or Parquet file as a user of pandas reads it: times parsed, values in single precision."""
    import pandas as pd

    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    return pd.read_csv(path, parse_dates=[TIME], dtype={TARGET: "float32"})


def measure(name: str, options: Options) -> dict[str, Any]:
    """tsforge and the hand-written reader in turns, each in processes of its own."""
    series = FEW if options.quick else SERIES
    path = write(options.folder / f"panel.{name.partition('-')[2]}", series)
    pairs = [(read(OURS, path, options.threads), read(FLOOR, path, options.threads)) for _ in range(options.turns)]
    for each in pairs:
        if reason := next((result["failed"] for result in each if "failed" in result), None):
            return {"failed": reason}
    result = paired([own["seconds"] for own, _ in pairs], [base["seconds"] for _, base in pairs])
    values = series * LENGTH * 4 / 2**20
    memory = {
        f"{who}peak_mib": statistics.median(r["peak_mib"] - r["before_mib"] for r in each)
        for who, each in (("", [own for own, _ in pairs]), ("base_", [base for _, base in pairs]))
    }
    others = [row["others"] for row in (own for own, _ in pairs)]
    mean = None if None in others else statistics.mean(others)
    return result | memory | {"values_mib": values, "others": mean}


def read(module: str, path: Path, threads: int, interpreter: str = sys.executable) -> dict[str, Any]:
    """The result of one program in a process of its own."""
    return program.run([interpreter, "-m", "benchmarks.speed.reading", module, str(path)], threads=threads, limit=300)


def table(results: Mapping[str, Result]) -> list[str]:
    titles = ["file", "hand-written, s", "seconds", "**ratio**", "hand-written, MiB more", "MiB more", "of the values"]
    return markdown(titles, [_row(name, row) for name, row in results.items() if "ratio" in row])


def _row(name: str, row: Result) -> list[str]:
    memory = [f"{row['base_peak_mib']:,.0f}", f"{row['peak_mib']:,.0f}", f"{row['peak_mib'] / row['values_mib']:.1f} ×"]
    return [ROWS[name], number(row["base_seconds"]), number(row["seconds"]), f"**{row['ratio']:.2f}**", *memory]


def main() -> None:
    """In the process of a program: print seconds and memory as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("module")
    parser.add_argument("path", type=Path)
    asked = parser.parse_args()
    first_batch = importlib.import_module(asked.module).first_batch
    program.quiet()
    before, others, begin = machine.peak_memory(), machine.Others(), time.perf_counter()
    with contextlib.suppress(FirstBatch):
        first_batch(asked.path)
    seconds = time.perf_counter() - begin
    result = {"seconds": seconds, "peak_mib": machine.peak_memory(), "before_mib": before, "others": others.cores()}
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    from benchmarks.speed import reading

    reading.main()  # of the module that programs import, whose FirstBatch is theirs
