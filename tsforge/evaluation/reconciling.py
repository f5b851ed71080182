"""Forecasts that add up: reconciliation of the base forecasts of all levels of a hierarchy.

Base forecasts ŷ of all n series become ỹ = S G ŷ, where S (n, m) sums the m series at the bottom. G (m, n) is by method

    bottom-up   what the bottom says alone
    ols         (Sᵀ S)⁻¹ Sᵀ                                   (Hyndman et al. 2011)
    wls         (Sᵀ W⁻¹ S)⁻¹ Sᵀ W⁻¹ with W the variances of errors     (Hyndman, Lee & Wang 2016)
    mint        likewise with W their covariance, shrunk     (Wickramasuriya, Athanasopoulos & Hyndman 2019)

and every path of the base forecasts is mapped alike, which gives the intervals (Panagiotelis et al. 2023).

Axes: n series, m of them at the bottom, R errors of each, H horizon, C targets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from tsforge.data.dataset import Dataset
from tsforge.data.hierarchy import Structure, structure
from tsforge.data.schema import Reconcile
from tsforge.data.windows import aligned
from tsforge.errors import DataError
from tsforge.evaluation import dependence, held_out
from tsforge.evaluation.dependence import Dependence
from tsforge.evaluation.forecasting import Reader, outcomes
from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.quantiles import Floats

Table = NDArray[np.float64]

ORIGINS = 16  # of windows of every series, at least, where the table has them
FLOOR = 1e-8  # of the mean variance, that each series has at least: one whose errors are 0 would count for all


@dataclass(frozen=True)
class Reconciliation:
    """What makes the forecasts of a hierarchy add up.

    structure: which series are sums of which.
    gain: (C, m, n), G of each target.
    low: (m, C), what the series at the bottom are kept at or above; -inf where nothing limits them.
    how: how the errors of all series hang together.
    """

    structure: Structure
    gain: Table
    low: Table
    how: Dependence

    def apply(self, base: Floats) -> Table:
        """Forecasts (..., n, H, C) of all series that add up, from base forecasts of them."""
        bottom = np.einsum("cmn,...nhc->...mhc", self.gain, base.astype(np.float64), optimize=True)
        bottom = np.maximum(bottom, self.low[:, None])
        return np.asarray(np.einsum("nm,...mhc->...nhc", self.structure.summing, bottom, optimize=True))


def learn(network: nn.Module, dataset: Dataset, method: Reconcile) -> Reconciliation:
    """What makes forecasts add up, from errors of all series over windows up to the end of the validation part.

    As `held_out.learn`, with every series of the hierarchy. Raises DataError where there are too few windows.
    """
    panel, sizes, end = dataset.panel, dataset.sizes, dataset.cuts.validation
    begin = np.maximum(panel.offsets[:-1], np.minimum(dataset.cuts.train, end - held_out.HORIZONS * sizes.horizon))
    n = len(panel)
    most = n, max(held_out.most(network)[1], ORIGINS * n)
    windows = aligned(panel, begin, end, (sizes.context, sizes.horizon), most)
    found, count = None, 0.0
    if len(windows) >= dependence.FEWEST:
        o = outcomes({"": Reader(network, dataset.source)}, dataset, windows)[""]
        found = dependence.fit(o, [panel.key(i) for i in range(n)])
        count = float(np.ptp(o.time)) / sizes.horizon + 1  # windows that fit beside each other
    if found is None:
        raise DataError(
            f"{panel.name}: too short to see how the errors of {n} series hang together",
            "bring a longer table, or take a shorter data.horizon",
        )
    parts, low = structure(panel), dataset.limits.low
    errors = by_series(o, n)
    count *= dependence.worth(found.steps)
    gain = [projection(parts, errors[..., c], method, count) for c in range(errors.shape[2])]
    return Reconciliation(parts, np.stack(gain), low[parts.bottom], found)


def by_series(o: Outcome, n: int) -> Floats:
    """Errors of all windows side by side, (R, n, C): a row for each origin and step; NaN where not observed."""
    times, at = np.unique(o.time, return_inverse=True)
    H, C = o.truth.shape[1:]
    errors = np.full((len(times), H, n, C), np.nan)
    errors[at, :, o.series] = np.where(o.observed, o.truth - o.point, np.nan)
    return errors.reshape(-1, n, C)


def projection(parts: Structure, errors: Floats, method: Reconcile, count: float | None = None) -> Table:
    """G (m, n), which makes the bottom of a hierarchy of base forecasts of all its series.

    errors: (R, n) of the base forecasts, NaN where there are none.
    method: "bottom-up", "ols", "wls" or "mint".
    count: as how many independent rows the errors count; R where None.
    """
    S = parts.summing
    n, m = S.shape
    if method == "bottom-up":
        gain = np.zeros((m, n))
        gain[np.arange(m), parts.bottom] = 1.0
        return gain
    weighted = S
    if method in ("wls", "mint"):
        seen = ~np.isnan(errors)
        variance = (np.where(seen, errors, 0.0) ** 2).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
        variance = np.maximum(variance, FLOOR * max(float(variance.mean()), np.finfo(np.float64).tiny))
        weighted = S / variance[:, None]
        if method == "mint":
            deviation = np.sqrt(variance)
            inner = np.linalg.solve(shrunk(errors / deviation, count), S / deviation[:, None])
            weighted = inner / deviation[:, None]
    return np.asarray(np.linalg.solve(S.T @ weighted, weighted.T))


def shrunk(scaled: Floats, count: float | None = None) -> Table:
    """The correlation of errors (R, n) of variance 1, shrunk towards none (Schäfer & Strimmer 2005). NaN is left out.

    count: as how many independent rows they count; R where None.
    """
    seen = ~np.isnan(scaled)
    x = np.where(seen, scaled, 0.0)
    both = np.maximum(seen.T.astype(np.float64) @ seen, 1.0)
    mean = x.T @ x / both
    spread = (x**2).T @ (x**2) / both - mean**2  # of the products that the mean is of
    rows = np.maximum(both if count is None else both * (count / len(x)), 2.0)
    off = ~np.eye(len(mean), dtype=np.bool_)
    square = float((mean[off] ** 2).sum())
    share = float(np.clip((spread / (rows - 1))[off].sum() / square, 0, 1)) if square > 0 else 1.0
    table = np.where(off, (1 - share) * mean, 1.0)
    return dependence.proper(table)
