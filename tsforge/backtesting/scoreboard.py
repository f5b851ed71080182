"""What a backtest says, as tables: by model, horizon step, series and group; paired differences; coverage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsforge.backtesting.rolling import Backtest
from tsforge.errors import ConfigError, listing, nearest
from tsforge.evaluation import metrics
from tsforge.evaluation.metrics import REFERENCE, SHOWN, is_error
from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.scores import (
    Average,
    by_series,
    left_out,
    owa_of,
    prepare,
    prepare_all,
    score_all,
    skill,
    steps_all,
)
from tsforge.evaluation.significance import Paired, compare

NOMINAL = (80, 90)  # per cent
INTERVALS = ("raw", "static", "adaptive")
Scores = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Scoreboard:
    """The scores of one backtest, or of the groups of a protocol together."""

    tests: dict[str, Backtest]  # by group; a single one under ""

    @property
    def first(self) -> Backtest:
        return next(iter(self.tests.values()))

    @property
    def average(self) -> Average:
        return self.first.config.average

    @property
    def models(self) -> list[str]:
        """The model that is judged, then the baselines that every group has."""
        return [name for name in self.first.outcomes if all(name in t.outcomes for t in self.tests.values())]

    @property
    def shown(self) -> tuple[str, ...]:
        """The metrics asked for, else the usual ones."""
        return self.first.config.metrics or SHOWN

    @property
    def names(self) -> tuple[str, ...]:
        """Every metric, those shown first."""
        return tuple(dict.fromkeys((*self.shown, *metrics.METRICS)))

    @cached_property
    def primary(self) -> str:
        """The first metric shown of which lower is better and that the model has a value for."""
        errors = [name for name in self.shown if is_error(name) and name != "owa"]
        return next((n for n in errors if np.isfinite(self.score(self.models[0], n))), "mae")

    @property
    def intervals(self) -> list[str]:
        """The kinds of intervals that are scored: more than one where groups differ."""
        return sorted({test.intervals for test in self.tests.values()})

    def fact(self, name: str, of: Callable[[Backtest], Any]) -> dict[str, Any]:
        """What is said of a backtest; by group where groups differ."""
        values = {group: of(test) for group, test in self.tests.items()}
        same = all(value == of(self.first) for value in values.values())
        return {name: of(self.first) if same else values}

    def outcomes(self, model: str, group: str | None = None) -> list[Outcome]:
        """Those of all groups, or of one."""
        return [test.outcomes[model] for name, test in self.tests.items() if group in (None, name)]

    def score(self, model: str, metric: str, group: str | None = None, average: Average | None = None) -> float:
        """One score over all groups or one of them, averaged as asked for."""
        average = average or self.average
        if metric == "owa":
            return float(self._owa(model, lambda who, part: self.score(who, part, group, average)))
        return score_all(self.outcomes(model, group), metric, average)

    @cached_property
    def scores(self) -> Scores:
        """Every metric of every model, over all groups."""
        return self.table(self.names)

    def table(self, names: Sequence[str], group: str | None = None) -> Scores:
        """Some metrics of every model, over all groups or one."""
        self._prepare(names, self.average, group)
        return {model: {name: self.score(model, name, group) for name in names} for model in self.models}

    def skills(self) -> dict[str, float]:
        """Per cent better than seasonal naive in the primary metric, by model."""
        reference = self.scores[REFERENCE][self.primary]
        return {model: skill(self.scores[model][self.primary], reference) for model in self.models}

    def against(self) -> dict[str, Paired]:
        """The model against each of the others, in the primary metric."""
        model, *others = self.models
        self._prepare([self.primary], "series")
        return {
            other: compare(list(zip(self.outcomes(model), self.outcomes(other), strict=True)), self.primary)
            for other in others
        }

    def left_out(self) -> dict[str, int]:
        """Observed points that a metric shown has no value for, where there are any; of the model."""
        names = [name for name in self.shown if name != "owa"]
        counts = {n: sum(left_out(o, n) for o in self.outcomes(self.models[0])) for n in names}
        return {name: count for name, count in counts.items() if count}

    def by_step(self, names: Sequence[str]) -> dict[str, dict[str, list[float]]]:
        """Metric to model to values, one per step (of groups of different length, the longest)."""
        self._prepare(names, "points")
        found: dict[str, dict[str, list[float]]] = {}
        for name in names:
            found[name] = {model: self._steps(model, name).tolist() for model in self.models}
        return found

    def by_series(self, names: Sequence[str]) -> tuple[list[dict[str, str]], dict[str, dict[str, list[float]]]]:
        """(what each row is: group, series, target; metric to model to values, one per row)."""
        self._prepare(names, "series")
        labels = [label for group, test in self.tests.items() for label in _labels(test, group)]
        found: dict[str, dict[str, list[float]]] = {}
        for name in names:
            found[name] = {model: self._series(model, name).tolist() for model in self.models}
        return labels, found

    def _prepare(self, names: Sequence[str], average: Average, group: str | None = None) -> None:
        """Sum metrics of all models together."""
        for name, test in self.tests.items():
            if group in (None, name):
                sum_metrics(test, test.intervals, names, average)

    def _steps(self, model: str, name: str) -> NDArray[np.floating]:
        if name == "owa":
            return self._owa(model, self._steps)
        return steps_all(self.outcomes(model), name)

    def _series(self, model: str, name: str) -> NDArray[np.floating]:
        if name == "owa":
            return self._owa(model, self._series)
        return np.concatenate([by_series(o, name).ravel() for o in self.outcomes(model)])

    @staticmethod
    def _owa(model: str, values: Callable[[str, str], NDArray[np.floating] | float]) -> NDArray[np.floating]:
        return owa_of(lambda part: values(model, part), lambda part: values("naive2", part))

    def coverage(self, model: str, kind: str, nominal: int) -> float:
        """Share of truths inside the nominal interval, pooled over points, with one kind of intervals."""
        return self._covers(model, kind)[nominal][0]

    def coverage_by_step(self, model: str, kind: str, nominal: int) -> list[float]:
        """The same of every horizon step."""
        return self._covers(model, kind)[nominal][1]

    def _covers(self, model: str, kind: str) -> dict[int, tuple[float, list[float]]]:
        """By nominal level: overall, and by step. The numbers are kept, the intervals behind them are large."""
        if (model, kind) not in self._covered:
            outcomes = [test.outcome(model, kind) for test in self.tests.values()]
            for test in self.tests.values():
                sum_metrics(test, kind, [f"coverage_{n}" for n in NOMINAL], "points")
            self._covered[model, kind] = {
                n: (score_all(outcomes, f"coverage_{n}"), steps_all(outcomes, f"coverage_{n}").tolist())
                for n in NOMINAL
            }
        return self._covered[model, kind]

    @cached_property
    def _covered(self) -> dict[tuple[str, str], dict[int, tuple[float, list[float]]]]:
        return {}


def sum_metrics(test: Backtest, intervals: str, names: Sequence[str], average: Average) -> None:
    """Sum metrics of all models; those of moving intervals while these move, so that all the moves need not be kept."""
    if intervals == "adaptive" and test.rolls and any(map(metrics.asks_quantiles, names)):
        for adapted in test.moving.together:
            prepare_all(adapted.moved, adapted.pieces, names, average)
    for model in test.judged.raw:
        prepare(test.outcome(model, intervals), names, average)


def check_metrics(names: Sequence[str]) -> None:
    """Raises ConfigError for a name that is no metric."""
    known = (*metrics.METRICS, "owa")
    for name in names:
        if name != "owa" and metrics.find(name) is None:
            more = "; also coverage_95, width_95, winkler_95, pinball_0.25 and the like"
            raise ConfigError(
                f"there is no metric '{name}'", nearest(name, known) or f"known: {listing(known, 99)}{more}"
            )


def document(board: Scoreboard) -> dict[str, Any]:
    """Everything, as plain values."""
    test = board.first
    paired = {
        name: {"metric": board.primary, "difference": p.difference, "p": p.p, "verdict": p.verdict, "count": p.count,
               "of": p.of}
        for name, p in board.against().items()
    }  # fmt: skip
    result: dict[str, Any] = {
        "model": board.models[0], "windows": sum(len(t.judged.windows) for t in board.tests.values()),
        **board.fact("origins", lambda t: t.origins),
        "series": sum(len(np.unique(t.judged.windows.series)) for t in board.tests.values()),
        **board.fact("horizon", lambda t: t.experiment.data.horizon), **board.fact("stride", lambda t: t.stride),
        **board.fact("season", lambda t: t.experiment.data.season),
        "average": board.average, "units": test.config.units, **board.fact("intervals", lambda t: t.intervals),
        "fits": sum(t.fits for t in board.tests.values()),
        "seconds": round(sum(t.seconds for t in board.tests.values()), 3),
        "scores": board.scores, "skill": board.skills(), "against": paired, "left_out": board.left_out(),
        "coverage": {
            model: {str(n): {kind: board.coverage(model, kind, n) for kind in INTERVALS} for n in NOMINAL}
            for model in board.models
        },
    }  # fmt: skip
    if len(board.tests) > 1:
        result["groups"] = {group: board.table(board.names, group) for group in board.tests}
    return result


def _labels(test: Backtest, group: str) -> list[dict[str, str]]:
    first = {"group": group} if group else {}
    targets = test.panel.schema.target
    return [
        {**first, "series": test.panel.label(int(i)), "target": target}
        for i in np.unique(test.judged.windows.series)
        for target in targets
    ]
