"""What a report shows, collected from a model and a table: plain values, and arrays cut to what is looked at.

Axes: n series, H horizon, C targets, Q levels, W windows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsforge.api.results import Backtested, Predicted
from tsforge.backtesting.scoreboard import Scoreboard
from tsforge.data.occasions.occasion import Occasion
from tsforge.data.panel import Panel
from tsforge.data.table.times import format_times, to_wall
from tsforge.errors import listing
from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.quantiles import pairs_of
from tsforge.evaluation.scores import by_window
from tsforge.plotting.choosing import View, choose

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


def collect(made: Predicted, test: Backtested | None, most: int = SERIES, names: Sequence[str] = ()) -> Facts:
    """What a report of a forecast and of a backtest by the same model shows.

    names: of the series that can be chosen; where there are none as many as `most`, the worst first. Raises DataError
    for one that is not there.
    """
    panel = made.panel
    named = [i for i, _ in choose(panel, View(tuple(names)), most).pairs] if names else []
    board = Scoreboard({"": test}) if test is not None else None
    if test is None or board is None:
        return Facts(made, None, None, list(dict.fromkeys(named or range(len(panel))))[:most], {})
    tested = {test.panel.key(i): i for i in np.unique(test.forecasts.windows.series).tolist()}
    order = named or _worst_first(panel, board, list(tested))
    return Facts(made, test, board, list(dict.fromkeys(order))[:most], tested)


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
        "name": name or target, "target": target, "times": _times(panel, i, np.arange(start, end + H)),
        "values": rounded(values), "point": rounded(made.point[i, :, c]),
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
    return shortened(texts) if panel.schema.time_kind == "datetime" else texts


def shortened(texts: list[str]) -> list[str]:
    """Times without midnight, or seconds, that all of them have alike and nobody needs."""
    for rest in (r" 00:00:00$", r"(?<=\d:\d\d):00$"):
        if texts and all(re.search(rest, text) for text in texts):
            return [re.sub(rest, "", text) for text in texts]
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


def by_origin(test: Backtested, names: Iterable[str]) -> tuple[list[str], dict[str, list[float]]]:
    """The mean error of every forecast origin, over series, steps and targets, in seasonal changes as MASE counts them.

    Of models by their names: (times of the first and the last origin, nothing where there is one; values by model).
    """
    times, place = np.unique(test.outcomes[test.models[0]].time, return_inverse=True)
    found = {}
    for name in names:
        errors = by_window(test.outcomes[name], "mase")
        seen = np.isfinite(errors)
        count = np.bincount(place, weights=seen, minlength=len(times))
        total = np.bincount(place, weights=np.where(seen, errors, 0.0), minlength=len(times))
        found[name] = [float(t / c) if c else float("nan") for t, c in zip(total, count, strict=True)]
    return [test.panel.time(int(time)) for time in times[[0, -1]]] if len(times) > 1 else [], found


def occasions(panel: Panel, known: Sequence[Occasion], steps: int) -> list[tuple[str, str]]:
    """Holidays and events that a model knows: how many days of each lie in the table, and which in the steps ahead."""
    if not known or panel.schema.time_kind != "datetime":
        return []
    i = int((panel.first + panel.lengths).argmax())
    end = int(panel.first[i] + panel.lengths[i])
    ordinals = np.array([int(panel.first.min()), end - 1, end, end + steps - 1])
    begin, last, ahead, stop = to_wall(panel.stamps(i, ordinals), panel.schema).astype("M8[us]").astype("M8[D]")
    found = []
    for occasion in known:
        days = np.array(sorted({day for several in occasion.days.values() for day in several}), dtype="M8[D]")
        inside = int(((days >= begin) & (days <= last)).sum())
        coming = days[(days >= ahead) & (days <= stop)].astype(str).tolist()
        text = f"{inside:,} days in the table, " + (f"ahead: {listing(coming, 6)}" if coming else "none ahead")
        found.append((occasion.name, text))
    return found
