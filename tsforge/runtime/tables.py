"""Text tables: Markdown, CSV, and columns aligned by spaces."""

from __future__ import annotations

import csv as writing
import io
from collections.abc import Iterable, Sequence


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> list[str]:
    """Lines of a Markdown table; all columns but the first `left` stand on the right."""
    rule = ["---" if i < left else "--:" for i in range(len(header))]
    lines = [[escaped(h) for h in header], rule, *([escaped(c) for c in row] for row in rows)]
    return ["| " + " | ".join(line) + " |" for line in lines]


def escaped(text: str) -> str:
    """A name as Markdown shows it: it is the user's, and may not end a cell, or begin a link or a tag."""
    for sign in "\\|*[]`":
        text = text.replace(sign, "\\" + sign)
    return " ".join(text.replace("<", "&lt;").split())


def csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The text of a CSV file: cells quoted where they need it, floats with every digit, None as an empty cell."""
    file = io.StringIO()
    writing.writer(file, lineterminator="\n").writerows([header, *rows])
    return file.getvalue()


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]], left: tuple[int, ...] = (0,)) -> list[str]:
    """Lines for a terminal: columns in `left` stand on the left, the others on the right."""
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[j]) for line in lines) for j in range(len(header))]
    cells = [
        [c.ljust(w) if j in left else c.rjust(w) for j, (c, w) in enumerate(zip(line, widths, strict=True))]
        for line in lines
    ]
    return ["  " + "  ".join(line).rstrip() for line in cells]
