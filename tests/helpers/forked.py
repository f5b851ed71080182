"""Workers and couriers that start at once: forked from a process that has imported what they import."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any

ROOT = str(Path(__file__).resolve().parents[2])
IMPORTED = [
    "pytest", "tsforge.sweeping.worker", "tsforge.tracking.courier", "tsforge.training.fitting", "pytorch_lightning",
    "optuna", "mlflow.tracking", "mlflow.store.tracking.sqlalchemy_store",
]  # fmt: skip


class Forked:
    """What the library uses of a `subprocess.Popen`."""

    def __init__(self, module: str, out: int, err: int | IO[Any], env: Mapping[str, str]) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(IMPORTED)
        reader, words = context.Pipe(duplex=False)
        answers, writer = context.Pipe(duplex=False)
        log = os.devnull if isinstance(err, int) else err.name
        self._process = context.Process(target=_run, args=(module, reader, writer, log, dict(env)), daemon=True)
        self._process.start()
        reader.close()
        writer.close()
        self.stdin = os.fdopen(os.dup(words.fileno()), "w", encoding="utf-8")
        words.close()
        self.stdout = os.fdopen(os.dup(answers.fileno()), encoding="utf-8") if out == subprocess.PIPE else None
        answers.close()

    @property
    def pid(self) -> int | None:
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int | None:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("a forked process", timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        assert self.pid is not None
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Command:
    """`tsforge WORDS` in a folder, forked as are its workers, with what it prints. A command is not a daemon: it has
    children."""

    def __init__(self, words: list[str], folder: Path, env: Mapping[str, str]) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(IMPORTED)
        self._log = folder / "printed.txt"
        self._process = context.Process(target=_command, args=(words, folder, dict(env), self._log))
        self._process.start()

    def ended(self, limit: float) -> tuple[int | None, str]:
        """Its exit code and what it printed; killed after `limit` seconds, with None."""
        self._process.join(limit)
        code = self._process.exitcode
        if code is None:
            self._process.kill()
        return code, self._log.read_text(encoding="utf-8")


def start(
    module: str, *, out: int = subprocess.DEVNULL, err: int | IO[Any] = subprocess.DEVNULL,
    env: Mapping[str, str] | None = None,
) -> Forked:  # fmt: skip
    """In place of `processes.start`."""
    return Forked(module, out, err, {**os.environ, **(env or {})})


def _command(words: list[str], folder: Path, env: dict[str, str], log: Path) -> None:
    """In a forked process: the command, whose workers are forked too."""
    from tsforge.cli.main import run
    from tsforge.runtime import processes

    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    sys.argv = ["tsforge", *words]
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in (1, 2):
        os.dup2(file, number)
    sys.stdout, sys.stderr = (os.fdopen(n, "w", 1, encoding="utf-8", closefd=False) for n in (1, 2))
    processes.start = start  # type: ignore[assignment]
    sys.exit(run(words))


def _run(module: str, reader: Connection, writer: Connection, log: str, env: dict[str, str]) -> None:
    """The module's `main`, as if Python had been started for it."""
    os.setsid()
    os.environ.clear()
    os.environ.update(env)
    os.dup2(reader.fileno(), 0)
    os.dup2(writer.fileno(), 1)
    os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND), 2)
    reader.close()
    writer.close()
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout, sys.stderr = (os.fdopen(n, "w", 1, encoding="utf-8", closefd=False) for n in (1, 2))
    sys.exit(import_module(module).main())
