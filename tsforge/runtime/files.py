"""Files that are written whole or not at all, and the check that one can be written where it is named."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tsforge.errors import ConfigError


def write(path: Path, content: str | bytes, *, sync: bool = False) -> Path:
    """Write a file under another name and put it in its place: a reader finds the old one or the new one.

    Text is UTF-8 with line feeds, everywhere. What killed processes left of their drafts of this file goes.
    sync: wait until it is on the disk, so that the same holds of a reader after a power cut.
    """
    with replacing(path) as draft, draft.open("wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())
        file.flush()
        if sync:
            os.fsync(file.fileno())
    return path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """The path of a draft, which takes the place of a file once it is written whole; of an error nothing is left."""
    _clear(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _clear(path: Path) -> None:
    """Remove drafts of a file whose process is gone."""
    if os.name != "posix":
        return
    with suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            start, _, owner = entry.name.rpartition(".")
            if start == f".{path.name}" and owner.isdecimal() and is_gone(int(owner)) and entry.is_file():
                Path(entry.path).unlink(missing_ok=True)


def is_gone(process: int) -> bool:
    """Whether no process has this number."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:  # somebody else's
        pass
    return False


def check_path(path: Path, endings: tuple[str, ...]) -> None:
    """Raises ConfigError for another ending, a missing folder, or what cannot be written."""
    if path.suffix not in endings:
        *others, last = endings
        text = f"{', '.join(others)} or {last}" if others else last
        raise ConfigError(f"{path}: unknown ending '{path.suffix}'", f"name a file that ends in {text}")
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"{path}: there is no folder {path.parent}", "make it first")
    protected = not os.access(path.absolute().parent, os.W_OK) or (path.exists() and not os.access(path, os.W_OK))
    if path.is_dir() or protected:
        raise ConfigError(f"{path}: cannot be written: it is a folder or protected", "name another file")
