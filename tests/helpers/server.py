"""Real services for tests: `mlflow server` on loopback, and PostgreSQL in a temporary folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PATIENCE = 180  # seconds until a start has failed: generous, as machines that run tests are slow
QUIET = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # or each server brings eight more processes
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_MODEL_CATALOG_URI": "",
}


def environment(**extra: str) -> dict[str, str]:
    """This process's environment without settings of MLflow or PostgreSQL, and with `extra`."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "PG"))}
    return kept | extra


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def alone(port: int) -> bool:
    """Whether the server at a port can be reached from this machine alone; true where /proc/net does not tell."""
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    rows = [line.split() for table in tables if table.exists() for line in table.read_text().splitlines()[1:]]
    places = {row[1] for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")}  # those that listen
    return places == {f"0100007F:{port:04X}"} or not tables[0].exists()


class Process:
    """A program in a process group of its own, which ends with this process, however this process ends."""

    def __init__(self, log: Path, ending: str) -> None:
        self.log = log
        self.ending = ending  # the signal for the group if this process is killed
        self.process: subprocess.Popen[bytes] | None = None
        self.guard: subprocess.Popen[bytes] | None = None

    def start(self, command: Sequence[str], **options: object) -> None:
        assert self.process is None, "already running"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **options
            )  # type: ignore[call-overload]
        # The pipe closes when this process is gone; then the guard's read returns.
        guard = ["sh", "-c", f"read -r _; kill -s {self.ending} -- -{self.process.pid}"]
        self.guard = subprocess.Popen(guard, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)

    def wait_until(self, ready: Callable[[], bool]) -> None:
        assert self.process is not None
        end = time.monotonic() + PATIENCE
        while not ready():
            code = self.process.poll()
            if code is not None or time.monotonic() > end:
                self.end(signal.SIGKILL)
                said = self.log.read_text(encoding="utf-8", errors="replace")[-4000:]
                what = f"ended with {code}" if code is not None else f"was not ready within {PATIENCE} s"
                raise RuntimeError(f"{self.log.stem} {what}; it said:\n{said}")
            time.sleep(0.1)

    def end(self, first: signal.Signals) -> None:
        """The signal, then SIGKILL to what is left; returns when the program is gone. Twice is harmless."""
        if self.process is None:
            return
        assert self.guard is not None
        self.guard.kill()
        self.guard.communicate()
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(self.process.pid, first)
            self.process.wait(30)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = self.guard = None


@dataclass
class Server:
    """`mlflow server` on a free port of 127.0.0.1, which it keeps over restarts.

    By default over SQLite, without passwords. `options` and `settings` (environment variables) make it another one.
    Use it in a `with`, or call start() and stop().
    """

    folder: Path  # absolute: the database, the artifacts and server.log lie here
    options: Sequence[str] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.artifacts = self.folder / "artifacts"
        self._process = Process(self.folder / "server.log", ending="KILL")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self._process.log.read_text(encoding="utf-8", errors="replace")

    def start(self) -> Server:
        """Returns when it answers."""
        options = [
            "--workers=1",
            f"--backend-store-uri=sqlite:///{self.folder / 'mlflow.db'}",
            f"--artifacts-destination={self.artifacts}",
            *self.options,  # the last of an option counts
            "--host=127.0.0.1",
            f"--port={self.port}",
        ]
        command = [sys.executable, "-m", "mlflow", "server", *options]
        self._process.start(command, cwd=self.folder, env=environment(**QUIET) | dict(self.settings))
        self._process.wait_until(self.answers)
        return self

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:  # refused, reset, timed out, or an HTTP error
            return False

    def kill(self) -> None:
        """As kill -9, or a machine that lost its power: nothing is finished, the port is free at once."""
        self._process.end(signal.SIGKILL)

    def stop(self) -> None:
        """As an orderly shutdown."""
        self._process.end(signal.SIGTERM)

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def postgres_folder() -> Path | None:
    """Where PostgreSQL's programs lie; Debian keeps them off the PATH. The newest, if there are several."""
    found = [Path(p).parent for p in [shutil.which("initdb")] if p]
    places = [*Path("/usr/lib/postgresql").glob("*/bin/initdb"), *Path("/usr").glob("pgsql-*/bin/initdb")]
    found += sorted((p.parent for p in places), key=lambda p: [int(n) for n in p.parent.name.split("-") if n.isdigit()])
    return found[-1] if found else None


class Postgres:
    """A PostgreSQL cluster in a new folder under the system's temporary one, on loopback and a socket there.

    Its database `mlflow` belongs to the user `mlflow`, who is no superuser; passwords are checked (SCRAM).
    `settings` are the variables by which libpq finds it, as mlflow/compose.yaml sets them.
    """

    database = user = "mlflow"

    def __init__(self, password: str) -> None:
        programs = postgres_folder()
        assert programs is not None, "PostgreSQL is not installed"
        self.programs = programs
        self.password = password
        # Not pytest's folder: its path is too long for a socket, and no other user may enter it.
        self.folder = Path(tempfile.mkdtemp(prefix="tsforge-pg-"))
        # PostgreSQL refuses to run as root; Debian's package makes the user postgres.
        self.account: dict[str, object] = {}
        if os.geteuid() == 0:
            self.account = {"user": "postgres", "group": "postgres", "extra_groups": []}
            shutil.chown(self.folder, "postgres", "postgres")
        self.port = free_port()
        self._process = Process(self.folder / "postgres.log", ending="QUIT")

    @property
    def settings(self) -> dict[str, str]:
        return {
            "PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": self.user, "PGPASSWORD": self.password,
        }  # fmt: skip

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://{self.user}:{self.password}@127.0.0.1:{self.port}/{self.database}"

    def run(self, program: str, *arguments: str, **settings: str) -> str:
        """One of PostgreSQL's programs, as the account the cluster belongs to; what it printed."""
        command = [str(self.programs / program), *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=self.folder, env=environment(**settings), **self.account
        )  # type: ignore[call-overload]
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed:\n{done.stdout}{done.stderr}")
        return str(done.stdout)

    def start(self) -> Postgres:
        data = self.folder / "data"
        words = self.folder / "password"
        words.write_text(self.password)
        if self.account:
            shutil.chown(words, "postgres", "postgres")
        self.run(
            "initdb", f"--pgdata={data}", "--username=postgres", "--auth=scram-sha-256", f"--pwfile={words}",
            "--encoding=UTF8", "--no-locale", "--no-sync",
        )  # fmt: skip
        command = [
            str(self.programs / "postgres"), "-D", str(data), "-p", str(self.port), "-k", str(self.folder),
            "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off",
        ]  # fmt: skip
        self._process.start(command, cwd=self.folder, env=environment(), **self.account)
        self._process.wait_until(self.answers)
        admin = self.settings | {"PGUSER": "postgres"}
        sql = f"create role {self.user} login password '{self.password}'"
        self.run("psql", "--dbname=postgres", "--quiet", f"--command={sql}", **admin)
        self.run("createdb", f"--owner={self.user}", self.database, **admin)
        return self

    def answers(self) -> bool:
        try:
            self.run("pg_isready", "--quiet", "--host=127.0.0.1", f"--port={self.port}")
        except RuntimeError:
            return False
        return True

    def stop(self) -> None:
        """An immediate shutdown, as the data is thrown away with the folder."""
        self._process.end(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)
