"""Backtests of a hierarchy: the model's forecasts made to add up at every origin, beside its base forecasts."""

from __future__ import annotations

import itertools
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from tsforge.backtesting.forecasts import Forecasts
from tsforge.data.dataset import Dataset
from tsforge.data.hierarchy import structure
from tsforge.data.schema import Reconcile
from tsforge.data.windows import Windows
from tsforge.errors import DataError
from tsforge.evaluation import reconciling
from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.quantiles import Distribution, Floats, Ints
from tsforge.evaluation.reconciling import Reconciliation
from tsforge.fitted.sampling import ranks, spread_out
from tsforge.runtime.timing import stage

if TYPE_CHECKING:
    from tsforge.backtesting.result import Backtest

log = logging.getLogger("tsforge")

BASE = "base"  # the name of forecasts that do not add up, beside those that do
SAMPLES = 500  # paths of every origin


@stage("forecasting")
def reconciled(forecasts: Forecasts, kind: str, network: nn.Module, dataset: Dataset) -> Forecasts:
    """Forecasts of all levels of which those of a model add up; as they were, they stand beside as "base".

    kind: of the model.
    network: that has not seen the validation windows, by whose errors they are reconciled.
    Origins that not all series have are left out, with a warning. Raises DataError where none is left.
    """
    method: Reconcile = dataset.config.reconcile
    if not dataset.panel.schema.hierarchy or method == "none":
        return forecasts
    how = reconciling.learn(network, dataset, method)
    origins = _whole(forecasts.windows, dataset)
    keep = np.sort(np.concatenate(origins))
    base = forecasts.static(kind)
    own = _outcome(base, origins, how, dataset).part(keep)
    raw = {kind: own, BASE: _settled(base).part(keep)}
    raw |= {name: o.part(keep) for name, o in forecasts.raw.items() if name != kind}
    (_, starts), *_ = forecasts.starts
    windows = Windows(*(part[keep] for part in forecasts.windows))
    return Forecasts(windows, raw, ((len(keep), starts | {kind: None, BASE: None}),))


def by_level(test: Backtest) -> dict[str, Backtest]:
    """The backtest of each level of a hierarchy, from the top down; as it is under "" where there is none."""
    if not test.panel.schema.hierarchy:
        return {"": test}
    parts = structure(test.panel)
    of = np.array(parts.level)[test.forecasts.windows.series]
    tests = {level: replace(test, forecasts=_part(test.forecasts, of == level)) for level in parts.levels}
    top, *others = parts.levels  # what it took stands with one of them
    return {top: tests[top], **{level: replace(tests[level], fits=0, seconds=0.0) for level in others}}


def _settled(o: Outcome) -> Outcome:
    """With its intervals as they are: nothing corrects them further."""
    if not o.levels:
        return o
    return replace(o, distribution=Distribution.of_values(o.quantiles, o.levels, o.point, o.spread))


def _part(forecasts: Forecasts, chosen: np.ndarray) -> Forecasts:
    """The forecasts of some windows."""
    rows = np.flatnonzero(chosen)
    bounds = np.r_[0, np.cumsum([count for count, _ in forecasts.starts])]
    counts = [int(chosen[a:b].sum()) for a, b in itertools.pairwise(bounds)]
    starts = tuple((n, starts) for n, (_, starts) in zip(counts, forecasts.starts, strict=True))
    windows = Windows(*(part[rows] for part in forecasts.windows))
    return Forecasts(windows, {name: o.part(rows) for name, o in forecasts.raw.items()}, starts)


def _whole(windows: Windows, dataset: Dataset) -> list[Ints]:
    """The windows of each origin that all series have, in the order of the series."""
    panel, series = dataset.panel, windows.series.astype(np.int64)
    times = panel.first[series] + windows.origins - panel.offsets[series]
    found = [np.flatnonzero(times == time) for time in np.unique(times)]
    whole = [rows[np.argsort(series[rows])] for rows in found if len(rows) == len(panel)]
    if not whole:
        raise DataError(f"{panel.name}: no origin has a window of every series", "leave out the series that begin late")
    if len(whole) < len(found):
        log.warning(
            "%d of %d origins are left out: not all series have a window there", len(found) - len(whole), len(found)
        )
    return whole


def _outcome(base: Outcome, origins: list[Ints], how: Reconciliation, dataset: Dataset) -> Outcome:
    """The forecasts of these origins, added up; other windows as they are."""
    point = base.point.astype(np.float64)
    quantiles = base.quantiles.astype(np.float64) if base.levels else None
    order = ranks(how.how, dataset.panel, 1, None, (SAMPLES, 1)) if base.levels else None
    for rows in origins:
        point[rows] = how.apply(base.point[rows])
        if quantiles is not None and order is not None:
            quantiles[rows] = _quantiles(base.quantiles[rows], base.levels, order, how)
    levels, spread = base.levels, base.spread
    if quantiles is None:
        return replace(base, point=point, distribution=Distribution.of_point((), point, spread))
    return replace(base, point=point, distribution=Distribution.of_values(quantiles, levels, point, spread))


def _quantiles(base: Floats, levels: tuple[float, ...], order: Ints, how: Reconciliation) -> Floats:
    """Of paths that add up, (n, H, C, Q), from base quantiles; order: of the values of each step on the paths."""
    paths = np.take_along_axis(spread_out(base, levels, order.shape[-1]), order, axis=-1)
    joint = how.apply(np.moveaxis(paths, -1, 0))
    return np.moveaxis(np.quantile(joint, levels, axis=0), 0, -1)
