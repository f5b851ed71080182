"""importance: which covariates a model's forecasts depend on, by what its error becomes without them.

Each column is moved away from what it belongs to (`shifting`), many times, and the error of the same held-out windows
is taken again. For a column that means nothing to the target every move is as good as the truth. So the error as it is
lies outside the range of R moves in 2 of R + 1 cases by chance, whatever the model, the errors and how they hang
together. (The principle of permutation tests. Permutation importance: Breiman 2001, "Random forests"; Fisher, Rudin &
Dominici 2019, "All models are wrong, but many are useful".)
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from tsforge.backtesting import rolling, shifting
from tsforge.backtesting.shifting import Column
from tsforge.data import frames, tidy
from tsforge.data.dataset import Dataset
from tsforge.errors import ConfigError, ModelError
from tsforge.evaluation import forecasting
from tsforge.evaluation.forecasting import Reader
from tsforge.evaluation.metrics import lower_is_better
from tsforge.evaluation.scores import score, scores
from tsforge.experiment import BacktestConfig
from tsforge.fitted import directory, zero_shot
from tsforge.fitted.model import Model
from tsforge.model import attribution
from tsforge.runtime.threads import sparing

log = logging.getLogger("tsforge")

MOVES = 99  # of each column: the error lies outside of their range by chance in one of fifty cases
FEWEST = 39  # with fewer, it does in more than one of twenty
SAME = 5  # moves that change nothing at all, after which no other is tried
WINDOWS = 300  # held-out windows at most
GRADIENTS = 32  # of which the gradients are taken


class Verdict(StrEnum):
    """What may be claimed of a column."""

    MATTERS = "matters"
    NOTHING = "nothing to be told"
    HARMS = "forecasts are better without"
    UNREAD = "not looked at"
    TOO_FEW = "too few to tell"


@dataclass(frozen=True)
class Effect:
    """What the error changes by without a column: mean, and the range that chance has. count: moves, or seeds."""

    change: float
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Importance:
    """What one covariate is worth to a model.

    role: "past", "future" or "static". gradient: its share, in per cent, of all covariates in gradient × input; NaN
    where the forecast has none. error: the mean error with the column moved. moved: what that is more than the error.
    ablated: what the error is more of a model that was fitted without the column; None where that was not asked for.
    """

    name: str
    role: str
    gradient: float
    error: float
    moved: Effect
    verdict: Verdict
    ablated: Effect | None = None

    def plain(self) -> dict[str, Any]:
        """As a row of a table."""
        row = {"covariate": self.name, "role": self.role, "gradient": self.gradient, "error": self.error}
        row |= {"change": self.moved.change, "low": self.moved.low, "high": self.moved.high}
        row |= {"moves": self.moved.count, "verdict": str(self.verdict)}
        if self.ablated is None:
            return row
        own = self.ablated
        return row | {"refit": own.change, "refit_low": own.low, "refit_high": own.high, "refits": own.count}


@dataclass(frozen=True, repr=False)
class Importances:
    """What all covariates of a model are worth, the most important first.

    dataset: the table, with the windows that were forecast. metric, error: what is taken, and what it is as things are.
    refit: the mean error of models fitted anew with all columns; NaN where none were.
    model: its kind.
    polars: whether the frame is one of Polars, as the table was.
    """

    dataset: Dataset
    metric: str
    error: float
    covariates: tuple[Importance, ...]
    refit: float = math.nan
    model: str = ""
    polars: bool = False

    def __repr__(self) -> str:
        first = f", the first {self.covariates[0].name}" if self.covariates else ""
        return f"<what {len(self.covariates):,} covariates are worth{first}: {self.windows:,} windows: .frame>"

    @property
    def windows(self) -> int:
        """Held-out windows that were forecast."""
        return len(self.dataset.parts.test)

    @property
    def frame(self) -> Any:
        """The table, a row for each covariate: name, role, gradient, error, change with its range, verdict."""
        return frames.like(tidy.table([covariate.plain() for covariate in self.covariates]), polars=self.polars)


@sparing()
def covariates(
    model: Model | str | Path, data: Any = None, *, metric: str | None = None, windows: int = WINDOWS,
    moves: int | None = None, seed: int = 1,
) -> Importances:  # fmt: skip
    """What the covariates of a fitted model are worth: `tsforge.covariates` with a model or its directory.

    moves: of each column; 99 where None.
    """
    moves = MOVES if moves is None else moves
    model = model if isinstance(model, Model) else directory.load(model)
    dataset = unseen(model, data, windows)
    if moves < 1:
        raise ConfigError(f"moves {moves} is not positive", f"take {FEWEST} or more")
    found = shifting.columns(model.facts.encodings)
    measure = _measure(model, dataset, metric)
    error, rng = measure(Reader(model.network, dataset.source)), np.random.default_rng(seed)
    shares, rows = _gradients(model, dataset, found), []
    for number, column in enumerate(found):
        rows.append(_moved(column, shares[number], error, _errors(model, dataset, column, (measure, moves, rng))))
    return Importances(dataset, measure.metric, error, ordered(rows), model=model.experiment.model.kind)


def refuse_pretrained(model: object) -> None:
    """Raises ModelError for a pretrained model by its name or folder, which was fitted to no table."""
    if zero_shot.place(model) is not None:
        raise ModelError(
            f"{model}: a pretrained model, which knows no table and no covariates",
            "fit the table with the model zero, train.max_steps=0 and data.future, and explain that",
        )


def unseen(model: Model, data: Any, windows: int) -> Dataset:
    """A table with windows that a model has not seen. Raises ModelError for a model without covariates."""
    if not shifting.columns(model.facts.encodings):
        raise ModelError(
            "the model has no covariates: nothing but targets and the calendar goes into its forecasts",
            "fit it with data.past, data.future or data.static set to columns of the table",
        )
    if windows < 1:
        raise ConfigError(f"windows {windows} is not positive", "take 1 or more")
    return shifting.thinned(rolling.held_out(model, data, BacktestConfig()), windows)


def ordered(rows: list[Importance]) -> tuple[Importance, ...]:
    """The most important first: what matters, then by what the error becomes."""
    return tuple(sorted(rows, key=lambda row: (row.verdict != Verdict.MATTERS, -row.moved.change)))


@dataclass(frozen=True)
class Measure:
    """The error of a network over the test windows of a dataset."""

    dataset: Dataset
    metric: str

    def __call__(self, reader: Reader) -> float:
        outcome = forecasting.outcomes({"": reader}, self.dataset, self.dataset.parts.test)[""]
        return score(outcome, self.metric)


def _measure(model: Model, dataset: Dataset, metric: str | None) -> Measure:
    """By the metric that is asked for; MASE, or MAE where that has no value."""
    if metric is not None:
        from tsforge.backtesting.scoreboard import check_metrics

        check_metrics([metric])
        if not lower_is_better(metric) or metric == "owa":
            raise ConfigError(f"'{metric}' is no error, of which less is better", "as mase, mae, rmse or wql")
        return Measure(dataset, metric)
    reader = {"": Reader(model.network, dataset.source)}
    found = scores(forecasting.outcomes(reader, dataset, dataset.parts.test)[""], ("mase", "mae"))
    return Measure(dataset, "mase" if math.isfinite(found["mase"]) else "mae")


def _errors(
    model: Model, dataset: Dataset, column: Column, how: tuple[Callable[[Reader], float], int, np.random.Generator]
) -> list[float]:
    """The errors with a column moved, otherwise each time; none for one that never changes."""
    measure, moves, rng = how
    if shifting.without_effect(dataset, column):
        return []
    now, errors = measure(Reader(model.network, dataset.source)), list[float]()
    for source in shifting.moved(dataset, column, moves, rng):
        errors.append(measure(Reader(model.network, source)))
        if len(errors) == SAME and errors == [now] * SAME:
            break
    return errors


def _moved(column: Column, share: float, error: float, errors: list[float]) -> Importance:
    """One column, from the errors with it moved."""
    if not errors:
        nothing = Effect(0.0, 0.0, 0.0, 0)
        return Importance(column.name, column.role, share, error, nothing, Verdict.TOO_FEW)
    changes = np.array(errors) - error
    effect = Effect(float(changes.mean()), float(changes.min()), float(changes.max()), len(errors))
    return Importance(column.name, column.role, share, error + effect.change, effect, _verdict(effect, share))


def _verdict(effect: Effect, share: float) -> Verdict:
    if effect.low == effect.high == 0:
        return Verdict.UNREAD if not share > 0 else Verdict.NOTHING
    if effect.count < FEWEST:
        return Verdict.TOO_FEW
    if effect.low > 0:
        return Verdict.MATTERS
    return Verdict.HARMS if effect.high < 0 else Verdict.NOTHING


def _gradients(model: Model, dataset: Dataset, found: list[Column]) -> list[float]:
    """The share of each column in gradient × input, in per cent, over some windows; NaN where there is no gradient."""
    some = dataset.parts.test.thin(GRADIENTS)
    import torch

    context = dataset.source.gather(dataset.source.starts(some), torch.from_numpy(some.series.astype(np.int64))).context
    places = [({"future": "known"}.get(column.role, column.role), column.features) for column in found]
    found_size = attribution.by_column(model.network, context, places)
    if found_size is None:
        return [math.nan] * len(found)
    size = found_size.numpy()
    share = size / np.where(size.sum(axis=0) > 0, size.sum(axis=0), 1)  # (columns, C)
    return [float(value) for value in 100 * share.mean(axis=1)]


def with_refits(result: Importances, refit: float, effects: dict[str, Effect]) -> Importances:
    """With what refits without each column have shown, by its name."""
    rows = tuple(replace(row, ablated=effects[row.name]) for row in result.covariates)
    return replace(result, covariates=rows, refit=refit)
