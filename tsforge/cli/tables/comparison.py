"""The tables of a comparison on the terminal: words first, then the figures that they follow from."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tsforge.cli import output
from tsforge.comparison.rules import NO, PARTLY, YES
from tsforge.comparison.table import ASPECTS, Cell, Row, Table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

WIDTH = 100  # where nobody's terminal says how wide it is
_TITLES = 30  # columns that titles have at least; longer ones are wrapped where there is no more room
_GAP = 2

_COLOURS = {
    YES: "green", "excellent": "green", "good": "green", "fast": "green", "low": "green", "best": "green",
    "level": "green", PARTLY: "yellow", "fair": "yellow", "medium": "yellow",
    NO: "red", "none": "red", "weak": "red", "slow": "red", "high": "red", "worse": "red",
}  # fmt: skip


def show_table(table: Table, *, definitions: bool) -> None:
    """Verdicts, then every aspect's figures with models as columns, then what was chosen, and a textbook's words.

    definitions: also how each row is measured, and the rule that its words follow.
    """
    console, text = _console()
    _verdicts(console, table)
    for aspect in ASPECTS:
        rows = table.of(aspect)
        if not rows:
            continue
        columns = [c for c in table.columns if any(c in row.cells for row in rows)]
        _figures(console, aspect, columns, rows, table.models)
        if definitions:
            _definitions(console, table, aspect)
    _said(console, "Settings that tuning chose", table.settings)
    _said(console, "Against the textbook", table.agreement)
    for line in text.getvalue().splitlines():
        output.say(line.rstrip())


def _verdicts(console: Console, table: Table) -> None:
    """Aspect by model."""
    lines = [
        [_text(aspect), *(_word(words.get(model, "")) for model in table.models)]
        for aspect, words in table.verdicts.items()
    ]
    _print(console, ["", *table.models], lines)


def _figures(console: Console, aspect: str, columns: Sequence[str], rows: Sequence[Row], models: Sequence[str]) -> None:
    """Row by model; words stand below their figures, or columns below each other, where there is no room beside."""
    titles = [row.title for row in rows]
    room = console.width - min(_TITLES, max(map(len, (aspect, *titles)))) - _GAP
    ways = []
    for between in (" ", "\n"):
        cells = {column: [_cell(row.cells.get(column), between) for row in rows] for column in columns}
        widths = {c: _GAP + max(map(_wide, (c, *(cell.plain for cell in cells[c])))) for c in columns}
        ways.append((_parts(widths, room, models), cells))
    parts, cells = min(ways, key=lambda way: len(way[0]))
    for part in parts:
        lines = [[_text(title), *(cells[column][i] for column in part)] for i, title in enumerate(titles)]
        _print(console, [aspect, *part], lines)


def _definitions(console: Console, table: Table, aspect: str) -> None:
    """Of each row, and where the aspect's verdict comes from."""
    said = table.explained(aspect)
    if aspect in table.rules:
        said.append(("verdict", f"{table.rules[aspect]}."))
    console.print()
    for title, text in said:
        _indented(console, _text(f"{title}: ").append(text, "dim"))


def _said(console: Console, title: str, lines: Mapping[str, str]) -> None:
    """Sentences under a title; nothing where there are none."""
    if not lines:
        return
    console.print()
    _indented(console, _text(title, "bold"))
    for name, said in lines.items():
        _indented(console, _text(f"{name}: {said}"))


def _indented(console: Console, text: Text) -> None:
    """A first line as far in as the tables are, and the others a little further."""
    lines = text.wrap(console, console.width - 2 * _GAP)
    for i, line in enumerate(lines):
        console.print(_text(" " * (_GAP if i == 0 else 2 * _GAP)).append_text(line))


def _print(console: Console, header: Sequence[str], lines: Sequence[Sequence[Text]]) -> None:
    from rich.table import Table as Grid

    grid = Grid(box=None, padding=(0, 0, 0, _GAP), show_edge=False)
    title, *columns = header
    grid.add_column(_text(title, "bold"), overflow="fold")
    for column in columns:
        grid.add_column(_text(column, "bold"), justify="right", no_wrap=True)
    for line in lines:
        grid.add_row(*line)
    console.print()
    console.print(grid)


def _wide(text: str) -> int:
    """Of the longest line."""
    return max(map(len, text.split("\n")))


def _cell(cell: Cell | None, between: str) -> Text:
    """A figure and its word, which has a colour."""
    if cell is None:
        return _text("")
    text = _text(cell.text)
    if cell.shown != cell.text:
        text.append(between).append_text(_word(cell.word))
    return text


def _word(word: str) -> Text:
    return _text(word, _COLOURS.get(word, ""))


def _text(text: str, style: str = "") -> Text:
    """As it is: names are the user's, and brackets in them no markup."""
    from rich.text import Text

    return Text(text, style=style)


def _parts(widths: dict[str, int], room: int, models: Sequence[str]) -> list[list[str]]:
    """All columns beside each other where there is room; else models and baselines apart, each in even parts."""
    if sum(widths.values()) <= room:
        return [list(widths)]
    found = []
    for group in ([c for c in widths if c in models], [c for c in widths if c not in models]):
        many = max(1, -(-sum(widths[c] for c in group) // max(room, 1)))
        size = max(1, -(-len(group) // many))
        found += [group[i : i + size] for i in range(0, len(group), size)]
    return found


def _console() -> tuple[Console, io.StringIO]:
    """(for what is drawn, what it has drawn). As wide as the terminal; in a file or a pipe a line has room."""
    from rich.console import Console

    text, terminal = io.StringIO(), sys.stdout.isatty()
    width = Console().width if terminal else WIDTH
    return Console(
        file=text, width=width, force_terminal=terminal, highlight=False, markup=False, emoji=False
    ), text  # fmt: skip
