"""Scores: one pure function per metric over an `Outcome`, pooled over windows, steps and targets.

Axes: W windows, H horizon, C targets, Q quantile levels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Outcome:
    """Truths and forecasts over rolling origins, in data units.

    truth, point (W, H, C); observed (W, H, C) bool; quantiles (W, H, C, Q) at `levels`.
    scale (W, C): in-sample mean absolute seasonal difference of each window's series, NaN where unknown.
    """

    truth: Floats
    observed: NDArray[np.bool_]
    point: Floats
    quantiles: Floats
    levels: tuple[float, ...]
    scale: Floats

    def errors(self) -> Floats:
        """truth - point, NaN where not observed, (W, H, C)."""
        return np.where(self.observed, self.truth.astype(np.float64) - self.point, np.nan)


def mse(o: Outcome) -> float:
    """Mean squared error."""
    return _mean(o.errors() ** 2)


def rmse(o: Outcome) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(mse(o)))


def mae(o: Outcome) -> float:
    """Mean absolute error."""
    return _mean(np.abs(o.errors()))


def mase(o: Outcome) -> float:
    """Absolute error over the in-sample seasonal naive error of the series. (Hyndman & Koehler 2006)

    Windows whose series never changed in-sample have no scale and are left out.
    """
    scale = np.where(o.scale > 0, o.scale, np.nan)
    return _mean(np.abs(o.errors()) / scale[:, None, :])


def smape(o: Outcome) -> float:
    """200 |y - f| / (|y| + |f|), in 0 to 200; steps where both are 0 count as 0. (Makridakis & Hibon 2000)"""
    total = np.abs(o.truth.astype(np.float64)) + np.abs(o.point)
    return _mean(np.where(total > 0, 200 * np.abs(o.errors()) / np.where(total > 0, total, 1.0), 0 * o.errors()))


def wql(o: Outcome) -> float:
    """Weighted quantile loss: twice the pinball loss summed, over the sum of |y|; the mean over levels.

    (Salinas et al. 2020, "DeepAR"; the level 0.5 alone gives WAPE.) NaN without quantiles or where y is all 0.
    """
    if not o.levels:
        return float("nan")
    level = np.array(o.levels)
    gap = o.truth[..., None].astype(np.float64) - o.quantiles
    pinball = np.maximum(level * gap, (level - 1) * gap)[o.observed]
    weight = np.abs(o.truth[o.observed].astype(np.float64)).sum()
    return float(2 * pinball.sum(axis=0).mean() / weight) if weight > 0 else float("nan")


def coverage_80(o: Outcome) -> float:
    """Share of truths within the interval from the 0.1 to the 0.9 quantile; 0.8 is right. NaN without these levels."""
    if 0.1 not in o.levels or 0.9 not in o.levels:
        return float("nan")
    low, high = o.quantiles[..., o.levels.index(0.1)], o.quantiles[..., o.levels.index(0.9)]
    inside = (low <= o.truth) & (o.truth <= high)
    return float(inside[o.observed].mean()) if o.observed.any() else float("nan")


METRICS: dict[str, Callable[[Outcome], float]] = {
    "mase": mase, "mae": mae, "rmse": rmse, "mse": mse, "smape": smape, "wql": wql, "coverage_80": coverage_80,
}  # fmt: skip

ERRORS = ("mase", "mae", "rmse", "mse", "smape", "wql")  # lower is better: a skill makes sense


def scores(o: Outcome) -> dict[str, float]:
    """Every metric of an outcome, by name."""
    return {name: metric(o) for name, metric in METRICS.items()}


def skill(score: float, reference: float) -> float:
    """100 · (1 - score / reference): percent better than the reference.

    NaN where the reference is unknown, or so near 0 (a millionth of the score) that it is only rounding.
    """
    return 100 * (1 - score / reference) if reference > 1e-6 * score else float("nan")


def by_step(o: Outcome) -> NDArray[np.float64]:
    """Mean absolute error of every horizon step, (H,)."""
    return np.array([_mean(step) for step in np.abs(o.errors()).swapaxes(0, 1)])


def _mean(values: Floats) -> float:
    """Mean without NaN; NaN (and no warning) where nothing is left."""
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if kept.size else float("nan")
