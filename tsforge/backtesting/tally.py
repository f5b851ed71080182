"""The scores of a backtest before they are averaged: few numbers, and added up over tables of other series.

Of a table in many files each file has its own, made where it is read; their sum has the scores of the whole. What
learns from all series at once is not in it: intervals that move after every origin.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from tsforge.backtesting.result import Backtest
from tsforge.data.traits import Bound
from tsforge.errors import DataError
from tsforge.evaluation.gaps import Points
from tsforge.evaluation.metrics import SHOWN, Ratio, every, lower_is_better, metric
from tsforge.evaluation.scores import BY, By, averaged
from tsforge.evaluation.significance import Differences
from tsforge.experiment import BacktestConfig, Experiment

KINDS = ("raw", "static")  # of intervals
SUMMED: tuple[By, ...] = ("step", "mean")


class Sum(NamedTuple):
    """What a sum is of: a metric of a model with some intervals, by step, or each series' value."""

    model: str
    intervals: str
    metric: str
    by: By


@dataclass(frozen=True)
class Tally:
    """Sums of a backtest of a fitted model, or of several of them with other series.

    experiment: as resolved. models: the model first.
    windows, series: scored. read: series that there are. origins: of the series that has most.
    stride, fallback: as of a `Backtest`.
    points: observed ones, and those without a scale.
    bounds: what forecasts are kept within, and in how many windows.
    differences: of the model's error less another's, by that one's name and the metric.
    """

    experiment: Experiment
    models: tuple[str, ...]
    windows: int
    series: int
    read: int
    origins: int
    stride: int
    fallback: int
    points: Points
    sums: dict[Sum, Ratio]
    differences: dict[tuple[str, str], Differences]
    bounds: list[Bound]
    seconds: float = 0.0
    fits: int = 0

    @property
    def config(self) -> BacktestConfig:
        """How it was rolled and is scored."""
        return self.experiment.backtest or BacktestConfig()

    @property
    def intervals(self) -> str:
        """ "raw" or "static": those that are scored."""
        return self.config.intervals

    @property
    def rolls(self) -> bool:
        """Whether there is an origin to learn from before another."""
        return self.origins > 1

    def summed(self, model: str, intervals: str, names: Sequence[str], by: By) -> dict[str, Ratio]:
        """Metrics summed by step or mean, as `Backtest.summed`."""
        return {name: self.sums[Sum(model, intervals, name, by)] for name in names}

    def against(self, other: str, name: str) -> Differences:
        """The model's error of every window less another's."""
        return self.differences[other, name]

    def plus(self, other: Tally) -> Tally:
        """With that of other series. Raises DataError where other models were scored."""
        if self.models != other.models:
            both = f"{', '.join(self.models)} in one, {', '.join(other.models)} in another"
            raise DataError(f"partitions were scored beside other baselines: {both}", "remove the results of one")
        added = {}
        for name, ratio in self.sums.items():
            more = other.sums[name]
            total = Ratio(ratio.numerator + more.numerator, ratio.denominator + more.denominator)
            added[name] = total._replace(left_out=ratio.left_out + more.left_out, root=ratio.root)
        both_have = self.differences.keys() & other.differences.keys()
        return replace(
            self, sums=added, windows=self.windows + other.windows, series=self.series + other.series,
            read=self.read + other.read, origins=max(self.origins, other.origins),
            points=Points(*(a + b for a, b in zip(self.points, other.points, strict=True))),
            bounds=_together(self.bounds, other.bounds),
            differences={name: self.differences[name].plus(other.differences[name]) for name in both_have},
        )  # fmt: skip

    def plain(self) -> dict[str, Any]:
        """As plain values, which `restored` reads."""
        counts = {name: getattr(self, name) for name in _COUNTS}
        sums = [
            [*name, r.numerator.tolist(), r.denominator.tolist(), r.left_out, r.root] for name, r in self.sums.items()
        ]
        gaps = [
            [*name, d.times.tolist(), d.sums.tolist(), d.counts.tolist(), d.series, d.windows, d.horizon]
            for name, d in self.differences.items()
        ]
        return {
            **counts,
            "models": self.models,
            "points": self.points,
            "sums": sums,
            "differences": gaps,
            "bounds": self.bounds,
        }


_COUNTS = ("windows", "series", "read", "origins", "stride", "fallback")


def restored(values: dict[str, Any], experiment: Experiment) -> Tally:
    """A tally from its plain values. experiment: as resolved."""
    sums = {
        Sum(*name): Ratio(np.array(over), np.array(under), left_out, root)
        for *name, over, under, left_out, root in values["sums"]
    }
    differences = {
        (other, name): Differences(
            np.array(times, dtype=np.int64),
            np.array(totals),
            np.array(counts),
            (series[0], series[1], series[2]),
            *rest,
        )
        for other, name, times, totals, counts, series, *rest in values["differences"]
    }
    counts = {name: int(values[name]) for name in _COUNTS}
    points = Points(*values["points"])
    bounds = [Bound(*bound) for bound in values["bounds"]]
    return Tally(
        experiment, tuple(values["models"]), points=points, sums=sums, differences=differences, bounds=bounds, **counts
    )


def covers(values: dict[str, Any], config: BacktestConfig) -> bool:
    """Whether a tally, by its plain values, has what other metrics or another average are made of."""
    if not values:
        return False
    tried = dict.fromkeys((*(config.metrics or SHOWN), "mae"))
    there = {(of, name) for of, _, name, by, *_ in values["sums"] if by == BY[config.average]}
    model, *others = values["models"]
    if any((model, name) not in there for name in tried if name != "owa"):
        return False
    judged = {(other, name) for other, name, *_ in values["differences"]}
    first = next(name for name in tried if name != "owa" and lower_is_better(name))
    return all((other, first) in judged for other in others)


def _together(one: list[Bound], other: list[Bound]) -> list[Bound]:
    """Bounds of the windows of both, by target."""
    found = {bound.target: bound for bound in one}
    for bound in other:
        own = found.get(bound.target, bound._replace(kept=0, reached=0))
        found[bound.target] = own._replace(kept=own.kept + bound.kept, reached=own.reached + bound.reached)
    return list(found.values())


def total(tallies: Sequence[Tally]) -> Tally:
    """The sum of some tallies, one or more."""
    return functools.reduce(Tally.plus, tallies)


def tally(test: Backtest) -> Tally:
    """That of a backtest of a fitted model."""
    names = tuple(dict.fromkeys((*(test.config.metrics or SHOWN), *every())))
    sums = dict(_sums(test, [name for name in names if name != "owa"] + ["smape", "mase"]))
    return Tally(
        test.experiment, test.models, test.windows, test.series, test.read, test.origins, test.stride, test.fallback,
        test.points, sums, dict(_differences(test, sums)), test.bounds,
    )  # fmt: skip


def _sums(test: Backtest, names: Sequence[str]) -> Iterator[tuple[Sum, Ratio]]:
    """All sums: without quantiles, all kinds of intervals have the same value."""
    ranged = {name: metric(name).needs_quantiles for name in names}
    for model in test.models:
        for kind in KINDS:
            wanted = [name for name in names if ranged[name] or kind == "raw"]
            for by in SUMMED:
                yield from ((Sum(model, kind, n, by), r) for n, r in test.summed(model, kind, wanted, by).items())


def _differences(test: Backtest, sums: dict[Sum, Ratio]) -> Iterator[tuple[tuple[str, str], Differences]]:
    """Of the errors shown, to the first one that the model has a value for: by that, or one before, it is judged."""
    model, *others = test.models
    for name in dict.fromkeys((*(test.config.metrics or SHOWN), "mae")):
        if name == "owa" or not lower_is_better(name):
            continue
        for other in others:
            yield (other, name), test.against(other, name)
        kind = test.intervals if metric(name).needs_quantiles else "raw"
        if np.isfinite(averaged([sums[Sum(model, kind, name, BY[test.config.average])]])):
            return
