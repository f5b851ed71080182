"""What files of ours are made of: written whole or not at all, and tables in Markdown."""

from __future__ import annotations

import os
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
