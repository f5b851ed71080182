"""Forecasts and paths of any model, which add up where its table has a hierarchy: what users call.

The base forecasts are of all levels, by the model that was fitted to all of them: series of a level above are series as
others are. How their errors hang together is seen in windows of the table at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from tsforge.data.schema import Reconcile
from tsforge.errors import ConfigError, listing, nearest
from tsforge.evaluation import reconciling
from tsforge.evaluation.reconciling import Reconciliation
from tsforge.fitted import directory, occasions, prediction, sampling, zero_shot
from tsforge.fitted.model import Model
from tsforge.fitted.prediction import Prediction
from tsforge.fitted.sampling import Samples, Work
from tsforge.runtime.threads import sparing
from tsforge.runtime.timing import stage


@sparing()
def predict(
    model: Model | str | Path, data: Any = None, settings: dict[str, Any] | None = None, *,
    horizon: int | None = None, quantiles: Sequence[float] | None = None, future_data: Any = None,
    reconcile: str | None = None,
) -> Prediction:  # fmt: skip
    """Forecast a table: `tsforge.predict` with a model or its directory, or a pretrained one."""
    model, method = _method(model, settings, reconcile)
    if method is None:
        ahead: dict[str, Any] = {"horizon": horizon, "quantiles": quantiles, "future_data": future_data}
        if (place := zero_shot.place(model)) is not None:
            return zero_shot.predict(place, data, settings, **ahead)
        return prediction.predict(occasions.with_settings(model, settings), data, **ahead)
    work = sampling.opened(model, data, horizon, future_data, settings)
    levels = prediction.wanted(work.model, quantiles)
    if not levels:
        how = _learn(work, method)
        base = prediction.of_panel(work.model, work.panel, work.steps, ())
        base = replace(base, point=how.apply(base.point), quantiles=base.quantiles.astype(np.float64))
        return replace(base, reconcile=method)
    drawn = _drawn(work, method, (sampling.USUAL, 1))
    ranges = np.moveaxis(np.quantile(drawn.values, levels, axis=0), 0, -1)
    return replace(drawn.prediction, quantiles=ranges, levels=levels)


@sparing()
def sample(
    model: Model | str | Path, data: Any = None, samples: int = sampling.USUAL, *, horizon: int | None = None,
    future_data: Any = None, settings: dict[str, Any] | None = None, seed: int = 1, reconcile: str | None = None,
) -> Samples:  # fmt: skip
    """Draw paths: `tsforge.sample` with a model or its directory, or a pretrained one."""
    model, method = _method(model, settings, reconcile)
    if method is None:
        ahead: dict[str, Any] = {"horizon": horizon, "future_data": future_data, "settings": settings}
        return sampling.sample(model, data, samples, **ahead, seed=seed)
    sampling.check_count(samples)
    return _drawn(sampling.opened(model, data, horizon, future_data, settings), method, (samples, seed))


def check(method: str) -> None:
    """Raises ConfigError for what is no way of reconciling."""
    known = get_args(Reconcile)
    if method not in known:
        hint = nearest(method, known) or f"known: {listing(known)}"
        raise ConfigError(f"there is no reconciliation '{method}'", hint)


def _method(
    model: Model | str | Path, settings: dict[str, Any] | None, asked: Any
) -> tuple[Model | str | Path, Reconcile | None]:
    """The model, loaded where it has a table of its own, and how its forecasts are made to add up; None for not at all.

    Raises ConfigError where that is asked for, and there is no hierarchy.
    """
    if asked is not None:
        check(asked)
    if zero_shot.place(model) is not None:
        given = settings or {}
        hierarchy, own = given.get("data.hierarchy"), given.get("data.reconcile", "ols")
    else:
        model = model if isinstance(model, Model) else directory.load(model)
        hierarchy, own = model.experiment.data.hierarchy, model.experiment.data.reconcile
    if not hierarchy:
        if asked is not None:
            raise ConfigError("there is no hierarchy to reconcile", "fit with data.hierarchy, as region/store")
        return model, None
    method: Reconcile = asked or own
    return model, None if method == "none" else method


@stage("calibration")
def _learn(work: Work, method: Reconcile) -> Reconciliation:
    return reconciling.learn(work.model.network, sampling.at_hand(work.model, work.panel), method)


def _drawn(work: Work, method: Reconcile, draw: tuple[int, int]) -> Samples:
    """Paths that add up, and a point forecast that does."""
    how = _learn(work, method)
    base = sampling.of_panel(*work, draw, how.how)
    with stage("sampling"):
        point = how.apply(base.prediction.point)
        made = replace(base.prediction, point=point, reconcile=method)
        return replace(base, values=how.apply(base.values), prediction=made)
