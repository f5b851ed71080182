"""Several pieces of work at once, in threads: numpy and torch let others in while they compute."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """How many threads this process may use: OMP_NUM_THREADS, which torch heeds too, else the cores it may run on."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each(work: Callable[[Item], Result], items: Iterable[Item], threads: int) -> list[Result]:
    """What comes of every item, in their order. The first error is raised once the pieces begun have ended."""
    items = list(items)
    if min(threads, len(items)) < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(min(threads, len(items)), thread_name_prefix="tsforge") as pool:
        return list(pool.map(work, items))


@contextmanager
def threads(count: int) -> Iterator[None]:
    """torch computes with so many threads inside, and with as many as before outside."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
