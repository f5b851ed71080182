"""tsforge serve"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tsforge.cli import pulse
from tsforge.cli.options import fitted_folder
from tsforge.cli.output import echo, print_notes, status

if TYPE_CHECKING:
    from tsforge.data.schema import Schema


def serve(
    model: str, /, *, port: int = 5001, host: str = "127.0.0.1", workers: int = 1, timeout: int = 60,
    tracking_uri: str | None = None,
) -> int:  # fmt: skip
    """Answer forecasts over HTTP with MLflow's scoring server, until Ctrl-C.

    Parameters
    ----------
    model
        Folder that `tsforge fit` wrote, or runs:/RUN, models:/NAME@ALIAS or models:/NAME/VERSION.
    port
        Where to listen. (default: 5001)
    host
        Address to listen on; 0.0.0.0 lets other machines in, and asks none for a password. (default: 127.0.0.1)
    workers
        Processes that answer. (default: 1)
    timeout
        Seconds that one request may take. (default: 60)
    tracking_uri
        MLflow store of a recorded model. (default: MLFLOW_TRACKING_URI, else mlflow.db in this folder)
    """
    import os
    import signal
    import tempfile

    for name in (signal.SIGINT, signal.SIGTERM):  # by hand: a job in the background is started deaf to Ctrl-C
        signal.signal(name, signal.default_int_handler)
    print_notes(quiet=False)
    _check(host, port, workers, timeout)
    # Before MLflow is imported; the workers read them too.
    os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    status(f"starting the server for {model} ...")
    try:
        folder = Path(fitted_folder(model, tracking_uri))
        from tsforge.fitted import directory
        from tsforge.tracking import export, serving

        facts = directory.load(folder).facts
        with tempfile.TemporaryDirectory(prefix="tsforge-serve-") as temporary:
            export.export(folder, Path(temporary) / "model")
            listening = serving.Listening(host, port, workers, timeout)

            def ready() -> None:
                pulse.stop()
                where = f"http://{listening.reachable}:{port}"
                status(f"serving {model} at {where}; Ctrl-C ends it. Try")
                echo(_curl(where, facts.columns, facts.source))

            serving.serve(Path(temporary) / "model", listening, ready)
    except KeyboardInterrupt:
        pass
    status("the server has ended")
    return 0


def _check(host: str, port: int, workers: int, timeout: int) -> None:
    """Raises ConfigError for impossible values, before anything heavy is loaded."""
    import socket

    from tsforge.errors import ConfigError

    for flag, value, most in (("port", port, 65535), ("workers", workers, 1024), ("timeout", timeout, 86400)):
        if not 1 <= value <= most:
            raise ConfigError(f"--{flag} {value} is not possible", f"a number from 1 to {most}")
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
            probe.bind(address)
    except OSError as problem:
        text = f"port {port} of {host} cannot be used: {problem.strerror}"
        raise ConfigError(text, f"choose another: --port {port + 1}") from None


def _curl(where: str, schema: Schema, source: str) -> str:
    """A line to paste: the training table if it is at hand, else the columns that a table must have."""
    import shlex

    table = source if source.endswith(".csv") and Path(source).is_file() else "data.csv"
    line = f"curl {where}/invocations -H 'Content-Type: text/csv' --data-binary {shlex.quote('@' + table)}"
    return line if table == source else f"{line}  # with the columns {', '.join(schema.columns())}"
