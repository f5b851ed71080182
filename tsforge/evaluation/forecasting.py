"""Forecasts over many windows in one batched pass, calibrated on held-out windows, beside the baselines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from tsforge.batch import Context, WindowShape
from tsforge.data import dataset as datasets
from tsforge.data.dataset import Dataset
from tsforge.data.loader import WindowLoader, WindowSource
from tsforge.data.statistics import Moments
from tsforge.data.windows import Windows
from tsforge.errors import DataError
from tsforge.evaluation import conformal
from tsforge.evaluation.adaptive import follow
from tsforge.evaluation.conformal import Calibration
from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.quantiles import Distribution, scaled
from tsforge.evaluation.running_sums import LINEAR_WINDOWS, RunningSums
from tsforge.experiment import Experiment
from tsforge.forecast import Forecast
from tsforge.model.baselines.closed_form import ClosedForm
from tsforge.model.baselines.forecaster import WHOLE, Baseline, BaselineForecaster
from tsforge.model.baselines.naive import BaselineKind
from tsforge.model.heads import LEVELS
from tsforge.model.zero.network import ZeroNetwork
from tsforge.runtime.threads import available, each, sparing

BASELINES: tuple[BaselineKind, ...] = ("seasonal-naive", "naive", "drift", "linear")  # beside every score
BASELINE_WINDOWS = 1024  # training windows from which a baseline takes its error quantiles
FEW_WINDOWS = 256  # where each is a fit by itself
BATCH = 512  # windows per forward pass when nothing has to be kept for a gradient
MOST_STEPS = 32_768  # of contexts and horizons per forward pass on a CPU: what lies in its cache is read faster
AT_ONCE = 2**19  # likewise for what takes its steps of time one by one, and cuts what it is given into pieces itself
MOST_VALUES = 4_000_000  # quantiles per forward pass: larger pieces of memory are new ones each time, which costs more


Network = Callable[[Context], Forecast]


class Reader(NamedTuple):
    """A network and the windows it reads."""

    network: Network
    source: WindowSource


Baselines = Mapping[str, tuple[BaselineForecaster, Calibration | None]]  # fitted, by kind, with their corrections


@dataclass(frozen=True)
class Forecaster:
    """A network that has learned, the windows it reads, and the corrections of its intervals."""

    reader: Reader
    calibration: Calibration | None

    def outcome(self, dataset: Dataset, windows: Windows) -> Outcome:
        """Forecasts with corrected intervals, the same corrections for all windows."""
        raw = outcomes({"": self.reader}, dataset, windows)[""]
        return raw if self.calibration is None else self.calibration.apply(raw)

    def rolled(self, dataset: Dataset, windows: Windows) -> tuple[Outcome, Calibration | None]:
        """Forecasts with intervals that move after each origin, and the corrections after the last one."""
        raw = outcomes({"": self.reader}, dataset, windows)[""]
        return (raw, None) if self.calibration is None else follow(raw, self.calibration)


def forecaster(network: Network, dataset: Dataset) -> Forecaster:
    """A network with its intervals calibrated on the validation windows."""
    return _calibrated({"": Reader(network, dataset.source)}, dataset)[""]


def beside(experiment: Experiment, *more: BaselineKind) -> list[BaselineKind]:
    """The baselines that an experiment's model stands beside: the usual ones, those asked for and `more`, each once."""
    names = dict.fromkeys((*BASELINES, *experiment.baselines, *more))
    return [name for name in names if name != experiment.model.kind]


def baselines(
    kinds: Iterable[BaselineKind], dataset: Dataset, fitted: Baselines | None = None,
    sums: RunningSums | None = None,
) -> dict[str, Forecaster]:  # fmt: skip
    """Baselines fitted to the training windows, or before, for forecasts of the same windows as a model's.

    Each reads a network's context (`Sizes.narrow`), or a longer one where it needs that, as theta does for ten seasons;
    it learns from the training part that it has in a fit of its own. sums: as in `fit_baseline`.
    """
    readers: dict[str, Reader] = {}
    views: dict[tuple[int, bool], Dataset] = {}
    fitted = fitted or {}
    for kind in kinds:
        config = Baseline(kind=kind)
        shape = fitted[kind][0].shape if kind in fitted else _reading(config, dataset)
        alike = shape.context, config.any_history
        if alike not in views:
            views[alike] = datasets.reaching(dataset, shape.context, config)
        source = views[alike].source
        network = (fitted[kind][0] if kind in fitted else config.build(shape)).to(source.device)
        if kind not in fitted:
            fit_baseline(network, source, views[alike], sums)
        readers[kind] = Reader(network, source)
    new = _calibrated({kind: reader for kind, reader in readers.items() if kind not in fitted}, dataset)
    return {kind: new.get(kind) or Forecaster(reader, fitted[kind][1]) for kind, reader in readers.items()}


def _reading(config: Baseline, dataset: Dataset) -> WindowShape:
    """The windows that a baseline reads; of a context that is longer than every training series no more than that.

    Without training windows nothing is learned from the table, and how long its series are decides nothing either.
    """
    cycles = dataset.panel.schema.frequency.seasons()
    narrow = dataset.source.shape.narrowed(dataset.sizes.narrow or None)
    shape = config.reading(narrow, cycles)
    if not config.any_history or not len(dataset.parts.train):
        return shape
    longest = int((dataset.cuts.train - dataset.panel.offsets[:-1]).max(initial=0)) - shape.horizon
    return shape.with_context(max(narrow.context, min(shape.context, longest)), cycles)


def fit_baseline(
    network: BaselineForecaster, source: WindowSource, dataset: Dataset, sums: RunningSums | None = None
) -> None:
    """Give a baseline the level, its matrix and its error quantiles from the training part, if there is one.

    sums: those of the last fit, which "linear" takes its matrix from in place of reading all windows again.
    """
    network.scaler.fit(*(torch.from_numpy(part) for part in dataset.level))
    windows = dataset.parts.train
    if not len(windows):
        return
    few = FEW_WINDOWS if network.kind in WHOLE else BASELINE_WINDOWS
    with torch.inference_mode():
        if network.kind == "linear" and sums is not None:
            sums.fit(network, source, windows)
        elif network.kind == "linear":
            network.fit_matrix(WindowLoader(source, windows.thin(LINEAR_WINDOWS), BATCH))
        network.fit_errors(WindowLoader(source, windows.thin(few), BATCH))


def _calibrated(readers: dict[str, Reader], dataset: Dataset) -> dict[str, Forecaster]:
    held_out = outcomes(readers, dataset, dataset.parts.validation)
    return {name: Forecaster(reader, conformal.fit(held_out[name], LEVELS)) for name, reader in readers.items()}


def outcomes(readers: dict[str, Reader], dataset: Dataset, windows: Windows) -> dict[str, Outcome]:
    """Forecast every window, as the networks say it, and set it beside what came.

    Networks that read the same windows get them from one gather per batch; those that take them step by step from
    larger ones.
    """
    read: dict[str, Outcome] = {}
    alike: dict[tuple[int, bool], dict[str, Reader]] = {}
    for name, reader in readers.items():
        alike.setdefault((id(reader.source), takes_steps(reader.network)), {})[name] = reader
    for group in alike.values():
        source = next(iter(group.values())).source
        read |= _read({name: reader.network for name, reader in group.items()}, source, dataset, windows)
    return {name: read[name] for name in readers}


def _read(networks: dict[str, Network], source: WindowSource, dataset: Dataset, windows: Windows) -> dict[str, Outcome]:
    W, H, C = len(windows), source.shape.horizon, source.shape.targets
    exact = dataset.panel.values.dtype
    truth, observed = np.empty((W, H, C), dtype=exact), np.empty((W, H, C), dtype=np.bool_)
    forecasts = {name: _Forecasts((W, H, C), exact) for name in networks}
    whole = all(takes_steps(network) for network in networks.values())
    loader = WindowLoader(source, windows, size := batch_size(source, AT_ONCE if whole else MOST_STEPS))

    def read(i: int) -> None:
        with torch.inference_mode():  # which holds for one thread
            batch = loader.batch(i)
            here = slice(i * size, i * size + len(batch.truth.target))
            truth[here] = batch.truth.target.cpu().numpy()
            observed[here] = batch.truth.observed.cpu().numpy()
            for name, network in networks.items():
                forecasts[name].put(here, network(batch.context))

    # Batches side by side with one thread each: a network's own threads wait for each other at every step.
    count = available() if source.device == "cpu" else 1
    with sparing():
        if len(loader):
            read(0)  # alone: it settles the shapes of what is kept
        each(read, range(1, len(loader)), count)
    panel, series = dataset.panel, windows.series.astype(np.int64)
    for name, said in forecasts.items():
        if not np.isfinite(said.point).all():
            w = int(np.flatnonzero(~np.isfinite(said.point).all(axis=(1, 2)))[0])
            label = f" of series {panel.label(int(series[w]))}" if panel.ids else ""
            whose = f" of {name}" if name else ""
            raise DataError(
                f"{panel.name}: the forecast{whose} over a held-out window{label} is not a number",
                "choose another model, or look at the sizes of its values",
            )
    kept = None if dataset.limits.none else dataset.limits.of(windows)
    low, high = (None, None) if kept is None else kept[:2]
    return {
        name: Outcome(
            truth=truth, observed=observed, point=k.point if kept is None else kept.keep(k.point),
            distribution=Distribution(k.levels, k.centre, k.spread, k.offset, low=low, high=high),
            scale=dataset.in_sample.mean[series], square=dataset.in_sample.square[series], series=series,
            time=panel.first[series] + windows.origins - panel.offsets[series],
        )
        for name, k in forecasts.items()
    }  # fmt: skip


def takes_steps(network: Network) -> bool:
    """Whether a network, or a member of it, takes the steps of its windows, or few tokens of them, one by one."""
    parts = network.modules() if isinstance(network, nn.Module) else ()
    return any((isinstance(part, ClosedForm) and part.kind in WHOLE) or isinstance(part, ZeroNetwork) for part in parts)


def batch_size(source: WindowSource, most_steps: int = MOST_STEPS) -> int:
    """Windows per forward pass. most_steps: of contexts and horizons, on a CPU."""
    shape = source.shape
    most = MOST_VALUES // (shape.horizon * shape.targets * len(LEVELS))
    if source.device == "cpu":
        most = min(most, most_steps // (shape.context + shape.horizon))
    return max(1, min(BATCH, most))


class _Forecasts:
    """What one network says of all windows, with quantiles in normalised units, level by level.

    exact: the precision of what is in data units.
    """

    def __init__(self, shape: tuple[int, int, int], exact: np.dtype[np.floating]) -> None:
        W, H, C = shape
        self.levels: tuple[float, ...] = ()
        self.point = np.empty((W, H, C), dtype=exact)
        self.centre = self.point
        self.spread = np.empty((W, C), dtype=exact)
        self.offset = np.empty((0, 1, H, C), dtype=np.float32)

    def put(self, here: slice, forecast: Forecast) -> None:
        loc, scale, offset = (part.cpu().numpy() for part in (*forecast.scaling, forecast.normalised))
        if not self.levels and forecast.levels:
            W, H, C = self.point.shape
            self.levels = forecast.levels
            self.centre = np.empty((W, *loc.shape[1:]), dtype=self.point.dtype)
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
    deviation = np.where(moments.deviation > 0, moments.deviation, 1.0)[first.series].astype(first.truth.dtype)
    mean = np.nan_to_num(moments.mean)[first.series].astype(first.truth.dtype)
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
