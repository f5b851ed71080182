"""From a file to the first batch of windows: seconds and memory by stage, beside pandas' and Arrow's plain readers.

    python benchmarks/reading.py [--tables panel,many] [--rounds 5] [--json FILE]

Tables are written into a temporary folder, each as CSV and as Parquet: 2,000 series of 2,000 days; 100,000 series of 50
days; one of 400,000 hours; ten covariates; categories; steps and values that are missing. Each reading is a fresh
process that has imported what it needs before the clock starts; rounds take turns, and medians are shown. Memory is the
largest resident size less that of the imports.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.speed.machine import peak_memory

BATCH = 64
TABLES: dict[str, dict[str, Any]] = {
    "panel": {"series": 2000, "steps": 2000},
    "many": {"series": 100_000, "steps": 50},
    "one": {"series": 1, "steps": 400_000, "freq": "h"},
    "covariates": {"series": 100, "steps": 4000, "covariates": 10},
    "categories": {"series": 400, "steps": 2000, "categories": 3},
    "gaps": {"series": 1000, "steps": 1000, "gaps": 0.1},
}

# --- tables -------------------------------------------------------------------------------------------------


def write(
    folder: Path, name: str, *, series: int, steps: int, freq: str = "D", covariates: int = 0, categories: int = 0,
    gaps: float = 0.0,
) -> None:  # fmt: skip
    """One table as NAME.csv and NAME.parquet, and the columns to name in NAME.json."""
    import pandas as pd

    rng = np.random.default_rng(0)
    rows, day = series * steps, np.tile(np.arange(steps), series)
    ids = np.array([f"item_{i:06d}" for i in range(series)], dtype=object)
    frame = pd.DataFrame({
        "unique_id": np.repeat(ids, steps), "ds": pd.date_range("2015-01-01", periods=steps, freq=freq).to_numpy()[day],
        "y": (10 + np.repeat(rng.normal(size=series), steps) + np.sin(2 * np.pi * day / 7) + rng.normal(size=rows) / 2)
        .round(4),
    })  # fmt: skip
    for k in range(covariates):
        frame[f"x{k}"] = rng.normal(size=rows).round(3)
    for k in range(categories):
        frame[f"c{k}"] = rng.choice(np.array(["red", "green", "blue"], dtype=object), rows)
    if gaps:
        frame.loc[rng.random(rows) < gaps, "y"] = np.nan
        frame = frame[(rng.random(rows) > gaps) | (day == 0)]
    frame = frame.drop(columns="unique_id") if series == 1 else frame
    frame.to_csv(folder / f"{name}.csv", index=False)
    frame.to_parquet(folder / f"{name}.parquet", index=False)
    known = [c for c in frame.columns if c[0] in "xc"]
    horizon = min(24, steps // 8)
    asked = {"data.target": ["y"], "data.future": known, "data.horizon": horizon, "data.context": 4 * horizon}
    (folder / f"{name}.json").write_text(json.dumps(asked))


# --- one reading, in a process of its own -------------------------------------------------------------------


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Stages:
    """Wall and processor seconds of what happens between two marks, and MiB above those of the imports."""

    def __init__(self) -> None:
        self._before = peak_memory()
        self._last = time.perf_counter(), _processor()
        self.seconds: dict[str, float] = {}
        self.processor = 0.0

    def mark(self, name: str) -> None:
        now = time.perf_counter(), _processor()
        self.seconds[name] = now[0] - self._last[0]
        self.processor += now[1] - self._last[1]
        self._last = now

    def result(self, rows: int) -> dict[str, Any]:
        total = sum(self.seconds.values())
        return {
            "stages": self.seconds, "seconds": total, "processor": self.processor, "rows": rows,
            "rows per second": rows / total, "peak MiB": peak_memory() - self._before,
        }  # fmt: skip


def tsforge_reading(path: Path) -> dict[str, Any]:
    """The stages of `dataset.prepare` and the first batch."""
    import tsforge
    from tsforge.data import dataset, magnitude, panel
    from tsforge.data.loader import WindowLoader
    from tsforge.data.table import composing, reading, roles, table

    logging.disable(logging.WARNING)
    experiment = tsforge.build({"model.kind": "lstm", **json.loads(path.with_suffix(".json").read_text())})
    stages = Stages()
    frame, config = composing.compose(reading.read(path), experiment.data)
    stages.mark("read")
    found = roles.detect(frame, config)
    stages.mark("roles")
    rows = table.arrange(frame, found, config)
    del frame
    stages.mark("checks")
    count, laid = len(rows.series), panel.build(rows)
    del rows
    magnitude.check(laid)
    stages.mark("panel")
    layout = dataset.resolve(config, laid, experiment.model)
    stages.mark("sizes")
    whole = dataset.arrange(laid, layout)
    stages.mark("statistics")
    next(iter(WindowLoader(whole.source, whole.parts.train, BATCH, seed=1)))
    stages.mark("first batch")
    return stages.result(count)


def pandas_reading(path: Path) -> dict[str, Any]:
    """pandas' own reader, the times as dates."""
    import pandas as pd
    import pyarrow.parquet  # noqa: F401

    stages = Stages()
    frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, parse_dates=["ds"])
    stages.mark("read")
    return stages.result(len(frame))


def arrow_reading(path: Path) -> dict[str, Any]:
    """Arrow's own reader, texts as dictionaries."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    stages = Stages()
    table = pa.parquet.read_table(path) if path.suffix == ".parquet" else pa.csv.read_csv(path)
    for i, column in enumerate(table.columns):
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            table = table.set_column(i, table.column_names[i], column.dictionary_encode())
    stages.mark("read")
    return stages.result(len(table))


READERS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "tsforge": tsforge_reading, "pandas": pandas_reading, "arrow": arrow_reading,
}  # fmt: skip


def fresh(reader: str, path: Path) -> dict[str, Any]:
    """One reading in a process of its own."""
    command = [sys.executable, __file__, "--one", reader, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    if done.returncode:
        raise SystemExit(done.stderr)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


# --- the tables that are printed ----------------------------------------------------------------------------


def median(results: list[dict[str, Any]]) -> dict[str, Any]:
    """The medians of several readings of one file."""
    figures = {k: statistics.median(r[k] for r in results) for k in results[0] if k != "stages"}
    stages = {k: statistics.median(r["stages"][k] for r in results) for k in results[0]["stages"]}
    return {**figures, "stages": stages}


def readings(folder: Path, names: list[str], rounds: int) -> dict[str, dict[str, Any]]:
    """Medians by file and reader."""
    table: dict[str, dict[str, Any]] = {}
    for name in names:
        write(folder, name, **TABLES[name])
        files = [folder / f"{name}.csv", folder / f"{name}.parquet"]
        every = {(f, reader): [] for f in files for reader in READERS}
        for _ in range(rounds):
            for (file, reader), results in every.items():
                results.append(fresh(reader, file))
        for (file, reader), results in every.items():
            table.setdefault(file.name, {})[reader] = median(results)
        show({f.name: table[f.name] for f in files})
    return table


def show(table: dict[str, dict[str, Any]]) -> None:
    for name, by_reader in table.items():
        own = by_reader["tsforge"]
        stages = "  ".join(f"{stage} {seconds:.2f}" for stage, seconds in own["stages"].items())
        print(f"{name}: {own['rows']:,} rows, {own['rows per second'] / 1e6:.2f} million a second   ({stages})")
        for reader, result in by_reader.items():
            ratio = own["processor"] / result["processor"]
            print(
                f"  {reader:8} {result['seconds']:6.2f} s  processor {result['processor']:6.2f} s  "
                f"+{result['peak MiB']:5.0f} MiB  tsforge takes {ratio:4.1f} times its processor time"
            )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tables", default=",".join(TABLES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", nargs=2)
    args = parser.parse_args()
    if args.one:
        reader, path = args.one
        print(json.dumps(READERS[reader](Path(path))))
        return
    with tempfile.TemporaryDirectory() as folder:
        result = readings(Path(folder), args.tables.split(","), args.rounds)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
