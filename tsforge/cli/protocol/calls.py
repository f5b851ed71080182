"""A command run for a tool: its JSON document comes back, its notes beside it, and nothing is printed.

Commands print, set the handlers of the log and listen for progress, all of which a process has once: one call runs at a
time, on a thread of its own, while the server goes on answering.
"""

from __future__ import annotations

import io
import json
import logging
import threading
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

from tsforge.api.progress import listening
from tsforge.cli import output
from tsforge.runtime import progress

Told = Callable[[float, float | None, str], None]  # how far, of how much where that is known, and what is done

EVERY = 0.5  # seconds between notifications
_ALONE = threading.Lock()


class Lines(io.TextIOBase):
    """What a command writes to stderr: each line is told as what it does now."""

    def __init__(self, pulse: Pulse) -> None:
        self._pulse, self._rest = pulse, ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line.strip():
                self._pulse.say(None, None, line.strip())
        return len(text)


class Pulse:
    """Tells how far a call is, rising always, now and then."""

    def __init__(self, tell: Told) -> None:
        self._tell, self._done, self._told = tell, 0.0, -EVERY
        self._total: float | None = None

    def say(self, done: float | None, total: float | None, text: str) -> None:
        """How far a training is; None where no step counts it."""
        fresh = total is not None and total != self._total  # how long it will be is told at once
        self._total = total if total is not None else self._total
        now = time.monotonic()
        if now - self._told < EVERY and not fresh:
            return
        self._told, self._done = now, max(done or 0.0, self._done + 1e-3)  # the protocol wants it to rise
        self._tell(self._done, self._total, text)


def run(command: Callable[[], object], tell: Told) -> dict[str, Any]:
    """The document that a command prints with --json, with the library's notes as `notes`.

    tell: called from this thread; what it raises ends the command.
    Raises TsforgeError as the command does.
    """
    with _ALONE:
        output.start(["tsforge-mcp"], time.perf_counter())
        printed, pulse = io.StringIO(), Pulse(tell)
        logger = logging.getLogger("tsforge")
        before = logger.handlers, logger.propagate, logger.level
        try:
            with redirect_stdout(printed), redirect_stderr(Lines(pulse)), listening(pulse.say):
                command()
            notes = output.notes()
        finally:
            logger.handlers, logger.propagate = before[0], before[1]
            logger.setLevel(before[2])
            progress.listen(None)
    document: dict[str, Any] = json.loads(printed.getvalue())
    return document | {"notes": [*document.get("notes", []), *notes]}
