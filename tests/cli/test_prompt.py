"""The prompt comes back when the model is saved, whatever the store of runs does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.helpers.commands import Capsys
from tests.helpers.tables import hourly
from tsforge.cli.main import run

Answer = Callable[[socket.socket], None]


def silence(connection: socket.socket) -> None:
    """Keeps what is sent and says nothing."""
    with suppress(OSError):
        while connection.recv(65536):
            pass


def drip(connection: socket.socket) -> None:
    """An answer of which a letter comes now and then, and never the last."""
    with suppress(OSError):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{")
        silence(connection)


def busy(connection: socket.socket) -> None:
    """A proxy whose server is away."""
    with suppress(OSError):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


STORES: dict[str, Answer] = {"silent": silence, "dripping": drip, "busy": busy, "hanging up": socket.socket.close}


@contextmanager
def store(answer: Answer) -> Iterator[str]:
    """The address of a server that treats every connection so."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection = server.accept()[0]
                    threading.Thread(target=one, args=(connection,), daemon=True).start()

        def one(connection: socket.socket) -> None:
            with connection:
                answer(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("name", STORES)
def test_the_prompt_does_not_wait_for_the_store(name: str, home: Path, capsys: Capsys) -> None:
    """Prevents: a model that is saved and a terminal that is blocked; a link to a page that nobody serves."""
    hourly(12).to_csv("data.csv", index=False)
    with store(STORES[name]) as uri:
        assert run(["fit", "data.csv", "--model", "naive", "--horizon", "6", "--tracking-uri", uri]) == 0
    out, err = capsys.readouterr()
    assert "/#/" not in out
    assert "on its way to MLflow" in out or f"is not at {uri} yet" in err
    assert (home / "models" / "data-naive-h6" / "manifest.json").is_file()
