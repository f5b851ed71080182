"""The one folder for what tsforge writes without being told where: .tsforge/, in the folder where it runs.

runs/         journals of runs until they are delivered
artifacts/    what belongs to runs that a database beside the folder records
panels/       tables as panels on disk, made again when they are needed

Git leaves it out, and it is told of once, when it is made.
"""

from __future__ import annotations

import logging
from pathlib import Path

log = logging.getLogger("tsforge")

NAME = ".tsforge"


def place(folder: Path = Path()) -> Path:
    """The one that belongs to a folder, whether it is there or not; to the current one where none is named."""
    return folder / NAME


def ready(home: Path) -> Path:
    """Make such a folder where there is none. Raises OSError where it cannot be written."""
    note = home / ".gitignore"
    if note.exists():
        return home
    new = not home.is_dir()
    home.mkdir(parents=True, exist_ok=True)
    note.write_text("*\n", encoding="utf-8")
    if new:
        shown = home.relative_to(Path.cwd()) if home.is_relative_to(Path.cwd()) else home
        log.info("tsforge keeps its own files in %s/; tsforge clean says what can go", shown)
    return home


def around(path: Path) -> None:
    """Make ready the one that a path lies in; nothing where it lies in none. Raises OSError."""
    for parent in path.parents:
        if parent.name == NAME:
            ready(parent)
