"""From figures to the words that a textbook uses: every rule is stated beside the function that follows it.

The limits were set before anything was measured, and are the same for every architecture.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

YES, NO, PARTLY, UNKNOWN = "✓", "✗", "partly", "–"

PARALLEL = "✓ where the exponent is at most 0.25, ✗ from 0.75 on, partly in between"
REACH = "none below a lag of 10, weak below 30, fair below 100, good below 300, excellent from 300 on"
FAST = "fast from two thirds of the fastest on, medium from one third on, else slow"
LEAN = "low up to 1.5 times the least, medium up to 3 times, else high"
ACCURATE = (
    "best: the lowest mean over seeds; level: a paired test over windows finds no difference from the best "
    "(p ≥ 0.05); worse: it finds one; unsure: too few windows to tell"
)

# What the textbook's table says: Vaswani et al. 2017, table 1 and section 4, and the usual reading of Bengio et al.
# 1994 and Hochreiter & Schmidhuber 1997 on how far recurrent nets reach.
TEXTBOOK: dict[str, dict[str, str]] = {
    "Parallelisation": {"rnn": NO, "lstm": NO, "gru": NO, "transformer": YES},
    "Long-range dependencies": {"rnn": "weak", "lstm": "good", "gru": "good", "transformer": "excellent"},
    "Training speed": {"rnn": "slow", "lstm": "slow", "gru": "slow", "transformer": "fast"},
    "Memory": {"rnn": "low", "lstm": "medium", "gru": "medium", "transformer": "high"},
}


def parallel(exponent: float) -> str:
    """Of a growth in L at a constant number of tokens."""
    if math.isnan(exponent):
        return UNKNOWN
    if exponent <= 0.25:
        return YES
    return NO if exponent >= 0.75 else PARTLY


def reach(lag: float) -> str:
    """Of the longest lag solved."""
    if math.isnan(lag):
        return UNKNOWN
    for limit, word in ((10, "none"), (30, "weak"), (100, "fair"), (300, "good")):
        if lag < limit:
            return word
    return "excellent"


def fast(pace: Mapping[str, float]) -> dict[str, str]:
    """Of windows per second, by model."""
    most = max((value for value in pace.values() if math.isfinite(value)), default=math.nan)
    limits = ((2 / 3, "fast"), (1 / 3, "medium"))
    return {model: _graded(_share(value, most), limits, "slow") for model, value in pace.items()}


def lean(size: Mapping[str, float]) -> dict[str, str]:
    """Of bytes, by model."""
    least = min((value for value in size.values() if math.isfinite(value)), default=math.nan)
    limits = ((1 / 1.5, "low"), (1 / 3, "medium"))
    return {model: _graded(_share(least, value), limits, "high") for model, value in size.items()}


def accurate(model: str, best: str, verdict: str | None) -> str:
    """Of a mean over seeds. verdict: that of the paired test against the best."""
    if model == best:
        return "best"
    words = {"worse": "worse", "better": "level", "no difference to be told": "level", "too few to tell": "unsure"}
    return words.get(verdict or "", UNKNOWN)


def book(aspect: str, model: str) -> str | None:
    """What the textbook says of a model, or of the family in its name; None where it says nothing.

    A minimal net has the name of another family with "min" before it: it is younger than the textbook, and made not to
    be what that says.
    """
    said, words = TEXTBOOK.get(aspect, {}), model.split("-")
    return None if "min" in words else next((said[word] for word in words if word in said), None)


def _share(part: float, whole: float) -> float:
    """NaN where either is no figure."""
    return part / whole if math.isfinite(part) and math.isfinite(whole) and whole > 0 else math.nan


def _graded(share: float, limits: tuple[tuple[float, str], ...], rest: str) -> str:
    if math.isnan(share):
        return UNKNOWN
    return next((word for limit, word in limits if share >= limit * (1 - 1e-9)), rest)
