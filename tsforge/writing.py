"""What files of ours are made of: written whole or not at all, and tables in Markdown."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


def replace(path: Path, content: str | bytes) -> Path:
    """Write a file under another name and put it in its place: a reader finds the old one or the new one.

    Text is UTF-8 with line feeds, everywhere.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(content if isinstance(content, bytes) else content.encode())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> list[str]:
    """Lines of a Markdown table; all columns but the first `left` stand on the right."""
    rule = ["---" if i < left else "--:" for i in range(len(header))]
    lines = [[escaped(h) for h in header], rule, *([escaped(c) for c in row] for row in rows)]
    return ["| " + " | ".join(line) + " |" for line in lines]


def escaped(text: str) -> str:
    """Names are the user's: none of them may end a cell, or begin a link or a tag."""
    for sign in "\\|*[]`":
        text = text.replace(sign, "\\" + sign)
    return " ".join(text.replace("<", "&lt;").split())
