"""Threads: several pieces of work at once, and how many threads torch computes with.

numpy and torch let other threads in while they compute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


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
