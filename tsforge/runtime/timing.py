"""How long a piece of work takes, measured by doing it several times."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

Name = TypeVar("Name", bound=Hashable)


def rounds(
    works: Mapping[Name, Callable[[], object]], count: int, *, device: str = "cpu", limit: float = math.inf
) -> dict[Name, list[float]]:
    """Seconds that every piece of work takes in each round.

    In a round all pieces take turns, so that a busy moment of the machine hits all alike.

    count: rounds.
    device: on "cuda" a piece ends when the GPU has done what was asked of it.
    limit: seconds after which no further round begins.
    """
    seconds: dict[Name, list[float]] = {name: [] for name in works}
    start = time.perf_counter()
    for _ in range(count):
        for name, work in works.items():
            begin = time.perf_counter()
            work()
            if device == "cuda":
                import torch

                torch.cuda.synchronize()
            seconds[name].append(time.perf_counter() - begin)
        if time.perf_counter() - start > limit:
            break
    return seconds


def best(work: Callable[[], object], count: int, *, device: str = "cpu", limit: float = math.inf) -> float:
    """Seconds of the fastest of several `rounds` of a piece of work, which a busy machine disturbs least."""
    return min(rounds({"": work}, count, device=device, limit=limit)[""])
