"""What a report shows, collected from a model and a table: plain values, and arrays cut to what is looked at.

Axes: n series, H horizon, C targets, Q levels, W windows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsforge.api.results import Backtested, Predicted
from tsforge.backtesting.scoreboard import Scoreboard
from tsforge.data.panel import Panel
from tsforge.data.table.times import format_times
from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.quantiles import pairs_of

SERIES = 100  # that can be chosen, the worst first
PAST = 240  # steps of each before its forecast, at least two horizons
HELD_OUT = 3  # windows of each, apart from each other
DIGITS = 6
BINS = 31  # of the errors
Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Facts:
    """A model's forecast of what comes next, and its backtest, None where there is nothing to judge it by.

    shown: series, by their place in the panel of the forecast, the worst first.
    tested: by the words for a series, its place in the panel of the backtest.
    """

    made: Predicted
    test: Backtested | None
    board: Scoreboard | None
    shown: list[int]
    tested: dict[str, int]

    @property
    def panel(self) -> Panel:
        return self.made.panel


def collect(made: Predicted, test: Backtested | None, most: int = SERIES) -> Facts:
    """What a report of a forecast and of a backtest by the same model shows."""
    if test is None:
        return Facts(made, None, None, list(range(len(made.panel)))[:most], {})
    board = Scoreboard({"": test})
    tested = {test.panel.key(i): i for i in np.unique(test.forecasts.windows.series).tolist()}
    return Facts(made, test, board, _worst_first(made.panel, board, list(tested))[:most], tested)


def _worst_first(panel: Panel, board: Scoreboard, keys: list[str]) -> list[int]:
    """Series of the forecast by the error of the model over their windows; those without any last.

    keys: words for the series that have windows, in their order.
    """
    values = np.array(board.by_series([board.primary])[1][board.primary][board.models[0]])
    errors = np.nan_to_num(values.reshape(len(keys), -1), nan=-1).max(axis=1)
    found = dict(zip(keys, errors.tolist(), strict=True))
    return sorted(range(len(panel)), key=lambda i: -found.get(panel.key(i), -2))


def series(facts: Facts) -> list[dict[str, Any]]:
    """Of each series and target that can be chosen: its past, its forecast with quantiles, and held-out windows."""
    found = []
    for i in facts.shown:
        for c in np.flatnonzero(~facts.panel.never[i]).tolist():
            found.append(_series(facts, i, c))
    return found


def _series(facts: Facts, i: int, c: int) -> dict[str, Any]:
    panel, made = facts.panel, facts.made
    H = made.point.shape[1]
    end = int(panel.ends[i])
    start = max(int(panel.offsets[i]), end - max(PAST, 2 * H))
    values = np.where(panel.observed[start:end, c], panel.values[start:end, c], np.nan)
    target = panel.schema.target[c]
    label = panel.label(i)
    name = label if len(panel.schema.target) == 1 else f"{label} · {target}" if label else target
    return {
        "name": name or target, "times": _times(panel, i, np.arange(start, end + H)), "values": rounded(values),
        "point": rounded(made.point[i, :, c]),
        "quantiles": {f"{level:g}": rounded(made.quantiles[i, :, c, q]) for q, level in enumerate(made.levels)},
        "windows": list(_windows(facts, panel.key(i), c, end - start)),
    }  # fmt: skip


def _windows(facts: Facts, key: str, c: int, rows: int) -> Iterator[dict[str, Any]]:
    """The last windows of a series that lie in its past as it is shown, apart from each other.

    rows: of the past that are shown. `at` counts from the first of them.
    """
    test, i = facts.test, facts.tested.get(key)
    if test is None or i is None:
        return
    outcome, windows = test.outcomes[test.models[0]], test.forecasts.windows
    H, pairs = outcome.point.shape[1], pairs_of(outcome.levels) if outcome.levels else None
    before = int(test.panel.ends[i]) - rows  # the first row that is shown, in the panel of the test
    last, found = int(test.panel.ends[i]) + H, list[int]()
    for w in sorted(np.flatnonzero(windows.series == i).tolist(), key=lambda w: -int(windows.origins[w])):
        origin = int(windows.origins[w])
        if origin < before or len(found) == HELD_OUT:
            break
        if origin + H <= last:
            found.append(w)
            last = origin
    for w in reversed(found):
        low, high = _widest(outcome, pairs, w, c)
        at, point = int(windows.origins[w]) - before, rounded(outcome.point[w, :, c])
        yield {"at": at, "point": point, "low": low, "high": high}


def _widest(outcome: Outcome, pairs: Any, w: int, c: int) -> tuple[list[Any], list[Any]]:
    if pairs is None or not len(pairs.low):
        return [], []
    part = outcome.part(slice(w, w + 1)).quantiles[0, :, c]
    return rounded(part[:, pairs.low[0]]), rounded(part[:, pairs.high[0]])


def _times(panel: Panel, i: int, rows: NDArray[np.int64]) -> list[str]:
    ordinals = rows - panel.offsets[i] + panel.first[i]
    texts = [str(time) for time in format_times(panel.stamps(i, ordinals), panel.schema)]
    for rest in (" 00:00:00", ":00"):  # what no time of a series has need of
        if texts and panel.schema.time_kind == "datetime" and all(text.endswith(rest) for text in texts):
            return [text.removesuffix(rest) for text in texts]
    return texts


def rounded(values: Floats) -> list[float | None]:
    """Numbers for a page: six digits, None where there is none."""
    return [float(f"{value:.{DIGITS}g}") if np.isfinite(value) else None for value in values.tolist()]


def calibration(test: Backtested) -> list[tuple[float, float]]:
    """How much each central interval of the model should cover, and covered, ascending."""
    outcome = test.outcomes[test.models[0]]
    if not outcome.levels or not outcome.observed.any():
        return []
    pairs, found = pairs_of(outcome.levels), []
    for low, high, nominal in zip(pairs.low, pairs.high, pairs.nominal.tolist(), strict=True):
        inside = (outcome.quantile(int(low)) <= outcome.truth) & (outcome.truth <= outcome.quantile(int(high)))
        found.append((float(nominal), float(inside[outcome.observed].mean())))
    return sorted(found)


def errors(test: Backtested) -> tuple[list[int], tuple[float, float], float] | None:
    """Counts of errors in bins, their range, and the mean error, in units of each series' seasonal change (as MASE)."""
    outcome = test.outcomes[test.models[0]]
    scale = np.nan_to_num(outcome.scale)[:, None, :]
    valid = outcome.observed & (scale > 0)
    if not valid.any():
        return None
    scaled = np.divide(outcome.error, scale, out=np.zeros(outcome.error.shape), where=scale > 0)[valid]
    reach = float(np.quantile(np.abs(scaled), 0.99)) or 1.0
    counts, _ = np.histogram(np.clip(scaled, -reach, reach), BINS, (-reach, reach))
    return counts.tolist(), (-reach, reach), float(scaled.mean())


def along_the_past(model: Any, data: Any) -> list[tuple[int, float]] | None:
    """How much the forecast of the first series looks at each lag, None where the model cannot say."""
    from tsforge.errors import TsforgeError
    from tsforge.fitted.explanation import explain

    try:
        found = explain(model, data)
        _, by_lag = found.along("gradient", found.target(None))
    except TsforgeError:
        return None
    return [(lag, float(weight)) for lag, weight in enumerate(by_lag.tolist()) if lag and np.isfinite(weight)]
