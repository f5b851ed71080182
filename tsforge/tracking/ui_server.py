"""MLflow's own server on this machine, over a database, for as long as somebody looks at it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from tsforge.errors import TrackingError
from tsforge.tracking import store, view

HOST = "127.0.0.1"
START = 90.0  # seconds that it may take to answer
_SETTINGS = {  # no telemetry, nothing fetched from outside, no queue of jobs, which takes a gigabyte
    "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_MODEL_CATALOG_URI": "", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}  # fmt: skip


@contextlib.contextmanager
def serving(uri: str, port: int | None = None) -> Iterator[str]:
    """The UI's address, once it answers; the server ends with the block, with everything that it started.

    port: None for 5000, or the next free one. Raises TrackingError where the port is taken or nothing answers.
    """
    port = _free(port)
    file = store.database(uri)
    place = [] if file is None else ["--default-artifact-root", store.artifacts(file).as_uri()]
    command = [
        sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri, "--host", HOST, "--port", str(port),
        "--workers", "1", *place,
    ]  # fmt: skip
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = os.environ | _SETTINGS | {"PATH": path}
    environment.pop("MLFLOW_TRACKING_URI", None)
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, start_new_session=True)
        try:
            root = f"http://{HOST}:{port}"
            if not _answers(process, root):
                output.seek(0)
                lines = output.read().decode(errors="replace").strip().splitlines() or ["it does not answer"]
                raise TrackingError(f"the MLflow server does not start: {lines[-1]}", "see: mlflow server --help")
            yield root
        finally:
            _end(process)


def wait() -> None:
    """Until Ctrl-C or a request to end, both of which mean that somebody has seen enough."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()
    signal.signal(signal.SIGTERM, before)


def _free(port: int | None) -> int:
    """The port asked for, or the first free one from MLflow's own on."""
    for candidate in [port] if port is not None else range(view.PORT, view.PORT + 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, candidate))
            except OSError:
                continue
        return candidate
    raise TrackingError(f"port {port or view.PORT} is taken", "choose another `port`")


def _answers(process: subprocess.Popen[bytes], root: str) -> bool:
    end = time.monotonic() + START
    while process.poll() is None and time.monotonic() < end:
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            urllib.request.urlopen(f"{root}/health", timeout=2).close()
            return True
        time.sleep(0.1)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """The server and its workers, which are a process group."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
            break
