"""A connection to a Ray cluster, for whoever hands it tasks."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
from collections.abc import Iterator
from typing import Any

from tsforge.errors import ConfigError, TrainingError

CONNECT = 5.0  # seconds in which a cluster at HOST:PORT must let us in
LOCAL_STORE = 100 * 2**20  # bytes of shared memory of a cluster of our own: nothing large goes through it
START = "run again when the machine is less busy; Ray's own words stand in /tmp/ray/session_latest/logs"


def package() -> Any:
    """Ray, whose functions have no types. Raises ConfigError where it is not installed."""
    try:
        import ray
    except ImportError:
        text = "the engine ray needs a package that is missing"
        raise ConfigError(text, "in a checkout: pip install '.[ray]'") from None
    return ray


@contextlib.contextmanager
def connected(address: str | None, count: int, hint: str) -> Iterator[None]:
    """A running cluster at an address ("auto" finds it); one of our own, as long as this lasts, where that is None.

    count: workers that a cluster of our own has cores for at least. hint: what else to do where nothing answers.
    Raises ConfigError where Ray is not installed, does not start, or nothing runs at the address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # leaves CUDA_VISIBLE_DEVICES alone; says nothing
    os.environ.setdefault("RAY_worker_niceness", "0")  # else other programs of this machine starve a cluster of our own
    ray = package()
    own: dict[str, Any] = {"num_cpus": max(count, os.cpu_count() or 1), "object_store_memory": LOCAL_STORE}
    address = address or os.environ.get("RAY_ADDRESS")
    try:
        _knock(address or "")
        ray.init(
            address or "local", include_dashboard=None if address else False, log_to_driver=False,
            logging_level=logging.ERROR, **({} if address else own),
        )  # fmt: skip
    except (OSError, ValueError, RuntimeError) as problem:
        text = str(problem).partition("\n")[0]
        if not address:
            raise ConfigError(f"Ray does not start on this machine: {text}", START) from None
        message = f"no Ray cluster answers at {address}: {text}"
        raise ConfigError(message, f"start one with `ray start --head`, or leave out {hint}") from None
    except Exception as problem:
        if type(problem) is not Exception:  # as Ray has it where its own processes do not come up
            raise
        text = str(problem).partition("\n")[0]
        raise ConfigError(f"Ray does not start: {text}", START) from None
    try:
        yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def answering(doing: str) -> Iterator[None]:
    """What goes wrong with Ray within the block is an error of the cluster. doing: what, in words.

    Raises TrainingError.
    """
    try:
        yield
    except package().exceptions.RayError as problem:
        hint = "every machine of the cluster needs this tsforge, memory and a disk with room; Ray's own logs say more"
        raise TrainingError(f"the Ray cluster failed while {doing}: {reason(problem)}", hint) from None


def reason(problem: Exception) -> str:
    """What a Ray error says, in a line: the error of a remote process where it holds one."""
    lines = [line.strip() for line in str(problem).strip().splitlines() if line.strip()]
    causes = [line for line in lines[1:] if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return (causes or lines or [type(problem).__name__])[-1 if causes else 0]


def _knock(address: str) -> None:
    """Raises OSError where nobody listens at HOST:PORT: Ray would try for minutes, and say so in lines of its own."""
    host, _, port = address.rpartition(":")
    if port.isdigit() and int(port) < 2**16 and "://" not in host:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT).close()
