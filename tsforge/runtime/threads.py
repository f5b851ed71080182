"""Threads: several pieces of work at once, and how many threads torch computes with.

numpy and torch let other threads in while they compute.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

TIMES = 6  # pieces by which a count is judged
OUT = 4.0  # times the best pace: what a count is out for at once
NEARLY = 1.05  # of the best pace: as good with fewer threads
WINDOW = 20  # pieces whose median is the pace
FIRST_LOOK, LATER = 300, 4  # pieces until counts are compared again, and so many times more each time they stay


_SPARED: ContextVar[int | None] = ContextVar("spared", default=None)  # threads that torch has outside of `sparing`


@contextmanager
def threads(count: int) -> Iterator[None]:
    """torch computes with `count` threads inside, and with as many as before outside."""
    import torch

    before, spared = torch.get_num_threads(), _SPARED.set(None)
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        _SPARED.reset(spared)


@contextmanager
def sparing() -> Iterator[None]:
    """torch computes with one thread inside, but for what asks how many are `available`.

    Of many small steps several threads win little, and beside a busy neighbour they wait for each other at every one.
    """
    count = available()
    with threads(1):
        spared = _SPARED.set(count)
        try:
            yield
        finally:
            _SPARED.reset(spared)


def available() -> int:
    """The threads there are to compute with: those of torch, also where they are spared."""
    import torch

    return _SPARED.get() or torch.get_num_threads()


def each(work: Callable[[Item], Result], items: Iterable[Item], count: int) -> list[Result]:
    """The result for every item, in their order, from `count` threads.

    The first error is raised once the pieces begun have ended.
    """
    items = list(items)
    if min(count, len(items)) < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(min(count, len(items)), thread_name_prefix="tsforge") as pool:
        return list(pool.map(work, items))


class ThreadCount:
    """How many threads a piece of work that is done again and again computes with: measured, then measured again.

    The first pieces are done with 1, 2, 4, ... threads in turn, and the fastest count is kept. A count is out as soon
    as one piece with it takes several times as long as with another: threads that wait for each other beside a busy
    neighbour can take twenty times as long. Counts are compared anew where the pace of several threads falls to half
    of what it was, and now and then, as a neighbour may have gone.

    counts: to choose from, ascending; of a single one nothing is measured.
    use: what sets the count, called with it.
    """

    def __init__(self, counts: Sequence[int], use: Callable[[int], None]) -> None:
        self.counts = counts
        self.taken: list[int] = []  # what was settled for, one after the other
        self._use = use
        self._start = 0.0
        self._pieces = 0  # since the counts were last compared
        self._next_look: float = FIRST_LOOK
        self._pace = math.inf
        self._window: list[float] = []
        self._trial: dict[int, list[float]] = {}
        self._compare()

    def resume(self, taken: Sequence[int]) -> None:
        """Go on with what another process settled for last; looked at again only where the pace falls by half."""
        if not taken or taken[-1] not in self.counts:
            return
        self.taken, self._count = list(taken), taken[-1]
        self._trial, self._next_look = {}, math.inf
        self._use(self._count)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """A piece of work."""
        self.begin()
        yield
        self.end()

    def begin(self) -> None:
        """A piece of work begins."""
        self._start = time.perf_counter()

    def end(self) -> None:
        """It has ended."""
        self.after(time.perf_counter() - self._start)

    def after(self, seconds: float) -> None:
        """A piece has taken so long with the count in use."""
        if self._trial:
            self._try(seconds)
        elif len(self.counts) > 1:
            self._watch(seconds)

    def _compare(self) -> None:
        """Begin to compare the counts, from the one that was taken last."""
        last = self.taken[-1:]
        order = [*last, *(count for count in self.counts if count not in last)]
        self._trial = {count: [] for count in order} if len(order) > 1 else {}
        self._count = order[0]
        if not self._trial and not self.taken:
            self.taken.append(self._count)
        self._use(self._count)

    def _try(self, seconds: float) -> None:
        trial = self._trial
        trial[self._count].append(seconds)
        best = min(_usual(times) for times in trial.values() if times)
        if seconds > OUT * best:
            del trial[self._count]
        left = [count for count, times in trial.items() if len(times) < TIMES]
        if len(trial) < 2 or not left:
            self._settle()
            return
        # In pairs, of which the first wakes the threads up; the count with the fewest is next.
        stay = self._count in left and len(trial[self._count]) % 2
        self._count = self._count if stay else min(left, key=lambda count: len(trial[count]))
        self._use(self._count)

    def _settle(self) -> None:
        """Take the fastest; fewer threads where more are hardly faster."""
        paces = {count: _usual(times) for count, times in self._trial.items()}
        least = min(paces.values())
        self._count = min(count for count, pace in paces.items() if pace <= NEARLY * least)
        same = self.taken[-1:] == [self._count]
        self._next_look = self._next_look * LATER if same else FIRST_LOOK
        if not same:
            self.taken.append(self._count)
        self._pace, self._pieces, self._window, self._trial = paces[self._count], 0, [], {}
        self._use(self._count)

    def _watch(self, seconds: float) -> None:
        self._pieces += 1
        self._window.append(seconds)
        slow = False
        if len(self._window) == WINDOW:
            pace = statistics.median(self._window)
            slow = pace > 2 * self._pace and self._count > self.counts[0]
            self._pace, self._window = min(pace, self._pace), []
        if slow or self._pieces >= self._next_look:
            self._compare()


@contextmanager
def measured(wanted: int | Literal["auto"]) -> Iterator[ThreadCount]:
    """torch computes with so many threads inside, or with what is measured of 1, 2, 4, ... up to those available."""
    import torch

    before = torch.get_num_threads()
    try:
        yield ThreadCount(powers(available()) if wanted == "auto" else [wanted], torch.set_num_threads)
    finally:
        torch.set_num_threads(before)


def powers(most: int) -> list[int]:
    """1, 2, 4, ... and the most itself."""
    return sorted({most, *(2**k for k in range(most.bit_length()) if 2**k <= most)})


def _usual(times: list[float]) -> float:
    """The median without the first, which wakes threads up, where there are others: so that a few more do not count."""
    return statistics.median(times[1:] or times)
