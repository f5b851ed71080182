"""The scores of a backtest: by model, horizon step, series and group; paired differences; coverage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tsforge.backtesting.result import Backtest
from tsforge.backtesting.tally import KINDS, Tally
from tsforge.data import rolled
from tsforge.errors import ConfigError, listing, nearest
from tsforge.evaluation import judgement, metrics
from tsforge.evaluation.gaps import Gap, of_sums
from tsforge.evaluation.judgement import Judgement
from tsforge.evaluation.metrics import SHOWN, Ratio
from tsforge.evaluation.quantiles import Floats
from tsforge.evaluation.scores import BY, Average, By, averaged, best_simple, distinct, owa, primary, skill, stepwise
from tsforge.evaluation.significance import Paired, compared
from tsforge.runtime.timing import stage

NOMINAL = (80, 90)  # per cent
INTERVALS = ("raw", "static", "adaptive")
Scores = dict[str, dict[str, float]]
Combine = Callable[[list[Ratio]], Floats]


class Key(NamedTuple):
    """Where a scoreboard keeps a sum."""

    group: str
    model: str
    intervals: str
    name: str
    by: By


@dataclass(frozen=True)
class Scoreboard:
    """The scores of one backtest, or of the groups of a protocol together.

    tests: by group; a single backtest, or the tally of one over many files, under "".
    """

    tests: Mapping[str, Backtest | Tally]
    _sums: dict[Key, Ratio] = field(default_factory=dict, init=False, repr=False)  # the intervals behind are large

    def write_forecasts(self, path: Path) -> int:
        """Every forecast of every group beside its truth, as .parquet or .csv (`Backtest.frame`). How many rows.

        Several groups stand in a column `group`. Raises ConfigError where their tables have other columns.
        """
        schemas = {name: test.panel.schema for name, test in self.whole.items()}
        columns = {(s.id, s.time_columns, len(s.target) > 1, s.time_kind, s.time_format) for s in schemas.values()}
        if len(columns) > 1:
            raise ConfigError("the groups have different columns of ids and times", "score one of them by itself")
        return rolled.write((part for name, test in self.whole.items() for part in self._frames(name, test)), path)

    def _frames(self, group: str, test: Backtest) -> Iterator[Any]:
        for part in test.frames():
            if len(self.tests) > 1:
                part.insert(0, "group", group)
            yield part

    @property
    def whole(self) -> dict[str, Backtest]:
        """The backtests themselves, with every window. Raises ConfigError where there are only their sums."""
        found = {group: test for group, test in self.tests.items() if isinstance(test, Backtest)}
        if len(found) < len(self.tests):
            raise ConfigError("only sums are kept of a table in many files", "read the forecasts of a partition")
        return found

    @property
    def first(self) -> Backtest | Tally:
        return next(iter(self.tests.values()))

    @property
    def average(self) -> Average:
        return self.first.config.average

    @property
    def models(self) -> list[str]:
        """The model itself, then the baselines that every group has."""
        return [name for name in self.first.models if all(name in t.models for t in self.tests.values())]

    @property
    def shown(self) -> tuple[str, ...]:
        """The metrics asked for, else the usual ones."""
        return self.first.config.metrics or SHOWN

    @property
    def names(self) -> tuple[str, ...]:
        """Every metric, those shown first."""
        return tuple(dict.fromkeys((*self.shown, *metrics.every())))

    @cached_property
    def primary(self) -> str:
        """The first metric shown of which lower is better and that the model has a value for."""
        model = self.models[0]
        return primary({name: self.score(model, name) for name in self.shown if name != "owa"}, self.shown)

    @cached_property
    def best_simple(self) -> str | None:
        """The best simple forecaster, seasonal naive or naive, in the primary metric; None where there is neither."""
        return best_simple({model: self.score(model, self.primary) for model in self.distinct})

    @cached_property
    def distinct(self) -> list[str]:
        """The models to show: naive and seasonal naive once where they are one forecast."""
        return distinct(self.table(self.shown))

    @property
    def intervals(self) -> list[str]:
        """The kinds of intervals that are scored: more than one where groups differ."""
        return sorted({test.intervals for test in self.tests.values()})

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of intervals that there are coverages of."""
        return INTERVALS if isinstance(self.first, Backtest) else KINDS

    def fact(self, name: str, of: Callable[[Backtest | Tally], Any]) -> dict[str, Any]:
        """A property of the backtest by its name; by group where groups differ."""
        values = {group: of(test) for group, test in self.tests.items()}
        same = all(value == of(self.first) for value in values.values())
        return {name: of(self.first) if same else values}

    def score(self, model: str, metric: str, group: str | None = None, average: Average | None = None) -> float:
        """One score over all groups or one of them, averaged as asked for."""
        average = average or self.average
        if metric in self.shown:  # those shown are summed in one pass
            self._summed(model, self.shown, BY[average], group)
        return float(self._value(model, metric, BY[average], lambda s: np.asarray(averaged(s)), group))

    @cached_property
    def scores(self) -> Scores:
        """Every metric of every model, over all groups."""
        return self.table(self.names)

    @stage("scoring")
    def table(self, names: Sequence[str], group: str | None = None) -> Scores:
        """Some metrics of every model, over all groups or one."""
        for model in self.models:
            self._summed(model, names, BY[self.average], group)
        return {model: {name: self.score(model, name, group) for name in names} for model in self.models}

    def skills(self) -> dict[str, float]:
        """Per cent better than the best simple forecaster in the primary metric, by model."""
        simple = self.best_simple
        reference = self.scores[simple][self.primary] if simple else np.nan
        return {model: skill(self.scores[model][self.primary], reference) for model in self.models}

    def against(self) -> dict[str, Paired]:
        """The model against each of the others, in the primary metric."""
        _, *others = self.models
        return {o: compared([test.against(o, self.primary) for test in self.tests.values()]) for o in others}

    @cached_property
    def judgement(self) -> Judgement | None:
        """The model against the best of the others; None where it has no score."""
        errors = {model: self.score(model, self.primary) for model in self.distinct}
        return judgement.judge(self.primary, errors, self.against().__getitem__)

    def left_out(self) -> dict[str, int]:
        """Observed points of the model that a metric shown has no value for, where there are any."""
        summed = self._summed(self.models[0], self.shown, BY[self.average])
        counts = {name: sum(part.left_out for part in summed[name]) for name in self.shown if name != "owa"}
        return {name: count for name, count in counts.items() if count}

    def gaps(self) -> dict[str, Gap]:
        """What the scores of the model leave out, and why some are missing, by metric shown."""
        model, counts = self.models[0], self.left_out()
        by_name: dict[str, Gap] = {}
        scores = {name: self.score(model, name) for name in self.shown if name != "owa"}
        for test in self.tests.values():
            summed = test.summed(model, "raw", list(scores), "step")
            by_name = of_sums(test.points, {n: ratio.left_out for n, ratio in summed.items()}, scores) | by_name
        of = sum(test.points.observed for test in self.tests.values())
        return {name: gap._replace(points=counts.get(name, 0), of=of) for name, gap in by_name.items()}

    def by_step(self, names: Sequence[str]) -> dict[str, dict[str, list[float]]]:
        """Metric to model to values, one per step (of groups of different length, the longest)."""
        return self._curves(names, "step", stepwise)

    def by_series(self, names: Sequence[str]) -> tuple[list[dict[str, str]], dict[str, dict[str, list[float]]]]:
        """(what each row is: group, series, target; metric to model to values, one per row)."""
        labels = [label for group, test in self.whole.items() for label in _labels(test, group)]
        return labels, self._curves(names, "series", lambda s: np.concatenate([part.value.ravel() for part in s]))

    def coverage(self, model: str, kind: str, nominal: int) -> float:
        """Share of truths inside the nominal interval, pooled over points, with one kind of intervals."""
        return averaged(self._covers(model, kind, nominal))

    def coverage_by_step(self, model: str, kind: str, nominal: int) -> list[float]:
        """Share of truths inside the nominal interval at every horizon step, with one kind of intervals."""
        return list(stepwise(self._covers(model, kind, nominal)).tolist())

    def _covers(self, model: str, kind: str, nominal: int) -> list[Ratio]:
        names = [f"coverage_{n}" for n in NOMINAL]
        return self._summed(model, names, "step", intervals=kind)[f"coverage_{nominal}"]

    def _curves(self, names: Sequence[str], by: By, combine: Combine) -> dict[str, dict[str, list[float]]]:
        for model in self.models:  # all metrics in one pass
            self._summed(model, names, by)
        return {n: {model: self._value(model, n, by, combine).tolist() for model in self.models} for n in names}

    def _value(self, model: str, name: str, by: By, combine: Combine, group: str | None = None) -> Floats:
        """A metric, or OWA, from its sums in all groups or one."""
        if name == "owa":
            return owa(*(
                [self._value(m, part, by, combine, group) for part in ("smape", "mase")] for m in (model, "naive2")
            ))  # fmt: skip
        return combine(self._summed(model, [name], by, group)[name])

    def _summed(
        self, model: str, names: Sequence[str], by: By, group: str | None = None, intervals: str | None = None
    ) -> dict[str, list[Ratio]]:
        """Metrics summed in all groups or one, with the intervals that are scored or another kind."""
        names = [part for name in names for part in (("smape", "mase") if name == "owa" else (name,))]
        parts = [self._of_group(g, model, names, by, intervals) for g in self.tests if group in (None, g)]
        return {name: [part[name] for part in parts] for name in names}

    def _of_group(
        self, group: str, model: str, names: Sequence[str], by: By, intervals: str | None
    ) -> dict[str, Ratio]:
        """Metrics summed in one group. What was not summed before is summed in one pass for each kind of intervals."""
        test, places = self.tests[group], {}
        for name in names:  # without quantiles, all kinds of intervals have the same value
            kind = intervals or test.intervals if metrics.metric(name).needs_quantiles else "raw"
            places[name] = Key(group, model, kind, name, by)
        for kind in INTERVALS:
            if missing := [n for n, place in places.items() if place.intervals == kind and place not in self._sums]:
                fresh = test.summed(model, kind, missing, by)
                self._sums.update({places[name]: ratio for name, ratio in fresh.items()})
        return {name: self._sums[place] for name, place in places.items()}


def check_metrics(names: Sequence[str]) -> None:
    """Raises ConfigError for a name that is no metric."""
    usual = (*metrics.every(), "owa")
    for name in names:
        if name != "owa" and metrics.find(name) is None:
            others = f"known: {listing(usual, 99)}; also coverage_95, width_95, winkler_95, pinball_0.25 and the like"
            raise ConfigError(f"there is no metric '{name}'", nearest(name, usual) or others)


def document(board: Scoreboard) -> dict[str, Any]:
    """Everything, as plain values."""
    against = {
        name: {"metric": board.primary, "difference": p.difference, "p": p.p, "verdict": p.verdict, "count": p.count,
               "of": p.of}
        for name, p in board.against().items()
    }  # fmt: skip
    result: dict[str, Any] = {
        "model": board.models[0], "windows": sum(t.windows for t in board.tests.values()),
        **board.fact("origins", lambda t: t.origins),
        "series": sum(t.series for t in board.tests.values()),
        **board.fact("horizon", lambda t: t.experiment.data.horizon), **board.fact("stride", lambda t: t.stride),
        **board.fact("season", lambda t: t.experiment.data.season),
        **board.fact("naive_season", lambda t: t.fallback or t.experiment.data.season),
        "average": board.average, "units": board.first.config.units, **board.fact("intervals", lambda t: t.intervals),
        "fits": sum(t.fits for t in board.tests.values()),
        "seconds": round(sum(t.seconds for t in board.tests.values()), 3),
        "scores": board.scores, "primary": board.primary, "best_simple": board.best_simple, "skill": board.skills(),
        "judgement": board.judgement.plain() if board.judgement else None,
        **board.fact("bounds", lambda t: [b._asdict() for b in t.bounds]),
        "against": against, "left_out": board.left_out(),
        "reasons": {name: gap.reason for name, gap in board.gaps().items()},
        "coverage": {
            model: {str(n): {kind: board.coverage(model, kind, n) for kind in board.kinds} for n in NOMINAL}
            for model in board.models
        },
    }  # fmt: skip
    if len(board.tests) > 1:
        result["groups"] = {group: board.table(board.names, group) for group in board.tests}
    return result


def _labels(test: Backtest, group: str) -> list[dict[str, str]]:
    first = {"group": group} if group else {}
    return [
        {**first, "series": test.panel.label(int(i)), "target": target}
        for i in np.unique(test.forecasts.windows.series)
        for target in test.panel.schema.target
    ]
