"""A worker's job: what it is told when it is started, as one line of JSON."""

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
class Job:
    """What a worker is to do.

    total: trials over all workers and starts.
    url: of the study's server; None for a journal in the folder.
    heartbeat: seconds between signs of life at `url`.
    until: when it ends, in seconds since the epoch.
    refit: fit the best again, instead of searching.
    threads: that it computes with; 0 where whoever starts it decides.
    device: the GPU that it sees, by number; None for all.
    memory: the share of that GPU's memory that it may take.
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
        """Where it writes notes and errors."""
        return Path(self.folder) / "logs" / f"worker-{self.index + 1}.log"

    @property
    def checkpoints(self) -> Path:
        """Where trainings keep their state."""
        return Path(self.folder) / CHECKPOINTS

    def environment(self) -> dict[str, str]:
        """Variables that its process needs before it imports anything."""
        threads = {"OMP_NUM_THREADS": str(self.threads)} if self.threads else {}
        return threads | ({"CUDA_VISIBLE_DEVICES": self.device} if self.device is not None else {})

    def text(self) -> str:
        return json.dumps(asdict(self))


def read(line: str) -> Job:
    """The job of a line that `text` wrote."""
    values = json.loads(line)
    record = values.pop("record")
    return Job(**values, record=Record(**record) if record else None)
