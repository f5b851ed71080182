"""Tasks on a Ray cluster, each a task of Ray's; the model goes there once, whatever disks the machines share."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from tsforge.partitions.job import Answer, Job, Task, read_answer, read_job, read_task
from tsforge.partitions.pool import TRIES, Done
from tsforge.runtime import cluster

AHEAD = 2  # tasks for each core that are handed over at once

Files = dict[str, bytes]


class Cluster:
    """A cluster at an address; one of this machine where that is None.

    count: tasks that run at once; None for one on each core.
    """

    def __init__(self, job: Job, count: int | None, address: str | None) -> None:
        self._job, self._count, self._address = job, count, address
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(cluster.connected(self._address, self._count or 1, "`address`"))
        ray = cluster.package()
        cores = self._count or int(ray.cluster_resources().get("CPU", 1))
        self._most = AHEAD * cores if self._count is None else self._count
        self._model = ray.put(packed(Path(self._job.model)))
        self._work = ray.remote(num_cpus=1, max_retries=TRIES - 1)(_work)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def answers(self, tasks: Sequence[Task]) -> Iterator[Done]:
        ray = cluster.package()
        running: dict[Any, Task] = {}
        left = iter(tasks)
        while True:
            while len(running) < self._most and (task := next(left, None)) is not None:
                running[self._work.remote(self._job.text(), task.text(), self._model)] = task
            if not running:
                return
            for ended in ray.wait(list(running))[0]:
                yield (task := running.pop(ended)), self._answer(ended, task)

    def _answer(self, ended: Any, task: Task) -> Answer:
        ray = cluster.package()
        try:
            return read_answer(ray.get(ended))
        except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError, ray.exceptions.NodeDiedError):
            hint = "there may be too little memory for it: take fewer `workers`, or smaller partitions"
            return Answer(error=f"{task.part.name}: its task was killed {TRIES} times", hint=hint)
        except ray.exceptions.RayError as problem:
            return Answer(error=f"{task.part.name}: {str(problem).strip().splitlines()[-1]}", hint="see Ray's logs")


def packed(folder: Path) -> Files:
    """The files of a model directory that are read back."""
    from tsforge.fitted import manifest

    names = (manifest.NAME, *manifest.read(folder).sha256)
    return {name: (folder / name).read_bytes() for name in names}


def unpacked(job: Job, files: Files) -> Job:
    """The job with its model in a folder of this machine, which goes with this process."""
    if job.digest not in _FOLDERS:
        _FOLDERS.clear()
        _FOLDERS[job.digest] = tempfile.TemporaryDirectory(prefix="tsforge-")
        for name, content in files.items():
            (Path(_FOLDERS[job.digest].name) / Path(name).name).write_bytes(content)
    return replace(job, model=_FOLDERS[job.digest].name)


_FOLDERS: dict[str, tempfile.TemporaryDirectory[str]] = {}


def _work(job: str, task: str, files: Files) -> str:
    """What a task of Ray's does: the same as a process of this machine."""
    import pyarrow

    from tsforge.partitions import work

    pyarrow.set_cpu_count(1)
    return work.do(unpacked(read_job(job), files), read_task(task)).text()
