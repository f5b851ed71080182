"""Forecasts over many windows in one batched pass, calibrated on held-out windows, beside the baselines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from tsforge import calibration
from tsforge.batch import Context
from tsforge.calibration import Calibration
from tsforge.data.loader import WindowLoader, WindowSource
from tsforge.data.statistics import Moments
from tsforge.data.windows import Windows
from tsforge.forecast import Forecast
from tsforge.model.baselines import Baseline, BaselineForecaster, BaselineKind
from tsforge.model.heads import LEVELS
from tsforge.outcome import Outcome
from tsforge.preparation import Prepared

BASELINES: tuple[BaselineKind, ...] = ("seasonal-naive", "naive", "drift", "linear")  # beside every score
BASELINE_WINDOWS = 1024  # training windows from which a baseline takes its error quantiles
LINEAR_WINDOWS = 16384  # and the linear one its matrix
BATCH = 512  # windows per forward pass when nothing has to be kept for a gradient
MOST_VALUES = 4_000_000  # quantiles per forward pass: larger pieces of memory are new ones each time, which costs more


@dataclass(frozen=True)
class Forecaster:
    """A network that has learned, the windows it reads, and the corrections of its intervals."""

    network: Callable[[Context], Forecast]
    source: WindowSource
    calibration: Calibration | None

    def outcome(self, prepared: Prepared, windows: Windows) -> Outcome:
        """Forecasts with corrected intervals, as `predict` gives them."""
        raw = outcome(self.network, self.source, prepared, windows)
        return raw if self.calibration is None else self.calibration.apply(raw)


def forecaster(network: Callable[[Context], Forecast], source: WindowSource, prepared: Prepared) -> Forecaster:
    """A network with its intervals calibrated on the validation windows."""
    held_out = outcome(network, source, prepared, prepared.parts.validation)
    return Forecaster(network, source, calibration.learn(held_out, LEVELS))


def baseline(kind: BaselineKind, prepared: Prepared) -> Forecaster:
    """A baseline that has learned from the training windows, with a context long enough for it."""
    source = prepared.source
    config = Baseline(kind=kind)
    least = config.least_context(source.shape.season)
    if source.shape.context < least:
        source = WindowSource(prepared.panel, prepared.features, source.shape._replace(context=least), source.device)
    network = config.build(source.shape).to(source.device)
    learn_baseline(network, source, prepared)
    return forecaster(network, source, prepared)


def learn_baseline(network: BaselineForecaster, source: WindowSource, prepared: Prepared) -> None:
    """Give a baseline the level, its matrix and its error quantiles from the training part, if there is one."""
    network.scaler.learn(*(torch.from_numpy(part) for part in prepared.level))
    if not len(prepared.parts.train):
        return
    most = LINEAR_WINDOWS if network.kind == "linear" else BASELINE_WINDOWS
    with torch.inference_mode():
        network.learn(WindowLoader(source, prepared.parts.train.thin(most), BATCH))


def outcome(
    network: Callable[[Context], Forecast], source: WindowSource, prepared: Prepared, windows: Windows
) -> Outcome:
    """Forecast every window, as the network says it, and set it beside what came."""
    H, C = source.shape.horizon, source.shape.targets
    W = len(windows)
    truth, point = (np.empty((W, H, C), dtype=np.float32) for _ in range(2))
    observed = np.empty((W, H, C), dtype=np.bool_)
    spread = np.empty((W, C), dtype=np.float32)
    quantiles = np.empty((W, H, C, 0), dtype=np.float32)
    levels: tuple[float, ...] = ()
    size = max(1, min(BATCH, MOST_VALUES // (H * C * len(LEVELS))))
    with torch.inference_mode():
        for i, batch in enumerate(WindowLoader(source, windows, size)):
            here = slice(i * size, i * size + len(batch.truth.target))
            forecast = network(batch.context)
            if i == 0:
                levels = forecast.levels
                quantiles = np.moveaxis(np.empty((len(levels), W, H, C), dtype=np.float32), 0, -1)  # planes: fast
            point[here] = forecast.point.cpu().numpy()
            quantiles[here] = forecast.quantiles().cpu().numpy()
            spread[here] = forecast.scaling.scale.squeeze(1).cpu().numpy()
            truth[here] = batch.truth.target.cpu().numpy()
            observed[here] = batch.truth.observed.cpu().numpy()
    panel, series = prepared.panel, windows.series
    return Outcome(
        truth=truth, observed=observed, point=point, quantiles=quantiles, levels=levels,
        scale=prepared.in_sample.mean[series], square=prepared.in_sample.square[series], spread=spread,
        series=series, time=panel.first[series] + windows.origins - panel.offsets[series],
    )  # fmt: skip


def standardise(o: Outcome, moments: Moments) -> Outcome:
    """The outcome in units of each series' and target's deviation about its mean, (n, C) each; in place: it is large.

    As the long-horizon literature scores: z-scores of the training part, with the deviation of the population.
    """
    deviation: NDArray[np.float64] = np.where(moments.deviation > 0, moments.deviation, 1.0)[o.series]
    mean = np.nan_to_num(moments.mean)[o.series]
    for values in (o.truth, o.point, *np.moveaxis(o.quantiles, -1, 0)):
        values -= mean[:, None].astype(np.float32)
        values /= deviation[:, None].astype(np.float32)
    spread = (o.spread / deviation).astype(np.float32)
    return replace(o, scale=o.scale / deviation, square=o.square / deviation**2, spread=spread)
