"""What a worker is told when it is started, as one line of JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class Record:
    """Where a worker records its trials in MLflow: the store, and the run that they are shown under."""

    uri: str
    experiment: str
    name: str
    key: str


@dataclass(frozen=True)
class Orders:
    """folder: of the sweep. total: trials over all workers and starts. until: when it ends, in seconds since the epoch.

    refit: it fits the chosen again, instead of searching. url: of the study's server; None for a journal in the folder.
    threads: that it computes with; 0 where whoever starts it decides. device: the GPU that it sees, by number, as None
    all. memory: the share of its memory that it may take.
    """

    folder: str
    study: str
    total: int
    index: int = 0
    url: str | None = None
    heartbeat: int = 30
    until: float | None = None
    refit: bool = False
    record: Record | None = None
    threads: int = 0
    device: str | None = None
    memory: float = 1.0

    @property
    def log(self) -> Path:
        """Where it writes what it has to say."""
        return Path(self.folder) / "logs" / f"worker-{self.index + 1}.log"

    @property
    def checkpoints(self) -> Path:
        """Where trainings keep their state."""
        return Path(self.folder) / CHECKPOINTS

    def environment(self) -> dict[str, str]:
        """Variables that its process needs before it imports anything."""
        found = {"OMP_NUM_THREADS": str(self.threads)} if self.threads else {}
        return found | ({"CUDA_VISIBLE_DEVICES": self.device} if self.device is not None else {})

    def text(self) -> str:
        return json.dumps(asdict(self))


def read(line: str) -> Orders:
    """The orders of a line."""
    values = json.loads(line)
    record = values.pop("record")
    return Orders(**values, record=Record(**record) if record else None)
