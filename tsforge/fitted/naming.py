"""Where a model is saved: a folder of its own, unless another is named, and never over the model of another table."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from tsforge.errors import ModelError
from tsforge.fitted import manifest

log = logging.getLogger("tsforge")
CHECKPOINT = ".checkpoint"  # behind the name of a model's folder: where its fit keeps its state while it lasts
PLAN = "fit.json"  # the file in it that is written last


def checkpoint(folder: Path) -> Path:
    """The folder in which the fit of a model keeps its state."""
    return folder.with_name(folder.name + CHECKPOINT)


def is_unfinished(folder: Path) -> bool:
    """Whether the fit of a model was stopped and can go on."""
    return (checkpoint(folder) / PLAN).is_file()


@contextlib.contextmanager
def reserved(folder: Path) -> Iterator[Path]:
    """A folder that holds nothing, for this process alone: the one named, else NAME-2, NAME-3, ...

    That of a fit which was stopped and can go on is left to it, with a warning.
    It goes again where nothing was saved in it.
    Raises ModelError where none can be made.
    """
    names = (folder if number == 1 else folder.with_name(f"{folder.name}-{number}") for number in count(1))
    place, claim = next((name, claim) for name in names if (claim := _claim(name)) is not None)
    try:
        yield place
    finally:
        os.close(claim)
        with contextlib.suppress(OSError):  # it holds a model
            place.rmdir()


def _claim(folder: Path) -> int | None:
    """An open descriptor of an empty folder, made where there is none; None where it is taken.

    The lock on it ends with the process, also where that is killed.
    """
    import fcntl

    if is_unfinished(folder):
        log.warning(
            "%s is left to a fit that was stopped before its end: `tsforge fit --resume %s` goes on with it",
            folder,
            folder,
        )
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        claim = os.open(folder, os.O_RDONLY)
    except (FileExistsError, NotADirectoryError):
        if folder.is_file():
            return None
        raise ModelError(f"{folder}: cannot be made: {folder.parent} is no folder", "choose another `out`") from None
    except OSError as problem:
        raise ModelError(f"{folder}: cannot be written: {problem.strerror}", "choose another `out`") from None
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(claim)
        return None
    if any(folder.iterdir()):
        os.close(claim)
        return None
    return claim


def check_replaced(folder: Path, source: str | None) -> None:
    """Raises ModelError where a folder holds the model of another table than `source`, or of an unknown one."""
    if not (folder / manifest.NAME).is_file():
        return
    try:
        facts = manifest.read_json(folder / "schema.json")
        before = facts.get("source") if isinstance(facts, dict) else None
    except ModelError:
        before = None
    if source and before and Path(source).resolve() == Path(str(before)).resolve():
        return
    of = f"a model of {before}" if before else "a model"
    raise ModelError(f"{folder}: holds {of}", "`overwrite` replaces it; or choose another `out`")
