"""One series whose rows are judged one after the other: its intervals, its scores, and what was found last.

What is unusual is replaced in the context of later forecasts: one on the border of the interval by itself, one twice as
far away by what was expected, and between them by what lies between (the descending part of Hampel's function; robust
smoothing does so too, Gelper, Fried & Croux 2010). So a false alarm costs nothing and an outlier spoils nothing.

Axes: W rows, C targets, P pairs of levels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from tsforge.detecting.history import History
from tsforge.detecting.tail import Tail
from tsforge.evaluation.adaptive import follow
from tsforge.evaluation.conformal import Calibration
from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.quantiles import Floats, pairs_of

SHIFT = 5  # unusual values on one side, one behind the other, that are a new level
NARROWEST = 1e-4  # of a window's deviation: the least width by which a score is measured
BEYOND = 20  # a score counts as no more than one that is so many times as rare as a false alarm
INTERVAL = 0.8  # of the intervals whose halves a score is measured in
NORMAL, OUTLIER, LEVEL_SHIFT = 0, 1, 2


class Verdicts(NamedTuple):
    """What is said of every row and target of a panel, (T, C) each; NaN or 0 where nothing was judged.

    expected: the middle of the forecast. below, above: widths of the interval. p: of the value. kind: NORMAL, OUTLIER,
    LEVEL_SHIFT. since: the row with which it began.
    """

    expected: Floats
    below: Floats
    above: Floats
    p: Floats
    kind: Any
    since: Any

    @classmethod
    def blank(cls, shape: tuple[int, ...]) -> Verdicts:
        """Of a panel in which nothing was judged."""
        expected, below, above, p = (np.full(shape, np.nan) for _ in range(4))
        kind, since = np.zeros(shape, dtype=np.int8), np.full(shape, -1, dtype=np.int64)
        return cls(expected, below, above, p, kind, since)


class Found(NamedTuple):
    """An unusual value: by how much it missed what was expected, in the data's units and in widths of the interval, and
    as how large a score it counts."""

    row: int
    target: int
    gap: float
    severity: float
    score: float


@dataclass
class Run:
    """Unusual values of one target, one behind the other.

    gaps: by how much each missed what was expected. scores: of each, which count once it is known what they were: those
    of outliers are part of normal times, however rare, those of a new level are not.
    """

    rows: list[int] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    side: int = 0
    settled: bool = False  # whether it is known to be a new level


@dataclass
class Lane:
    """A series in judgement.

    next, end: the row of the panel that comes next, and the one behind the last. judge: from which row on values are
    judged; those before are learned from.
    calibration: of the first step, with its corrections as they are by now.
    tails, runs: of each target. replaced, shifts: what was changed in its past, for whoever goes on from here.
    """

    series: int
    next: int
    end: int
    judge: int
    calibration: Calibration
    tails: list[Tail]
    runs: list[Run]
    replaced: list[tuple[int, int, float]] = field(default_factory=list)  # row, target, by what
    shifts: list[tuple[int, int, int, float]] = field(default_factory=list)  # from row, up to row, target, by
    learned: int = 0

    def widths(self, moving: Outcome) -> tuple[Floats, Floats, Floats]:
        """Of forecasts with their intervals: (what is expected; widths of the halves below and above), (W, C) each."""
        values = moving.quantiles[:, 0].astype(np.float64)  # (W, C, Q)
        pairs = pairs_of(moving.levels)
        pair = int(np.argmin(np.abs(pairs.nominal - INTERVAL)))
        a, b = pairs.middle
        middle, least = (values[..., a] + values[..., b]) / 2, NARROWEST * moving.spread
        below = np.maximum(middle - values[..., pairs.low[pair]], least)
        return middle, below, np.maximum(values[..., pairs.high[pair]] - middle, least)

    def take(self, o: Outcome, history: History, verdicts: Verdicts, rate: float) -> int:
        """Judge rows in their order until one changes the past that the others were forecast from; how many were."""
        moving, moved = follow(o, self.calibration)
        middle, below, above = self.widths(moving)
        values, observed = o.truth[:, 0].astype(np.float64), o.observed[:, 0]
        gap = values - middle
        scores = np.abs(gap) / np.where(gap > 0, above, below)
        count = len(values)
        for w in range(len(values)):
            row, changed = self.next + w, False
            for c in np.flatnonzero(observed[w] & np.isfinite(scores[w])).tolist():
                tail, score = self.tails[c], float(scores[w, c])
                if row < self.judge or not tail.ready:
                    tail.add(score)
                    self.learned += row >= self.judge
                    continue
                border, p = tail.border(rate), tail.p(score)
                verdicts.expected[row, c], verdicts.p[row, c] = middle[w, c], p
                verdicts.below[row, c], verdicts.above[row, c] = border * below[w, c], border * above[w, c]
                if p < rate:
                    found = Found(row, c, float(gap[w, c]), score / border, min(score, tail.border(rate / BEYOND)))
                    changed |= self._unusual(found, history, verdicts)
                    continue
                self._end(c)
                tail.add(score)
            if changed:
                count = w + 1
                break
        if count < len(values):
            moved = follow(o.part(slice(0, count)), self.calibration)[1]
        self.calibration = moved.model_copy(update={"widening": moved.moved, "moved": None})
        self.next += count
        return count

    def _end(self, c: int) -> None:
        """What was unusual is over: outliers count, as part of what happens."""
        for score in self.runs[c].scores:
            self.tails[c].add(score)
        self.runs[c] = Run()

    def _unusual(self, found: Found, history: History, verdicts: Verdicts) -> bool:
        """Note an unusual value; whether later forecasts look at another past because of it."""
        row, c, gap, severity, score = found
        side = 1 if gap > 0 else -1
        if self.runs[c].side != side:
            self._end(c)
            self.runs[c].side = side
        run = self.runs[c]
        run.rows.append(row)
        run.gaps.append(gap)
        run.scores.append(score)
        verdicts.kind[row, c] = LEVEL_SHIFT if run.settled else OUTLIER
        verdicts.since[row, c] = run.rows[0]
        if run.settled:  # the new level is in the context by now: it is looked at as it is
            self.tails[c].add(run.scores.pop())
            return False
        if len(run.rows) < SHIFT:
            value = float(verdicts.expected[row, c]) + gap / severity * max(0.0, 2 - severity)
            history.replace(self.series, row, c, value)
            self.replaced.append((row, c, value))
            return True
        run.settled, run.scores = True, []
        here = [row for row in run.rows if verdicts.kind[row, c]]  # the others were told of before, with another state
        verdicts.kind[here, c] = LEVEL_SHIFT
        self._settle(run, c, history)
        return True

    def _settle(self, run: Run, c: int, history: History) -> None:
        """A new level: it is shown, and what lies before it is moved there, unless that would be below 0 for the first
        time, as a model that takes logarithms cannot read it."""
        history.restore(self.series, run.rows, c)
        self.replaced = [part for part in self.replaced if part[1] != c or part[0] not in run.rows]
        end, by = run.rows[0], float(np.median(run.gaps))
        begin = max(int(history.panel.offsets[self.series]), end - history.model.shape.context)
        least = history.least(begin, end, c)
        if least >= 0 > least + by:
            return
        history.shift(self.series, begin, end, c, by)
        self.shifts.append((begin, end, c, by))
