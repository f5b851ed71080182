"""Which forecasts to blend, with what weights, and how far that is to be believed.

Axes: K forecasts, W windows, H horizon, C targets.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsforge.errors import TrainingError, listing
from tsforge.evaluation.outcome import Outcome
from tsforge.model.baselines import mstl

log = logging.getLogger("tsforge")

Floats = NDArray[np.floating]

SIMPLE = ("seasonal-naive", "naive", "drift")  # what a blend has to beat, where it is surely better than the usual mean
USUAL = ("theta", "ets", "mstl", "linear")  # whose mean is the answer where nothing can be told (benchmarks/NOTES.md)
OF_WEEKS = (
    "mstl",
    "shape-ridge",
    "linear",
)  # the same where days have a week beside them, which the others do not read
ROUNDS = 20  # draws of the greedy selection: weights are multiples of a twentieth or coarser
GAIN = 1e-3  # relative: what one more draw must win, as every member costs time in every forecast
SURE = 0.975  # probability, by Student's t, at which a baseline counts as beaten
LEAST_SHARE = 0.02  # below which a weight is not worth a member
UNITS = 4  # stretches below which the steps of the horizon are taken apart


@dataclass(frozen=True)
class Yardstick:
    """What forecasts of the same windows are measured by: MASE, a scale-free error.

    truth (W, H, C); weight (W, H, C): 1 over the in-sample scale where observed, 0 elsewhere; of series that never
    changed only where no series did, and then 1. series, time (W,): as in `Outcome`.
    """

    truth: Floats
    weight: Floats
    series: NDArray[np.int64]
    time: NDArray[np.int64]

    @classmethod
    def of(cls, o: Outcome) -> Yardstick:
        """The yardstick of an outcome's windows."""
        scale = np.nan_to_num(o.scale)[:, None, :]
        scaled = o.observed & (scale > 0)
        weight = np.divide(1.0, scale, out=np.zeros(o.truth.shape), where=scaled) if scaled.any() else o.weight
        return cls(o.truth.astype(np.float64), weight, o.series, o.time)

    def losses(self, point: Floats) -> Floats:
        """The error of each step, its mean over targets, (W, H); NaN where there is none."""
        total, count = self._terms(point)
        mean: Floats = np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)
        return mean

    def score(self, point: Floats) -> float:
        """The mean over windows of each one's own mean; infinity where the forecast is not finite."""
        total, count = (part.sum(axis=1) for part in self._terms(point))
        scored = count > 0
        mean = float((total[scored] / count[scored]).mean()) if scored.any() else 0.0
        return mean if np.isfinite(mean) else float("inf")

    @property
    def stretches(self) -> NDArray[np.int64]:
        """(W,) from 0: windows of one series whose origins lie within a horizon of each other are one stretch."""
        steps = (self.time - self.time.min()) // self.truth.shape[1]
        stretch = np.unique(np.stack([self.series, steps]), axis=1, return_inverse=True)[1]
        return stretch.reshape(-1).astype(np.int64)

    def part(self, windows: NDArray[np.bool_]) -> Yardstick:
        """That of some of the windows."""
        return Yardstick(self.truth[windows], self.weight[windows], self.series[windows], self.time[windows])

    def _terms(self, point: Floats) -> tuple[Floats, Floats]:
        """Sums over targets and how many there are, (W, H)."""
        weighed = self.weight > 0
        gaps = np.abs(np.where(weighed, point - self.truth, 0.0))
        return (gaps * self.weight).sum(axis=-1), weighed.sum(axis=-1)


def greedy(points: Sequence[Floats], yardstick: Yardstick, most: int | None = None) -> list[int]:
    """How often each forecast is drawn for their mean: the one that helps the mean most is added, with replacement.

    (Caruana et al. 2004, "Ensemble selection from libraries of models".) Of all prefixes of the draws the best one, a
    longer one only where it wins a thousandth. most: forecasts that may differ; all where None.
    """
    counts, total = [0] * len(points), np.zeros(yardstick.truth.shape)
    drawn, best = counts, float("inf")
    for n in range(1, ROUNDS + 1):
        full = most is not None and sum(count > 0 for count in counts) >= most
        free = [k for k, count in enumerate(counts) if count or not full]
        errors = {k: yardstick.score((total + points[k]) / n) for k in free}
        k = min(errors, key=lambda k: errors[k])
        total = total + points[k]
        counts = [count + (j == k) for j, count in enumerate(counts)]
        if errors[k] < best * (1 - GAIN) or n == 1:
            drawn, best = counts, errors[k]
    return drawn


class Gap(NamedTuple):
    """By how much the first of two forecasts has the lower error, and its standard error, over so many pieces."""

    gain: float
    error: float
    pieces: int

    @property
    def sure(self) -> bool:
        """Whether the gain is beyond what chance gives: a t-test over the pieces, on one side."""
        from scipy.special import stdtrit

        return self.pieces > 1 and bool(self.gain > stdtrit(self.pieces - 1, SURE) * self.error)

    @property
    def trust(self) -> float:
        """The weight of the first in a mean with the second: t² / (1 + t²), with t the gain over its standard error.

        That is the factor by which an estimate of such a gain and error is shrunk for the least mean squared error. No
        more than if the second had been the right one in one piece more: few pieces may all be of one kind of time,
        which no standard error tells.
        """
        if self.gain <= 0 or self.pieces < 2:
            return 0.0
        t = self.gain / max(self.error, 1e-9 * self.gain)
        return min(t**2 / (1 + t**2), self.pieces / (1 + self.pieces))


def gap(first: Floats, second: Floats, yardstick: Yardstick) -> Gap:
    """The mean difference of two forecasts' errors (W, H, C) over stretches, and its standard error.

    Windows that overlap say nearly the same, hence the stretches. Of fewer than four of them the horizon's steps are
    taken apart, so that there are as many pieces; where even that gives one piece, the error is infinite: nothing can
    be told from it.
    """
    difference = yardstick.losses(second) - yardstick.losses(first)  # (W, H)
    H, stretch = difference.shape[1], yardstick.stretches
    count = int(stretch.max()) + 1
    pieces = min(H, -(-UNITS // count))
    unit = stretch[:, None] * pieces + np.arange(H) * pieces // H
    seen = ~np.isnan(difference)
    size = np.bincount(unit[seen], minlength=count * pieces)
    means = np.bincount(unit[seen], weights=difference[seen], minlength=count * pieces)[size > 0] / size[size > 0]
    if len(means) < 2:
        return Gap(float(means.mean()) if len(means) else 0.0, float("inf"), len(means))
    return Gap(float(means.mean()), float(means.std(ddof=1) / np.sqrt(len(means))), len(means))


def blended(points: Sequence[Floats], counts: Sequence[int]) -> Floats:
    """The mean of forecasts that were drawn so often each."""
    mean: Floats = np.average(points, axis=0, weights=counts)
    return mean


class Bar(NamedTuple):
    """What a blend has to beat: the mean of forecasts that are drawn so often each, and what it is called."""

    name: str
    counts: Sequence[int]


def crossed(points: Sequence[Floats], bar: Floats, yardstick: Yardstick, most: int | None = None) -> Gap:
    """The gap between the greedy mean and a forecast, each half of the stretches judging what the other half drew.

    The best of many on some windows looks better on these than it is (benchmarks/NOTES.md). Of one stretch there are no
    halves: it is judged by what it drew.
    """
    stretch = yardstick.stretches
    late = stretch > stretch.max() // 2
    if not late.any():
        return gap(blended(points, greedy(points, yardstick, most)), bar, yardstick)
    mean = np.empty_like(bar)
    for judged in (late, ~late):
        counts = greedy([point[~judged] for point in points], yardstick.part(~judged), most)
        mean[judged] = blended([point[judged] for point in points], counts)
    return gap(mean, bar, yardstick)


def bars(names: Sequence[str], season: int) -> list[Bar]:
    """What a blend of candidates has to beat: the mean of the usual models first, where two of them compete.

    season: steps of one; 1 for none.
    """
    simple = [name for name in SIMPLE if name in names]
    usual = [name for name in (OF_WEEKS if len(mstl.seasons(season)) > 1 else USUAL) if name in names]
    drawn = {f"the mean of {listing(usual)}": usual} if len(usual) > 1 else {}
    if not drawn and season == 1:  # a season of the calendar alone has to prove itself
        simple.sort(key=lambda name: name != "naive")
    drawn |= {name: [name] for name in simple}
    return [Bar(name, [int(n in several) for n in names]) for name, several in drawn.items()]


def weights(points: Sequence[Floats], yardstick: Yardstick, bars: Sequence[Bar], most: int) -> list[float]:
    """Of each forecast: the mean of the greedy selection's and the bar's, the more of the first the surer it is.

    points: the forecasts (W, H, C).
    bars: what is the model where nothing can be told, the first until another one beats it by more than chance.
    most: forecasts that the greedy selection may blend.
    Raises TrainingError where there is no bar: no baseline has a finite forecast.
    """
    if not bars:
        raise TrainingError("no baseline has a finite forecast of the validation windows", "look at the data: inspect")
    bar, point = bars[0], blended(points, bars[0].counts)
    for other in bars[1:]:
        rival = blended(points, other.counts)
        bar, point = (other, rival) if gap(rival, point, yardstick).sure else (bar, point)
    trust = crossed(points, point, yardstick, most).trust
    if not trust:
        log.warning("nothing beats %s on the validation windows: it is the model", bar.name)
    drawn = _shares(greedy(points, yardstick, most)) if trust else np.zeros(len(points))
    shares = trust * drawn + (1 - trust) * _shares(bar.counts)
    return [float(share) for share in _shares(np.where(shares < LEAST_SHARE, 0.0, shares))]


def _shares(counts: Floats | Sequence[int]) -> Floats:
    """Weights that are 1 in all."""
    parts = np.asarray(counts, dtype=np.float64)
    shares: Floats = parts / parts.sum()
    return shares
