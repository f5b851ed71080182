"""The library's notes, and those of other libraries, within a block: handed to somebody else, or not given."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def handed_to(handler: logging.Handler) -> Iterator[None]:
    """The library's notes go to a handler, in place of where they else go."""
    log = logging.getLogger("tsforge")
    before = log.handlers, log.propagate, log.level
    log.handlers, log.propagate, log.level = [handler], False, logging.INFO
    try:
        yield
    finally:
        log.handlers, log.propagate, log.level = before


@contextmanager
def errors_alone(name: str = "tsforge") -> Iterator[None]:
    """A logger gives nothing below an error."""
    log = logging.getLogger(name)
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


class _Once(logging.Handler):
    """Writes each note of the library to stderr once; nothing where the program has set up logging for itself."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._seen: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text not in self._seen and not logging.getLogger().handlers:
            self._seen.add(text)
            print(f"note: {text}", file=sys.stderr, flush=True)


def heard() -> None:
    """From now on notes are written to stderr, the same one once, unless they go somewhere already."""
    log = logging.getLogger("tsforge")
    if not log.handlers:
        log.addHandler(_Once())
