"""Notes of many parts of a table, added up and given once."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tsforge.runtime import logs
from tsforge.runtime.numbers import Count

log = logging.getLogger("tsforge")

Note = Sequence[Any]  # level, message with places, and what stands there; a list once it was written as JSON


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.notes: list[tuple[int, str, tuple[Any, ...]]] = []

    def emit(self, record: logging.LogRecord) -> None:
        args = record.args if isinstance(record.args, tuple) else ()
        plain = tuple(a if isinstance(a, int | float | str) else str(a) for a in args)
        self.notes.append((record.levelno, str(record.msg), plain))


@contextmanager
def kept() -> Iterator[list[tuple[int, str, tuple[Any, ...]]]]:
    """The library's notes within the block, in place of where they else go: level, message, and what stands in it."""
    handler = _Kept()
    with logs.handed_to(handler):
        yield handler.notes


def tell(settled: Sequence[Note], parts: Sequence[tuple[str, Sequence[Note]]]) -> None:
    """Give the notes of all parts: alike ones once, counts in them added up, others with the part that has them.

    settled: notes of the rows by which columns and grid were settled; those that parts give too are left out, as they
        count some of the same rows.
    parts: the name of each part, and its notes.
    """
    together: dict[tuple[int, str], list[tuple[str, list[Any]]]] = {}
    for name, notes in parts:
        for level, message, args in notes:
            together.setdefault((level, message), []).append((name, args))
    for level, message, args in settled:
        if (level, message) not in together:
            log.log(level, message, *args)
    for (level, message), several in together.items():
        for first, args, count in _added(several):
            text = message % tuple(Count(a) if isinstance(a, int) else a for a in args)
            more = f" (in {first}; {count} more parts of the table say so of theirs)" if count else ""
            log.log(level, "%s%s", text, more)


def _added(several: list[tuple[str, list[Any]]]) -> Iterator[tuple[str, list[Any], int]]:
    """Of the notes with one message the first, with counts of those that say the same in words; and how many do not."""
    by_words: dict[tuple[Any, ...], tuple[str, list[Any]]] = {}
    for name, args in several:
        words = tuple(a if isinstance(a, str) else None for a in args)
        first, sums = by_words.setdefault(words, (name, [a if isinstance(a, str) else 0 for a in args]))
        by_words[words] = first, [s if isinstance(s, str) else s + a for s, a in zip(sums, args, strict=True)]
    groups = list(by_words.values())
    yield (*groups[0], len(groups) - 1)
