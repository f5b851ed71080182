"""A million short series, forecast from a folder of Parquet files: seconds, processor time and memory.

    python benchmarks/partitions.py [--series 1000000] [--parts 20] [--models theta,gru] [--engines processes,ray]
        [--verb backtest]

The table lies in a temporary folder: daily series of 24 rows with a weekly season, 50,000 in each file. The models are
fitted on 2,000 other series of 60 rows with a context of 24 and a horizon of 7; a network for 200 steps. Each run is
one command in a fresh process, as a user types it. Its processor time is that of all its processes, but for those of
Ray, which are no children of it; memory is that of the largest process. A backtest rolls one window of each series,
beside the usual baselines, and keeps all forecasts.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

STEPS, HORIZON, CONTEXT = 24, 7, 24
SAMPLE, SAMPLE_STEPS = 2000, 60


def write(path: Path, first: int, count: int, steps: int) -> None:
    """One Parquet file of series with numbers from `first` on."""
    import pyarrow as pa
    from pyarrow import parquet

    random = np.random.default_rng(first)
    days = (np.datetime64("2024-01-01") + np.arange(steps)).astype("datetime64[us]")
    season = 1 + 0.3 * np.sin(2 * np.pi * (np.arange(steps) / 7 + random.random((count, 1))))
    walk = np.exp(0.1 * random.standard_normal((count, steps)).cumsum(axis=1))
    values = random.lognormal(3, 1, (count, 1)) * season * walk
    names = np.array([f"S{first + i:08d}" for i in range(count)])
    columns = {"series": np.repeat(names, steps), "date": np.tile(days, count), "value": values.round(2).reshape(-1)}
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table(columns), path)


def table(folder: Path, series: int, parts: int) -> None:
    """The table in files of as many series each."""
    for i in range(parts):
        write(folder / f"region=R{i:03d}" / "part-0.parquet", i * (series // parts), series // parts, STEPS)


def tsforge(*words: str) -> dict[str, float]:
    """Run a command: its seconds, those of the processor, and the memory of its largest process in MB."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "tsforge", *words], capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(done.stderr)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": time.perf_counter() - began, "processor": processor, "memory": after.ru_maxrss / 1e3}


def main() -> None:
    """Print a line for each model and engine."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=1_000_000)
    parser.add_argument("--parts", type=int, default=20)
    parser.add_argument("--models", default="theta,gru")
    parser.add_argument("--engines", default="processes")
    parser.add_argument("--workers", default=str(os.cpu_count()))
    parser.add_argument("--verb", choices=("predict", "backtest"), default="predict")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table(folder / "data", options.series, options.parts)
        write(folder / "sample.parquet", 90_000_000, SAMPLE, SAMPLE_STEPS)
        for model in options.models.split(","):
            settings = ("--id", "series", "--horizon", str(HORIZON), "--context", str(CONTEXT), "--max-steps", "200")
            out = str(folder / model)
            tsforge("fit", str(folder / "sample.parquet"), "--model", model, *settings, "--no-track", "--out", out)
            for engine in options.engines.split(","):
                words = [options.verb, out, str(folder / "data")]
                words += ["--output"] if options.verb == "predict" else ["--windows", "1", "--no-track", "--forecasts"]
                words += [str(folder / f"{model}-{engine}")]
                words += ["--engine", engine, "--workers", options.workers, "--quiet"]
                found: dict[str, object] = {"model": model, "engine": engine, "workers": options.workers}
                found |= tsforge(*words)
                found["again"] = tsforge(*words)["seconds"]
                print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
