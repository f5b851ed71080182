"""What a stream shows: its width, whether it has colours; and texts made for it."""

from __future__ import annotations

import os
import re
import sys
import textwrap
from typing import TextIO

BOLD, DIM, RED, GREEN, YELLOW, CYAN = 1, 2, 31, 32, 33, 36  # styles, as ECMA-48 numbers them
WIDEST = 120  # columns of a line of prose: longer ones are hard to read
NARROWEST = 20

_STYLE = re.compile("\x1b\\[[\\d;]*m")
_LEAD = re.compile(r"\s*(?:\S+:? {2,}|(?:verdict|error:|hint:|note:|warning:) )?")


def is_terminal(stream: TextIO) -> bool:
    """Whether somebody looks at what is written; False for one that is closed."""
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False


def columns(stream: TextIO) -> int | None:
    """Columns of a terminal, or what COLUMNS says; None for a pipe or a file, whose lines may have any length."""
    told = os.environ.get("COLUMNS", "")
    if told.isdecimal() and int(told) > 0:
        return max(NARROWEST, int(told))
    if not is_terminal(stream):
        return None
    try:
        return max(NARROWEST, os.get_terminal_size(stream.fileno()).columns or 80)
    except (OSError, ValueError):
        return 80


def has_colours(stream: TextIO) -> bool:
    """Whether a stream shows colours: a terminal does, unless NO_COLOR is set; FORCE_COLOR gives them to any other.

    As Python itself reads these two: NO_COLOR wins, and an empty one is none (https://no-color.org,
    https://force-color.org).
    """
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def styled(text: str, *styles: int, stream: TextIO | None = None) -> str:
    """A text in styles, where a stream has any; stdout by default."""
    if not text or not styles or not has_colours(stream or sys.stdout):
        return text
    return f"\x1b[{';'.join(map(str, styles))}m{text}\x1b[0m"


def visible(text: str) -> int:
    """Columns of a text, without the signs that style it."""
    return len(_STYLE.sub("", text))


def wrapped(text: str, width: int | None) -> list[str]:
    """Lines of whole words, all but the first as far in as the text behind its label begins; one where width is None.

    A word that is too long for a line has one of its own, so that a path or an address can be copied.
    """
    if width is None or visible(text) <= width:
        return [text]
    lead = _LEAD.match(text)
    indent = len(lead[0]) if lead is not None and 0 < 2 * len(lead[0]) < width else 2
    lines = textwrap.wrap(
        text, min(width, WIDEST), subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False,
        drop_whitespace=True,
    )  # fmt: skip
    return lines or [text]


def continued(command: str, width: int | None) -> list[str]:
    """A command over several lines, each but the last ending in a backslash, so that all can be pasted together."""
    if width is None or len(command) <= width or os.name != "posix":
        return [command]
    lead = re.match(r"\s*(?:\S+\s+)?(?=tsforge )", command)
    indent = (len(lead[0]) if lead is not None else 0) + 4
    words = _words(command[indent - 4 :])
    lines, line = [], command[: indent - 4] + words[0]
    for word in words[1:]:
        if len(line) + 1 + len(word) + 2 > width:
            lines.append(line + " \\")
            line = " " * indent + word
        else:
            line += " " + word
    return [*lines, line]


def _words(command: str) -> list[str]:
    """The words of a command as they stand, an option together with its first value; quoted blanks end none."""
    words = re.findall(r"(?:'[^']*'|\"[^\"]*\"|[^\s'\"])+", command)
    joined: list[str] = []
    for word in words:
        if joined and joined[-1].startswith("-") and " " not in joined[-1] and not word.startswith("-"):
            joined[-1] += " " + word
        else:
            joined.append(word)
    return joined
