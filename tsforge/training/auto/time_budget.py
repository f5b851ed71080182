"""The arithmetic of a tournament's time: how long its rungs are, and how many steps fit into a slot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

LEAST = 2.0  # seconds that are always fast for the end
SHARE = 0.9  # of the start (imports, reading), which tells how fast the machine is, fast for the end as well
SAFE = 1.5  # times what scoring is expected to take
LEAST_STEPS = 50  # of a training: with fewer, a candidate says nothing of itself
MARGIN = 1.1  # of a step's time: Lightning's part, and what else is not in the measured one


class Pace(NamedTuple):
    """Seconds of a training step, and of a look at the validation windows."""

    step: float
    validation: float

    def within(self, slot: float, validations: int) -> int:
        """Steps that fit into a slot, beside the validations."""
        return max(0, int((slot - validations * self.validation) / (MARGIN * self.step)))

    def seconds(self, steps: int, validations: int) -> float:
        """What so many steps take."""
        return steps * MARGIN * self.step + validations * self.validation


def reserve(start: float, scoring: float) -> float:
    """Seconds fast for what follows the last training: choosing, calibration, scores, pictures, saving, the record.

    start: what it took until the data were read. scoring: what forecasts of the test windows are expected to take.
    """
    return LEAST + SHARE * start + SAFE * scoring


def rungs(count: int) -> list[int]:
    """Candidates of each rung: the better half goes on, until two are left."""
    sizes = [count]
    while sizes[-1] > 2:
        sizes.append(-(-sizes[-1] // 2))
    return sizes


def share(sizes: list[int], rung: int) -> float:
    """A rung's part of the time that is left when it begins: all alike, but the last one twice as long."""
    return 1.0 if rung == len(sizes) - 1 else 1 / (len(sizes) - rung + 1)


def fitting(paces: Mapping[str, Pace], seconds: float, validations: int) -> tuple[list[str], list[str]]:
    """(candidates that have 50 steps or more in the first rung, those too slow for it), in the given order.

    The slowest goes first, and its time to the others, until all that are left have enough.
    """
    fast, slow = list(paces), []
    while fast:
        slot = seconds * share(rungs(len(fast)), 0) / len(fast)
        steps = {name: paces[name].within(slot, validations) for name in fast}
        slowest = min(fast, key=lambda name: steps[name])
        if steps[slowest] >= LEAST_STEPS:
            break
        fast.remove(slowest)
        slow.append(slowest)
    return fast, [name for name in paces if name in slow]
