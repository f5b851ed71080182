"""Text tables: Markdown, CSV, and columns aligned by spaces."""

from __future__ import annotations

import csv as writing
import io
import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple


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


class Best(str):
    """A cell that is the best of its row or column: terminals show it in bold."""

    __slots__ = ()


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]], left: tuple[int, ...] = (0,)) -> list[str]:
    """Lines of any length: columns in `left` stand on the left, the others on the right."""
    return _lines(header, rows, _Look(_widths([header, *rows]), left))


def fitted(
    header: Sequence[str], rows: Sequence[Sequence[str]], left: tuple[int, ...] = (0,), width: int | None = None,
    style: Style | None = None,
) -> list[str]:  # fmt: skip
    """Lines of at most `width` columns, as far as single cells allow it; nothing is cut off.

    Where there is too little room, first long texts are broken at their blanks, then headers at hyphens and strokes
    too, then names in the columns of `left`, and one blank stands between columns instead of two; what is still too
    wide becomes several tables below each other, each with the first column.

    style: what a cell looks like: its text with blanks around it, given the cell and these.
    """
    widths = _widths([header, *rows])
    if width is None or _total(widths) <= width:
        return _lines(header, rows, _Look(widths, left, style))
    columns = zip(header, *rows, strict=True)
    words = [max(len(word) for cell in column for word in cell.split() or [""]) for column in columns]
    texts = [max(word, _WORD) if w > _LONG else w for word, w in zip(words, widths, strict=True)]
    widths = _shrunk(widths, texts, width)
    bodies = _widths([[""] * len(header), *rows])
    titles = [max(map(len, _pieces(name)), default=0) for name in header]
    widths = _shrunk(widths, [min(w, max(b, t)) for w, b, t in zip(widths, bodies, titles, strict=True)], width)
    names = [min(w, _WORD) if j in left else w for j, w in enumerate(widths)]
    widths = _shrunk(widths, names, width)
    if _total(widths, 1) <= width:
        return _lines(header, rows, _Look(widths, left, style, 1))
    lines: list[str] = []
    for part in _parts(widths, width):
        here = tuple(place for place, j in enumerate(part) if j in left)
        look = _Look([widths[j] for j in part], here, style)
        shown = _lines([header[j] for j in part], [[row[j] for j in part] for row in rows], look)
        lines += ["", *shown] if lines else shown
    return lines


Style = Callable[[str, str], str]


class _Look(NamedTuple):
    """Columns of each cell, which cells stand on the left, what cells look like, and blanks between two."""

    widths: Sequence[int]
    left: tuple[int, ...]
    style: Style | None = None
    gap: int = 2


_WORD, _LONG = 16, 24  # columns that a text has at least, and from which on it is broken wherever it stands
_GAP = 2  # blanks in front of a line, and between columns


def _widths(lines: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*lines, strict=True)]


def _total(widths: Sequence[int], gap: int = _GAP) -> int:
    return _GAP + sum(widths) + gap * (len(widths) - 1)


def _shrunk(widths: Sequence[int], least: Sequence[int], most: int) -> list[int]:
    """Widths of which the widest are made narrower, a column at a time, until all have room or none can be."""
    now = list(widths)
    while _total(now) > most and (can := [j for j, w in enumerate(now) if w > least[j]]):
        now[max(can, key=lambda j: now[j])] -= 1
    return now


def _parts(widths: Sequence[int], most: int) -> list[list[int]]:
    """Columns of each table, which all begin with the first column."""
    parts = [[0]]
    for j in range(1, len(widths)):
        if len(parts[-1]) > 1 and _total([widths[k] for k in (*parts[-1], j)]) > most:
            parts.append([0])
        parts[-1].append(j)
    return parts


def _lines(header: Sequence[str], rows: Sequence[Sequence[str]], look: _Look) -> list[str]:
    """Each row over as many lines as its cells need; titles stand right above the first row."""
    lines = []
    for i, row in enumerate([header, *rows]):
        cells = [_broken(cell, w) for cell, w in zip(row, look.widths, strict=True)]
        height = max(map(len, cells), default=1)
        for k in range(height):
            parts = []
            for j, (cell, w) in enumerate(zip(cells, look.widths, strict=True)):
                at = k - (height - len(cell) if i == 0 else 0)
                text = cell[at] if 0 <= at < len(cell) else ""
                text = text.ljust(w) if j in look.left else text.rjust(w)
                parts.append(look.style(row[j], text) if look.style is not None and i else text)
            lines.append((" " * _GAP + (" " * look.gap).join(parts)).rstrip())
    return lines


def _pieces(text: str) -> list[str]:
    """Where a text may be broken: behind blanks, hyphens, underlines, strokes and points."""
    return [piece.rstrip(" ") for piece in re.findall(r"[^ \-_/.]*[ \-_/.]?", text) if piece]


def _broken(text: str, width: int) -> list[str]:
    """Lines of a text, each as long as there is room for: broken at blanks, and elsewhere only within a long word."""
    if len(text) <= width:
        return [text]
    lines = [""]
    for word in re.findall(r"[^ ]* *", text):
        for piece in [word] if len(word.rstrip(" ")) <= width else re.findall(r"[^-_/.]*[-_/.]?", word):
            if len((lines[-1] + piece).rstrip(" ")) > width and lines[-1]:
                lines.append("")
            lines[-1] += piece
    whole = [line.rstrip(" ") for line in lines if line.strip(" ")]
    return [line[k : k + width] for line in whole for k in range(0, len(line), width)]
