"""How forecast errors hang together, over steps, targets and series: what turns quantiles into paths and into sums.

Errors of the windows of some origins, each in units of its window's own interval, are ranked by step and target, and
the ranks read as those of a normal distribution (normal scores). Their correlation is taken as separable,

    corr(z[i, h, c], z[j, k, d]) = series[i, j] · steps[h, k] · targets[c, d]

so that each of the three small tables is the mean over all others: windows overlap and are few, and a table of all
pairs would be noise. The tables are shrunk towards what few numbers can tell, by as much as chance would explain
(Schäfer & Strimmer 2005, "A shrinkage approach to large-scale covariance matrix estimation"): steps towards ρ^|h - k|,
series towards one correlation of all pairs. The sizes of errors play no part: those are the calibrated quantiles.

Axes: W windows, H horizon, C targets, n series.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.quantiles import Floats, Ints

Table = NDArray[np.float64]

FEWEST = 8  # windows, below which nothing is said of how errors hang together
LEAST = 1e-6  # eigenvalue of a table, below which rounding has made it no correlation


@dataclass(frozen=True)
class Dependence:
    """Correlations of the normal scores of errors, each table of its own axis with ones on the diagonal.

    steps: (H, H). targets: (C, C). series: (n, n), of the series whose words are `keys`.
    common: of two series that stand not in `keys`, or one that does not.
    windows, origins: how many the tables come from.
    """

    steps: Table
    targets: Table
    series: Table
    keys: tuple[str, ...]
    common: float
    windows: int
    origins: int


def fit(o: Outcome, keys: Sequence[str]) -> Dependence | None:
    """Of forecasts whose truths came; None where there are too few windows to tell.

    o: with quantiles as they are, or of a point forecast; missing truths count as not there.
    keys: (n,) words for each series that `o.series` numbers; only those with windows are kept.
    """
    scores = normal_scores(o)
    if (~np.isnan(scores)).any(axis=(1, 2)).sum() < FEWEST:
        return None
    H, C = scores.shape[1:]
    times, at = np.unique(o.time, return_inverse=True)
    own, series = np.unique(o.series, return_inverse=True)
    spans = (np.ptp(times) / H + 1) if len(times) else 1.0  # windows that fit beside each other
    grid = np.full((len(own), len(times), H, C), np.nan, dtype=np.float32)
    grid[series, at] = scores
    between = _correlation(grid.reshape(len(own), -1).T)
    common = _mean_pair(between)
    steps = _correlation(np.moveaxis(scores, 1, 2).reshape(-1, H))
    targets = _correlation(scores.reshape(-1, C))
    of_series, of_steps, of_targets = (worth(table) for table in (between, steps, targets))
    steps = _shrunk(steps, _decaying(steps), spans * of_series * of_targets)
    targets = _shrunk(targets, np.eye(C), spans * of_series * of_steps)
    between = _shrunk(between, _alike(len(own), common), spans * of_steps * of_targets)
    return Dependence(steps, targets, between, tuple(keys[i] for i in own), common, len(o.truth), len(times))


def normal_scores(o: Outcome) -> Floats:
    """Where each truth lies among all of its step and target, as a normal deviate, (W, H, C); NaN where not observed.

    Distances from the middle of each forecast are in units of its own interval, so that windows of different spread
    count alike. Equal ones share the mean of their ranks.
    """
    place = o.place.astype(np.float64)
    if o.levels:
        ordered, middle = o.ordered, o.distribution.middle
        above = place > middle
        width = np.where(above, ordered[-1] - middle, middle - ordered[0])
        place = (place - middle) / np.where(width > 1e-9, width, 1.0)
    place = np.where(o.observed, place, np.nan)
    flat = place.reshape(len(place), -1)
    ranks = np.stack([_shares(column) for column in flat.T], axis=1).reshape(place.shape)
    return np.asarray(torch.special.ndtri(torch.from_numpy(ranks)).numpy())


def _shares(values: Floats) -> Floats:
    """The mid-rank of each value as a share of all, within (0, 1); NaN stays."""
    shares = np.full(values.shape, np.nan)
    seen = ~np.isnan(values)
    if seen.any():
        _, place, count = np.unique(values[seen], return_inverse=True, return_counts=True)
        shares[seen] = ((np.cumsum(count) - count / 2) / count.sum())[place]
    return shares


def _correlation(z: Floats) -> Table:
    """Of the columns of z (N, k) about 0, over the rows that both have; 0 where they have none in common."""
    seen = ~np.isnan(z)
    values = np.where(seen, z, 0.0)
    product, square = values.T @ values, (values**2).T @ seen
    size = np.sqrt(square * square.T)
    table = np.divide(product, size, out=np.zeros(product.shape), where=size > 0)
    np.fill_diagonal(table, 1.0)
    return np.asarray(np.clip(table, -1.0, 1.0))


def worth(table: Table) -> float:
    """As how many independent columns those of a correlation count, for the correlations of rows (Bartlett 1946)."""
    return float(len(table) ** 2 / (table**2).sum())


def _mean_pair(table: Table) -> float:
    """The mean of all that lies beside the diagonal; 0 where there is nothing."""
    k = len(table)
    return float((table.sum() - k) / (k * (k - 1))) if k > 1 else 0.0


def _decaying(steps: Table) -> Table:
    """ρ^|h - k|, with ρ the mean correlation of neighbours."""
    H = len(steps)
    rho = float(np.clip(np.diagonal(steps, 1).mean(), -0.99, 0.99)) if H > 1 else 0.0
    apart = np.abs(np.subtract.outer(np.arange(H), np.arange(H)))
    return np.asarray(np.sign(rho) ** apart * np.abs(rho) ** apart)


def _alike(k: int, common: float) -> Table:
    """One correlation of all pairs, as large as k of them can have."""
    least = -1 / (k - 1) if k > 1 else 0.0
    table = np.full((k, k), max(common, least * 0.99))
    np.fill_diagonal(table, 1.0)
    return table


def _shrunk(table: Table, target: Table, count: float) -> Table:
    """Between a table and its target: nearer to the target where chance explains what they differ by.

    count: as how many independent rows those count that the table comes from.
    """
    chance = ((1 - table**2) ** 2).sum() / max(count, 1.0)
    apart = ((table - target) ** 2).sum()
    share = min(1.0, chance / apart) if apart > 0 else 1.0
    return proper((1 - share) * table + share * target)


def proper(table: Table) -> Table:
    """The table with eigenvalues of no less than a little, and ones on its diagonal."""
    values, vectors = np.linalg.eigh(table)
    if values[0] < LEAST:
        table = (vectors * np.maximum(values, LEAST)) @ vectors.T
        size = np.sqrt(np.diagonal(table))
        table = table / np.outer(size, size)
    return np.asarray((table + table.T) / 2)


def factor(table: Table) -> Table:
    """The lower triangle L with L Lᵀ = table."""
    return np.asarray(np.linalg.cholesky(proper(table)))


def places(keys: Sequence[str], dependence: Dependence) -> Ints:
    """Which row of `dependence.series` each key has, (n,); -1 where none."""
    rows = {key: row for row, key in enumerate(dependence.keys)}
    return np.array([rows.get(key, -1) for key in keys], dtype=np.int64)
