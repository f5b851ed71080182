"""Where a study lies: a journal in a folder, or a server."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

if TYPE_CHECKING:
    pass


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
