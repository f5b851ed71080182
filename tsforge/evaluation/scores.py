"""Averages of metrics: over points, steps, windows and series, a block of windows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tsforge.evaluation.metrics import METRICS, find
from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.quantiles import Floats, Ints, Rows
from tsforge.evaluation.terms import STEPS, WINDOWS, Terms, together

Average = Literal["points", "series"]


def score(o: Outcome, name: str, average: Average = "points") -> float:
    """One metric: pooled over all points, or the mean over series (and targets) of each one's own."""
    return score_all([o], name, average)


def score_all(outcomes: Sequence[Outcome], name: str, average: Average = "points") -> float:
    """One metric over several outcomes, as if they were one: of all their points, or of all their series."""
    if average == "series":
        return mean(np.concatenate([by_series(o, name).ravel() for o in outcomes]))
    terms = [_summed(o, name, WINDOWS) for o in outcomes]
    return float(terms[0].ratio(np.sum([t.total.sum() for t in terms]), np.sum([t.weight.sum() for t in terms])))


def steps_all(outcomes: Sequence[Outcome], name: str) -> Floats:
    """A metric of every horizon step over several outcomes, which may have different horizons."""
    terms = [_summed(o, name, WINDOWS) for o in outcomes]
    total, weight = np.zeros((2, max(o.truth.shape[1] for o in outcomes)))
    for t in terms:
        total[: len(t.total)] += t.total.sum(axis=1)
        weight[: len(t.weight)] += t.weight.sum(axis=1)
    return terms[0].ratio(total, weight)


def scores(o: Outcome, names: Iterable[str] = tuple(METRICS), average: Average = "points") -> dict[str, float]:
    """Metrics of an outcome by name."""
    prepare(o, names := tuple(names), average)
    return {name: score(o, name, average) for name in names}


def by_step(o: Outcome, name: str) -> Floats:
    """A metric of every horizon step, pooled over windows and targets, (H,)."""
    return steps_all([o], name)


def by_window(o: Outcome, name: str) -> Floats:
    """A metric of every window, pooled over steps and targets, (W,)."""
    terms = _summed(o, name, STEPS)
    return terms.ratio(terms.total.sum(axis=1), terms.weight.sum(axis=1))


def by_series(o: Outcome, name: str) -> Floats:
    """A metric of every series that has windows and of each of its targets, (n, C); the series ascend."""
    terms = _summed(o, name, STEPS)
    kept, position = np.unique(o.series, return_inverse=True)
    total, weight = (_sums(t, position, len(kept)) for t in (terms.total, terms.weight))
    return terms.ratio(total, weight)


def left_out(o: Outcome, name: str) -> int:
    """Observed points for which a metric has no value (a zero to divide by, a series without a scale)."""
    return _summed(o, name, WINDOWS).left_out


def owa(o: Outcome, reference: Outcome, average: Average = "points") -> float:
    """Mean of the ratios of sMAPE and MASE to those of a reference. (Makridakis et al. 2020, "M4": Naive2)"""
    return float(owa_of(lambda name: score(o, name, average), lambda name: score(reference, name, average)))


def owa_of(own: Callable[[str], Floats | float], reference: Callable[[str], Floats | float]) -> Floats:
    """The same from what gives sMAPE and MASE by name: one value each, or one per step or series."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = [np.divide(own(name), reference(name)) for name in ("smape", "mase")]
    return np.asarray(np.mean(ratios, axis=0))


def skill(value: float, reference: float) -> float:
    """100 · (1 - value / reference): percent better than the reference.

    NaN where the reference is unknown, or so near 0 (a millionth of the value) that it is only rounding.
    """
    return 100 * (1 - value / reference) if reference > 1e-6 * value else float("nan")


def mean(values: Floats) -> float:
    """Mean without NaN; NaN (and no warning) where nothing is left."""
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if kept.size else float("nan")


Pieces = Iterable[tuple[Rows, list[Outcome]]]  # which windows, and what each outcome says of them


def prepare(o: Outcome, names: Iterable[str], average: Average = "points") -> None:
    """Sum several metrics of an outcome in one pass, block by block; whoever asks for them later finds them there."""
    prepare_all([o], lambda: ((rows, [block]) for rows, block in o.blocks()), names, average)


def prepare_all(
    outcomes: list[Outcome], pieces: Callable[[], Pieces], names: Iterable[str], average: Average = "points"
) -> None:
    """The same for several outcomes that are looked at together, piece by piece."""
    axis = STEPS if average == "series" else WINDOWS
    known = {n: metric for n in names if any((n, axis) not in o.sums for o in outcomes) and (metric := find(n))}
    if not known:
        return
    rows: list[Rows] = []
    found: list[dict[str, list[Terms]]] = [{name: [] for name in known} for _ in outcomes]
    for here, parts in pieces():
        rows.append(here)
        for part, sums in zip(parts, found, strict=True):
            for name, metric in known.items():
                sums[name].append(metric(part).summed(axis))
    for o, sums in zip(outcomes, found, strict=True):
        o.sums.update({(name, axis): together(parts, rows, axis) for name, parts in sums.items()})


def _summed(o: Outcome, name: str, axis: int) -> Terms:
    """A metric's terms, summed over windows (H, C) or over steps (W, C)."""
    if find(name) is None:
        raise KeyError(name)
    prepare(o, [name], "series" if axis == STEPS else "points")
    terms: Terms = o.sums[name, axis]
    return terms


def _sums(rows: Floats, position: Ints, n: int) -> NDArray[np.float64]:
    """Rows (W, C) summed by position, (n, C)."""
    return np.stack([np.bincount(position, weights=column, minlength=n) for column in rows.T], axis=1)
