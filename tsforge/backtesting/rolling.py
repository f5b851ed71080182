"""backtest: forecasts rolled over the end of the data, by a fitted model or by models fitted on the way."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tsforge.backtesting.forecasts import Judged, joined, judge
from tsforge.data import split, statistics
from tsforge.data.catalog import find
from tsforge.data.dataset import Cut, Prepared, arrange, encode, pick_device, read, resolve, settle_horizon
from tsforge.data.panel import Panel, build
from tsforge.data.table import table
from tsforge.data.table.times import show_time
from tsforge.data.windows import Windows, cut
from tsforge.errors import ConfigError, DataError, ModelError
from tsforge.evaluation.forecasting import Forecaster, Reader
from tsforge.evaluation.outcome import Outcome
from tsforge.experiment import BacktestConfig, Experiment
from tsforge.fitted import directory
from tsforge.fitted.model import Model
from tsforge.training import fitting
from tsforge.training.events import Report

log = logging.getLogger("tsforge")

Fold = Callable[[Prepared, int, int], Report | None]  # called before each fit: what is fitted, which one, of how many


@dataclass(frozen=True)
class Backtest:
    """Forecasts of the same windows by the model and by the baselines.

    experiment: as resolved. judged: the forecasts and how their intervals are corrected, the model's first.
    stride: steps between origins. fits: how many models were fitted, 0 for a model that was there before.
    """

    experiment: Experiment
    panel: Panel
    judged: Judged
    stride: int
    fits: int
    seconds: float = 0.0

    @property
    def config(self) -> BacktestConfig:
        """How it was rolled and is scored."""
        return self.experiment.backtest or BacktestConfig()

    @property
    def origins(self) -> int:
        """Forecast origins of the series that has most."""
        return int(np.bincount(self.judged.windows.series).max())

    @property
    def rolls(self) -> bool:
        """Whether intervals can adapt: there is an origin to learn from before another."""
        return self.origins > 1

    @cached_property
    def outcomes(self) -> dict[str, Outcome]:
        """By model, with the intervals that were asked for."""
        return {name: self.outcome(name, self.intervals) for name in self.judged.raw}

    def outcome(self, name: str, intervals: str) -> Outcome:
        """The forecasts of one model with "raw", "static" or "adaptive" intervals."""
        if intervals == "raw":
            return self.judged.raw[name]
        if intervals == "static" or not self.rolls:
            return self.judged.static(name)
        return self.judged.adaptive(name, self.config.gamma)

    @property
    def intervals(self) -> str:
        """ "raw", "static" or "adaptive": what the outcomes have."""
        return self.config.intervals if self.rolls or self.config.intervals == "raw" else "static"


def backtest(
    what: Experiment | Model | str | Path, data: Any = None, *, config: BacktestConfig | None = None,
    on_fit: Fold | None = None,
) -> Backtest:  # fmt: skip
    """Judge a forecaster on data it never saw, beside naive, seasonal naive, drift and linear.

    what: an experiment, which is fitted on what lies before each (first) origin; or a fitted model or its directory,
    which forecasts every origin after what it has seen. Origins are counted back from the end of each series; where
    series end at different times, a fit knows times of one that lie after the origins of another, which is said.
    data: path, name of a data set, pandas or Polars frame; the experiment's or the training data where None.
    config: how to roll; the experiment's own where None. Windows whose truth is partly missing count where observed.
    Raises TsforgeError for what the user can mend.
    """
    start = time.perf_counter()
    if isinstance(what, Experiment):
        experiment = what.model_copy(update={"backtest": config or what.backtest or BacktestConfig()})
        result = _of_experiment(experiment, data, on_fit or (lambda *_: None))
    else:
        model = what if isinstance(what, Model) else directory.load(what)
        asked = config or for_model(model.experiment.backtest)
        result = _of_model(model, data, asked)
    return replace(result, seconds=time.perf_counter() - start)


def for_model(config: BacktestConfig | None) -> BacktestConfig:
    """How a fitted model rolls: as its experiment says, without what concerns fitting."""
    known = config.model_dump(exclude={"refit", "gap", "train_window"}) if config else {}
    return BacktestConfig.model_validate(known)


def _of_experiment(experiment: Experiment, data: Any, on_fit: Fold) -> Backtest:
    """Fit before the first origin, and again every `refit` origins."""
    experiment, panel = read(experiment, data)
    _say_ragged(panel)
    config = experiment.backtest or BacktestConfig()
    horizon = settle_horizon(experiment, panel)
    stride = config.stride or (horizon if config.windows or config.refit else 1)
    _, test = split.sizes(panel, horizon, experiment.data.validation, experiment.data.test)
    count = config.windows or (test - horizon) // stride + 1
    if count < 1:
        raise ConfigError("data.test = 0 leaves nothing to score", "pass --windows, or a larger data.test")
    if config.windows or config.refit:
        test = (count - 1) * stride + horizon
    settled = {"data": experiment.data.model_copy(update={"test": test, "horizon": horizon})}
    first = split.Rolling(stride, config.gap, config.train_window)
    experiment, _ = resolve(experiment.model_copy(update=settled), panel, first)
    _check_history(experiment, config)
    assert experiment.data.validation is not None
    device = pick_device(experiment.train.device)
    per_fit = config.refit or count
    starts = range(0, count, per_fit)
    judged: list[Judged] = []
    units: statistics.Moments | None = None
    for number, begin in enumerate(starts):
        n = min(per_fit, count - begin)
        rolling = first._replace(later=(count - begin - n) * stride)
        length = test if n == count else (n - 1) * stride + horizon
        cuts = split.split(panel, experiment.data.validation, length, rolling)
        prepared = arrange(experiment, panel, cuts, device)
        if not len(prepared.parts.test):
            log.warning(
                "no truth was observed behind the origins of fit %d of %d: it is left out", number + 1, len(starts)
            )
            continue
        learned = fitting.learn(prepared, on_fit(prepared, number, len(starts)))
        if learned.stop == "interrupt":
            raise KeyboardInterrupt
        judged.append(judge(learned.judged, prepared))
        units = units or _units(prepared, config)
    if not judged:
        raise DataError(f"{panel.name}: no window has an observed truth to score", "ask for more --windows")
    return Backtest(experiment, panel, joined(judged, units), stride, len(judged))


def _say_ragged(panel: Panel) -> None:
    """Series are cut by their own ends: that a common clock would be crossed is said, where there is one."""
    last = panel.first + panel.ends - panel.offsets[:-1]
    last = last[panel.ends > panel.offsets[:-1]]
    if panel.schema.time_kind == "datetime" and len(np.unique(last)) > 1:
        log.warning(
            "%d series end at different times and each is cut by its own end: what is learned from one may lie after "
            "the origins of another", len(last),
        )  # fmt: skip


def _units(prepared: Prepared, config: BacktestConfig) -> statistics.Moments | None:
    """What scores are divided by, where they are asked for in deviations of the training part."""
    if config.units != "standard":
        return None
    return statistics.moments(prepared.panel, prepared.cuts.train, prepared.cuts.begin)


def _check_history(experiment: Experiment, config: BacktestConfig) -> None:
    data = experiment.data
    assert data.validation is not None
    assert data.horizon is not None
    least = data.validation + data.horizon + 1
    if config.train_window is not None and config.train_window < least:
        raise ConfigError(
            f"a sliding window of {config.train_window} steps is too short: validation takes {data.validation} of them",
            f"ask for {least} steps or more, or lower data.validation",
        )


def _of_model(model: Model, data: Any, config: BacktestConfig) -> Backtest:
    """Every origin after what the model has seen, or as many of them as were asked for."""
    if config.refit or config.gap or config.train_window:
        raise ConfigError(
            "a fitted model is not trained again: refit, gap and train_window do not go with it",
            "backtest the data with --config MODEL/experiment.toml to fit on the way",
        )
    source = data if data is not None else model.experiment.data.path
    if source is None or (data is None and not Path(source).exists()):
        raise ModelError("the training data is not at hand", "name the table: backtest MODEL DATA")
    read_table = table.load_like(find(source) if isinstance(source, str) else source, model.facts.columns)
    if model.experiment.data.rows is not None:
        read_table = table.head(read_table, model.experiment.data.rows)
    panel = build(read_table)
    H, L = model.shape.horizon, model.shape.context
    stride = config.stride or (H if config.windows else 1)
    seen = _seen(model, panel)
    begin = seen if config.windows is None else panel.ends - H - (config.windows - 1) * stride
    windows = cut(panel, np.maximum(begin, panel.offsets[:-1]), panel.ends, L, H, stride=stride)
    windows = _unseen(windows, seen, model, panel)
    origin = np.minimum.reduceat(windows.origins, np.flatnonzero(np.r_[True, np.diff(windows.series) > 0]))
    first = panel.ends.copy()
    first[np.unique(windows.series)] = origin
    validated = np.minimum(np.where(seen > panel.offsets[:-1], seen, first), first)
    trained = np.maximum(validated - (model.experiment.data.validation or H), panel.offsets[:-1])
    cuts = split.Split(panel.offsets[:-1], trained, validated, first, panel.ends, 0, stride)
    held_out = cut(panel, trained, validated, L, H).thin(split.MOST_VALIDATION)
    parts = split.Parts(cut(panel, panel.offsets[:-1], trained, L, H), held_out, windows)
    experiment = model.experiment.model_copy(update={"backtest": config})
    prepared = encode(experiment, panel, Cut(cuts, parts, model.facts.encodings))
    forecaster = Forecaster(Reader(model.network, prepared.source), model.calibration)
    judged = judge(forecaster, prepared, model.baselines)
    return Backtest(experiment, panel, joined([judged], _units(prepared, config)), stride, 0)


def _seen(model: Model, panel: Panel) -> split.Ints:
    """The first row of each series that the model was neither trained on nor chosen by; of a new series its first."""
    starts = panel.offsets[:-1]
    ordinals = np.array([model.facts.seen.get(panel.key(i), panel.first[i]) for i in range(len(panel))])
    rows: split.Ints = np.clip(starts + ordinals - panel.first, starts, panel.ends)
    return rows


def _unseen(windows: Windows, seen: split.Ints, model: Model, panel: Panel) -> Windows:
    """Those whose truth the model has not seen; how many are left out is said."""
    H = model.shape.horizon
    longest = int((panel.ends - panel.offsets[:-1]).max(initial=0))
    if longest <= H:
        raise DataError(
            f"{panel.name}: too short: the longest series has {longest} rows, a window of the model takes {H + 1}",
            "bring more rows, and some history before them",
        )
    keep = windows.origins >= seen[windows.series]
    kept = Windows(windows.origins[keep], windows.series[keep])
    when = _last_seen(model, panel)
    if not len(kept):
        raise DataError(
            f"{panel.name}: no window of the data lies after what the model has seen (up to {when})",
            "bring later rows, or fit with a larger data.test",
        )
    if not keep.all():
        log.warning(
            "%d of %d windows are left out: the model was trained on or chosen by part of their truth (up to %s)",
            int((~keep).sum()), len(keep), when,
        )  # fmt: skip
    return kept


def _last_seen(model: Model, panel: Panel) -> str:
    """The latest time that the model knows of any series."""
    last = max(model.facts.seen.values(), default=int(panel.first.min())) - 1
    return show_time(panel.schema.frequency.stamps(np.array([last]))[0], panel.schema)
