"""How help looks: 80 columns, options under what they are about, examples at the end."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import is_dataclass
from typing import Any, get_args, get_type_hints

from tsforge.cli.examples import EXAMPLES
from tsforge.runtime import terminal

WIDTH = 80
_NAMES = 27  # columns of the names of options at most; where they are longer, their text begins below


class Layout:
    """What cyclopts writes the help of a command with. function: of the command."""

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function

    def render_usage(self, console: Any, options: Any, usage: Any) -> None:  # noqa: ARG002
        """The line of usage."""
        _print(console, textwrap.wrap(f"Usage: {_plain(usage)}", WIDTH, subsequent_indent=" " * 8))

    def render_description(self, console: Any, options: Any, description: Any) -> None:  # noqa: ARG002
        """Paragraphs; lists keep their lines."""
        if text := _plain(description):
            _print(console, ["", *paragraphs(text)])

    def __call__(self, console: Any, options: Any, panel: Any) -> None:  # noqa: ARG002
        """One panel: commands, arguments, or options, the command's own before those that it shares."""
        groups: dict[str, list[Any]] = {}
        known = titles(self._function) if panel.title == "Parameters" else {}
        for entry in panel.entries:
            name = next(iter(entry.names), "")
            title = known.get(name, "Options") if panel.title == "Parameters" else panel.title
            groups.setdefault(title, []).append(entry)
        order = ["Options", *known.values()]
        for title in sorted(groups, key=lambda title: order.index(title) if title in order else 0):
            _print(console, ["", f"{title}:", *_entries(groups[title])])


def titles(function: Callable[..., object]) -> dict[str, str]:
    """By option the title of the group that it belongs to: the sentence of the class that declares it."""
    found: dict[str, str] = {}
    hints = get_type_hints(function)
    for name in inspect.signature(function).parameters:
        for kind in (hints[name], *get_args(hints[name])):
            for owner in kind.__mro__[:-1] if isinstance(kind, type) and is_dataclass(kind) else ():
                title = (owner.__doc__ or "").strip().rstrip(".")
                found |= {"--" + field.strip("_").replace("_", "-"): title for field in owner.__annotations__}
    return found


def examples(command: str) -> str:
    """The examples of a command, as its help ends; nothing where there are none."""
    lines = [part for line in EXAMPLES.get(command, ()) for part in terminal.continued(f"  {line}", WIDTH)]
    return "\n".join(["Examples:", *lines]) if lines else ""


def paragraphs(text: str) -> list[str]:
    """Paragraphs filled to the width; one whose lines are aligned by blanks, or end in semicolons, keeps them."""
    lines: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        rows = paragraph.splitlines()
        if len(rows) > 1 and (all("  " in row.strip() for row in rows) or rows[0].endswith(";")):
            for row in rows:
                lines += textwrap.wrap(row, WIDTH, subsequent_indent="    ", break_on_hyphens=False)
        else:
            lines += textwrap.wrap(" ".join(rows), WIDTH, break_on_hyphens=False)
        lines.append("")
    return lines[:-1]


def _entries(entries: Sequence[Any]) -> list[str]:
    """Names on the left, texts beside them."""
    names = [" ".join(entry.display_labels_with_metavar) for entry in entries]
    left = min(_NAMES, max(map(len, names))) + 4
    lines = []
    for name, entry in zip(names, entries, strict=True):
        text = textwrap.wrap(" ".join(_said(entry)), WIDTH - left, break_on_hyphens=False)
        first = f"  {name}".ljust(left)
        if len(name) + 4 > left:
            lines += [first, *(" " * left + line for line in text)]
        else:
            lines += [(first + "".join(text[:1])).rstrip(), *(" " * left + line for line in text[1:])]
    return lines


def _said(entry: Any) -> Iterable[str]:
    """What an entry is, which words it takes, whether it must be given."""
    yield " ".join(_plain(entry.description).split())
    if entry.choices:
        yield f"[choices: {', '.join(entry.choices)}]"
    if entry.required:
        yield "[required]"


def _plain(text: Any) -> str:
    """The text of what cyclopts wraps one in."""
    for name in ("primary_renderable", "plain"):
        text = getattr(text, name, text)
    return str(text or "").strip()


def _print(console: Any, lines: Iterable[str]) -> None:
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
