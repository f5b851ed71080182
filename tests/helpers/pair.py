"""Two processes that train together, forked from one that has imported what they import."""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from tests.helpers.forked import IMPORTED
from tsforge.training.distributed.ranks import Place, joined
from tsforge.training.distributed.torchrun import NAMES

COUNT = 2


def together(work: Callable[[], Any], patience: float = 30.0, *, join: bool = True) -> list[Any]:
    """What a function gives in each of two processes that have joined, by rank; it can be pickled.

    patience: seconds without a sign of life after which they give each other up.
    join: False where they have not joined yet, and stand in the environment as torchrun's processes.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ends = [context.Pipe(duplex=False) for _ in range(COUNT)]
    processes = [
        context.Process(target=_run, args=(work, Place(i, COUNT, i, COUNT, port=port, patience=patience), writer, join))
        for i, (_, writer) in enumerate(ends)
    ]
    for process, (_, writer) in zip(processes, ends, strict=True):
        process.start()
        writer.close()
    try:
        return [reader.recv() for reader, _ in ends]
    finally:
        for process in processes:
            process.join(10)
            process.kill()


def _run(work: Callable[[], Any], place: Place, writer: Connection, join: bool) -> None:
    if join:
        with joined(place, "cpu"):
            writer.send(work())
        return
    values = (place.rank, place.count, place.local, place.here, place.host, place.port)
    os.environ.update({name: str(value) for name, value in zip(NAMES, values, strict=True)})
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    writer.send(work())
