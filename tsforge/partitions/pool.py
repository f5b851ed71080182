"""Tasks on the cores of this machine: in this process, or in several that were started for it."""

from __future__ import annotations

import queue
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from typing import IO, Protocol, Self

from tsforge.errors import TsforgeError
from tsforge.partitions.job import Answer, Job, Task, read_answer
from tsforge.runtime import processes

TRIES = 3  # of a task whose process was killed, by the system for its memory perhaps

Done = tuple[Task, Answer]


class Pool(Protocol):
    """Whoever does the work; at its end all that it has begun is ended at once."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def answers(self, tasks: Sequence[Task]) -> Iterator[Done]:
        """The answers to some tasks, as they come."""


class Here:
    """This process, which takes one task after the other."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def answers(self, tasks: Sequence[Task]) -> Iterator[Done]:
        from tsforge.partitions import work

        for task in tasks:
            yield task, work.do(self.job, task)


class Processes:
    """So many processes, each with a thread here that hands it one task after the other."""

    def __init__(self, job: Job, count: int) -> None:
        self._waiting: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Done | Exception] = queue.SimpleQueue()
        self._workers = [_Worker(job, self._waiting, self._done) for _ in range(count)]

    def __enter__(self) -> Self:
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self._workers:
            worker.kill()
        for _ in self._workers:
            self._waiting.put(None)
        for worker in self._workers:
            worker.join()

    def answers(self, tasks: Sequence[Task]) -> Iterator[Done]:
        for task in tasks:
            self._waiting.put(task)
        for _ in tasks:
            done = self._done.get()
            if isinstance(done, Exception):
                raise done
            yield done


class _Worker(threading.Thread):
    """A process, and the thread that hands it one task after the other. It is started with its first task."""

    def __init__(
        self, job: Job, waiting: queue.SimpleQueue[Task | None], done: queue.SimpleQueue[Done | Exception]
    ) -> None:
        super().__init__(daemon=True)
        self._job, self._waiting, self._done = job, waiting, done
        self._lock, self._over = threading.Lock(), False
        self._process: subprocess.Popen[str] | None = None
        self._log: IO[str] | None = None

    def run(self) -> None:
        try:
            while (task := self._waiting.get()) is not None and not self._over:
                self._done.put((task, self._answer(task)))
        except _Over:
            pass
        except Exception as problem:
            self._done.put(problem)

    def kill(self) -> None:
        """End the process at once, and what it was doing: a draft that is left is removed by the next run."""
        with self._lock:
            self._over = True
            if self._process is not None:
                self._process.kill()
                self._process.wait()

    def _answer(self, task: Task) -> Answer:
        for _ in range(TRIES):
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                process.stdin.write(task.text() + "\n")
                process.stdin.flush()
                line = process.stdout.readline()
            except BrokenPipeError:
                line = ""
            if line.endswith("\n"):
                return read_answer(line)
            code = process.wait()
            with self._lock:
                if self._over:
                    raise _Over
                self._process = None
            if code > 0:
                raise TsforgeError(f"a worker failed: {self._said()}", "run again with one of the `workers`")
        hint = "there may be too little memory for it: take fewer `workers`, or smaller partitions"
        return Answer(error=f"{task.part.name}: its process was killed {TRIES} times", hint=hint)

    def _running(self) -> subprocess.Popen[str]:
        """The process, started where there is none."""
        with self._lock:
            if self._over:
                raise _Over
            if self._process is None:
                self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
                self._process = processes.start(
                    "tsforge.partitions.worker", out=subprocess.PIPE, err=self._log, env={"OMP_NUM_THREADS": "1"}
                )
                assert self._process.stdin is not None
                self._process.stdin.write(self._job.text() + "\n")
            return self._process

    def _said(self) -> str:
        """The last line that the process wrote."""
        assert self._log is not None
        self._log.seek(0)
        lines = self._log.read().strip().splitlines()
        return lines[-1] if lines else "it said nothing"


class _Over(Exception):  # noqa: N818 (it is no error)
    """Nobody waits for more answers."""
