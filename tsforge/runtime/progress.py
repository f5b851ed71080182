"""What is being done, and how far a long piece of work is, told to whoever asked to hear it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

Listener = Callable[[str, int, int], None]  # what is done, how much of it, out of how much

OTHER = "working"  # what is done where no phase is named
BESIDE = ("delivery",)  # phases that begin before the work itself does
_LISTENERS: list[Listener] = []
_PHASES: list[tuple[str, float]] = []  # of the main thread: each within the one before, and when it began


def listen(listener: Listener | None) -> None:
    """From now on tell a listener, in place of any before; none where it is None."""
    _LISTENERS[:] = [listener] if listener is not None else []


def tell(work: str, done: int, total: int) -> None:
    """Tell how far a piece of work is; it ends when all is done."""
    for listener in _LISTENERS:
        listener(work, done, total)


def restart(name: str) -> None:
    """A piece of work begins, the first phase of which has this name: nothing is left of any before."""
    _PHASES[:] = [(name, time.monotonic())]


def enter(name: str) -> None:
    """A phase begins within the present one; in other threads than the main one nothing happens."""
    if threading.current_thread() is threading.main_thread():
        _PHASES.append((name, time.monotonic()))


def leave() -> None:
    """Back to the phase around it."""
    if _PHASES and threading.current_thread() is threading.main_thread():
        name, _ = _PHASES.pop()
        if len(_PHASES) == 1 and name not in BESIDE:
            _PHASES[0] = (OTHER, time.monotonic())


def phase() -> tuple[str, float]:
    """What is done now, and for how many seconds; nothing where nobody has begun."""
    try:
        name, began = _PHASES[-1]
    except IndexError:
        return "", 0.0
    return name, time.monotonic() - began
