"""Is one forecaster better than another? Paired over windows, beyond what chance explains.

The test of Diebold & Mariano (1995), "Comparing predictive accuracy", with the small-sample correction of Harvey,
Leybourne & Newbold (1997): with n loss differences d of forecasts that overlap over h origins,

    S = d̄ / sqrt((γ₀ + 2 Σ_{k<h} γ_k) / n) · sqrt((n + 1 - 2h + h(h - 1)/n) / n),   against Student's t with n - 1

where γ_k are the autocovariances of d. If their sum is not above 0, they are weighted down linearly (Bartlett), which
makes it so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

import numpy as np

from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.quantiles import Floats, Ints

LEVEL = 0.05  # below which a difference is believed
LEAST = 4  # differences that a test needs
LEAST_OVERLAPS = 10  # times the overlap, where windows overlap: with fewer it finds too much (size 13 % at 5)


class Verdict(StrEnum):
    """What may be claimed of the first of two forecasters."""

    BETTER = "better"
    WORSE = "worse"
    LEVEL = "no difference to be told"
    TOO_FEW = "too few to tell"


@dataclass(frozen=True)
class Paired:
    """The difference of a score, the first less the second, and how sure it is.

    p: two-sided; NaN where there are too few differences.
    count: loss differences behind it.
    of: what they belong to: origins (means over series), or series where each has one origin.
    """

    difference: float
    p: float
    count: int
    of: Literal["origins", "series"]

    @property
    def verdict(self) -> Verdict:
        """That of the first, for a score of which lower is better."""
        if math.isnan(self.p):
            return Verdict.TOO_FEW
        if self.p >= LEVEL:
            return Verdict.LEVEL
        return Verdict.BETTER if self.difference < 0 else Verdict.WORSE

    def turned(self) -> Paired:
        """The second against the first."""
        return replace(self, difference=-self.difference)


def paired(gaps: list[Floats], outcomes: list[Outcome]) -> Paired:
    """Compare two forecasters by differences of an error of which lower is better.

    gaps: (W,) for each outcome, the first's error of a window less the second's; NaN where there is none. Errors of a
        forecaster that was trained with several seeds are their means.
    outcomes: whose windows these are; several where series come in groups.

    Differences of one origin are averaged over series; where each series has one origin (or series come in groups),
    those of a series are. Then it is the t-test over series, which says nothing of other times.
    """
    observed = [~np.isnan(gap) for gap in gaps]
    gaps = [gap[rows] for gap, rows in zip(gaps, observed, strict=True)]
    if not sum(map(len, gaps)):
        return Paired(math.nan, math.nan, 0, "origins")
    series = [o.series[rows] for o, rows in zip(outcomes, observed, strict=True)]
    per_series = [_means(gap, s)[1] for gap, s in zip(gaps, series, strict=True)]
    count = sum(map(len, per_series))
    if len(outcomes) > 1 or (count > 1 and count == len(gaps[0])):
        sample = np.concatenate(per_series)
        return Paired(float(sample.mean()), diebold_mariano(sample, 1), len(sample), "series")
    first = outcomes[0]
    times, sample = _means(gaps[0], first.time[observed[0]])
    stride = int(np.diff(times).min()) if len(times) > 1 else 1
    overlap = -(-first.truth.shape[1] // stride)
    return Paired(float(sample.mean()), diebold_mariano(sample, overlap), len(sample), "origins")


def _means(values: Floats, by: Ints) -> tuple[Ints, Floats]:
    """(the keys, ascending; the mean of the values of each)."""
    keys, position = np.unique(by, return_inverse=True)
    return keys, np.bincount(position, weights=values) / np.bincount(position)


def diebold_mariano(d: Floats, overlap: int) -> float:
    """The two-sided p-value that the mean of loss differences d (n,), in the order of time, is 0.

    overlap: h, how many neighbouring origins share steps (1 where windows are apart). NaN with fewer than 4
    differences, or fewer than 10 h where they overlap; 1 where nothing differs.
    """
    from scipy.special import stdtr  # as scipy.stats.t.sf has it, whose import takes half a second

    n, h = len(d), overlap
    if n < LEAST or (h > 1 and n < LEAST_OVERLAPS * h):
        return math.nan
    factor = (n + 1 - 2 * h + h * (h - 1) / n) / n
    off = d - d.mean()
    covariance = np.array([off[k:] @ off[: n - k] / n for k in range(h)])
    variance = covariance[0] + 2 * covariance[1:].sum()
    if variance <= 0:
        variance = covariance[0] + 2 * ((1 - np.arange(1, h) / h) * covariance[1:]).sum()
    if variance <= 1e-12 * float(np.square(d).mean()):
        return 1.0 if not d.any() else 0.0
    return float(2 * stdtr(n - 1, -abs(d.mean()) / math.sqrt(variance / n) * math.sqrt(factor)))
