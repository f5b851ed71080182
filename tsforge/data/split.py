"""Cutting a panel by time: training, validation and test parts at the end of every series."""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np

from tsforge.data.panel import Ints, Panel
from tsforge.data.table.times import show_time
from tsforge.data.windows import Windows, cut, per_series
from tsforge.errors import DataError

log = logging.getLogger("tsforge")

SHARE = 0.1  # of the median series, for validation and for test
MOST_VALIDATION = 1024  # windows per validation: enough to choose weights by, cheap enough to do often
MOST_TEST = 8192
MOST_STEPS, FEWEST = 2**21, 256  # that all windows of a part hold, and windows that it may have however long they are
MOST_CONTEXT = 512  # steps of a context that nobody asked for
LONG_CONTEXT, LONG_SEASONS = 336, 14  # steps and seasons of a context that models of patches and channels want
_HORIZONS = {"D": 14, "B": 10, "W": 13, "MS": 12, "ME": 12, "QS": 8, "QE": 8, "YS": 4, "YE": 4}


class Split(NamedTuple):
    """Parts of every series: training [begin, train), validation [train, validation), test [origin, test), each (n,).

    origin lies behind validation by the gap, if there is one. Test windows are `stride` steps apart.
    held_out: steps behind the training part, as asked for; a series shorter than that has fewer.
    """

    begin: Ints
    train: Ints
    validation: Ints
    origin: Ints
    test: Ints
    held_out: int
    stride: int = 1


class Rolling(NamedTuple):
    """The cuts of a backtest, in steps.

    stride: between test windows.
    gap: left out between what is trained on and the first origin.
    history: of training and validation together, for a sliding window; None for all of it.
    later: at the end, kept for later origins.
    """

    stride: int = 1
    gap: int = 0
    history: int | None = None
    later: int = 0


class Parts(NamedTuple):
    """The windows of each part; a truth never reaches into the next part, a context may reach back."""

    train: Windows
    validation: Windows
    test: Windows


def default_horizon(panel: Panel) -> int:
    """One short cycle of the calendar: a day of hours, two weeks of days, a year of months; at most 1/8."""
    frequency = panel.schema.frequency
    longest = int(panel.lengths.max(initial=0))
    usual = _HORIZONS.get(frequency.name) or next((s for s in frequency.seasons() if s >= 8), 24)
    return max(1, min(usual, longest // 8))


def default_context(horizon: int, season: int) -> int:
    """Two horizons and at least one season, within reason."""
    return min(max(2 * horizon, season, 16), max(MOST_CONTEXT, horizon))


def long_context(usual: int, season: int, history: int) -> int:
    """The default context of tokens of stretches or channels: 14 seasons, 336 steps at most.

    usual: what a model of single steps has by default, and the least.
    history: steps of the median training part, of which a context takes a quarter at most.
    """
    return max(usual, min(LONG_CONTEXT, LONG_SEASONS * season, history // 4))


def sizes(panel: Panel, horizon: int, validation: int | None, test: int | None) -> tuple[int, int]:
    """Steps of validation and test: as asked for, else a tenth of the median series, at least one horizon."""
    median = float(np.median(panel.lengths))
    share = max(horizon, round(SHARE * median))
    for name, asked in (("validation", validation), ("test", test)):
        if asked and asked < horizon:
            short = f"data.{name} of {asked} steps is shorter than the horizon of {horizon}"
            raise DataError(f"{panel.name}: {short}", f"ask for {horizon} steps or more, or a shorter data.horizon")
    asked_for = (share if validation is None else validation) + (share if test is None else test)
    default = share if median >= 2 * horizon + asked_for else horizon
    return (default if validation is None else validation), (default if test is None else test)


def split(panel: Panel, validation: int, test: int, rolling: Rolling | None = None) -> Split:
    """Cut `test`, the gap and then `validation` steps off the end of each series."""
    rolling = rolling or Rolling()
    starts = panel.offsets[:-1]
    end = np.maximum(panel.ends - rolling.later, starts)
    origin = np.maximum(end - test, starts)
    before_gap = np.maximum(origin - rolling.gap, starts)
    before_validation = np.maximum(before_gap - validation, starts)
    begin = starts if rolling.history is None else np.maximum(before_gap - rolling.history, starts)
    held_out = validation + rolling.gap + test + rolling.later
    return Split(begin, before_validation, before_gap, origin, end, held_out, rolling.stride)


def parts(panel: Panel, cuts: Split, context: int, horizon: int, history: int | None = None) -> Parts:
    """The windows of every part.

    context, horizon: steps before and behind the origin of a window.
    history: least number of steps before the origin of a training window, as in `windows.cut`.
    Raises DataError when no series is long enough, naming the rows that it takes.
    """
    train = cut(panel, cuts.begin, cuts.train, context, horizon, history=history)
    validation = cut(panel, cuts.train, cuts.validation, context, horizon)
    test = cut(panel, cuts.origin, cuts.test, context, horizon, stride=cuts.stride)
    if not len(train.origins) or not len(validation.origins):
        longest = int(panel.lengths.max(initial=0))
        needed = 1 + horizon + cuts.held_out
        if longest >= needed:
            window = f"no window of {context}+{horizon} steps"
            hint = "correct the time behind the gap if it is wrong; or fill the gap, or take a shorter data.horizon"
            gap = _largest_gap(panel)
            raise DataError(f"{panel.name}: {window} has an observed target on both sides: {gap}", hint)
        less = " or data.test=0" if np.any(cuts.test > cuts.origin) else ""
        raise DataError(
            f"{panel.name}: too short: the longest series has {longest} rows, but "
            f"{needed} are needed for training, validation and test with a horizon of {horizon}",
            f"bring {needed} rows, or take a shorter data.horizon{less}",
        )
    unused = np.flatnonzero(per_series(train, len(panel)) == 0)
    if len(unused):
        scored = np.isin(unused, np.r_[validation.series, test.series]).sum()
        log.warning("%d of %d series have no training window; %d of them are scored", len(unused), len(panel), scored)
    return Parts(train, _thin(validation, MOST_VALIDATION, "validation"), test)


def _largest_gap(panel: Panel) -> str:
    """The longest stretch of a series in which nothing was observed, in words."""
    rows = np.flatnonzero(panel.observed.any(axis=1))
    series = panel.row_series()[rows]
    gaps = np.where(np.diff(series) == 0, np.diff(rows) - 1, 0)
    if not len(gaps) or not gaps.max():
        return "what is observed is too little"
    i = int(gaps.argmax())
    ordinals = panel.ordinals()[rows[i : i + 2]]
    before, behind = (show_time(stamp, panel.schema) for stamp in panel.stamps(series[i : i + 2], ordinals))
    label = f" of series {panel.label(int(series[i]))}" if panel.ids else ""
    return f"the largest gap{label}, of {gaps[i]:,} steps, lies between {before} and {behind}"


def thin_test(parts: Parts, most: int = MOST_TEST) -> Parts:
    """The parts with at most `most` test windows, evenly spaced."""
    return parts._replace(test=_thin(parts.test, most, "test"))


def affordable(parts: Parts, steps: int) -> Parts:
    """The parts with no more validation and test windows than it takes to tell how good a model is.

    steps: of one window. Long ones overlap the more, and cost the more to read.
    """
    most = max(FEWEST, MOST_STEPS // steps)
    validation = _thin(parts.validation, most, "validation")
    return thin_test(parts._replace(validation=validation), min(MOST_TEST, most))


def _thin(windows: Windows, most: int, name: str) -> Windows:
    if len(windows) > most:
        log.warning("%s of %s %s windows are scored, evenly spaced", f"{most:,}", f"{len(windows):,}", name)
    return windows.thin(most)
