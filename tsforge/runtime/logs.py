"""The library's notes, and those of other libraries, within a block: handed to somebody else, or not given."""

from __future__ import annotations

import logging
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
