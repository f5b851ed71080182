"""Is one forecaster better than another? Paired over windows, beyond what chance explains.

The test of Diebold & Mariano (1995), "Comparing predictive accuracy", with the small-sample correction of Harvey,
Leybourne & Newbold (1997): with n loss differences d of forecasts that overlap over h origins,

    S = d̄ / sqrt((γ₀ + 2 Σ_{k<h} γ_k) / n) · sqrt((n + 1 - 2h + h(h - 1)/n) / n),   against Student's t with n - 1

where γ_k are the autocovariances of d. If their sum is not above 0, they are weighted down linearly (Bartlett), which
makes it so.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

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


@dataclass(frozen=True)
class Differences:
    """Differences of an error between two forecasters over some windows, small enough to be kept and added up.

    times, sums, counts: (T,) each, of every forecast origin its grid position, the differences summed, how many.
    series: count, mean and squared deviations from it of the means of each series.
    windows: how many have a difference.
    horizon: steps of a window.
    """

    times: Ints
    sums: Floats
    counts: Floats
    series: tuple[int, float, float]
    windows: int
    horizon: int

    def plus(self, other: Differences) -> Differences:
        """With those of windows of other series."""
        times, place = np.unique(np.concatenate([self.times, other.times]), return_inverse=True)
        sums, counts = (
            np.asarray(np.bincount(place, weights=np.concatenate(values)), dtype=np.float64)
            for values in ((self.sums, other.sums), (self.counts, other.counts))
        )
        series, windows = _pooled(self.series, other.series), self.windows + other.windows
        return Differences(times, sums, counts, series, windows, max(self.horizon, other.horizon))


def differences(gap: Floats, o: Outcome) -> Differences:
    """Differences of an error, the first forecaster's less the second's, (W,), NaN where there is none.

    o: whose windows these are.
    """
    observed = ~np.isnan(gap)
    gap = gap[observed]
    times, sums, counts = _summed(gap, o.time[observed])
    _, totals, windows = _summed(gap, o.series[observed])
    means = totals / windows
    mean = float(means.mean()) if len(means) else 0.0
    series = len(means), mean, float(np.square(means - mean).sum())
    return Differences(times, sums, counts, series, len(gap), o.truth.shape[1])


def paired(gaps: list[Floats], outcomes: list[Outcome]) -> Paired:
    """Compare two forecasters by differences of an error of which lower is better.

    gaps: (W,) for each outcome, the first's error of a window less the second's; NaN where there is none. Errors of a
        forecaster that was trained with several seeds are their means.
    outcomes: whose windows these are; several where series come in groups.

    Differences of one origin are averaged over series; where each series has one origin (or series come in groups),
    those of a series are. Then it is the t-test over series, which says nothing of other times.
    """
    return compared([differences(gap, o) for gap, o in zip(gaps, outcomes, strict=True)])


def compared(groups: list[Differences]) -> Paired:
    """As `paired`, of differences that were summed: one where all series have one clock, several for groups of them."""
    windows = sum(group.windows for group in groups)
    if not windows:
        return Paired(math.nan, math.nan, 0, "origins")
    count, mean, squares = functools.reduce(_pooled, [group.series for group in groups])
    if len(groups) > 1 or (count > 1 and count == windows):
        return Paired(mean, _student(count, mean, squares), count, "series")
    first = groups[0]
    sample = first.sums / first.counts
    stride = int(np.diff(first.times).min()) if len(sample) > 1 else 1
    overlap = -(-first.horizon // stride)
    return Paired(float(sample.mean()), diebold_mariano(sample, overlap), len(sample), "origins")


def tellable(series: NDArray[np.integer], time: Ints, horizon: int) -> bool:
    """Whether windows are enough for `paired` to tell anything.

    series, time: of each window, (W,): which series, and the grid position of its origin.
    horizon: steps of a window.
    """
    own, times = np.unique(series), np.unique(time)
    if len(own) > 1 and len(own) == len(series):
        return len(own) >= LEAST
    stride = int(np.diff(times).min()) if len(times) > 1 else 1
    return len(times) >= _least(-(-horizon // stride))


def _least(overlap: int) -> int:
    """How many loss differences a test needs, where so many neighbouring origins share steps."""
    return LEAST if overlap == 1 else LEAST_OVERLAPS * overlap


def _pooled(a: tuple[int, float, float], b: tuple[int, float, float]) -> tuple[int, float, float]:
    """Count, mean and squared deviations of two samples together. (Chan, Golub & LeVeque 1983)"""
    n = a[0] + b[0]
    if not a[0] or not b[0]:
        return a if a[0] else b
    gap = b[1] - a[1]
    return n, a[1] + gap * b[0] / n, a[2] + b[2] + gap**2 * a[0] * b[0] / n


def _summed(values: Floats, by: Ints) -> tuple[Ints, Floats, Floats]:
    """(the keys, ascending; the sum of the values of each; how many these are)."""
    keys, position = np.unique(by, return_inverse=True)
    sums, counts = np.bincount(position, weights=values), np.bincount(position)
    return keys, np.asarray(sums, dtype=np.float64), np.asarray(counts, dtype=np.float64)


def diebold_mariano(d: Floats, overlap: int) -> float:
    """The two-sided p-value that the mean of loss differences d (n,), in the order of time, is 0.

    overlap: h, how many neighbouring origins share steps (1 where windows are apart). NaN with fewer than 4
    differences, or fewer than 10 h where they overlap; 1 where nothing differs.
    """
    n, h = len(d), overlap
    if n < _least(h):
        return math.nan
    factor = (n + 1 - 2 * h + h * (h - 1) / n) / n
    off = d - d.mean()
    covariance = np.array([off[k:] @ off[: n - k] / n for k in range(h)])
    variance = covariance[0] + 2 * covariance[1:].sum()
    if variance <= 0:
        variance = covariance[0] + 2 * ((1 - np.arange(1, h) / h) * covariance[1:]).sum()
    return _p(n, d.mean(), variance, factor, float(np.square(d).mean()))


def _student(n: int, mean: float, squares: float) -> float:
    """The p-value of `diebold_mariano` where nothing overlaps, of squared deviations from the mean."""
    if n < LEAST:
        return math.nan
    return _p(n, mean, squares / n, (n - 1) / n, squares / n + mean**2)


def _p(n: int, mean: float, variance: float, factor: float, size: float) -> float:
    """The two-sided p-value of a mean of n differences. size: their mean square."""
    if variance <= 1e-12 * size:
        return 0.0 if size else 1.0
    return student(abs(mean) / math.sqrt(variance / n) * math.sqrt(factor), n - 1)


def student(t: float, freedom: float) -> float:
    """The two-sided p-value of Student's t, above 0, with so many degrees of freedom."""
    from scipy.special import stdtr  # as scipy.stats.t.sf has it, whose import takes half a second

    return float(2 * stdtr(freedom, -t))
