"""What an answer costs: a command, a loaded model, a table of many series, a service.

    python -m benchmarks.answers [--series 100000] [--rounds 5]

Commands are held against the import of torch and one small product in a process of its own, in turns; a linear model
answers, so that next to nothing of it is arithmetic. Every function returns seconds.
"""

from __future__ import annotations

import argparse
import http.client
import json
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

FLOOR = "import torch; torch.nn.Linear(64, 24)(torch.rand(1, 64))"
STEPS = 24


def table(series: int, rows: int, path: Path) -> Path:
    """A CSV of monthly series: id, time, y."""
    times = pd.date_range("2000-01-01", periods=rows, freq="MS").strftime("%Y-%m-%d").to_numpy()
    wave = 50 + 10 * np.sin(np.arange(rows) * np.pi / 6)
    values = (wave + np.random.default_rng(0).normal(0, 3, (series, rows))).round(2).reshape(-1)
    names = np.repeat(np.array([f"s{i:06d}" for i in range(series)]), rows)
    pd.DataFrame({"id": names, "time": np.tile(times, series), "y": values}).to_csv(path, index=False)
    return path


def model(folder: Path) -> Path:
    """A linear model of 500 such series, with 24 steps."""
    data = table(500, 120, folder / "train.csv")
    tsforge(
        folder, "fit", str(data), "--model", "linear", "--horizon", str(STEPS), "--context", "24", "--out", "model",
        "--no-track", "--quiet",
    )  # fmt: skip
    return folder / "model"


def process(folder: Path, *argv: str) -> float:
    """Wall time of a Python process."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *argv], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def floor(folder: Path) -> float:
    """Importing torch, and a product."""
    return process(folder, "-c", FLOOR)


def tsforge(folder: Path, *argv: str) -> float:
    """A command."""
    return process(folder, "-m", "tsforge", *argv)


def predict(folder: Path, data: str) -> float:
    """`tsforge predict` of a table to a file."""
    return tsforge(folder, "predict", "model", data, "--output", "forecast.csv", "--quiet")


def linear(folder: Path) -> float:
    """`tsforge fit --model linear` of electricity demand, without tracking."""
    return tsforge(
        folder, "fit", "electricity-demand", "--model", "linear", "--horizon", "48", "--quiet", "--out", "demand",
        "--overwrite", "--no-track",
    )  # fmt: skip


def loaded(folder: Path, data: str, count: int = 50) -> float:
    """One series by a loaded model, in memory: the median of several."""
    import tsforge as library

    network, frame = library.load(folder / "model"), pd.read_csv(folder / data)
    return _median(lambda: library.predict(network, frame).frame, count)


def service(folder: Path, data: str, count: int = 50, *, alive: bool = True) -> float:
    """One series by `tsforge serve` on this machine: the median of several.

    alive: over one connection; each over its own else.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    argv = [sys.executable, "-m", "tsforge", "serve", "model", "--port", str(port)]
    server = subprocess.Popen(argv, cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    body = json.dumps({"dataframe_split": pd.read_csv(folder / data).to_dict("split", index=False)})
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def ask() -> None:
        connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(text.decode())
        if not alive:
            connection.close()  # the next request opens another

    try:
        assert server.stderr is not None
        if not any("serving" in line for line in server.stderr):
            raise RuntimeError("the server has not started")
        return _median(ask, count)
    finally:
        server.terminate()
        server.wait()


def _median(work: Callable[[], object], count: int) -> float:
    seconds = []
    for _ in range(count + 3):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[3:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        model(folder)
        table(1, 120, folder / "one.csv")
        turns = [(floor(folder), predict(folder, "one.csv"), linear(folder)) for _ in range(options.rounds)]
        for name, times in zip(
            ("import torch", "predict", "fit --model linear"), zip(*turns, strict=True), strict=True
        ):
            ratio = statistics.median(t / turn[0] for t, turn in zip(times, turns, strict=True))
            print(f"{name:<36}{statistics.median(times):8.2f} s {ratio:6.2f} x import torch", flush=True)
        print(f"{'one series, model loaded':<36}{1e3 * loaded(folder, 'one.csv'):8.1f} ms", flush=True)
        for alive in (True, False):
            name = "one series, service" + ("" if alive else ", new connection")
            print(f"{name:<36}{1e3 * service(folder, 'one.csv', alive=alive):8.1f} ms", flush=True)
        table(options.series, 50, folder / "many.csv")
        seconds = predict(folder, "many.csv")
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"{f'predict {options.series:,} series':<36}{seconds:8.2f} s {peak:8.0f} MiB at most")


if __name__ == "__main__":
    main()
