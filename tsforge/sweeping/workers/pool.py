"""The workers of a sweep, as the process that drives it sees them: started, watched, stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from tsforge.errors import TrainingError
from tsforge.runtime import processes
from tsforge.sweeping.workers.job import Job

RESTARTS = 10  # of workers that were killed, by the system for its memory perhaps
LOOK, EVERY = 0.2, 1.0  # seconds between looks at the workers, and at what they have done


class Worker(Protocol):
    """One that was started."""

    def poll(self) -> int | None:
        """None while it runs; then 0, above 0 where it failed, below 0 where it was killed by that signal."""

    def stop(self) -> None:
        """Let it hand over what it runs, and end."""

    def kill(self) -> None:
        """End it at once; what it ran is found dead by the next start."""

    def output(self) -> list[str]:
        """The lines of its log."""


class Process:
    """A worker as a process of this machine, in a session of its own, which a Ctrl-C at the terminal does not reach:
    it reaches us, and we tell it. Where its starter is gone it hands its trial over and ends."""

    def __init__(self, job: Job) -> None:
        self.log = job.log
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("a", encoding="utf-8") as file:
            self._process = processes.start("tsforge.sweeping.worker", err=file, env=job.environment())
        self._tell(job.text())

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.poll()

    def stop(self) -> None:
        self._tell("stop")

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def output(self) -> list[str]:
        return self.log.read_text(encoding="utf-8").splitlines()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()


class WorkerPool:
    """Workers that run side by side; `start` makes one of its job, by default a process of this machine."""

    def __init__(self, jobs: Sequence[Job], start: Callable[[Job], Worker] = Process) -> None:
        self.jobs = {job.index: job for job in jobs}
        self.start = start
        self.restarts = 0
        self.stopping = False
        self.running: dict[int, Worker] = {}

    def __enter__(self) -> WorkerPool:
        for job in self.jobs.values():
            self.running[job.index] = self.start(job)
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def watch(self, look: Callable[[], None]) -> None:
        """Return when all have ended; one that was killed is started again. `look` is called once a second.

        The first Ctrl-C lets them hand over what they run, the second ends them at once and is raised.
        Raises TrainingError where one ended with an error.
        """
        last = 0.0
        while self.running:
            try:
                if time.monotonic() >= last + EVERY:
                    last = time.monotonic()
                    look()
                time.sleep(LOOK)
                self.check()
            except KeyboardInterrupt:
                if self.stopping:
                    self.kill()
                    raise
                self.stop()

    def stop(self) -> None:
        """Let them hand over what they run, and end."""
        self.stopping = True
        for worker in self.running.values():
            worker.stop()

    def kill(self) -> None:
        """End them at once."""
        for worker in self.running.values():
            worker.kill()
        self.running = {}

    def check(self) -> None:
        """See who has ended, and why."""
        for index, worker in list(self.running.items()):
            code = worker.poll()
            if code is None:
                continue
            del self.running[index]
            if code > 0:
                raise TrainingError(*_why(worker.output(), self.jobs[index]))
            if code < 0 and not self.stopping:
                self.restarts += 1
                if self.restarts > RESTARTS:
                    text = f"workers were killed {self.restarts} times, the last by signal {-code}"
                    raise TrainingError(text, "there may be too little memory for so many: take fewer sweep.workers")
                self.running[index] = self.start(self.jobs[index])


def share(workers: int, cores: int) -> int:
    """Threads of each worker: one where there are as many workers as cores."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdigit() and int(asked) else max(1, cores // workers)


def _why(lines: list[str], job: Job) -> tuple[str, str]:
    """The error and the hint that a worker wrote last; or where to read more."""
    if len(lines) >= 2 and lines[-2].startswith("error: ") and lines[-1].startswith("hint: "):
        return lines[-2].removeprefix("error: "), lines[-1].removeprefix("hint: ")
    return f"a worker failed: {lines[-1] if lines else 'it said nothing'}", f"read {job.log}"
