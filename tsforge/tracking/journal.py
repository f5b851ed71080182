"""A run on disk before it is anywhere else: a folder with a line for everything recorded of it.

journal.jsonl   one JSON object per line; `at` is in milliseconds since the epoch
files/          copies of what belongs to the run
delivered.json  how far it has been delivered; written by whoever delivers it
writing         locked as long as the writer lives
delivering      locked by whoever delivers it

Writing a line takes some tens of microseconds and needs nothing but the disk. Whatever happens to a server, or to this
process, the lines stay until they are delivered.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from filelock import FileLock, Timeout

from tsforge.runtime import home
from tsforge.runtime.numbers import plain

log = logging.getLogger("tsforge")

Status = Literal["FINISHED", "FAILED", "KILLED"]

ROOT = home.place() / "runs"  # in the folder where a command runs
LINES = "journal.jsonl"
STATE = "delivered.json"
BASELINES = "baselines.json"  # the table of a model's scores and those of the baselines beside it
TABLES = "mlflow.loggedArtifacts"  # the tag that names the tables of a run
DIED = "the process ended without a word"


class Run:
    """The writing end of a journal; a silent one (no folder) forgets everything.

    key: what the run is found by, wherever it has been delivered to.
    """

    def __init__(self, folder: Path | None, key: str = "") -> None:
        self.folder = folder
        self.key = key
        self.ended = False
        self._copies = 0
        self._tables: list[dict[str, str]] = []
        self._warned = False
        self._file = None if folder is None else (folder / LINES).open("ab", buffering=0)
        self._writing = None if folder is None else FileLock(folder / "writing")
        if self._writing is not None:
            self._writing.acquire()

    @property
    def name(self) -> str:
        """What a person knows the run by."""
        return "" if self.folder is None else self.folder.name

    def metrics(
        self, values: dict[str, float], step: int = 0, at: float | None = None, *, of_model: bool = False
    ) -> None:
        """Figures at one step. at: seconds since the epoch. of_model: they are the recorded model's."""
        self._write({"metrics": values, "step": step, "of_model": of_model}, at)

    def params(self, values: dict[str, Any]) -> None:
        """Settings by dotted path; lists as words with commas, empty ones not at all."""
        texts = {k: ", ".join(map(str, v)) if isinstance(v, list | tuple) else str(v) for k, v in values.items()}
        self._write({"params": {k: text for k, text in texts.items() if text}})

    def tags(self, values: dict[str, str]) -> None:
        """Whatever else is worth knowing, by name; the Markdown note is `mlflow.note.content`."""
        self._write({"tags": values})

    def dataset(self, values: dict[str, str]) -> None:
        """What was learned from: name, digest, source, and schema and profile as JSON."""
        self._write({"dataset": values})

    def file(self, path: Path, to: str = "") -> None:
        """A file that belongs to the run, copied now. to: the folder it appears in."""
        if self.folder is None:
            return
        with self._sparing():
            self._write({"file": self._copy(path), "to": to})

    def text(self, name: str, text: str) -> None:
        """A text file that belongs to the run."""
        if self.folder is None:
            return
        with self._sparing():
            path = self._place(name)
            path.write_text(text, encoding="utf-8")
            self._write({"file": self._relative(path), "to": ""})

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """A table that the UI shows as one, beside those of other runs; a figure that is not finite is empty.

        name: of a .json file.
        """
        self.text(name, json.dumps(plain({"columns": columns, "data": rows}), ensure_ascii=False, indent=1) + "\n")
        self._tables.append({"path": name, "type": "table"})
        self.tags({TABLES: json.dumps(self._tables)})

    def model(self, folder: Path, register: str | None = None, alias: str | None = None) -> None:
        """A model directory, copied now; with a name in the registry, and an alias, where they are given."""
        if self.folder is None:
            return
        with self._sparing():
            self._write({"model": self._copy(folder), "register": register, "alias": alias})

    def end(self, status: Status, reason: str = "") -> None:
        """Close the journal; the first end counts, and nothing is written after it."""
        if self.ended:
            return
        self.ended = True
        self._write({"end": status, "reason": reason})
        if self._file is not None:
            self._file.close()
        if self._writing is not None:
            self._writing.release()

    @contextlib.contextmanager
    def _sparing(self) -> Iterator[None]:
        """A disk that fails costs a part of the record, with one warning, and not the training."""
        try:
            yield
        except OSError as problem:
            if not self._warned:
                log.warning("part of run %s is not recorded: %s", self.name, problem)
            self._warned = True

    def _copy(self, path: Path) -> str:
        target = self._place(path.name)
        if path.is_dir():
            shutil.copytree(path, target)
        else:
            shutil.copyfile(path, target)
        return self._relative(target)

    def _place(self, name: str) -> Path:
        """Where a copy goes: a folder of its own, so that none replaces another that is not delivered yet."""
        assert self.folder is not None
        self._copies += 1
        (self.folder / "files").mkdir(exist_ok=True)
        place = self.folder / "files" / str(self._copies)
        place.mkdir()
        return place / name

    def _relative(self, path: Path) -> str:
        assert self.folder is not None
        return path.relative_to(self.folder).as_posix()

    def _write(self, event: dict[str, Any], at: float | None = None) -> None:
        with self._sparing():
            self._append(event, at)

    def _append(self, event: dict[str, Any], at: float | None = None) -> None:
        """A whole line or nothing."""
        if self._file is None:
            return
        line = (json.dumps({"at": round((at or time.time()) * 1000), **event}) + "\n").encode()
        before = self._file.tell()
        if self._file.write(line) != len(line):
            self._file.truncate(before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Earlier(NamedTuple):
    """The journal of a process that was stopped, whose run another goes on with. folder: where it lies or lay."""

    folder: str
    key: str


def begin(root: Path, name: str, start: dict[str, Any], earlier: Earlier | None = None) -> Run:
    """A new journal under `root`, in a folder of its own: the name and four letters to tell it from its like.

    earlier: with its key, and where it is delivered already with its name.
    """
    home.ready(root.parent)
    root.mkdir(exist_ok=True)
    names = [Path(earlier.folder).name] if earlier is not None else []
    while True:
        folder = root / (names.pop() if names else f"{name}-{secrets.token_hex(2)}")
        try:
            folder.mkdir(mode=0o700)  # an address may hold a password
            break
        except FileExistsError:
            continue
    run = Run(folder, earlier.key if earlier is not None else secrets.token_hex(16))
    run._append({"start": {**start, "name": folder.name, "journal": run.key, "begun": time.time_ns()}})
    return run


def waiting(root: Path) -> list[Path]:
    """Journals under `root` that are not delivered, in the order in which they were begun: parents first.

    One that is damaged, or that nobody but its owner may read, is left out with a warning.
    """
    begun: dict[Path, int] = {}
    for path in root.glob(f"*/{LINES}"):
        try:
            begun[path.parent] = int(_start(path.parent).get("begun", 0))
        except FileNotFoundError:  # delivered meanwhile
            continue
        except (OSError, ValueError, KeyError, TypeError) as problem:
            log.warning("the run in %s cannot be read, and is not delivered: %s", path.parent, problem)
    return sorted(begun, key=lambda folder: begun[folder])


def address(folder: Path) -> str:
    """The store that a journal goes to."""
    return str(_start(folder)["uri"])


def _start(folder: Path) -> dict[str, Any]:
    """The first line; nothing where the writer died before it."""
    with (folder / LINES).open(encoding="utf-8") as file:
        line = file.readline()
    start: dict[str, Any] = json.loads(line)["start"] if line.endswith("\n") else {}
    return start


def has_begun(folder: Path) -> bool:
    """Whether there is something to deliver in a folder of a run; True where that cannot be told."""
    try:
        return bool(_start(folder))
    except FileNotFoundError:
        return False
    except (OSError, ValueError, KeyError, TypeError):
        return True


def abandoned(folder: Path) -> bool:
    """Whether nobody writes the journal any more."""
    if not (folder / LINES).exists():  # delivered meanwhile; a lock would make the folder anew
        return False
    try:
        with FileLock(folder / "writing", blocking=False):
            return True
    except Timeout:
        return False


def close(folder: Path, reason: str) -> bool:
    """Give a journal whose writer is gone the end that it lacks; False where somebody still writes it, or it is gone.

    Under the writer's lock, so that of two that would close it one does.
    """
    if not (folder / LINES).exists():
        return False
    try:
        with FileLock(folder / "writing", blocking=False):
            _close(folder / LINES, reason)
    except (Timeout, FileNotFoundError):
        return False
    return True


def _close(path: Path, reason: str) -> None:
    text = path.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    lines = whole.splitlines()
    if lines and "end" not in json.loads(lines[-1]):
        at = round(path.stat().st_mtime * 1000)
        with path.open("rb+") as file:
            file.truncate(len(whole))  # half a line: the writer died while writing it
            file.seek(0, os.SEEK_END)
            file.write((json.dumps({"at": at, "end": "KILLED", "reason": reason}) + "\n").encode())
