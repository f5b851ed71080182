"""backtest: forecasts rolled over the end of the data, by a fitted model or by models fitted on the way."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tsforge.backtesting.forecasts import Forecasts, forecast, joined
from tsforge.backtesting.hierarchies import reconciled
from tsforge.backtesting.result import Backtest
from tsforge.data import dataset as datasets
from tsforge.data import split, statistics
from tsforge.data.dataset import Dataset, Sizes
from tsforge.data.loader import pick_device
from tsforge.data.panel import Ints, Panel
from tsforge.data.table.times import show_time
from tsforge.data.windows import Windows, cut
from tsforge.errors import ConfigError, DataError, ModelError
from tsforge.evaluation.running_sums import RunningSums
from tsforge.experiment import BacktestConfig, Experiment
from tsforge.fitted import directory
from tsforge.fitted.model import Model
from tsforge.runtime.threads import sparing
from tsforge.runtime.timing import stage
from tsforge.settings import override
from tsforge.training import fitting, single
from tsforge.training.events import Report, Stop
from tsforge.training.loop import Trained

log = logging.getLogger("tsforge")

# Called before each fit: what is fitted to which windows, which one it is, of how many.
Fold = Callable[[Experiment, Dataset, int, int], Report | None]


@sparing()
def backtest(
    what: Experiment | Model | str | Path, data: Any = None, *, config: BacktestConfig | None = None,
    baselines: str | Sequence[str] | None = None, on_fit: Fold | None = None, reconcile: str | None = None,
) -> Backtest:  # fmt: skip
    """Judge a forecaster on data it never saw: `tsforge.backtest` with a model or its directory."""
    start = time.perf_counter()
    asked: dict[str, Any] = {} if baselines is None else {"baselines": baselines}
    asked |= {} if reconcile is None else {"data.reconcile": reconcile}
    if isinstance(what, Experiment):
        experiment = override(what, asked).model_copy(update={"backtest": config or what.backtest or BacktestConfig()})
        result = _of_experiment(experiment, data, on_fit or (lambda *_: None))
    else:
        model = what if isinstance(what, Model) else directory.load(what)
        model = replace(model, experiment=override(model.experiment, asked))
        result = of_model(model, data, config or for_model(model.experiment.backtest))
    return replace(result, seconds=time.perf_counter() - start)


def for_model(config: BacktestConfig | None) -> BacktestConfig:
    """How a fitted model rolls: as its experiment says, without what concerns fitting."""
    rolling = config.model_dump(exclude={"refit", "gap", "train_window"}) if config else {}
    return BacktestConfig.model_validate(rolling)


def _of_experiment(experiment: Experiment, data: Any, on_fit: Fold) -> Backtest:
    """Fit before the first origin, and again every `refit` origins."""
    asked, panel = datasets.read(experiment.data, data)
    _warn_ragged(panel)
    config = experiment.backtest or BacktestConfig()
    horizon = datasets.settle_horizon(asked, panel)
    stride = config.stride or (horizon if config.windows or config.refit else 1)
    _, test = split.sizes(panel, horizon, asked.validation, asked.test)
    count = config.windows or (test - horizon) // stride + 1
    if count < 1:
        raise ConfigError("data.test = 0 leaves nothing to score", "set backtest.windows, or a larger data.test")
    if config.windows or config.refit:
        test = (count - 1) * stride + horizon
    first = split.Rolling(stride, config.gap, config.train_window)
    asked = asked.model_copy(update={"test": test, "horizon": horizon})
    layout = datasets.resolve(asked, panel, experiment.model, first)
    experiment = experiment.on(layout.config, layout.sizes.narrow)
    _check_history(layout.sizes, config)
    device = pick_device(experiment.train.device)
    per_fit = config.refit or count
    starts = range(0, count, per_fit)
    parts: list[Forecasts] = []
    units: statistics.Moments | None = None
    sums = RunningSums() if len(starts) > 1 else None
    for number, begin in enumerate(starts):
        n = min(per_fit, count - begin)
        rolling = first._replace(later=(count - begin - n) * stride)
        length = test if n == count else (n - 1) * stride + horizon
        cuts = split.split(panel, layout.sizes.validation, length, rolling)
        dataset = datasets.arrange(panel, layout._replace(cuts=cuts), device)
        if not len(dataset.parts.test):
            log.warning("no truth was observed behind the origins of fit %d of %d: it is left out",
                        number + 1, len(starts))  # fmt: skip
            continue
        trained = _train(experiment, dataset, on_fit(experiment, dataset, number, len(starts)), sums)
        if trained.stop == Stop.INTERRUPT:
            raise KeyboardInterrupt
        dataset = trained.narrowed(dataset)
        model = fitting.calibrate(trained, dataset)
        forecaster = model.forecaster(dataset.source)
        made = forecast(forecaster, experiment, dataset, sums=sums)
        parts.append(reconciled(made, experiment.model.kind, trained.unseen or trained.network, dataset))
        units = units or _units(dataset, config)
    if not parts:
        raise DataError(f"{panel.name}: no window has an observed truth to score", "ask for more backtest.windows")
    return Backtest(experiment, panel, joined(parts, units), stride, len(parts), fallback=layout.sizes.fallback)


@stage("training")
def _train(experiment: Experiment, dataset: Dataset, report: Report | None, sums: RunningSums | None) -> Trained:
    """Train anew; the linear model from the sums of its last fit."""
    if sums is None or experiment.model.kind != "linear":
        return fitting.train(experiment, dataset, report)
    single.warn_padding(dataset, dataset.sizes.context)
    return single.learn(experiment, dataset, sums)


def _warn_ragged(panel: Panel) -> None:
    """Warn where series are cut by their own ends and a common clock is crossed by that."""
    last = (panel.first + panel.lengths)[panel.ends > panel.offsets[:-1]]
    if panel.schema.time_kind == "datetime" and len(np.unique(last)) > 1:
        log.warning(
            "%d series end at different times and each is cut by its own end: what is learned from one may lie after "
            "the origins of another", len(last),
        )  # fmt: skip


def _units(dataset: Dataset, config: BacktestConfig) -> statistics.Moments | None:
    """What scores are divided by, where they are asked for in deviations of the training part."""
    standard = config.units == "standard"
    return statistics.moments(dataset.panel, dataset.cuts.train, dataset.cuts.begin) if standard else None


def _check_history(sizes: Sizes, config: BacktestConfig) -> None:
    least, given = sizes.validation + sizes.horizon + 1, config.train_window
    if given is not None and given < least:
        raise ConfigError(
            f"a sliding window of {given} steps is too short: validation takes {sizes.validation} of them",
            f"ask for {least} steps or more, or lower data.validation",
        )


def of_model(model: Model, data: Any, config: BacktestConfig, *, whole: bool = True) -> Backtest:
    """Every origin after what the model has seen, or as many of them as were asked for.

    whole: False where the data are a part of a table, from which no baseline learns: so no score depends on how it was
    divided.
    """
    dataset = held_out(model, data, config, whole=whole)
    experiment = model.experiment.model_copy(update={"backtest": config})
    forecasts = forecast(model.forecaster(dataset.source), experiment, dataset, model.baselines, learn=whole)
    forecasts = reconciled(forecasts, experiment.model.kind, model.network, dataset)
    joint = joined([forecasts], _units(dataset, config))
    return Backtest(experiment, dataset.panel, joint, dataset.cuts.stride, 0, fallback=dataset.sizes.fallback)


def held_out(model: Model, data: Any, config: BacktestConfig, *, whole: bool = True) -> Dataset:
    """A table as a fitted model reads it, whose test part are the windows that the model has not seen."""
    if config.refit or config.gap or config.train_window:
        raise ConfigError(
            "a fitted model is not trained again: refit, gap and train_window do not go with it",
            "backtest MODEL/experiment.toml itself, which fits on the way",
        )
    asked, shape = model.experiment.data, model.shape
    source = data if data is not None else asked.path
    if source is None or (data is None and not Path(source).exists()):
        raise ModelError("the training data is not at hand", "name the table: backtest MODEL DATA")
    panel = datasets.read_like(source, asked, model.facts.columns)
    H, L = shape.horizon, shape.context
    stride = config.stride or (H if config.windows else 1)
    seen = model.facts.unseen(panel)
    begin = seen if config.windows is None else panel.ends - H - (config.windows - 1) * stride
    windows = cut(panel, np.maximum(begin, panel.offsets[:-1]), panel.ends, L, H, stride=stride)
    windows = _unseen(windows, seen, model, panel)
    first = panel.ends.copy()
    np.minimum.at(first, windows.series, windows.origins)
    validated = np.minimum(np.where(seen > panel.offsets[:-1], seen, first), first)
    validation = asked.validation or H
    trained = np.maximum(validated - validation, panel.offsets[:-1])
    cuts = split.Split(panel.offsets[:-1], trained, validated, first, panel.ends, 0, stride)
    held_out = cut(panel, trained, validated, L, H).thin(split.MOST_VALIDATION)
    before = (
        cut(panel, panel.offsets[:-1], trained, L, H) if whole else Windows(windows.origins[:0], windows.series[:0])
    )
    parts = split.Parts(before, held_out, windows)
    narrow = min((network.shape.context for network, _ in model.baselines.values()), default=L)  # that of naive
    sizes = Sizes(L, H, shape.season, validation, asked.test or 0, fallback=shape.fallback, narrow=narrow)
    layout = datasets.Layout(asked, sizes, cuts, model.experiment.model.bounds)
    estimates = datasets.Estimates(model.facts.encodings, model.facts.traits(panel))
    return datasets.encode(panel, layout, parts, estimates)


def _unseen(windows: Windows, seen: Ints, model: Model, panel: Panel) -> Windows:
    """Those whose truth the model has not seen, with a warning of how many are left out."""
    H = model.shape.horizon
    longest = int(panel.lengths.max(initial=0))
    if longest <= H:
        raise DataError(
            f"{panel.name}: too short: the longest series has {longest} rows, a window of the model takes {H + 1}",
            "bring more rows, and some history before them",
        )
    keep = windows.origins >= seen[windows.series]
    unseen = Windows(windows.origins[keep], windows.series[keep])
    last = max(model.facts.seen.values(), default=int(panel.first.min())) - 1  # that the model knows of any series
    when = show_time(panel.schema.frequency.stamps(np.array([last]))[0], panel.schema)
    if not len(unseen):
        raise DataError(
            f"{panel.name}: no window of the data lies after what the model has seen (up to {when})",
            "bring later rows, or fit with a larger data.test",
        )
    if not keep.all():
        log.warning(
            "%d of %d windows are left out: the model was trained on or chosen by part of their truth (up to %s)",
            int((~keep).sum()), len(keep), when,
        )  # fmt: skip
    return unseen
