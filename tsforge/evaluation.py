"""Forecasts over many windows in one batched pass, and their scores beside the baselines."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from tsforge.batch import Context
from tsforge.data.loader import WindowLoader, WindowSource
from tsforge.data.windows import Windows
from tsforge.forecast import Forecast
from tsforge.metrics import Outcome
from tsforge.model.baselines import Baseline, BaselineForecaster, BaselineKind
from tsforge.preparation import Prepared

BASELINE_WINDOWS = 4096  # training windows from which a baseline takes its error quantiles
BATCH = 512  # windows per forward pass when nothing has to be kept for a gradient


def outcome(
    network: Callable[[Context], Forecast], source: WindowSource, windows: Windows, scale: NDArray[np.float64]
) -> Outcome:
    """Forecast every window and set it beside what came.

    scale: (n, C) denominators of MASE per series.
    """
    points, quantiles, truths, masks = [], [], [], []
    levels: tuple[float, ...] = ()
    with torch.inference_mode():
        for batch in WindowLoader(source, windows, BATCH):
            forecast = network(batch.context)
            levels = forecast.levels
            points.append(forecast.point.cpu().numpy())
            quantiles.append(forecast.quantiles().cpu().numpy())
            truths.append(batch.truth.target.cpu().numpy())
            masks.append(batch.truth.observed.cpu().numpy())
    return Outcome(
        truth=np.concatenate(truths), observed=np.concatenate(masks), point=np.concatenate(points),
        quantiles=np.concatenate(quantiles), levels=levels, scale=scale[windows.series],
    )  # fmt: skip


def baseline_outcome(kind: BaselineKind, prepared: Prepared) -> Outcome:
    """A baseline over the test windows of what was prepared, with a context long enough for it."""
    source = prepared.source
    season = source.shape.season
    if kind == "seasonal-naive" and source.shape.context < season:
        shape = source.shape._replace(context=season)
        source = WindowSource(prepared.panel, prepared.features, shape, source.device)
    network = Baseline(kind=kind).build(source.shape).to(source.device)
    learn_baseline(network, source, prepared)
    return outcome(network, source, prepared.parts.test, prepared.scale)


def learn_baseline(network: BaselineForecaster, source: WindowSource, prepared: Prepared) -> None:
    """Give a baseline the level and its error quantiles from the training part."""
    network.scaler.learn(*(torch.from_numpy(part) for part in prepared.level))
    network.learn(WindowLoader(source, prepared.parts.train.thin(BASELINE_WINDOWS), BATCH))
