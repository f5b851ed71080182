"""Who does the work of a sweep: processes of this machine, or tasks of a Ray cluster."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tsforge.errors import ConfigError, listing
from tsforge.sweeping.config import Plan
from tsforge.sweeping.workers import gpus, ray
from tsforge.sweeping.workers.job import Orders
from tsforge.sweeping.workers.pool import Crew, share


def check(plan: Plan) -> None:
    """Raises ConfigError, before anything is begun, where the engine is not installed."""
    if plan.sweep.engine == "ray":
        ray.package()


@contextlib.contextmanager
def crew(plan: Plan, orders: Sequence[Orders]) -> Iterator[Crew]:
    """Workers that have begun, each with its share of the cores and of a GPU; they are gone when this ends.

    Refits are done on this machine, where their study lies. Raises ConfigError where an engine cannot be had.
    """
    if plan.sweep.engine == "ray" and not orders[0].refit:
        with ray.connected(plan.sweep.address, len(orders), plan.json_text()) as found:
            if found.elsewhere and orders[0].url is None:
                raise ConfigError(
                    f"the cluster has other machines ({listing(found.elsewhere)}), "
                    "and a study in a folder is for this one alone",
                    "name a database with `storage` postgresql+psycopg://...",
                )
            with Crew(orders, found.start) as made:
                yield made
        return
    threads = share(len(orders), os.cpu_count() or 1)
    threaded = [replace(one, threads=one.threads or threads) for one in orders]
    device = next(iter(plan.bases.values())).train.device
    with Crew(gpus.spread(threaded, gpus.found(device))) as made:
        yield made
