"""Threads: how many there are, several pieces of work at once, and how many of them torch computes with.

numpy and torch let other threads in while they compute.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """The number of threads to use: OMP_NUM_THREADS, which torch heeds too, else the cores this process may run on."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def threads(count: int) -> Iterator[None]:
    """torch computes with `count` threads inside, and with as many as before outside."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def each(work: Callable[[Item], Result], items: Iterable[Item], count: int) -> list[Result]:
    """The result for every item, in their order, from `count` threads.

    The first error is raised once the pieces begun have ended.
    """
    items = list(items)
    if min(count, len(items)) < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(min(count, len(items)), thread_name_prefix="tsforge") as pool:
        return list(pool.map(work, items))


def blank(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Zeros in single precision, written by several threads: new memory costs more than what is computed in it."""
    zeros = np.empty(shape, dtype=np.float32)
    each(lambda part: part.fill(0), np.array_split(zeros.reshape(-1), cores()), cores())
    return zeros
