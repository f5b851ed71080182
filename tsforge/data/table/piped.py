"""Standard input as a table, where its name is `-`: read once, and kept in a temporary file as long as the process."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tsforge.errors import ConfigError, DataError

log = logging.getLogger("tsforge")

NAME = "-"
TITLE = "standard input"


@dataclass(frozen=True)
class Piped:
    """What came from standard input. path: of the file in which it is kept; messages name it by its title."""

    path: Path

    def __str__(self) -> str:
        return TITLE


_USES: dict[Any, str] = {}  # what the input of a process was taken for


def standard_input(use: str = "the table") -> Piped:
    """All of standard input.

    use: what it is taken for, in words. Raises DataError where it is a terminal or empty, ConfigError where it was
    taken for something else before, and where several processes of torchrun would each read a part of it.
    """
    if int(os.environ.get("WORLD_SIZE") or 1) > 1:
        raise ConfigError(f"standard input cannot be {use} of several processes", "write it to a file that all see")
    before = _USES.setdefault(sys.stdin, use)
    if before != use:
        raise ConfigError(f"standard input cannot be {use}: it is {before} already", "write one of them to a file")
    return _kept(sys.stdin)


def take(use: str) -> None:
    """From now on standard input is read by somebody else, and no table."""
    _USES[sys.stdin] = use


@cache
def _kept(stream: Any) -> Piped:
    """What a stream holds."""
    if stream is None or stream.isatty():
        hint = "pipe something into the command, as in: cat data.csv | tsforge predict MODEL -"
        raise DataError("standard input is a terminal: there is nothing to read", hint)
    file = tempfile.NamedTemporaryFile(prefix="tsforge-")  # noqa: SIM115  (closed, and so removed, at the end)
    atexit.register(file.close)
    shutil.copyfileobj(stream.buffer, file)
    file.flush()
    if not file.tell():
        raise DataError("standard input is empty", "what writes to the pipe has written nothing: look for its error")
    return Piped(Path(file.name))


def text(use: str) -> str:
    """All of standard input as text. Raises as `standard_input`, and DataError where it is none."""
    try:
        return standard_input(use).path.read_text(encoding="utf-8")
    except UnicodeDecodeError as problem:
        raise DataError(f"standard input is no text in UTF-8: {problem}", "pipe UTF-8 into the command") from None


def path_of(source: Any) -> str | None:
    """Where a table lies, absolute; None for a frame and for standard input, which cannot be read again."""
    return str(Path(source).resolve()) if isinstance(source, str | Path) and str(source) != NAME else None


@contextmanager
def named(source: Piped) -> Iterator[None]:
    """Inside, errors and notes say standard input where they would name the file that it is kept in."""
    path = str(source.path)

    def rename(record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(TITLE if str(arg) == path else arg for arg in record.args)
        return True

    log.addFilter(rename)
    try:
        yield
    except DataError as problem:
        problem.message = problem.message.replace(path, TITLE)
        problem.args = (problem.message,)
        raise
    finally:
        log.removeFilter(rename)
