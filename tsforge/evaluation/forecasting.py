"""Forecasts over many windows in one batched pass, calibrated on held-out windows, beside the baselines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch

from tsforge.batch import Context
from tsforge.data.dataset import Prepared
from tsforge.data.loader import WindowLoader, WindowSource
from tsforge.data.statistics import Moments
from tsforge.data.windows import Windows
from tsforge.evaluation import conformal
from tsforge.evaluation.conformal import Calibration
from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.quantiles import Quantiles, scaled
from tsforge.forecast import Forecast
from tsforge.model.baselines.forecaster import Baseline, BaselineForecaster
from tsforge.model.baselines.naive import BaselineKind
from tsforge.model.heads import LEVELS
from tsforge.runtime.threads import each, threads

BASELINES: tuple[BaselineKind, ...] = ("seasonal-naive", "naive", "drift", "linear")  # beside every score
BASELINE_WINDOWS = 1024  # training windows from which a baseline takes its error quantiles
LINEAR_WINDOWS = 16384  # and the linear one its matrix
BATCH = 512  # windows per forward pass when nothing has to be kept for a gradient
MOST_STEPS = 32_768  # of contexts and horizons per forward pass on a CPU: what lies in its cache is read faster
MOST_VALUES = 4_000_000  # quantiles per forward pass: larger pieces of memory are new ones each time, which costs more


Network = Callable[[Context], Forecast]


class Reader(NamedTuple):
    """A network and the windows it reads."""

    network: Network
    source: WindowSource


Known = Mapping[str, tuple[BaselineForecaster, Calibration | None]]  # baselines that have learned, by kind


@dataclass(frozen=True)
class Forecaster:
    """A network that has learned, the windows it reads, and the corrections of its intervals."""

    reader: Reader
    calibration: Calibration | None

    def outcome(self, prepared: Prepared, windows: Windows) -> Outcome:
        """Forecasts with corrected intervals, as `predict` gives them."""
        raw = outcomes({"": self.reader}, prepared, windows)[""]
        return raw if self.calibration is None else self.calibration.apply(raw)


def forecaster(network: Network, prepared: Prepared) -> Forecaster:
    """A network with its intervals calibrated on the validation windows."""
    return _calibrated({"": Reader(network, prepared.source)}, prepared)[""]


def baselines(kinds: Iterable[BaselineKind], prepared: Prepared, known: Known | None = None) -> dict[str, Forecaster]:
    """Baselines that have learned from the training windows, or before, each with a context long enough for it."""
    readers: dict[str, Reader] = {}
    known = known or {}
    for kind in kinds:
        config, source = Baseline(kind=kind), prepared.source
        shape = config.reading(source.shape)
        if shape != source.shape:
            source = WindowSource(prepared.panel, prepared.features, shape, source.device)
        network = (known[kind][0] if kind in known else config.build(shape)).to(source.device)
        if kind not in known:
            learn_baseline(network, source, prepared)
        readers[kind] = Reader(network, source)
    found = _calibrated({kind: reader for kind, reader in readers.items() if kind not in known}, prepared)
    return {kind: found.get(kind) or Forecaster(reader, known[kind][1]) for kind, reader in readers.items()}


def learn_baseline(network: BaselineForecaster, source: WindowSource, prepared: Prepared) -> None:
    """Give a baseline the level, its matrix and its error quantiles from the training part, if there is one."""
    network.scaler.learn(*(torch.from_numpy(part) for part in prepared.level))
    if not len(prepared.parts.train):
        return
    most = LINEAR_WINDOWS if network.kind == "linear" else BASELINE_WINDOWS
    with torch.inference_mode():
        network.learn(WindowLoader(source, prepared.parts.train.thin(most), BATCH))


def _calibrated(readers: dict[str, Reader], prepared: Prepared) -> dict[str, Forecaster]:
    held_out = outcomes(readers, prepared, prepared.parts.validation)
    return {name: Forecaster(reader, conformal.fit(held_out[name], LEVELS)) for name, reader in readers.items()}


def outcomes(readers: dict[str, Reader], prepared: Prepared, windows: Windows) -> dict[str, Outcome]:
    """Forecast every window, as the networks say it, and set it beside what came.

    Networks that read the same windows get them from one gather per batch.
    """
    found: dict[str, Outcome] = {}
    for source in {id(r.source): r.source for r in readers.values()}.values():
        networks = {name: r.network for name, r in readers.items() if r.source is source}
        found |= _read(networks, source, prepared, windows)
    return {name: found[name] for name in readers}


def _read(
    networks: dict[str, Network], source: WindowSource, prepared: Prepared, windows: Windows
) -> dict[str, Outcome]:
    W, H, C = len(windows), source.shape.horizon, source.shape.targets
    truth, observed = np.empty((W, H, C), dtype=np.float32), np.empty((W, H, C), dtype=np.bool_)
    kept = {name: _Kept(W, H, C) for name in networks}
    loader = WindowLoader(source, windows, size := batch_size(source))

    def read(i: int) -> None:
        with torch.inference_mode():  # which holds for one thread
            batch = loader.batch(i)
            here = slice(i * size, i * size + len(batch.truth.target))
            truth[here] = batch.truth.target.cpu().numpy()
            observed[here] = batch.truth.observed.cpu().numpy()
            for name, network in networks.items():
                kept[name].put(here, network(batch.context))

    # Batches side by side with one thread each: a network's own threads wait for each other at every step.
    count = torch.get_num_threads() if source.device == "cpu" else 1
    if len(loader):
        read(0)  # alone: it settles the shapes of what is kept
    with threads(1) if count > 1 else nullcontext():
        each(read, range(1, len(loader)), count)
    panel, series = prepared.panel, windows.series
    return {
        name: Outcome(
            truth=truth, observed=observed, point=k.point,
            distribution=Quantiles(k.levels, k.centre, k.spread, k.offset),
            scale=prepared.in_sample.mean[series], square=prepared.in_sample.square[series], series=series,
            time=panel.first[series] + windows.origins - panel.offsets[series],
        )
        for name, k in kept.items()
    }  # fmt: skip


def batch_size(source: WindowSource) -> int:
    """Windows per forward pass."""
    shape = source.shape
    most = MOST_VALUES // (shape.horizon * shape.targets * len(LEVELS))
    if source.device == "cpu":
        most = min(most, MOST_STEPS // (shape.context + shape.horizon))
    return max(1, min(BATCH, most))


class _Kept:
    """What one network says of all windows, with quantiles in normalised units, level by level."""

    def __init__(self, W: int, H: int, C: int) -> None:
        self.levels: tuple[float, ...] = ()
        self.point = np.empty((W, H, C), dtype=np.float32)
        self.centre = self.point
        self.spread = np.empty((W, C), dtype=np.float32)
        self.offset = np.empty((0, 1, H, C), dtype=np.float32)

    def put(self, here: slice, forecast: Forecast) -> None:
        loc, scale, offset = (part.cpu().numpy() for part in (*forecast.scaling, forecast.offset))
        if not self.levels and forecast.levels:
            W, H, C = self.point.shape
            self.levels = forecast.levels
            self.centre = np.empty((W, *loc.shape[1:]), dtype=np.float32)
            self.offset = np.empty((len(self.levels), W if offset.ndim == 4 else 1, H, C), dtype=np.float32)
        self.point[here] = forecast.point.cpu().numpy()
        self.spread[here] = scale[:, 0]
        if self.levels:
            self.centre[here] = loc
            self.offset[:, here if offset.ndim == 4 else 0] = np.moveaxis(offset, -1, 0)


def standardise(outcomes: dict[str, Outcome], moments: Moments) -> dict[str, Outcome]:
    """Outcomes of the same windows in units of each series' and target's deviation about its mean, (n, C) each.

    As the long-horizon literature scores: z-scores of the training part, with the deviation of the population.
    """
    first = next(iter(outcomes.values()))
    deviation = np.where(moments.deviation > 0, moments.deviation, 1.0)[first.series].astype(np.float32)
    mean = np.nan_to_num(moments.mean)[first.series].astype(np.float32)
    truths = {id(o.truth): o.truth for o in outcomes.values()}  # mostly one that all share
    truths = {key: scaled(truth, mean, deviation) for key, truth in truths.items()}
    return {
        name: replace(
            o, truth=truths[id(o.truth)], point=scaled(o.point, mean, deviation),
            distribution=o.distribution.scaled(mean, deviation), scale=o.scale / deviation,
            square=o.square / deviation**2,
        )
        for name, o in outcomes.items()
    }  # fmt: skip
