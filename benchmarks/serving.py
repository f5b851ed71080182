"""A server under load: 1,000 requests, 20 at once, on this machine.

    python -m benchmarks.serving [--workers N] [--apart]

A GRU is fitted on the half-hourly electricity demand, and `tsforge serve` started on it. Each request is one series of
one context as CSV, one of 20 different ones; the answer must be that of the same request alone, byte for byte. Prints
requests per second, the seconds of the median and of the slowest of a hundred, and how many were lost or differ.

--apart: without shared batches, for comparison.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pandas as pd

import tsforge
from tsforge.fitted import directory

ROOT = Path(__file__).resolve().parents[1]
REQUESTS, AT_ONCE, DIFFERENT = 1000, 20, 20
APART = "import tsforge.fitted.sharing as s, sys; s.ROWS = 0; from tsforge.cli.main import main; main(sys.argv[1:])"


def ask(port: int, body: bytes) -> tuple[float, bytes | None]:
    """Seconds, and the answer; None where there was none."""
    began = time.perf_counter()
    try:
        connection = HTTPConnection("127.0.0.1", port, timeout=120)
        connection.request("POST", "/invocations", body, {"Content-Type": "text/csv"})
        answer = connection.getresponse()
        content = answer.read()
        return time.perf_counter() - began, content if answer.status == 200 else None
    except (OSError, HTTPException):
        return time.perf_counter() - began, None


def bodies(folder: Path) -> list[bytes]:
    """Fit a model, and make requests of its table: contexts that end at different steps."""
    data = pd.read_csv(ROOT / "datasets" / "electricity-demand.csv")
    settings = {"data.horizon": 48, "model.kind": "gru", "train.max_steps": 20}
    tsforge.fit(tsforge.build(settings), data, out=folder / "model")
    L = directory.load(folder / "model").shape.context
    ends = [len(data) - 7 * i for i in range(DIFFERENT)]
    return [data[end - L : end].to_csv(index=False).encode() for end in ends]


def load(port: int, requests: list[bytes]) -> None:
    """Ask one by one, then all at once, and print what came of it."""
    alone = [ask(port, body) for body in requests]
    alone = [ask(port, body) for body in requests]  # warm
    with ThreadPoolExecutor(AT_ONCE) as pool:
        began = time.perf_counter()
        found = list(pool.map(lambda i: ask(port, requests[i % DIFFERENT]), range(REQUESTS)))
        seconds = time.perf_counter() - began
    times = sorted(took for took, _ in found)
    lost = sum(answer is None for _, answer in found)
    differ = sum(answer not in (None, alone[i % DIFFERENT][1]) for i, (_, answer) in enumerate(found))
    print(
        f"{REQUESTS} requests, {AT_ONCE} at once: {REQUESTS / seconds:.0f} a second, median "
        f"{statistics.median(times):.3f} s, p99 {times[len(times) * 99 // 100 - 1]:.3f} s; {lost} lost, {differ} "
        f"differ from alone; one by one median {statistics.median(took for took, _ in alone):.3f} s"
    )


def main() -> None:
    """Fit, serve, load, end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--apart", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        requests = bodies(folder)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        start = ["-c", APART] if options.apart else ["-m", "tsforge"]
        command = [*start, "serve", str(folder / "model"), "--port", str(port), "--workers", str(options.workers)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        server = subprocess.Popen(
            [sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
        )
        try:
            while ask(port, requests[0])[1] is None:
                time.sleep(0.2)
            load(port, requests)
            print(f"processor of the server: {_processor(server.pid):.1f} s in all")
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)


def _processor(pid: int) -> float:
    """Seconds of the processor that a process has taken, without those of its workers."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
