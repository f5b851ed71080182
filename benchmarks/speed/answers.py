"""Rows: how long a forecast takes that somebody waits for: of one series, of very many, and over HTTP."""

from __future__ import annotations

import argparse
import json
import logging
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from benchmarks.speed import machine, program, reading
from benchmarks.speed.commands import Failed, run
from benchmarks.speed.options import Options
from benchmarks.speed.tables import Result, markdown, number

TITLE = "Answers: a model that is loaded, one command for many series, a service"
ROWS = {
    "one-series": "a loaded model, one series of 60 steps, ms",
    "many-series": "`tsforge predict`, 100,000 series × 24 steps, s",
    "service": "`tsforge serve`, one series over HTTP, ms",
}
MANY, FEW, LENGTH, CONTEXT, HORIZON = 100_000, 1_000, 60, 48, 24
TURNS = 50
WAIT = 120  # seconds that a service has to start
COLUMNS = ["--target", "y", "--id", "unique_id", "--time", "ds", "--freq", "D", "--season", "7"]


def measure(name: str, options: Options) -> dict[str, Any]:
    folder, others = options.folder / "answers", machine.Others()
    folder.mkdir(exist_ok=True)
    try:
        model, table = _model(folder)
        if name == "one-series":
            command = [sys.executable, "-m", "benchmarks.speed.answers", str(model), str(table)]
            result = program.run(command, threads=options.threads, limit=300)
        elif name == "many-series":
            result = _many(model, folder, FEW if options.quick else MANY, options.turns)
        else:
            result = _service(model, table, folder)
    except (Failed, OSError) as reason:
        return {"failed": str(reason)}
    return result | {"others": others.cores()}


def _model(folder: Path) -> tuple[Path, Path]:
    """A fitted model, and a table with one series for it."""
    model, table, train = folder / "model", folder / "one.csv", folder / "train.csv"
    if not model.exists():
        reading.write(train, 20, 4 * LENGTH)
        sizes = ["--horizon", str(HORIZON), "--context", str(CONTEXT), "--max-steps", "5"]
        run([sys.executable, "-m", "tsforge", "fit", str(train), *COLUMNS, *sizes, "--model", "lstm", "--no-track",
             "--quiet", "--out", str(model)], folder)  # fmt: skip
        reading.write(table, 1, LENGTH)
    return model, table


def _many(model: Path, folder: Path, series: int, turns: int) -> dict[str, Any]:
    """Seconds of the whole command, from a Parquet file to a CSV of forecasts."""
    table = reading.write(folder / "many.parquet", series, LENGTH)
    command = [sys.executable, "-m", "tsforge", "predict", str(model), str(table), "--quiet"]
    command += ["--output", str(folder / "forecast.csv")]
    seconds = [run(command, folder).wall for _ in range(min(turns, 3))]
    return {"median": statistics.median(seconds), "most": max(seconds), "count": len(seconds), "series": series}


def _service(model: Path, table: Path, folder: Path) -> dict[str, Any]:
    """Milliseconds from a request to its answer, on a connection for each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tsforge", "serve", str(model), "--port", str(port)]
    environment = os.environ | {"PYTHONPATH": str(machine.ROOT)}
    with (folder / "service.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            address = f"http://127.0.0.1:{port}"
            _wait(f"{address}/ping", server, folder / "service.log")
            request = Request(f"{address}/invocations", table.read_bytes(), {"Content-Type": "text/csv"})
            return _milliseconds(lambda: urlopen(request, timeout=60).read())
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Until the service answers. Raises Failed where it ends or takes too long."""
    end = time.perf_counter() + WAIT
    while time.perf_counter() < end and server.poll() is None:
        try:
            urlopen(address, timeout=5).read()
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
        else:
            return
    raise Failed(f"the service did not answer: {log.read_text(encoding='utf-8', errors='replace')[-400:]}")


def _milliseconds(work: Any) -> dict[str, Any]:
    """Of a piece of work done again and again, after some times that do not count."""
    times = []
    for _ in range(TURNS + 5):
        begin = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - begin))
    return {"median": statistics.median(times[5:]), "most": max(times[5:]), "count": TURNS}


def table(results: Mapping[str, Result]) -> list[str]:
    rows = [
        [ROWS[name], f"**{number(row['median'])}**", number(row["most"]), row["count"]]
        for name, row in results.items() if "median" in row
    ]  # fmt: skip
    few = [f"{row['series']:,}" for row in results.values() if row.get("series", MANY) != MANY]
    return markdown(["answer", "median", "most", "times"], rows) + [f"\nWith {n} series alone." for n in few]


def main() -> None:
    """In a process of its own: print the milliseconds of a loaded model as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("table", type=Path)
    asked = parser.parse_args()
    import tsforge

    logging.disable(logging.WARNING)
    model, frame = tsforge.load(asked.model), reading.read_frame(asked.table)
    print(json.dumps(_milliseconds(lambda: tsforge.predict(model, frame))), flush=True)


if __name__ == "__main__":
    main()
