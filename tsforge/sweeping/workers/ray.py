"""The workers of a sweep as tasks of a Ray cluster. A task starts a worker on its machine, and stays with it."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tsforge.runtime import cluster, files
from tsforge.sweeping.config import FILE
from tsforge.sweeping.workers import pool
from tsforge.sweeping.workers.job import Job, read
from tsforge.sweeping.workers.pool import Process

log = logging.getLogger("tsforge")


class Cluster:
    """A connection to a cluster. count: workers that will run on it. plan: the sweep's, for machines that lack it.

    elsewhere: the names of its machines other than this one, which may have several of its nodes.
    """

    def __init__(self, count: int, plan: str) -> None:
        ray = cluster.package()
        resources = ray.cluster_resources()
        cores, gpus = int(resources.get("CPU", 1)), resources.get("GPU", 0.0)
        self.threads = pool.share(count, cores)
        names = {node["NodeManagerHostname"] for node in ray.nodes() if node["Alive"]}
        self.elsewhere = sorted(names - {socket.gethostname()})
        self._needs = {"num_cpus": min(self.threads, cores), "num_gpus": min(1.0, gpus / count) if gpus else 0}
        self._plan = plan
        if count > cores:
            log.warning("%d workers on a cluster of %d cores: some wait until others have ended", count, cores)

    def start(self, job: Job) -> Task:
        """A worker somewhere in the cluster, with its share of the cores."""
        return Task(replace(job, threads=job.threads or self.threads), self._plan, self._needs)


@contextlib.contextmanager
def connected(address: str | None, count: int, plan: str) -> Iterator[Cluster]:
    """A running cluster at an address ("auto" finds it); one of our own, as long as this lasts, where that is None.

    Raises ConfigError where Ray is not installed or nothing runs at the address.
    """
    with cluster.connected(address, count, "sweep.address"):
        yield Cluster(count, plan)


class Task:
    """A worker that a Ray task looks after."""

    def __init__(self, job: Job, plan: str, needs: dict[str, Any]) -> None:
        ray = cluster.package()
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )  # elsewhere it would be lost with a machine that a worker need not run on
        self._flag = ray.remote(num_cpus=0, scheduling_strategy=here)(_Flag).remote()
        # Ray must not start it again by itself: who is restarted how often is counted in one place.
        work = ray.remote(max_retries=0, **needs)(_work)
        self._task = work.remote(job.text(), plan, str(Path.cwd()), self._flag)
        self._output: list[str] = []

    def poll(self) -> int | None:
        ray, errors = cluster.package(), cluster.package().exceptions
        if not ray.wait([self._task], timeout=0)[0]:
            return None
        try:
            code, self._output = ray.get(self._task)
        except (errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError):
            return -signal.SIGKILL  # the last: Ray ends a task before the machine's memory is used up
        except errors.RayError as problem:
            self._output = [str(problem).strip().splitlines()[-1]]
            return 1
        return int(code)

    def stop(self) -> None:
        self._flag.raise_.remote()

    def kill(self) -> None:
        """The task at once; the worker, whose starter is gone then, hands its trial over and ends."""
        cluster.package().cancel(self._task, force=True)

    def output(self) -> list[str]:
        return self._output


class _Flag:
    """Says in every process of the cluster that it is time to stop."""

    def __init__(self) -> None:
        self._up = False

    def raise_(self) -> None:
        self._up = True

    def up(self) -> bool:
        return self._up


def _work(text: str, plan: str, cwd: str, flag: Any) -> tuple[int, list[str]]:
    """What a task does: start a worker, pass on that it is to stop, give its exit code and what it wrote."""
    ray = cluster.package()
    job = read(text)
    folder = Path(job.folder)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / FILE).exists() or (folder / FILE).read_text("utf-8") != plan:  # a machine that shares no folder
        files.write(folder / FILE, plan)
    with contextlib.suppress(OSError):
        os.chdir(cwd)  # data may be named from there
    worker = Process(job)
    stopping = False
    try:
        while (code := worker.poll()) is None:
            time.sleep(pool.LOOK)
            if not stopping and ray.get(flag.up.remote()):
                worker.stop()
                stopping = True
    except BaseException:  # the driver is gone, or the task was cancelled
        worker.stop()
        raise
    return code, worker.output()[-2:]
