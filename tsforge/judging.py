"""The model and the baselines over the same windows, learned from and calibrated on the same parts."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np

from tsforge import calibration, evaluation
from tsforge.calibration import Calibration
from tsforge.data import split, statistics
from tsforge.data.windows import Windows
from tsforge.evaluation import Forecaster
from tsforge.model.baselines import BaselineKind
from tsforge.outcome import Outcome, concatenated
from tsforge.preparation import Prepared

log = logging.getLogger("tsforge")

MOST_VALUES = 400_000_000  # quantiles of one model that are kept: 1.6 GB


@dataclass(frozen=True)
class Judged:
    """Forecasts of the same windows by name, the model's first.

    raw: as the networks give them. starts: for each fit, how many of the windows are its own, and the corrections of
    the intervals by name, from held-out windows before its first origin.
    """

    windows: Windows
    raw: dict[str, Outcome]
    starts: tuple[tuple[int, dict[str, Calibration | None]], ...]

    def static(self, name: str) -> Outcome:
        """With the intervals corrected, as `predict` gives them."""
        o = self.raw[name]
        parts, begin = [], 0
        for count, found in self.starts:
            part = o if count == len(o.truth) else o.part(slice(begin, begin + count))
            start = found[name]
            parts.append(part if start is None else start.apply(part))
            begin += count
        return concatenated(parts)

    def adaptive(self, gamma: float) -> dict[str, Outcome]:
        """With intervals that also move after every origin, all of them."""
        starts = self.starts[0][1]
        once = len(self.starts) == 1
        moving = {name: start for name, start in starts.items() if start is not None}
        found = {name: self.raw[name] if once else self.static(name) for name in self.raw}
        for levels in {start.levels for start in moving.values()}:
            names = [name for name, start in moving.items() if start.levels == levels]
            begin = [moving[name] if once else moving[name].settled() for name in names]
            moved = calibration.adapt_all([found[name] for name in names], begin, gamma)
            found |= dict(zip(names, moved, strict=True))
        return found


def judge(model: Forecaster, prepared: Prepared) -> Judged:
    """The model and the baselines over the test windows."""
    experiment, windows = prepared.experiment, _bounded(prepared)
    kind: str = experiment.model.kind
    metrics = experiment.backtest.metrics if experiment.backtest else ()
    extra: tuple[BaselineKind, ...] = ("naive2",) if "owa" in metrics else ()
    trained = len(prepared.parts.train) > 0
    others = [name for name in dict.fromkeys((*evaluation.BASELINES, *extra)) if name != kind]
    if not trained and "linear" in others:
        log.warning("there is nothing before the first origin to learn from: linear is left out")
        others.remove("linear")
    found = {kind: model, **evaluation.baselines(others, prepared)}
    raw = evaluation.outcomes({name: f.reader for name, f in found.items()}, prepared, windows)
    if not trained:  # no errors to take the baselines' intervals from
        bare = {name: replace(o, quantiles=o.quantiles[..., :0], levels=()) for name, o in raw.items() if name != kind}
        raw |= bare
    return Judged(windows, raw, ((len(windows), {name: f.calibration for name, f in found.items()}),))


def _bounded(prepared: Prepared) -> Windows:
    """The test windows, or as many of them as memory allows."""
    shape = prepared.source.shape
    most = MOST_VALUES // (shape.horizon * shape.targets * 11)
    return split.thin_test(prepared.parts, most).test


def joined(parts: list[Judged], units: statistics.Moments | None) -> Judged:
    """What several fits say of their own windows as one; in deviations of `units` where they are given."""
    raw = {name: concatenated([p.raw[name] for p in parts]) for name in parts[0].raw}
    if units is not None:
        raw = {name: evaluation.standardise(o, units) for name, o in raw.items()}
    windows = Windows(*(np.concatenate(column) for column in zip(*(p.windows for p in parts), strict=True)))
    return Judged(windows, raw, tuple(start for p in parts for start in p.starts))
