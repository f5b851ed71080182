"""Lists as GitHub reads them, for a renderer that wants a blank line before a list and four spaces within it."""

from __future__ import annotations

import re
from typing import Any

ITEM = re.compile(r"( *)([-*]|\d+\.)( +)")
Levels = list[tuple[int, int]]  # of the items around a line: where their text begins, and where it is to begin


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The text of a page with its lists widened."""
    return widened(markdown)


def widened(markdown: str) -> str:
    """Blank lines before lists, and what belongs to an item moved to multiples of four spaces."""
    done: list[str] = [""]
    levels: Levels = []
    fence = ""
    for line in markdown.split("\n"):
        bare = line.lstrip(" ")
        if fence or not bare:
            done.append(_moved(line, levels))
            fence = "" if fence and bare.rstrip() == fence else fence
            continue
        depth, item = len(line) - len(bare), ITEM.match(line)
        lazy = not depth and not item and done[-1] and bare[0] not in "#|`"  # goes on with the paragraph of an item
        while levels and depth < levels[-1][0] and not lazy:
            levels.pop()
        if item and (levels or depth < 4):  # else it is in a block of code
            if done[-1] and not levels and not ITEM.match(done[-1]):
                done.append("")
            done.append(_moved(line, levels))
            levels.append((item.end(), 4 * (len(levels) + 1)))
            continue
        done.append(_moved(line, levels))
        if bare.startswith(("```", "~~~")):
            fence = bare[: len(bare) - len(bare.lstrip("`~"))]
    return "\n".join(done[1:])


def _moved(line: str, levels: Levels) -> str:
    """A line within an item, as far to the right as the item's text."""
    if not levels or not line:
        return line
    here, there = levels[-1]
    return " " * (there - here) + line if len(line) - len(line.lstrip(" ")) >= here else line
