"""From figures to the words that a textbook uses: every rule is stated beside the function that follows it.

The limits were set before anything was measured, and are the same for every architecture.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from tsforge.evaluation.significance import Verdict


class Aspect(StrEnum):
    """What a textbook compares architectures by, in the order of the table."""

    PARALLEL = "Parallelisation"
    REACH = "Long-range dependencies"
    SPEED = "Training speed"
    MEMORY = "Memory"
    ACCURACY = "Accuracy"


class Word(StrEnum):
    """What a figure is called."""

    YES = "✓"
    NO = "✗"
    PARTLY = "partly"
    NONE = "none"
    WEAK = "weak"
    FAIR = "fair"
    GOOD = "good"
    EXCELLENT = "excellent"
    FAST = "fast"
    SLOW = "slow"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    BEST = "best"
    LEVEL = "level"
    WORSE = "worse"
    UNSURE = "unsure"
    UNKNOWN = "–"

    @property
    def tone(self) -> Tone:
        """How it is coloured: for what it says, not for whom it says it of."""
        return next((tone for tone, words in _TONES.items() if self in words), "plain")


Tone = Literal["good", "fair", "poor", "plain"]
_TONES: dict[Tone, tuple[Word, ...]] = {
    "good": (Word.YES, Word.EXCELLENT, Word.GOOD, Word.FAST, Word.LOW, Word.BEST, Word.LEVEL),
    "fair": (Word.PARTLY, Word.FAIR, Word.MEDIUM),
    "poor": (Word.NO, Word.NONE, Word.WEAK, Word.SLOW, Word.HIGH, Word.WORSE),
}
YES, NO, PARTLY, UNKNOWN = Word.YES, Word.NO, Word.PARTLY, Word.UNKNOWN

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
TEXTBOOK: dict[Aspect, dict[str, Word]] = {
    Aspect.PARALLEL: {"rnn": NO, "lstm": NO, "gru": NO, "transformer": YES},
    Aspect.REACH: {"rnn": Word.WEAK, "lstm": Word.GOOD, "gru": Word.GOOD, "transformer": Word.EXCELLENT},
    Aspect.SPEED: {"rnn": Word.SLOW, "lstm": Word.SLOW, "gru": Word.SLOW, "transformer": Word.FAST},
    Aspect.MEMORY: {"rnn": Word.LOW, "lstm": Word.MEDIUM, "gru": Word.MEDIUM, "transformer": Word.HIGH},
}
_SURE = {Verdict.WORSE: Word.WORSE, Verdict.BETTER: Word.LEVEL, Verdict.LEVEL: Word.LEVEL, Verdict.TOO_FEW: Word.UNSURE}


def parallel(exponent: float) -> Word:
    """Of a growth in L at a constant number of tokens."""
    if math.isnan(exponent):
        return UNKNOWN
    if exponent <= 0.25:
        return YES
    return NO if exponent >= 0.75 else PARTLY


def reach(lag: float) -> Word:
    """Of the longest lag solved."""
    if math.isnan(lag):
        return UNKNOWN
    limits = ((10, Word.NONE), (30, Word.WEAK), (100, Word.FAIR), (300, Word.GOOD))
    return next((word for limit, word in limits if lag < limit), Word.EXCELLENT)


def fast(pace: Mapping[str, float]) -> dict[str, Word]:
    """Of windows per second, by model."""
    most = max((value for value in pace.values() if math.isfinite(value)), default=math.nan)
    limits = ((2 / 3, Word.FAST), (1 / 3, Word.MEDIUM))
    return {model: _graded(_share(value, most), limits, Word.SLOW) for model, value in pace.items()}


def lean(size: Mapping[str, float]) -> dict[str, Word]:
    """Of bytes, by model."""
    least = min((value for value in size.values() if math.isfinite(value)), default=math.nan)
    limits = ((1 / 1.5, Word.LOW), (1 / 3, Word.MEDIUM))
    return {model: _graded(_share(least, value), limits, Word.HIGH) for model, value in size.items()}


def accurate(model: str, best: str, verdict: Verdict | None) -> Word:
    """Of a mean over seeds. verdict: that of the paired test against the best; None where there is no test."""
    if model == best:
        return Word.BEST
    return UNKNOWN if verdict is None else _SURE[verdict]


def book(aspect: Aspect, model: str) -> Word | None:
    """What the textbook says of a model, or of the family in its name; None where it says nothing.

    A minimal net has the name of another family with "min" before it: it is younger than the textbook, and made not to
    be what that says.
    """
    families, parts = TEXTBOOK.get(aspect, {}), model.split("-")
    return None if "min" in parts else next((families[part] for part in parts if part in families), None)


def _share(part: float, whole: float) -> float:
    """NaN where either is no figure."""
    return part / whole if math.isfinite(part) and math.isfinite(whole) and whole > 0 else math.nan


def _graded(share: float, limits: tuple[tuple[float, Word], ...], rest: Word) -> Word:
    if math.isnan(share):
        return UNKNOWN
    return next((word for limit, word in limits if share >= limit * (1 - 1e-9)), rest)
