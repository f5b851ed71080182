"""Where a sweep and its study lie: files in a folder, the study at a server where machines share it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from tsforge.errors import ConfigError
from tsforge.sweeping.config import FILE
from tsforge.sweeping.data import FRAME


@dataclass(frozen=True)
class Place:
    """Where a study lies: in a journal file of `folder`, or at `url`.

    heartbeat: seconds between signs of life at `url`; four without one mean that a worker is dead.
    """

    folder: Path
    name: str
    url: str | None = None
    heartbeat: int = 30

    @property
    def local(self) -> bool:
        return self.url is None

    def asking(self) -> contextlib.AbstractContextManager[Any]:
        """Held while a trial is begun or dead ones are looked for, where all workers are on this machine."""
        return FileLock(self.folder / "asking.lock") if self.local else contextlib.nullcontext()


@dataclass(frozen=True)
class Workspace:
    """What a sweep works with: a folder for everything that is written, and the place of its study.

    threads: that each worker computes with; None for its share of the cores.
    """

    folder: Path
    url: str | None = None
    heartbeat: int = 30
    threads: int | None = None

    @classmethod
    def at(cls, folder: str | Path, url: str | None = None) -> Workspace:
        """In a folder that is new, empty, or a sweep's. Raises ConfigError where something else lies there."""
        place = Path(folder)
        others = place.is_dir() and any(not path.name.startswith(FRAME) for path in place.iterdir())
        if place.exists() and (not place.is_dir() or (others and not (place / FILE).exists())):
            raise ConfigError(f"{place} holds something that is no sweep", "name another folder with `out`")
        return cls(place, url)

    def place(self, name: str) -> Place:
        """Where the study of that name lies."""
        return Place(self.folder, name, self.url, self.heartbeat)
