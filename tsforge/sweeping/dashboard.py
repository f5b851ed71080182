"""The study of a sweep in optuna-dashboard, as long as the sweep runs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from tsforge.errors import ConfigError
from tsforge.sweeping.place import Place
from tsforge.sweeping.study import storage

HOST, PORT = "127.0.0.1", 8080  # optuna-dashboard's own; another where that is taken


class _Server(ThreadingMixIn, WSGIServer):
    """Several requests at a time: a page asks for many things at once."""

    daemon_threads = True


class _Handler(WSGIRequestHandler):
    """Says nothing on the terminal, where the progress line stands."""

    def log_message(self, *_: Any) -> None: ...


@contextlib.contextmanager
def serving(place: Place) -> Iterator[str]:
    """Its address, on this machine alone. Raises ConfigError where the package is missing."""
    try:
        import optuna_dashboard  # type: ignore[import-untyped]
    except ImportError:
        text = "the dashboard needs a package that is missing"
        raise ConfigError(text, "in a checkout: pip install '.[dashboard]'") from None
    server = _listening(optuna_dashboard.wsgi(storage(place)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{HOST}:{server.server_port}/dashboard/"
    finally:
        server.shutdown()
        server.server_close()


def _listening(app: Any) -> WSGIServer:
    try:
        return make_server(HOST, PORT, app, _Server, _Handler)
    except OSError:
        return make_server(HOST, 0, app, _Server, _Handler)
