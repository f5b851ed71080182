"""The tables of a comparison on the terminal: words first, then the figures that they follow from."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from textwrap import wrap

from tsforge.cli.output import echo
from tsforge.comparison.rules import Aspect, Word
from tsforge.comparison.table import Cell, ComparisonTable
from tsforge.runtime import terminal

WIDTH = 100  # columns of a line in a file or a pipe
_TITLES = 30  # columns that titles have at least; longer ones are wrapped where there is no more room
_GAP = 2
_STYLES = {"good": terminal.GREEN, "fair": terminal.YELLOW, "poor": terminal.RED, "plain": None}  # by tone
_WORDS = {word.value: word for word in Word}


@dataclass(frozen=True)
class _Screen:
    """What is printed on: its columns."""

    width: int

    def styled(self, text: str, style: int | None) -> str:
        return terminal.styled(text, style) if style else text


def print_comparison(table: ComparisonTable, *, definitions: bool) -> None:
    """Verdicts, then every aspect's figures with models as columns, then what was chosen, and a textbook's words.

    definitions: also how each row is measured, and the rule that its words follow.
    """
    screen = _Screen(terminal.columns(sys.stdout) or WIDTH)
    verdicts = {model: [words.get(model, "") for words in table.verdicts.values()] for model in table.models}
    lines = _columns(screen, ["", *table.verdicts], [verdicts], table.models)
    for aspect, names, rows in table.sections:  # words stand below their figures where there is no room beside
        ways = [{name: [_cell(row.cells.get(name), gap) for row in rows] for name in names} for gap in (" ", "\n")]
        lines += _columns(screen, [aspect, *(row.title for row in rows)], ways, table.models)
        if definitions:
            lines += _definitions(screen, table, aspect)
    lines += _sentences(screen, "Settings that tuning chose", table.settings)
    lines += _sentences(screen, "Against the textbook", table.agreement)
    for line in lines:
        echo(line)


def _columns(
    screen: _Screen, titles: Sequence[str], ways: Sequence[Mapping[str, Sequence[str]]], models: Sequence[str]
) -> list[str]:
    """One table, or several below each other where the columns have no room beside each other.

    titles: the corner, and the title of each row.
    ways: cells by column, in different shapes; that which needs the fewest tables is printed.
    """
    room = screen.width - min(_TITLES, max(map(len, titles))) - _GAP
    cuts = []
    for cells in ways:
        widths = {column: _GAP + max(map(_width, (column, *texts))) for column, texts in cells.items()}
        cuts.append((_parts(widths, room, models), cells))
    parts, cells = min(cuts, key=lambda cut: len(cut[0]))
    lines = []
    for part in parts:
        rows = zip(titles[1:], *(cells[column] for column in part), strict=True)
        lines += _grid(screen, [titles[0], *part], list(rows))
    return lines


def _definitions(screen: _Screen, table: ComparisonTable, aspect: Aspect) -> list[str]:
    """How each row is measured, and where the aspect's verdict comes from."""
    texts = table.explained(aspect)
    if aspect in table.rules:
        texts.append(("verdict", f"{table.rules[aspect]}."))
    return ["", *(line for title, text in texts for line in _paragraph(screen, f"{title}: ", text, terminal.DIM))]


def _sentences(screen: _Screen, title: str, texts: Mapping[Aspect, str] | Mapping[str, str]) -> list[str]:
    """Sentences under a title; nothing where there are none."""
    if not texts:
        return []
    lines = ["", *_paragraph(screen, "", title, terminal.BOLD)]
    return lines + [line for name, text in texts.items() for line in _paragraph(screen, "", f"{name}: {text}")]


def _paragraph(screen: _Screen, lead: str, text: str, style: int | None = None) -> list[str]:
    """Lines of a lead and a text, which has the style; the first as far in as the tables are, the others further."""
    lines, plain = [], len(lead)
    for i, line in enumerate(_wrapped(lead + text, screen.width - 2 * _GAP)):
        lines.append(" " * (_GAP if i == 0 else 2 * _GAP) + line[:plain] + screen.styled(line[plain:], style))
        plain = max(0, plain - len(line) - 1)
    return lines


def _grid(screen: _Screen, header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table under an empty one; titles are wrapped where the columns leave them too little room."""
    widths = [max(map(_width, column)) for column in zip(header, *rows, strict=True)]
    widths[0] = min(max(1, widths[0]), max(1, screen.width - _GAP - sum(_GAP + width for width in widths[1:])))
    lines = [""]
    for i, (title, *cells) in enumerate([header, *rows]):
        parts = [_wrapped(title, widths[0]), *(cell.split("\n") for cell in cells)]
        for first, *others in zip_longest(*parts, fillvalue=""):
            texts = [first.ljust(widths[0]), *(t.rjust(width) for t, width in zip(others, widths[1:], strict=True))]
            if i == 0:
                texts = [screen.styled(text, terminal.BOLD) for text in texts]
            else:
                texts[1:] = [_coloured(screen, text) for text in texts[1:]]
            lines.append((" " * _GAP + (" " * _GAP).join(texts)).rstrip())
    return lines


def _coloured(screen: _Screen, text: str) -> str:
    """A cell whose word, its last part, has a colour."""
    figure, space, word = text.rpartition(" ")
    style = _STYLES[_WORDS[word].tone] if word in _WORDS else None
    return figure + space + screen.styled(word, style)


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of whole words; only what is too long for a line of its own is broken."""
    lines = wrap(text, max(width, 1), break_long_words=False, break_on_hyphens=False)
    return [line[i : i + width] for line in lines for i in range(0, len(line), width)]


def _width(text: str) -> int:
    """Columns of the longest line."""
    return max(map(len, text.split("\n")))


def _cell(cell: Cell | None, between: str) -> str:
    """A figure and its word."""
    if cell is None:
        return ""
    return cell.text if cell.shown == cell.text else f"{cell.text}{between}{cell.word}"


def _parts(widths: dict[str, int], room: int, models: Sequence[str]) -> list[list[str]]:
    """All columns beside each other where there is room; else models and baselines apart, each in even parts."""
    if sum(widths.values()) <= room:
        return [list(widths)]
    parts = []
    for group in ([c for c in widths if c in models], [c for c in widths if c not in models]):
        count = max(1, -(-sum(widths[c] for c in group) // max(room, 1)))
        size = max(1, -(-len(group) // count))
        parts += [group[i : i + size] for i in range(0, len(group), size)]
    return parts
