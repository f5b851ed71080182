"""What is asked of sample paths: sums over the horizon or by period of the calendar, and chances to pass a level.

A quantile of a sum is not the sum of quantiles: errors of steps that do not move together cancel out. Here every path
is summed, and the quantiles are those of the sums.
Where the values of a series always were whole numbers, a level is passed by the nearest whole number, as
`rounding.rounded` makes it: else "> 0" would be passed by every path that a hair's breadth parts from 0.
"""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from tsforge.data import frames, sampled
from tsforge.data.panel import Panel
from tsforge.data.table.times import labels
from tsforge.errors import ConfigError, DataError, listing, nearest
from tsforge.evaluation.quantiles import Floats, Ints
from tsforge.fitted.rounding import whole

log = logging.getLogger("tsforge")

Period = Literal["day", "week", "month", "quarter", "year"]
LEVELS = (0.05, 0.1, 0.5, 0.9, 0.95)  # of totals where nobody says
_UNITS = {"day": "M8[D]", "month": "M8[M]", "year": "M8[Y]"}
_LEVEL = re.compile(r"\s*(?P<sign>>=|<=|>|<)\s*(?P<level>[-+0-9.eE_]+)\s*")


class Level(NamedTuple):
    """A level and which side of it counts: ">", ">=", "<" or "<="."""

    sign: str
    value: float

    def passed(self, values: Floats) -> NDArray[np.bool_]:
        """Which values lie on that side."""
        compare = {">": np.greater, ">=": np.greater_equal, "<": np.less, "<=": np.less_equal}[self.sign]
        found: NDArray[np.bool_] = compare(values, self.value)
        return found


@dataclass(frozen=True, repr=False)
class Totals:
    """Sums of sample paths, a row for each series and period.

    series, start, stop: (R,), which steps of which series are summed.
    names: (R,), of the periods, as 2024-03; empty texts for the whole horizon.
    values: (S, R, C), the sum on every path.
    levels: of the quantiles in `frame`. polars: whether frames are of Polars, as the table was.
    """

    panel: Panel
    series: Ints
    start: Ints
    stop: Ints
    names: tuple[str, ...]
    values: Floats
    levels: tuple[float, ...] = LEVELS
    polars: bool = False

    @property
    def forecast(self) -> Floats:
        """The mean of the sums, (R, C): sums of means, which add up over periods and series."""
        return np.asarray(self.values.mean(axis=0))

    def quantiles(self) -> Floats:
        """Of the sums, (R, C, Q)."""
        return np.moveaxis(np.quantile(self.values, self.levels, axis=0), 0, -1)

    def probability(self, level: str) -> Floats:
        """The chance that a sum passes a level, as "> 1000", (R, C); NaN where there is no forecast.

        Sums of values that always were whole numbers count as the nearest one.
        """
        return _chance(_countable(self.values, whole(self.panel)[self.series]), parse(level))

    def table(self, level: str | None = None) -> Any:
        """The tidy table, a row for each sum and target.

        Columns: ids, `target` where there are several, `period` (as 2024-03) where there are any, `from` and `to`
        (times of the first and the last step), `steps` (how many), `forecast` (the mean), and the quantiles.
        level: as "> 1000", whose chance is a column `probability`.
        """
        own = {} if level is None else {"probability": self.probability(level)}
        values = self.quantiles()
        quantiles = {sampled.quantile_name(q): values[..., k] for k, q in enumerate(self.levels)}
        rows = sampled.Rows(self.series, self.start, self.stop, self.names)
        exact = self.panel.values.dtype
        sums = {name: column.astype(exact) for name, column in {"forecast": self.forecast, **quantiles}.items()}
        return frames.like(sampled.totals(self.panel, rows, sums | own), polars=self.polars)

    @property
    def frame(self) -> Any:
        """`table`, without a level."""
        return self.table()

    def __repr__(self) -> str:
        S, R, C = self.values.shape
        return f"<{R:,} sums x {C} targets of {S:,} paths: .frame, .probability('> 10')>"


def total(panel: Panel, paths: Floats, period: str | None = None, quantiles: Sequence[float] | None = None) -> Totals:
    """Sums of paths (S, n, H, C): see `Samples.total`."""
    levels = tuple(sorted(set(quantiles))) if quantiles is not None else LEVELS
    if any(not 0 < level < 1 for level in levels):
        raise ConfigError(f"quantile levels {listing(f'{q:g}' for q in levels)}", "they lie between 0 and 1")
    H = paths.shape[2]
    if period is None:
        rows = [(i, 0, H, "") for i in range(len(panel))]
    else:
        check_name(period)
        if panel.schema.time_kind != "datetime":
            raise DataError(
                f"{panel.name}: its times are numbers, which have no {period}", "sum over the whole horizon"
            )
        rows = [(i, *part) for i in range(len(panel)) for part in _periods(panel, i, H, period)]
        _note_partial(panel, H, period)
    series, start, stop, names = (list(column) for column in zip(*rows, strict=True))
    sums = [paths[:, i, a:b].sum(axis=1, dtype=np.float64) for i, a, b, _ in rows]
    at, begin, end = (np.array(column, dtype=np.int64) for column in (series, start, stop))
    return Totals(panel, at, begin, end, tuple(names), np.stack(sums, axis=1), levels)


def chances(panel: Panel, paths: Floats, level: str) -> tuple[Floats, Floats]:
    """Of paths (S, n, H, C): chances of each step to pass a level, and that it or one before it does, (n, H, C) each.

    NaN where there is no forecast.
    """
    asked, paths = parse(level), _countable(paths, whole(panel)[:, None])
    ever = np.maximum.accumulate(asked.passed(paths), axis=2).mean(axis=0)
    return _chance(paths, asked), np.where(np.isnan(paths[0]), np.nan, ever)


def parse(text: str) -> Level:
    """A level from its text. Raises ConfigError for what is none."""
    found = _LEVEL.fullmatch(text)
    try:
        return Level(found["sign"], float(found["level"]))  # type: ignore[index]
    except (TypeError, ValueError):
        raise ConfigError(f"'{text}' is no level to pass", "as '> 1000', '>= 0.5', '< 0' or '<= 12'") from None


def check_name(period: str) -> None:
    """Raises ConfigError for a period that there is none of."""
    known = get_args(Period)
    if period not in known:
        raise ConfigError(f"there is no period '{period}'", nearest(period, known) or f"known: {listing(known)}")


def _countable(values: Floats, whole: NDArray[np.bool_]) -> Floats:
    """Values (S, ...) to the nearest whole number where they are `whole`, which fits their last axes."""
    return np.where(whole, np.rint(values), values) if whole.any() else values


def _chance(values: Floats, level: Level) -> Floats:
    return np.where(np.isnan(values[0]), np.nan, level.passed(values).mean(axis=0))


def _periods(panel: Panel, i: int, steps: int, period: str) -> list[tuple[int, int, str]]:
    """First step, step behind the last, and name of each period of a series."""
    names = _names(panel, i, np.arange(steps), period)
    cuts = np.flatnonzero(np.r_[True, names[1:] != names[:-1], True])
    return [(int(a), int(b), str(names[a])) for a, b in itertools.pairwise(cuts)]


def _names(panel: Panel, i: int, steps: Ints, period: str) -> NDArray[np.str_]:
    """The name of the period that each step ahead of series i lies in: 2024-03-04, 2024-03, 2024Q1, 2024."""
    stamps = panel.stamps(i, panel.first[i] + panel.lengths[i] + steps)
    local = labels(stamps, panel.schema).astype("M8[us]")
    if period == "week":  # named by its Monday
        days = local.astype("M8[D]")
        return (days - (days.astype(np.int64) + 3) % 7).astype(str)
    if period == "quarter":
        months = local.astype("M8[M]").astype(np.int64)
        return np.array([f"{1970 + m // 12}Q{m % 12 // 3 + 1}" for m in months.tolist()])
    return local.astype(_UNITS[period]).astype(str)


def _note_partial(panel: Panel, steps: int, period: str) -> None:
    """Say which periods of the first series are not whole."""
    around = _names(panel, 0, np.arange(-1, steps + 1), period)
    names, count = np.unique(around[1:-1], return_counts=True)
    partial = [str(name) for name in dict.fromkeys((around[0], around[-1])) if name in names]
    if partial:
        held = ", ".join(f"{name} ({int(count[names == name][0])} steps)" for name in partial)
        log.warning("only the steps that are forecast are summed, and of these periods not all are: %s", held)
