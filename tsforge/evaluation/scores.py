"""Averages of metrics: over points, steps, windows and series, a block of windows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tsforge.evaluation import metrics
from tsforge.evaluation.metrics import SHOWN, SIMPLE, Ratio, lower_is_better, metric
from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.quantiles import Floats, Ints

Average = Literal["points", "series"]
By = Literal["step", "window", "series", "mean"]
BY: dict[Average, By] = {"points": "step", "series": "mean"}  # the sums that an average is made of


def score(o: Outcome, name: str, average: Average = "points") -> float:
    """One metric: pooled over all points, or the mean over series (and targets) of each one's own."""
    return scores(o, [name], average)[name]


def scores(o: Outcome, names: Iterable[str] | None = None, average: Average = "points") -> dict[str, float]:
    """Metrics of an outcome by name; all where None."""
    names = metrics.every() if names is None else names
    return {name: averaged([ratio]) for name, ratio in sums(o, names, BY[average]).items()}


def by_step(o: Outcome, name: str) -> Floats:
    """A metric of every horizon step, pooled over windows and targets, (H,)."""
    return stepwise([sums(o, [name], "step")[name]])


def by_window(o: Outcome, name: str) -> Floats:
    """A metric of every window, pooled over steps and targets, (W,)."""
    return sums(o, [name], "window")[name].value


def by_series(o: Outcome, name: str) -> Floats:
    """A metric of every series that has windows and of each of its targets, (n, C); the series ascend."""
    return sums(o, [name], "series")[name].value


def sums(o: Outcome, names: Iterable[str], by: By) -> dict[str, Ratio]:
    """Metrics summed in one pass: by step (H, C), by window (W,) or by series (n, C).

    By "mean" a metric is one number: the values of all series and targets summed, over how many there are. All averages
    can be made of sums: `averaged` and `stepwise` take those of several outcomes as if they were one.
    Raises KeyError for an unknown name.
    """
    functions = {name: metric(name).function for name in names}
    over, join = _SUMMED[by]
    blocks: dict[str, list[Ratio]] = {name: [] for name in functions}
    for block in o.blocks():
        for name, function in functions.items():
            blocks[name].append(function(block).map(over))
    whole = {name: _joined(parts, join) for name, parts in blocks.items()}
    if by in ("step", "window"):
        return whole
    series, position = np.unique(o.series, return_inverse=True)
    grouped = {n: ratio.map(lambda rows: _grouped(rows, position, len(series))) for n, ratio in whole.items()}
    return grouped if by == "series" else {name: _values_summed(ratio) for name, ratio in grouped.items()}


def _values_summed(ratio: Ratio) -> Ratio:
    """The values of a metric summed, over how many there are."""
    values = ratio.value
    valid = ~np.isnan(values)
    return Ratio(np.asarray(values[valid].sum()), np.asarray(float(valid.sum())), ratio.left_out)


def averaged(parts: Sequence[Ratio]) -> float:
    """One value of several outcomes: of all their points (from sums by step), or of all their series (by mean)."""
    return float(_joined([part.map(np.sum) for part in parts], _added).value)


def stepwise(parts: Sequence[Ratio]) -> Floats:
    """One value per horizon step (H,) of several outcomes, from sums by step; their horizons may differ."""
    H = max(len(part.numerator) for part in parts)
    padded = [part.map(lambda v: np.pad(v.sum(axis=1), (0, H - len(v)))) for part in parts]
    return _joined(padded, _added).value


def owa(own: Sequence[Floats | float], reference: Sequence[Floats | float]) -> Floats:
    """Mean of the ratios of sMAPE and MASE to those of a reference. (Makridakis et al. 2020, "M4": Naive2)

    own, reference: both metrics, one value each, or one per step or series.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.mean([np.divide(a, b) for a, b in zip(own, reference, strict=True)], axis=0))


def skill(value: float, reference: float) -> float:
    """100 · (1 - value / reference): percent better than the reference.

    NaN where the reference is unknown, or so near 0 (a millionth of the value) that it is only rounding.
    """
    return 100 * (1 - value / reference) if reference > 1e-6 * value else float("nan")


def primary(scores: Mapping[str, float], shown: Sequence[str] = SHOWN) -> str:
    """The metric that a model is judged by: the first one shown of which lower is better and that has a value."""
    errors = [name for name in shown if lower_is_better(name) and name != "owa"]
    return next((name for name in errors if np.isfinite(scores[name])), "mae")


def best_simple(values: Mapping[str, float]) -> str | None:
    """The best simple forecaster, seasonal naive or naive, by one metric of each model; None where neither has any."""
    present = [name for name in SIMPLE if np.isfinite(values.get(name, np.nan))]
    return min(present, key=lambda name: values[name], default=None)


def distinct(scores: Mapping[str, Mapping[str, float]]) -> list[str]:
    """The models to show, the first of which is judged: without one of naive and seasonal naive where both are alike.

    They are where there is no season and no cycle of the calendar: "naive" is kept, unless the first is the other.
    """
    twins = [scores[name] for name in SIMPLE if name in scores]
    if len(twins) < 2 or not all(np.array_equal(a, twins[1][k], equal_nan=True) for k, a in twins[0].items()):
        return list(scores)
    twin = next(name for name in reversed(SIMPLE) if name != next(iter(scores)))
    return [name for name in scores if name != twin]


def _joined(parts: Sequence[Ratio], join: Callable[[list[Floats]], Floats]) -> Ratio:
    """Sums of several outcomes, or blocks of one, as one."""
    return Ratio(
        join([part.numerator for part in parts]), join([part.denominator for part in parts]),
        sum(part.left_out for part in parts), parts[0].root,
    )  # fmt: skip


def _added(parts: list[Floats]) -> Floats:
    return np.asarray(np.sum(parts, axis=0))


def _over_windows(values: Floats) -> Floats:
    """(W, H, C) summed to (H, C)."""
    return np.asarray(values.sum(axis=0))


def _over_steps(values: Floats) -> Floats:
    """(W, H, C) summed to (W, C): as targets are few, numpy's sum over the middle axis takes ten times as long."""
    return np.asarray(np.ones(values.shape[1]) @ values)


def _over_steps_and_targets(values: Floats) -> Floats:
    """(W, H, C) summed to (W,)."""
    return np.asarray(_over_steps(values).sum(axis=1))


# How a block of windows is summed, and how blocks are put together.
_SUMMED: dict[By, tuple[Callable[[Floats], Floats], Callable[[list[Floats]], Floats]]] = {
    "step": (_over_windows, _added),
    "window": (_over_steps_and_targets, np.concatenate),
    "series": (_over_steps, np.concatenate),
    "mean": (_over_steps, np.concatenate),
}


def _grouped(rows: Floats, position: Ints, n: int) -> NDArray[np.float64]:
    """Rows (W, C) summed by position, (n, C)."""
    return np.stack([np.bincount(position, weights=column, minlength=n) for column in rows.T], axis=1)
