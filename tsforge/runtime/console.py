"""The line of a terminal that is written over, and a sign on it that moves while nothing else does."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable

from tsforge.runtime import terminal

_SIGNS = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_PLAIN = "|/-\\"


class _Line:
    """What is on that line now, and when anything was printed last; several threads write to it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.text = ""  # what its owner wants to be read there
        self.drawn = False
        self.touched = time.monotonic()

    def draw(self, text: str, *, end: str = "") -> None:
        """Write over the line, with no more than it holds: a longer text could not be written over.

        Where the terminal has gone, nothing: no work ends for want of somebody who looks.
        """
        with contextlib.suppress(OSError, ValueError):
            width = terminal.columns(sys.stderr)
            sys.stderr.write("\r\x1b[K" + (text if width is None else text[: width - 1]) + end)
            sys.stderr.flush()


_line = _Line()


def _renew() -> None:
    """A child of a fork has none of the other threads, one of which may have held the lock."""
    global _line
    _line = _Line()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


def show(text: str) -> None:
    """Show a text on the line in place of what stood there; it stays until `keep` or another one."""
    with _line.lock:
        _line.text = text
        _line.draw(text)
        _line.drawn, _line.touched = True, time.monotonic()


def hint(text: str) -> None:
    """Show a text that anything else may be written over."""
    with _line.lock:
        _line.draw(text, end="\r")
        _line.drawn, _line.touched = True, time.monotonic()


def keep() -> None:
    """Leave the text as it stands and go on below it."""
    with _line.lock:
        if _line.text:
            _line.draw(_line.text, end="\n")
        elif _line.drawn:
            _line.draw("")
        _line.text, _line.drawn, _line.touched = "", False, time.monotonic()


def clear() -> None:
    """Take the line away, as something else is to be printed; its owner's next text brings it back."""
    with _line.lock:
        if _line.drawn:
            _line.draw("")
        _line.drawn, _line.touched = False, time.monotonic()


def silence() -> float:
    """Seconds since something was printed."""
    return time.monotonic() - _line.touched


class Pulse:
    """A thread that shows that work goes on: a moving sign on a terminal, in a pipe a line at first and now and then.

    phase: what is done now, and for how many seconds.
    say: prints a line in a pipe; None on a terminal.
    """

    EVERY, PATIENCE = 0.12, 0.4  # seconds between two signs, and of silence before the first
    FIRST, LATER = 0.6, 30.0  # seconds of silence before the first line in a pipe, and before others

    def __init__(self, phase: Callable[[], tuple[str, float]], say: Callable[[str], None] | None) -> None:
        self._phase, self._say = phase, say
        self._end, self._beats, self._said = threading.Event(), 0, False
        self._began = 0.0
        self._signs = _SIGNS if "utf" in (getattr(sys.stderr, "encoding", None) or "").lower() else _PLAIN
        self._thread = threading.Thread(target=self._run, daemon=True, name="tsforge-pulse")

    def start(self) -> None:
        """Begin; on a terminal with a first look at once."""
        self._began = _line.touched = time.monotonic()
        if self._say is None:
            self._spin()
        self._thread.start()

    def stop(self) -> None:
        """End, and leave no sign behind."""
        self._end.set()
        self._thread.join(1.0)
        if self._say is None:
            clear()

    def _run(self) -> None:
        while not self._end.wait(self.EVERY):
            try:
                self._beat()
            except (OSError, ValueError):  # nobody reads stderr any more
                return

    def _beat(self) -> None:
        if self._say is None:
            with _line.lock:  # nobody prints between the look and the sign
                if silence() >= self.PATIENCE:
                    self._spin()
            return
        if silence() < (self.LATER if self._said else self.FIRST):
            self._said = self._said or _line.touched != self._began
            return
        work, seconds = self._phase()
        self._say(f"... {work}" + (f", {seconds:.0f} s" if self._said else ""))
        self._said = True

    def _spin(self) -> None:
        """The text of the line's owner, or else what is done now, with the sign."""
        with _line.lock:
            sign = self._signs[self._beats % len(self._signs)]
            self._beats += 1
            work, seconds = self._phase()
            took = f"  {seconds:.0f} s" if seconds >= 2 else ""
            _line.draw(f"{_line.text} {sign}" if _line.text else f"{sign} {work}{took}", end="\r")
            _line.drawn = True
