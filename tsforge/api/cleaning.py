"""What commands have left that can go: listed by kind, with what each takes, and removed where nobody uses it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from filelock import FileLock, Timeout

from tsforge.data.mapped.inputs import PANELS
from tsforge.data.table.folder import CACHE
from tsforge.errors import ConfigError
from tsforge.fitted import naming
from tsforge.runtime import drafts, files, home
from tsforge.tracking import deleted, delivery, journal, store

Kind = Literal["panels", "drafts", "journals", "checkpoints", "undelivered", "deleted"]
ALWAYS: tuple[Kind, ...] = ("panels", "drafts", "journals")
TEXTS: dict[Kind, str] = {
    "panels": "tables as panels on disk, made again when needed",
    "drafts": "drafts of commands that were killed",
    "journals": "journals of runs that are delivered",
    "checkpoints": "of stopped fits, for --resume",
    "undelivered": "runs for `tsforge runs sync`",
    "deleted": "in MLflow, to be brought back",
}
OUTPUTS = ("models", "sweeps", "comparisons")  # where commands write what nobody has named a folder for
DEPTH = 3  # folders below these that are looked into
OF_JOURNALS = {journal.LINES, journal.STATE, "files", "writing", "delivering"}
YOUNG = 60.0  # seconds after which a journal without a line is nobody's who just begins it


class Leftover(NamedTuple):
    """Something that can go.

    size: in bytes. used: a process that runs needs it. run: the deleted run, where it is one.
    """

    kind: Kind
    path: Path
    size: int
    used: bool = False
    run: deleted.Deleted | None = None


def leftovers(folder: str | Path = ".", tracking_uri: str | None = None) -> list[Leftover]:
    """Everything that could go from a folder in which tsforge ran; nothing is removed.

    tracking_uri: the store whose deleted runs are listed; MLFLOW_TRACKING_URI or mlflow.db in the folder where None.
    Raises ConfigError where there is no such folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ConfigError(f"{root}: there is no such folder", "name the folder in which tsforge ran")
    uri = store.address(tracking_uri, root)
    return [*_panels(root), *_drafts(root, uri), *_journals(root), *_checkpoints(root), *_deleted(uri, root)]


def clean(
    folder: str | Path = ".", kinds: Sequence[Kind] = ALWAYS, tracking_uri: str | None = None
) -> list[Leftover]:  # fmt: skip
    """Remove leftovers of some kinds, but for what a running process uses; what went.

    folder, tracking_uri: as for `leftovers`.
    kinds: "panels", "drafts" and "journals", which cost nothing but time; "checkpoints", "undelivered" and "deleted"
    runs hold what nobody can make again.
    Raises ConfigError for an unknown kind, TrackingError where the store refuses to forget its deleted runs.
    """
    for kind in kinds:
        if kind not in TEXTS:
            raise ConfigError(f"there is no kind of leftovers '{kind}'", f"they are {', '.join(TEXTS)}")
    wanted = [item for item in leftovers(folder, tracking_uri) if item.kind in kinds and not item.used]
    gone = [item for item in wanted if item.kind != "deleted" and _remove(item)]
    runs = [item.run for item in wanted if item.run is not None]
    removed = deleted.remove(store.address(tracking_uri, Path(folder)), runs)
    return gone + [item for item in wanted if item.run is not None and item.run.id in removed]


def _panels(root: Path) -> Iterator[Leftover]:
    """Folders of panels; those beside tables, which earlier versions made, hold nothing else."""
    places = _below(home.place(root) / PANELS) if _is_ours(home.place(root)) else []
    old = [p for p in sorted(root.glob(f"*{CACHE}")) if p.name != home.NAME]
    for place in (*places, *old):
        if _is_ours(place) and _are_panels(place):
            used = any(not drafts.is_free(panel) for panel in place.glob("panel-*") if panel.is_dir())
            yield Leftover("panels", place, _size(place), used or not _are_free(place))


def _are_panels(place: Path) -> bool:
    return _holds_only(place, lambda path: path.name.lstrip(".").startswith("panel-"))


def _holds_only(place: Path, ours: Callable[[Path], bool]) -> bool:
    """Whether all that lies in a folder is ours; False where it cannot be looked into."""
    try:
        return all(map(ours, place.iterdir()))
    except OSError:
        return False


def _is_ours(place: Path) -> bool:
    """Whether a folder is where we make it: what a link leads to is somebody's choice, and may be anything."""
    return place.is_dir() and not place.is_symlink()


def _below(place: Path) -> list[Path]:
    return sorted(place.iterdir()) if _is_ours(place) else []


def _drafts(root: Path, uri: str) -> Iterator[Leftover]:
    """Hidden folders and files beside what commands write, and folders that were reserved for a model."""
    for parent in _folders(root):
        for place in drafts.left(parent):
            yield Leftover("drafts", place, _size(place))
        if parent.parent == root / "models" and not any(parent.iterdir()) and drafts.is_free(parent):
            yield Leftover("drafts", parent, 0)
    file = store.database(uri)
    if file is not None and file.parent.is_dir():
        pattern = re.compile(rf"\.{re.escape(file.name)}\.(\d+)")
        for path in sorted(file.parent.iterdir()):
            match = pattern.fullmatch(path.name)
            if match is not None and path.is_file() and files.is_gone(int(match[1])):
                yield Leftover("drafts", path, path.stat().st_size)


def _folders(root: Path) -> Iterator[Path]:
    """A folder, and those in which commands write where nobody says, as deep as they do."""
    yield root
    for name in OUTPUTS:
        for here, below, _ in os.walk(root / name):
            below[:] = sorted(name for name in below if not name.startswith("."))
            if len(Path(here).relative_to(root).parts) > DEPTH:
                below.clear()
            yield Path(here)


def _journals(root: Path) -> Iterator[Leftover]:
    """Folders of runs: what is left of delivered ones, and those that wait."""
    for folder in _below(root / journal.ROOT) if _is_ours(home.place(root)) else []:
        if not _is_ours(folder):
            continue
        if not journal.has_begun(folder):
            rest = _holds_only(folder, lambda path: path.name in OF_JOURNALS)
            if rest and time.time() - folder.stat().st_mtime > YOUNG:
                yield Leftover("journals", folder, _size(folder))
            continue
        used = not (_is_free(folder / "writing") and _is_free(folder / "delivering"))
        yield Leftover("undelivered", folder, _size(folder), used)


def _checkpoints(root: Path) -> Iterator[Leftover]:
    """States of fits; a folder without a plan holds nothing that could be gone on with."""
    for parent in _folders(root):
        for place in sorted(parent.glob(f"*{naming.CHECKPOINT}")):
            if _is_ours(place) and _is_state(place):
                kind: Kind = "checkpoints" if (place / naming.PLAN).is_file() else "drafts"
                yield Leftover(kind, place, _size(place), not drafts.is_free(place))


def _is_state(place: Path) -> bool:
    """Whether a folder holds states of training and their plan, and nothing else."""
    names = ("training.", naming.PLAN)
    return _holds_only(place, lambda path: path.is_file() and path.name.lstrip(".").startswith(names))


def _deleted(uri: str, root: Path) -> Iterator[Leftover]:
    """Runs that were deleted; one whose journal waits or is written may still be restored, and counts as used."""
    runs = deleted.find(uri)
    waits = {delivery.state(folder).run for folder in journal.waiting(root / journal.ROOT)} if runs else set()
    for run in runs:
        folder = run.folders[0] if run.folders else Path(run.id)
        yield Leftover("deleted", folder, sum(map(_size, run.folders)), run.id in waits, run)


def _remove(item: Leftover) -> bool:
    """Whether it is gone: nothing that somebody has begun to use since it was looked at."""
    if item.path.is_file():
        item.path.unlink(missing_ok=True)
        return True
    if item.kind == "drafts" and item.path.name.startswith("."):
        drafts.clear(drafts.owner(item.path))  # which brings back what was moved away
        return not item.path.exists()
    if item.kind == "undelivered":
        return _forget(item.path)
    if item.kind == "panels":
        return _without_panels(item.path)
    reserved = item.kind == "drafts" and not item.path.name.endswith(naming.CHECKPOINT)
    if reserved:  # for a model, which may be there by now
        return _without(item.path, Path.rmdir)
    if item.kind == "drafts" and (item.path / naming.PLAN).exists():
        return False
    return _without(item.path)


def _without_panels(place: Path) -> bool:
    """Remove the panels of a table, each under its lock."""
    if not _are_free(place) or not all(_without(panel) for panel in place.iterdir() if panel.is_dir()):
        return False
    shutil.rmtree(place, ignore_errors=True)
    return not place.exists()


def _without(folder: Path, remove: Callable[[Path], None] = shutil.rmtree) -> bool:
    """Remove a folder that nobody has locked; whether it is gone."""
    try:
        held = drafts.lock(folder)
    except BlockingIOError:
        return False
    if held is None:  # gone, or where locks are not to be had
        return not folder.exists()
    try:
        with contextlib.suppress(OSError):
            remove(folder)
    finally:
        os.close(held)
    return not folder.exists()


def _forget(folder: Path) -> bool:
    """Remove a journal that nobody writes or delivers."""
    try:
        with FileLock(folder / "writing", blocking=False), FileLock(folder / "delivering", blocking=False):
            (folder / journal.LINES).unlink(missing_ok=True)
    except (Timeout, OSError):
        return False
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def _are_free(place: Path) -> bool:
    """Whether nobody builds a panel there."""
    return all(_is_free(lock) for lock in place.glob(".panel-*.lock"))


def _is_free(lock: Path) -> bool:
    """Whether nobody has a lock file; the file is not made."""
    if not lock.exists():
        return True
    try:
        with FileLock(lock, blocking=False):
            return True
    except (Timeout, OSError):
        return False


def _size(path: Path) -> int:
    """Bytes of the files in a folder; links are not followed."""
    total = 0
    for here, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):  # gone meanwhile
                total += os.lstat(os.path.join(here, name)).st_size  # noqa: PTH118
    return total
