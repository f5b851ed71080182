"""Who does the work of a sweep: processes of this machine, or tasks of a Ray cluster."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tsforge.errors import ConfigError, listing
from tsforge.model.zoo import own_parts
from tsforge.runtime import cluster, plugins
from tsforge.sweeping.config import Plan
from tsforge.sweeping.workers import gpus, ray
from tsforge.sweeping.workers.job import Job
from tsforge.sweeping.workers.pool import WorkerPool, share


def check(plan: Plan) -> None:
    """Raises ConfigError, before anything is begun, where the engine is not installed, or workers could not import what
    users have added."""
    for base in plan.bases.values():
        plugins.check_shared(own_parts(base.model))
    plugins.check_shared(("metric", name.removeprefix("val/")) for name in plan.sweep.objectives)
    if plan.sweep.engine == "ray":
        cluster.package()


@contextlib.contextmanager
def workers(plan: Plan, jobs: Sequence[Job]) -> Iterator[WorkerPool]:
    """Workers that have begun, each with its share of the cores and of a GPU; they are gone when this ends.

    Refits are done on this machine, where their study lies. Raises ConfigError where an engine cannot be had.
    """
    if plan.sweep.engine == "ray" and not jobs[0].refit:
        with ray.connected(plan.sweep.address, len(jobs), plan.json_text()) as found:
            if found.elsewhere and jobs[0].url is None:
                text = f"the cluster has other machines ({listing(found.elsewhere)})"
                hint = "name a database with `storage` postgresql+psycopg://..."
                raise ConfigError(f"{text}, and a study in a folder is for this one alone", hint)
            with WorkerPool(jobs, found.start) as pool:
                yield pool
        return
    threads = share(len(jobs), os.cpu_count() or 1)
    threaded = [replace(job, threads=job.threads or threads) for job in jobs]
    with WorkerPool(gpus.spread(threaded, gpus.available(plan.first.train.device))) as pool:
        yield pool
