"""How unusual is a score? P-values from the scores of normal times, beyond the largest of them too.

Among n scores of normal times and a new one like them all ranks are equally likely, so that (1 + how many are as large)
/ (n + 1) is its p-value, whatever the distribution (Vovk, Gammerman & Shafer 2005). Of the k largest, what exceeds the
next smaller score u is taken as exponential, as the tails of most distributions are a little way out (Pickands 1975).
Of k such excesses with sum s and a new one x, P(new > x) = (1 + x / s)^-k exactly, as a ratio of them is F-distributed:

    p(z) = (k + 1) / (n + 1) · (1 + (z - u) / s)^-k        for z > u

With few scores this is wide, as it must be: a tail known from eight excesses is not known well.
"""

from __future__ import annotations

import bisect
import math
from collections import deque
from collections.abc import Iterable
from statistics import fmean

LEAST = 40  # scores before anything is judged
MOST = 5000  # the newest of them are kept
FEWEST, POWER = 8, 0.4  # k is n^0.4: the tail that is extrapolated is the outer one, also of heavy tails
DOUBT = 0.05  # chance that scores without an outlier lose one


class Tail:
    """The scores of one series and target, the newest last."""

    def __init__(self, scores: Iterable[float] = ()) -> None:
        self.recent = deque(scores, maxlen=MOST)
        self._ordered = sorted(self.recent)

    def __len__(self) -> int:
        return len(self._ordered)

    @property
    def ready(self) -> bool:
        """Whether there are enough scores to judge by."""
        return len(self) >= LEAST

    def add(self, score: float) -> None:
        """One more score of a normal time; the oldest goes where there are too many."""
        if len(self.recent) == MOST:
            del self._ordered[bisect.bisect_left(self._ordered, self.recent[0])]
        self.recent.append(score)
        bisect.insort(self._ordered, score)

    def p(self, score: float) -> float:
        """The chance of a score as large in normal times."""
        return _p(self._ordered, score)

    def border(self, rate: float) -> float:
        """The score whose p-value is `rate`."""
        n = len(self)
        k, u, s = _outer(self._ordered)
        share = (k + 1) / (n + 1)
        if rate >= share:
            return self._ordered[max(0, math.ceil((n + 1) * (1 - rate)) - 1)]
        return float(u + s * ((share / rate) ** (1 / k) - 1))


def clean(scores: Iterable[float]) -> list[float]:
    """Scores, in their order, without those so large that they are hardly of normal times.

    From the inside outwards each of the largest is judged by those below it; the first that is too unusual for the
    largest of so many goes, and all above it. Few are looked at: a twentieth of them at most.
    """
    given = list(scores)
    ordered = sorted(given)
    n = len(ordered)
    for j in range(n - n // 20, n):
        if j > FEWEST and _p(ordered[:j], ordered[j]) < DOUBT / n:
            return [score for score in given if score < ordered[j]]
    return given


def _outer(ordered: list[float]) -> tuple[int, float, float]:
    """(k, the score below the k largest, the sum of what they exceed it by)."""
    n = len(ordered)
    k = min(max(FEWEST, int(n**POWER)), n - 1)
    top = ordered[n - k :]
    u = ordered[n - k - 1]
    return k, u, max(k * (fmean(top) - u), 1e-12 * max(abs(u), 1.0))


def _p(ordered: list[float], score: float) -> float:
    n = len(ordered)
    k, u, s = _outer(ordered)
    if score <= u:
        return (n - bisect.bisect_left(ordered, score) + 1) / (n + 1)
    return float((k + 1) / (n + 1) * (1 + (score - u) / s) ** -k)
