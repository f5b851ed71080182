"""Two trainings in turns: some steps of a program, then as many of the floor, and so on.

A busy moment of the machine hits both alike, so that the ratio of a pair holds where seconds do not.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


class Missing(Exception):  # noqa: N818 (nothing went wrong)
    """A program has no such model. Not in `program`, which is run as a script and then is another module."""


class Enough(Exception):  # noqa: N818 (nothing went wrong)
    """Ends a training that was only timed."""


@dataclass
class Pace:
    """Called after steps of a program's training, it lets the floor make as many, and times both.

    floor: makes so many steps.
    size: steps of a turn.
    pairs: turns of both that count.
    warm: turns before them, in which threads and memory settle.
    clock: seconds; of the processor where one thread computes and other programs are busy.
    own, other: milliseconds a step of the program and of the floor, one for each pair.
    """

    floor: Callable[[int], object]
    size: int = 20
    pairs: int = 9
    warm: int = 2
    clock: Callable[[], float] = time.perf_counter
    own: list[float] = field(default_factory=list)
    other: list[float] = field(default_factory=list)
    _turns: int = 0
    _steps: int = 0
    _mark: float | None = None

    @property
    def enough(self) -> bool:
        """Whether all pairs are there."""
        return len(self.own) >= self.pairs

    def pair(self, milliseconds: float) -> bool:
        """A turn of the program ended, its steps took so long: now the floor; whether there are enough pairs."""
        begin = self.clock()
        self.floor(self.size)
        self._turns += 1
        if self._turns > self.warm:
            self.own.append(milliseconds)
            self.other.append(1e3 * (self.clock() - begin) / self.size)
        return self.enough

    def after_step(self) -> bool:
        """Called after every step of a program that makes no turns by itself: whether there are enough pairs."""
        self._steps += 1
        if self._mark is None:
            self.restart()
        elif self._steps == self.size:
            self.pair(1e3 * (self.clock() - self._mark) / self.size)
            self.restart()
        return self.enough

    def restart(self) -> None:
        """A turn of the program begins now."""
        self._mark, self._steps = self.clock(), 0

    def result(self, batch: int) -> dict[str, Any]:
        """Medians, the share of the floor's windows/s with its range, and every pair."""
        shares = [floor / own for own, floor in zip(self.own, self.other, strict=True)]
        return {
            "ms": statistics.median(self.own), "floor_ms": statistics.median(self.other),
            "share": statistics.median(shares), "least": min(shares), "most": max(shares),
            "windows_per_second": 1e3 * batch / statistics.median(self.own),
            "pairs": [self.own, self.other],
        }  # fmt: skip


def lightning_callback(base: type, pace: Pace) -> Any:
    """A callback of a Lightning Trainer that keeps the pace, and stops it when there are enough pairs.

    base: the Callback class of that program's Lightning; there are two packages of it.
    """

    class Turns(base):  # type: ignore[misc]
        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            if pace.after_step():
                trainer.should_stop = True

        def on_validation_end(self, *_: Any) -> None:
            pace.restart()

    return Turns()
