"""Commands killed at a moment that chance chooses, by SIGKILL or SIGTERM: what they leave is the old or the new, whole.

After every kill all model directories load, the forecast is a whole one, and each model is the one that was there
before or the one that was asked for. A fit that had kept a state goes on, to the weights of one that nobody kills. In
the end every command is run once more and ends well, no hidden folder or file is left beside what they write, and every
run that a killed command had begun is in the store and says how it ended.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import signal
import time
from collections import Counter
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from tsforge.cli.main import run
from tsforge.errors import TsforgeError
from tsforge.fitted import directory, manifest, naming
from tsforge.tracking import journal
from tsforge.training import checkpointer

PATIENCE = 300  # seconds until a process that got a signal has to be gone
ROWS, HORIZON = 60, 4
_TABLE = ["--target", "y", "--id", "shop", "--horizon", str(HORIZON), "--set", "model.width=4"]
COMMANDS = {
    "fit": ["fit", "data.csv", *_TABLE, "--model", "rnn", "--max-steps", "60", "--out", "model", "--seed", "CASE"],
    "fit without a model": ["fit", "data.csv", *_TABLE[:-2], "--out", "model", "--seed", "CASE"],
    "predict": ["predict", "model", "data.csv", "--output", "forecast.csv"],
    "sweep": [
        "sweep", "data.csv", *_TABLE, "--model", "rnn", "--max-steps", "10", "--trials", "3", "--refit", "1", "--seeds",
        "1", "--out", "sweep-CASE",
    ],
    "compare": [
        "compare", "data.csv", *_TABLE[:-2], "--models", "rnn", "gru", "--seeds", "1", "--max-steps", "10",
        "--no-probes", "--parameters", "900", "--out", "compare-CASE",
    ],
}  # fmt: skip
AFTERWARDS = {
    "resume": ["fit", "--resume", "model"],
    "whole": [*(word if word != "model" else "whole" for word in COMMANDS["fit"]), "--no-track"],
}
OURS = (".tsforge",)  # journals and artifacts of runs, and the lock of their store
SHARES = ("fit",) * 3 + ("fit without a model",) * 2 + ("predict",) * 2 + ("sweep",) * 2 + ("compare",)


@dataclass(frozen=True)
class End:
    """How a command ended: exit code (that of a signal is negative), seconds, and what it wrote to standard error.

    runs: names of those that it had begun when the signal came.
    """

    code: int | None
    seconds: float
    errors: str
    runs: frozenset[str] = frozenset()


def torture(kills: int, seed: int) -> int:
    """Kill so many commands, and print what came of it; returns the count of failures."""
    began, random = time.perf_counter(), Random(f"kills {seed}")
    with TemporaryDirectory(prefix="torture-") as place:
        home = Path(place)
        _table().to_csv(home / "data.csv", index=False)
        whole = {name: _run(home, name, case) for case in (0, 1) for name in COMMANDS}  # the first makes the store
        if bad := [f"{name} ends with {end.code}:\n{end.errors}" for name, end in whole.items() if end.code != 0]:
            raise AssertionError("; ".join(bad))
        failures = []
        codes: Counter[str] = Counter()
        begun: set[str] = set()
        case, killed = 1, 0
        while killed < kills and case < 4 * kills:
            case += 1
            name, number = random.choice(SHARES), random.choice((signal.SIGKILL, signal.SIGTERM))
            before = _seed(home / "model")
            end = _run(home, name, case, (number, random.uniform(0, 1.1) * whole[name].seconds))
            killed += end.code != 0
            begun |= end.runs
            codes[f"{name} by {number.name}: {'ended before' if end.code == 0 else 'killed'}"] += 1
            wrong = _wrong(home, end, (before, case)) + (_resumed(home, case, codes) if name == "fit" else [])
            failures += [f"kill {case}, {name}, {number.name}: {text}" for text in wrong]
        failures += _aftermath(home, case + 1, begun)
        states = Counter(str(row["status"]) for row in _runs(home))
        ended = Counter(str(row["status"]) for row in _runs(home) if row["name"] in begun)
    for text in failures:
        print(text)
    for what, count in sorted(codes.items()):
        print(f"  {what} {count}")
    for whose, counts in (("", states), (" that a signal struck", ended)):
        print(f"  runs{whose}: {', '.join(f'{state} {count}' for state, count in sorted(counts.items()))}")
    seconds = time.perf_counter() - began
    print(f"kills: {killed} with seed {seed}, {len(failures)} failed; {seconds:.0f} s")
    return len(failures)


def _table() -> pd.DataFrame:
    x = np.arange(2 * ROWS)
    times = list(pd.date_range("2024-01-01", periods=ROWS, freq="D").strftime("%Y-%m-%d")) * 2
    return pd.DataFrame({"t": times, "shop": ["a"] * ROWS + ["b"] * ROWS, "y": 20 + 5 * np.sin(x)})


def _run(home: Path, name: str, case: int, kill: tuple[signal.Signals, float] | None = None) -> End:
    """One command in a process of its own; kill: by which signal, and after how many seconds."""
    argv = [part.replace("CASE", str(case)) for part in (COMMANDS | AFTERWARDS)[name]]
    log = home / "errors.txt"
    process = multiprocessing.get_context("fork").Process(target=_child, args=(argv, home, log))
    began, before, begun = time.perf_counter(), _begun(home), frozenset[str]()
    process.start()
    if kill is not None:
        process.join(kill[1])
        if process.exitcode is None and process.pid is not None:
            begun = _begun(home) - before
            os.kill(process.pid, kill[0])
    process.join(PATIENCE)
    seconds = time.perf_counter() - began
    if process.exitcode is None:
        process.kill()
        return End(None, seconds, "", begun)
    return End(process.exitcode, seconds, log.read_text(errors="replace") if log.exists() else "", begun)


def _begun(home: Path) -> frozenset[str]:
    """Names of the runs that have their first line on disk and wait for their delivery."""
    begun = set()
    for path in (home / journal.ROOT).glob(f"*/{journal.LINES}"):
        with suppress(FileNotFoundError):  # delivered meanwhile
            begun |= {path.parent.name} if b"\n" in path.read_bytes() else set()
    return frozenset(begun)


def _child(argv: list[str], home: Path, log: Path) -> None:
    """A command as a terminal would start it, without the seconds that imports take."""
    os.setsid()
    os.chdir(home)
    for number, target in ((1, os.devnull), (2, str(log))):
        os.dup2(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    checkpointer.EVERY, checkpointer.SHARE = 0.0, float("inf")  # fits of a second keep a state too
    os._exit(run(argv))


def _wrong(home: Path, end: End, seeds: tuple[int, int]) -> list[str]:
    """What is not as it should be after a command. seeds: of the model before, and of the one that was asked for."""
    wrong = []
    if end.code is None:
        wrong.append(f"it did not end within {PATIENCE} seconds")
    if "Traceback" in end.errors:
        wrong.append(f"a traceback:\n{end.errors}")
    for path in home.rglob(manifest.NAME):
        if not any(part.startswith(".") for part in path.relative_to(home).parts):
            try:
                directory.load(path.parent)
            except TsforgeError as problem:
                wrong.append(f"a model that does not load: {problem}")
    if _seed(home / "model") not in seeds:
        wrong.append(f"the model has seed {_seed(home / 'model')}, not one of {seeds}")
    forecast = pd.read_csv(home / "forecast.csv")
    if len(forecast) != 2 * HORIZON or not np.isfinite(forecast["forecast"]).all():
        wrong.append(f"a forecast of {len(forecast)} rows")
    return wrong


def _resumed(home: Path, case: int, codes: Counter[str]) -> list[str]:
    """What is wrong with a killed fit that goes on, beside the same fit that nobody kills."""
    place = naming.checkpoint(home / "model")
    if not naming.is_unfinished(home / "model"):
        return []
    for name in AFTERWARDS:
        end = _run(home, name, case)
        if end.code != 0:
            return [f"{name} ends with {end.code}:\n{end.errors}"]
    codes["fit resumed"] += 1
    again, whole = ((home / name / manifest.WEIGHTS).read_bytes() for name in ("model", "whole"))
    return (["other weights than those of a fit that is not killed"] if again != whole else []) + (
        [f"{place.name} is left"] if place.exists() else []
    )


def _seed(folder: Path) -> int:
    """The seed of a saved model, which tells which fit it is of; -1 where there is none."""
    path = folder / "experiment.json"
    return int(json.loads(path.read_text())["seed"]) if path.exists() else -1


def _aftermath(home: Path, case: int, begun: set[str]) -> list[str]:
    """What is wrong once every command has been run again. begun: the runs of killed commands."""
    wrong = []
    for name in COMMANDS:
        end = _run(home, name, case)
        if end.code != 0:
            wrong.append(f"{name} ends with {end.code} afterwards:\n{end.errors}")
    wrong += [
        f"left over: {path.name}" for path in home.iterdir() if path.name.startswith(".") and path.name not in OURS
    ]
    end = time.monotonic() + PATIENCE
    while any(row["status"] == "RUNNING" for row in _runs(home)) and time.monotonic() < end:
        time.sleep(1)  # what is delivered behind the commands
    states = {str(row["name"]): str(row["status"]) for row in _runs(home)}
    wrong += [f"run {name} is {state}" for name, state in states.items() if state == "RUNNING"]
    return wrong + [f"run {name} was begun and is nowhere" for name in sorted(begun - states.keys())]


def _runs(home: Path) -> list[dict[str, Any]]:
    """All runs of the store, once what waits has been delivered."""
    before = Path.cwd()
    os.chdir(home)
    try:
        with redirect_stdout(io.StringIO()) as out:
            run(["runs", "sync"])
            out.truncate(0)
            out.seek(0)
            run(["runs", "--json"])
        rows: list[dict[str, Any]] = json.loads(out.getvalue())["runs"]
        return rows
    finally:
        os.chdir(before)
