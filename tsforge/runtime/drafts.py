"""Folders that are written whole or not at all: made in a hidden folder beside their place, then put there in one move.

A hidden folder is locked for as long as its process lives. What a killed process left is removed by the next one that
writes beside it; a folder whose lock is held, or cannot be asked for, is left alone.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MARK = "tsforge-"
_NEW, _OLD = "new", "old"
_HIDDEN = re.compile(rf"\.(.+)\.{MARK}[a-z0-9_]{{8}}")
_HERE, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux


@contextmanager
def beside(folder: Path) -> Iterator[Path]:
    """An empty folder to write in, which `put` moves to `folder`; removed at the end, with whatever is in it then."""
    clear(folder)
    place, held = _locked(folder)
    try:
        draft = place / _NEW
        draft.mkdir()
        yield draft
    finally:
        shutil.rmtree(place, ignore_errors=True)
        if held is not None:
            os.close(held)


def put(draft: Path, folder: Path) -> None:
    """Move a draft of `beside` to its place; what was there goes only once the new one is complete."""
    for path in draft.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    if _exchange(draft, folder):
        return
    if os.path.lexists(folder):
        folder.rename(draft.parent / _OLD)
    try:
        draft.rename(folder)
    except OSError:  # another process was quicker, after we had looked
        if not _exchange(draft, folder):
            raise


def clear(folder: Path) -> None:
    """Remove what killed processes left beside `folder`; a folder that one had moved away comes back to its place."""
    with suppress(OSError):
        for place in folder.absolute().parent.iterdir():
            if place.name.startswith(f".{folder.name}.{MARK}") and place.is_dir() and not place.is_symlink():
                _clear(place, folder)


def _clear(place: Path, folder: Path) -> None:
    """Remove a hidden folder that nobody owns."""
    try:
        held = lock(place)
    except BlockingIOError:
        return
    if held is None:
        return
    try:
        if (place / _OLD).is_dir() and not os.path.lexists(folder):
            (place / _OLD).rename(folder)
        shutil.rmtree(place, ignore_errors=True)
    finally:
        os.close(held)


def _locked(folder: Path) -> tuple[Path, int | None]:
    """A new hidden folder beside another, and its lock; None where the file system has no locks."""
    while True:
        place = Path(tempfile.mkdtemp(dir=folder.absolute().parent, prefix=f".{folder.name}.{MARK}"))
        with suppress(BlockingIOError):  # held by another process that took it for one that nobody owns: another place
            held = lock(place)
            if place.is_dir():
                return place, held
            if held is not None:
                os.close(held)


def lock(place: Path) -> int | None:
    """The lock of a folder, which ends with the process that holds it; None where there are no locks.

    Raises BlockingIOError where another process holds it.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    try:
        handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        os.close(handle)
        if isinstance(problem, BlockingIOError):
            raise
        return None
    return handle


def share(place: Path) -> int | None:
    """A lock of a folder that several processes may have, and none beside it who has `lock`: those are waited for.

    None where there are no locks, or no such folder. It ends with the process, or as what is returned is closed.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    with suppress(OSError):
        handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(handle, fcntl.LOCK_SH)
        except OSError:
            os.close(handle)
            raise
        return handle
    return None


def left(parent: Path) -> list[Path]:
    """The hidden folders in a folder that killed processes left."""
    found = []
    with suppress(OSError):
        for place in parent.iterdir():
            if _HIDDEN.fullmatch(place.name) and place.is_dir() and not place.is_symlink() and is_free(place):
                found.append(place)
    return sorted(found)


def is_free(place: Path) -> bool:
    """Whether a folder is there and nobody has a lock of it; False where that cannot be asked."""
    try:
        held = lock(place)
    except BlockingIOError:
        return False
    if held is not None:
        os.close(held)
    return held is not None


def owner(place: Path) -> Path:
    """The folder that a hidden one was a draft of."""
    return place.with_name(place.name[1:].rpartition(f".{MARK}")[0])


def _exchange(one: Path, other: Path) -> bool:
    """Let two folders change places in one move; False where the system cannot."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    return int(rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE)) == 0
