"""How long a piece of work takes: the best of several times, or stage by stage."""

from __future__ import annotations

import builtins
import math
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from tsforge.runtime import progress

Name = TypeVar("Name", bound=Hashable)


def rounds(
    works: Mapping[Name, Callable[[], object]], count: int, *, device: str = "cpu", limit: float = math.inf
) -> dict[Name, list[float]]:
    """Seconds that every piece of work takes in each round.

    In a round all pieces take turns, so that a busy moment of the machine hits all alike.

    count: rounds.
    device: on "cuda" a piece ends when the GPU has done what was asked of it.
    limit: seconds after which no further round begins.
    """
    seconds: dict[Name, list[float]] = {name: [] for name in works}
    start = time.perf_counter()
    for _ in range(count):
        for name, work in works.items():
            begin = time.perf_counter()
            work()
            if device == "cuda":
                import torch

                torch.cuda.synchronize()
            seconds[name].append(time.perf_counter() - begin)
        if time.perf_counter() - start > limit:
            break
    return seconds


def best(work: Callable[[], object], count: int, *, device: str = "cpu", limit: float = math.inf) -> float:
    """Seconds of the fastest of several `rounds` of a piece of work, which a busy machine disturbs least."""
    return min(rounds({"": work}, count, device=device, limit=limit)[""])


class Stopwatch:
    """Seconds of one piece of work by stage, each without those of the stages within it.

    began: when the work began, on the clock of `time.perf_counter`; until the first stage it is "imports".
    """

    def __init__(self, began: float) -> None:
        self.seconds: dict[str, float] = {}
        self.thread = threading.get_ident()
        self._stages = [IMPORTS]
        self._since = began
        self._swap(OTHER)

    def begin(self, name: str) -> None:
        """A stage within the one that is on."""
        self._count()
        self._stages.append(name)

    def end(self) -> None:
        """Back to the stage around it."""
        self._count()
        self._stages.pop()

    def _swap(self, name: str) -> None:
        self._count()
        self._stages[-1] = name

    def _count(self) -> None:
        now, name = time.perf_counter(), self._stages[-1]
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._since
        self._since = now


IMPORTS, OTHER = "imports", "other"
_running: list[Stopwatch] = []
_import = builtins.__import__


def start(began: float) -> None:
    """Measure from now on what `stage` names in this thread, and imports, wherever they stand."""
    stop()
    _running.append(Stopwatch(began))
    builtins.__import__ = _measured_import


def stop() -> dict[str, float]:
    """Seconds by stage since the start, the first begun first and the others at the end; nothing where none was."""
    if not _running:
        return {}
    builtins.__import__ = _import
    watch = _running.pop()
    watch.end()
    other = watch.seconds.pop(OTHER)
    return watch.seconds | {OTHER: other}


def begin(name: str) -> None:
    """Begin a stage that `end` ends; for where the two stand in different functions."""
    progress.enter(name)
    _begin(name)


def _begin(name: str) -> None:
    if _running and _running[0].thread == threading.get_ident():
        _running[0].begin(name)


def end() -> None:
    """End the stage that was begun last."""
    _end()
    progress.leave()


def _end() -> None:
    if _running and _running[0].thread == threading.get_ident():
        _running[0].end()


@contextmanager
def stage(name: str) -> Iterator[None]:
    """What is done inside is a stage of the work, where somebody measures; as a decorator, the whole function."""
    begin(name)
    try:
        yield
    finally:
        end()


def _measured_import(*args: Any, **named: Any) -> Any:
    """`__import__`, as a stage of its own."""
    _begin(IMPORTS)
    try:
        return _import(*args, **named)
    finally:
        _end()
