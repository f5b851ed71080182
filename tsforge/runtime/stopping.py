"""Requests to stop: Ctrl-C, and SIGTERM, by which other programs (timeout, systemd, a batch queue) ask for the same."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_LAST = [signal.SIGINT]  # the last request that a handler of this module has taken
_ASKED = [False]  # whether there was any since `terminable` began


def cause() -> str:
    """Who asked to stop, in words."""
    return "SIGTERM" if _LAST[0] == signal.SIGTERM else "Ctrl-C"


def exit_code() -> int:
    """Of a command that was asked to stop: 130 or 143, as shells have it."""
    return 128 + int(_LAST[0])


def asked() -> bool:
    """Whether somebody has asked to stop since `terminable` began.

    Libraries swallow KeyboardInterrupt now and then, in the middle of an import above all, and fail later of what was
    left half done: an error after such a request is its consequence.
    """
    return _ASKED[0]


@contextmanager
def terminable() -> Iterator[None]:
    """Within the block, SIGTERM is raised as KeyboardInterrupt, which Ctrl-C is anyway."""
    _LAST[0], _ASKED[0] = signal.SIGINT, False
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = {signal.SIGTERM: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
    before = {name: handler for name, handler in usual.items() if signal.getsignal(name) == handler}
    for name in before:
        signal.signal(name, _interrupt)
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


@contextmanager
def first(then: Callable[[], None]) -> Iterator[None]:
    """Within the block, the first request to stop calls `then`, and the next is raised as KeyboardInterrupt.

    SIGTERM is one where it is `terminable`.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def take(number: int, _frame: FrameType | None) -> None:
        _LAST[0], _ASKED[0] = signal.Signals(number), True
        for name in before:
            signal.signal(name, _interrupt)
        then()

    names = [signal.SIGINT, *([signal.SIGTERM] if signal.getsignal(signal.SIGTERM) is _interrupt else [])]
    before = {name: signal.signal(name, take) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    _LAST[0], _ASKED[0] = signal.Signals(number), True
    raise KeyboardInterrupt
