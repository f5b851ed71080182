"""A table larger than memory: building its panel on disk, and fitting from it under a limit of memory.

    python -m benchmarks.mapped [--series 30000] [--days 1900] [--limit 4] [--folder DIR] [--json FILE] [--memory]

A folder of 30 Parquet files with whole series each is written first, of columns unique_id, ds and y. Each measurement
is a fresh process. The limit is that of a control group of its own, which counts cached pages of files too, where one
can be made (Linux, root, version 1); else RLIMIT_DATA, which counts what a process may write, but no mapped files.
Memory is the largest RssAnon of /proc/self/status, looked at 50 times a second: what cannot be taken from the process,
less that of the imports. --memory measures the same in memory too, without a limit.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

FILES = 30
BATCH, BATCHES = 64, 400
CACHE = "table.tsforge"  # beside the table, whose panel lies there
GROUPS = Path("/sys/fs/cgroup/memory")


def write(folder: Path, series: int, days: int) -> int:
    """Write the table, and return its size in bytes."""
    import pyarrow as pa
    from pyarrow import parquet

    folder.mkdir(parents=True)
    day = np.datetime64("2019-01-01", "us") + np.arange(days) * np.timedelta64(1, "D")
    for k, own in enumerate(np.array_split(np.arange(series), FILES)):
        rng = np.random.default_rng(k)
        wave = 20 + 5 * np.sin(2 * np.pi * np.arange(days) / 7)
        values = (wave * rng.uniform(0.5, 2, (len(own), 1)) + rng.normal(size=(len(own), days))).round(2)
        names = pa.array([f"item_{i:06d}" for i in own])
        codes = pa.array(np.repeat(np.arange(len(own), dtype=np.int32), days))
        ids = pa.DictionaryArray.from_arrays(codes, names)
        table = pa.table({"unique_id": ids, "ds": np.tile(day, len(own)), "y": values.reshape(-1)})
        parquet.write_table(table, folder / f"part-{k:03d}.parquet")
    return sum(path.stat().st_size for path in folder.iterdir())


# --- one measurement, in a process of its own ----------------------------------------------------------------


def limited(gib: float, group: str | None) -> str:
    """Limit the memory of this process, and say how."""
    if group is not None:
        Path(group, "cgroup.procs").write_text(str(os.getpid()))
        return "control group"
    resource.setrlimit(resource.RLIMIT_DATA, (int(gib * 2**30),) * 2)
    return "RLIMIT_DATA"


def anonymous() -> int:
    """Bytes of memory of this process that lie in no file."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return int(text.split("RssAnon:")[1].split()[0]) * 1024


class Watch:
    """The largest amount of anonymous memory since it began."""

    def __init__(self) -> None:
        self.base = self.peak = anonymous()
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while True:
            self.peak = max(self.peak, anonymous())
            time.sleep(0.02)

    @property
    def mib(self) -> float:
        return (max(self.peak, anonymous()) - self.base) / 2**20


def measure(source: str, *, mapped: bool, steps: int) -> dict[str, Any]:
    """From the table to windows and a short training: seconds and memory by stage."""
    from tsforge.data.loader import WindowLoader
    from tsforge.runtime.seeds import seeded
    from tsforge.settings import build
    from tsforge.training import fitting

    seeded(0)
    logging.getLogger("tsforge").addHandler(logging.NullHandler())
    given = {"data.horizon": 28, "data.context": 128, "data.mapped": mapped, "model.kind": "nlinear", "data.season": 7}
    given |= {"data.cache": str(Path(source).with_name(CACHE))}
    experiment = build(given | {"train.max_steps": max(steps, 1), "train.batch_size": BATCH})
    watch, found = Watch(), {}
    start, cpu = time.perf_counter(), time.process_time()
    dataset = fitting.prepare(experiment, source)
    found["prepare"] = {"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu, "mib": watch.mib}
    loader = iter(WindowLoader(dataset.source, dataset.parts.train, BATCH, seed=0))
    next(loader)
    start, cpu = time.perf_counter(), time.process_time()
    for _ in range(BATCHES):
        next(loader)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    found["windows"] = {"per_second": BATCH * BATCHES / seconds, "per_cpu": BATCH * BATCHES / cpu, "mib": watch.mib}
    if steps:
        start = time.perf_counter()
        fitting.finish(fitting.train(experiment, dataset), dataset)
        found["fit"] = {"seconds": time.perf_counter() - start, "mib": watch.mib}
    found["rows"], found["train_windows"] = int(dataset.panel.lengths.sum()), len(dataset.parts.train)
    return found


@contextmanager
def _group(gib: float) -> Iterator[str | None]:
    """A control group with a limit; None where none can be made."""
    own = GROUPS / f"tsforge-benchmark-{os.getpid()}"
    try:
        own.mkdir()
        (own / "memory.limit_in_bytes").write_text(str(int(gib * 2**30)))
    except OSError:
        yield None
        return
    try:
        yield str(own)
    finally:
        own.rmdir()


def run(source: Path, *, mapped: bool, steps: int, gib: float | None) -> dict[str, Any]:
    """One measurement in a fresh process, under a limit where one is given."""
    command = [sys.executable, "-m", "benchmarks.mapped", "--child", json.dumps([str(source), mapped, steps])]
    if gib is None:
        return _answer(command)
    with _group(gib) as group:
        found = _answer([*command, "--limit", str(gib), *(["--group", group] if group else [])])
        if group is not None:
            found["group_mib"] = int(Path(group, "memory.max_usage_in_bytes").read_text()) / 2**20
        return found


def _answer(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": done.returncode, "error": done.stderr[-2000:]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=30_000)
    parser.add_argument("--days", type=int, default=1900)
    parser.add_argument("--steps", type=int, default=300, help="of a training of nlinear")
    parser.add_argument("--limit", type=float, default=4.0, help="GiB of the process")
    parser.add_argument("--memory", action="store_true", help="measure the same in memory too, without a limit")
    parser.add_argument("--folder", type=Path, help="for the table; a temporary one where none is given")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--group", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        source, mapped, steps = json.loads(options.child)
        how = limited(options.limit, options.group) if mapped else "none"
        print(json.dumps(measure(source, mapped=mapped, steps=steps) | {"limit": how}))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        table = Path(folder) / "table"
        start = time.perf_counter()
        size = write(table, options.series, options.days)
        print(f"written: {options.series * options.days:,} rows, {size / 2**20:,.0f} MiB of Parquet, "
              f"{time.perf_counter() - start:.0f} s", flush=True)  # fmt: skip
        found = {"built": run(table, mapped=True, steps=0, gib=options.limit)}
        print("built", json.dumps(found["built"]), flush=True)
        found["found"] = run(table, mapped=True, steps=options.steps, gib=options.limit)
        print("found", json.dumps(found["found"]), flush=True)
        cache = table.with_name(CACHE)
        print(f"on disk: {sum(p.stat().st_size for p in cache.rglob('*')) / 2**20:,.0f} MiB", flush=True)
        if options.memory:
            found["memory"] = run(table, mapped=False, steps=options.steps, gib=None)
            print("memory", json.dumps(found["memory"]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
