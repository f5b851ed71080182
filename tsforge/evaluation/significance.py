"""Is one forecaster better than another? Paired over windows, so that "better" is said only where it is.

The test of Diebold & Mariano (1995), "Comparing predictive accuracy", with the small-sample correction of Harvey,
Leybourne & Newbold (1997): with n loss differences d of forecasts that overlap over h origins,

    S = d̄ / sqrt((γ₀ + 2 Σ_{k<h} γ_k) / n) · sqrt((n + 1 - 2h + h(h - 1)/n) / n),   against Student's t with n - 1

where γ_k are the autocovariances of d. If their sum is not above 0, they are weighted down linearly (Bartlett), which
makes it so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.scores import by_window

LEVEL = 0.05  # below which a difference is believed
LEAST = 4  # differences from which anything is said
LEAST_OVERLAPS = 10  # and how many overlaps where they overlap: with fewer the test finds too much (size 13 % at 5)

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Paired:
    """The difference of a score, the first less the second, and how sure it is.

    count: loss differences behind it, of origins (means over series), or of series where each has one origin.
    p: two-sided; NaN where there are too few.
    """

    difference: float
    p: float
    count: int
    of: str

    @property
    def verdict(self) -> str:
        """What may be said of the first, for a score of which lower is better."""
        if math.isnan(self.p):
            return "too few to tell"
        if self.p >= LEVEL:
            return "no difference to be told"
        return "better" if self.difference < 0 else "worse"


def compare(pairs: list[tuple[Outcome, Outcome]], name: str) -> Paired:
    """Compare two forecasters by a metric of which lower is better, taken per window.

    pairs: their outcomes over the same windows; several where series come in groups. Differences of one origin are
    averaged over series; where each series has one origin (or series come in groups), those of a series are. Then it is
    the t-test over series, which says nothing of other times.
    """
    return paired([by_window(a, name) - by_window(b, name) for a, b in pairs], [a for a, _ in pairs])


def paired(gaps: list[Floats], over: list[Outcome]) -> Paired:
    """The same of differences of errors by window (W,), NaN where there is none, over the windows of an outcome each.

    Where a forecaster was trained with several seeds, its errors are their means.
    """
    seen = [~np.isnan(gap) for gap in gaps]
    gaps = [gap[kept] for gap, kept in zip(gaps, seen, strict=True)]
    if not sum(map(len, gaps)):
        return Paired(math.nan, math.nan, 0, "origins")
    series = [o.series[kept] for o, kept in zip(over, seen, strict=True)]
    per_series = [_means(gap, s)[1] for gap, s in zip(gaps, series, strict=True)]
    count = sum(map(len, per_series))
    if len(over) > 1 or (count > 1 and count == len(gaps[0])):
        sample = np.concatenate(per_series)
        return Paired(float(sample.mean()), diebold_mariano(sample, 1), len(sample), "series")
    first = over[0]
    times, sample = _means(gaps[0], first.time[seen[0]])
    stride = int(np.diff(times).min()) if len(times) > 1 else 1
    overlap = -(-first.truth.shape[1] // stride)
    return Paired(float(sample.mean()), diebold_mariano(sample, overlap), len(sample), "origins")


def _means(values: Floats, by: NDArray[np.int64]) -> tuple[NDArray[np.int64], Floats]:
    """(the keys, ascending; the mean of the values of each)."""
    keys, position = np.unique(by, return_inverse=True)
    return keys, np.bincount(position, weights=values) / np.bincount(position)


def diebold_mariano(d: Floats, overlap: int) -> float:
    """The two-sided p-value that the mean of loss differences d (n,), in the order of time, is 0.

    overlap: h, how many neighbouring origins share steps (1 where windows are apart). NaN with fewer than 4
    differences, or fewer than 10 h where they overlap; 1 where nothing differs.
    """
    from scipy.stats import t

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
    return float(2 * t.sf(abs(d.mean()) / math.sqrt(variance / n) * math.sqrt(factor), n - 1))
