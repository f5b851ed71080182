"""detect: which values of a table a model did not expect, one step ahead.

Each value is judged by the first step of the forecast from all that lies before it, with intervals that adapt
(`evaluation.adaptive`), and by how far such values lay in normal times (`tail`). Rows are judged in the order of time,
so that a table at once and its rows one by one have the same verdicts.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsforge.data import frames, rolled
from tsforge.data.panel import Ints, Panel
from tsforge.detecting import state as states
from tsforge.detecting.history import History
from tsforge.detecting.lane import LEVEL_SHIFT, OUTLIER, Lane, Run, Verdicts
from tsforge.detecting.tail import LEAST, MOST, Tail, clean
from tsforge.errors import ConfigError, DataError, ModelError
from tsforge.evaluation.conformal import Calibration
from tsforge.fitted import directory, prediction
from tsforge.fitted.model import Model
from tsforge.runtime.threads import sparing
from tsforge.runtime.timing import stage

log = logging.getLogger("tsforge")

RATE = 0.001  # false alarms per value
KINDS = {OUTLIER: "outlier", LEVEL_SHIFT: "level shift"}
OWN, POOLED = 100, 1000  # scores from which a series is judged by its own; and at most of all series together
WARM = 100  # rows to learn from where all of a table is judged
BLOCK, AFTER, MOST_BLOCK, AT_ONCE = 64, 8, 1024, 2**18  # rows that are forecast together: first, after a find, at most


class Event(NamedTuple):
    """Unusual values of one series and target, one behind the other. first, last: rows of the panel."""

    series: int
    target: int
    kind: str
    first: int
    last: int
    values: int
    p: float


@dataclass(frozen=True, repr=False)
class Detection:
    """What a model did not expect in a table.

    rate: false alarms per value that were asked for. verdicts: of every row and target.
    judged, learned, skipped: values that were judged; that only the scale of errors was learned from; and that have too
    little before them. state: to go on from with later rows. model: its kind.
    polars: whether frames are of Polars, as the table was.
    """

    panel: Panel
    rate: float
    verdicts: Verdicts
    judged: int
    learned: int
    skipped: int
    state: dict[str, Any]
    model: str = ""
    polars: bool = False

    def __repr__(self) -> str:
        return f"<{self.found:,} unusual values of {self.judged:,} judged: .frame, .events, .every>"

    @property
    def found(self) -> int:
        """How many values are unusual."""
        return int((self.verdicts.kind > 0).sum())

    @property
    def frame(self) -> Any:
        """The unusual values: ids, time, `target` where there are several, and what is said of them.

        Columns: `value`, `expected`, `low` and `high` of the interval, `p`, `severity` (its distance from what was
        expected, in widths of the interval: above 1), `kind` (outlier, level shift), `since`, the time of the first of
        such values one behind the other.
        """
        return self._frame(self.verdicts.kind > 0)

    @property
    def every(self) -> Any:
        """All values that were judged, as in `frame`; the kind of usual ones is empty."""
        return self._frame(~np.isnan(self.verdicts.p))

    def _frame(self, chosen: NDArray[np.bool_]) -> Any:
        rows, targets = np.nonzero(chosen)
        v, panel = self.verdicts, self.panel
        series = np.searchsorted(panel.offsets, rows, side="right") - 1
        value, expected, below, above, p = (
            part[rows, targets].astype(np.float64) for part in (panel.values, v.expected, v.below, v.above, v.p)
        )
        gap = value - expected
        kinds = np.array(["", *KINDS.values()], dtype=object)[v.kind[rows, targets]]
        sizes = {"value": value, "expected": expected, "low": expected - below, "high": expected + above}
        rare = {"p": p, "severity": np.abs(gap) / np.where(gap > 0, above, below)}
        columns: dict[str, Any] = {name: part.astype(panel.values.dtype) for name, part in sizes.items()}
        columns |= {name: part.astype(np.float32) for name, part in rare.items()} | {"kind": kinds}
        since = np.where(v.kind > 0, v.since, np.arange(len(v.kind))[:, None])[rows, targets]
        return frames.like(rolled.cells(panel, (series, rows, targets), columns, {"since": since}), polars=self.polars)

    @cached_property
    def events(self) -> list[Event]:
        """Unusual values that belong together, in the order of time within each series and target."""
        v, found = self.verdicts, []
        for c in range(v.kind.shape[1]):
            rows = np.flatnonzero(v.kind[:, c] > 0)
            for part in np.split(rows, np.flatnonzero(np.diff(v.since[rows, c])) + 1):
                if len(part):
                    i = int(np.searchsorted(self.panel.offsets, part[0], side="right")) - 1
                    kind = KINDS[int(v.kind[part[-1], c])]
                    least = float(v.p[part, c].min())
                    found.append(Event(i, c, kind, int(v.since[part[0], c]), int(part[-1]), len(part), least))
        return sorted(found, key=lambda event: (event.series, event.first, event.target))


@sparing()
def detect(
    model: Model | str | Path, data: Any = None, *, rate: float = RATE, everything: bool = False,
    state: dict[str, Any] | None = None,
) -> Detection:  # fmt: skip
    """Find what a model did not expect: `tsforge.detect` with a model or its directory."""
    if not 0 < rate <= 0.2:
        raise ConfigError(f"a rate of {rate:g} false alarms per value", "ask for more than 0 and at most 0.2")
    model = model if isinstance(model, Model) else directory.load(model)
    if model.calibration is None:
        raise ModelError("the model has no intervals, which tell what is usual", "fit one that forecasts quantiles")
    if state is not None and everything:
        problem = "a state goes on where it ended, and `everything` begins at the first row"
        raise ConfigError(problem, "leave one of them out; or remove the file of the state, and begin anew")
    if state is not None:
        states.check(state, model)
    panel = prediction.read(model, data, model.shape.horizon)
    with stage("detection"):
        return _judged(History(model, panel), rate, state or {}, everything=everything)


def _judged(history: History, rate: float, state: dict[str, Any], *, everything: bool) -> Detection:
    panel, model = history.panel, history.model
    assert model.calibration is not None
    one = _of_first_step(model.calibration)
    firsts, judge = _begins(model, panel, everything=everything)
    known = state.get("series", {})
    lanes, fresh = [], []
    for i in range(len(panel)):
        if (values := known.get(panel.key(i))) is not None:
            lane = states.revived(i, values, history, one)
            if lane.next < firsts[i]:  # the table begins later than the state ended
                gap, lane.next = int(firsts[i]) - lane.next, int(firsts[i])
                log.warning("%d rows are not judged: too little of the table lies before them", gap)
            lanes.append(lane)
            continue
        begin = max(int(firsts[i]), int(judge[i]) - min(model.experiment.data.validation or model.shape.horizon, MOST))
        begin = int(firsts[i]) if everything else begin
        C = panel.values.shape[1]
        lane = Lane(i, begin, int(judge[i]), int(judge[i]), one, [Tail() for _ in range(C)], [Run() for _ in range(C)])
        fresh.append(lane)
        lanes.append(lane)
    began = {lane.series: lane.next for lane in lanes if lane not in fresh}
    verdicts = Verdicts.blank(panel.values.shape)
    _pass(fresh, history, verdicts, rate)
    _settle(fresh)
    for lane in lanes:
        lane.end = int(panel.ends[lane.series])
    learned = sum(lane.learned for lane in lanes)
    _pass(lanes, history, verdicts, rate)
    judged = int((~np.isnan(verdicts.p)).sum())
    learned = sum(lane.learned for lane in lanes) - learned
    wanted = panel.offsets[:-1] if everything else np.minimum(model.facts.unseen(panel), judge)
    skipped = sum(int(panel.observed[wanted[i] : judge[i]].sum()) for i in range(len(panel)) if i not in began)
    if not judged and not began:
        raise _nothing(panel, model, learned, everything=everything)
    lanes.sort(key=lambda lane: lane.series)
    after = states.kept(lanes, panel, model)
    after["series"] = known | after["series"]  # of series that this table does not have, as it was
    return Detection(panel, rate, verdicts, judged, learned, skipped, after, model.experiment.model.kind)


def _of_first_step(calibration: Calibration) -> Calibration:
    return calibration.model_copy(update={
        "widening": calibration.widening[:1], "unit": calibration.unit[:1], "tail": None, "moved": None,
    })  # fmt: skip


def _begins(model: Model, panel: Panel, *, everything: bool) -> tuple[Ints, Ints]:
    """(the first row of each series that has enough before it; the first that is judged), (n,) each."""
    context, horizon = model.shape.context, model.shape.horizon
    least = np.minimum(context, np.maximum(horizon, panel.lengths // 4))
    first = np.minimum(panel.offsets[:-1] + least, panel.ends)
    judge = first + WARM if everything else np.maximum(model.facts.unseen(panel), first)
    return first, np.minimum(judge, panel.ends)


def _settle(lanes: list[Lane]) -> None:
    """Give each series what it is judged by: its own scores before the judged rows, or those of all series."""
    if not lanes:
        return
    for c in range(len(lanes[0].tails)):
        every = np.concatenate([np.array(lane.tails[c].recent) for lane in lanes])
        thin = every[np.linspace(0, len(every) - 1, min(len(every), POOLED)).round().astype(np.int64)]
        shared: list[float] = clean(thin.tolist()) if len(every) else []
        for lane in lanes:
            own = lane.tails[c].recent
            lane.tails[c] = Tail(clean(own) if len(own) >= OWN or len(lanes) == 1 else shared)


def _pass(lanes: list[Lane], history: History, verdicts: Verdicts, rate: float) -> None:
    """Take every series to its end: a stretch of each is forecast at once, up to where something is found in it."""
    size: dict[int, int] = {}
    while active := [lane for lane in lanes if lane.next < lane.end]:
        most = max(AFTER, min(MOST_BLOCK, AT_ONCE // len(active)))
        counts = [min(size.get(lane.series, BLOCK), most, lane.end - lane.next) for lane in active]
        rows = np.concatenate([np.arange(lane.next, lane.next + n) for lane, n in zip(active, counts, strict=True)])
        series = np.repeat([lane.series for lane in active], counts).astype(np.int64)
        outcome, at = history.first_steps(rows, series), 0
        for lane, count in zip(active, counts, strict=True):
            taken = lane.take(outcome.part(slice(at, at + count)), history, verdicts, rate)
            size[lane.series] = 2 * count if taken == count else AFTER
            at += count


def _nothing(panel: Panel, model: Model, learned: int, *, everything: bool) -> DataError:
    """What to say where nothing could be judged."""
    if not everything and not (model.facts.unseen(panel) < panel.ends).any():
        problem = f"{panel.name}: no row lies after what the model has seen"
        return DataError(problem, "bring later rows, or judge `everything`, also what the model has learned from")
    problem = f"{panel.name}: too few rows to tell what is usual: there are {learned} values to learn from"
    hint = f"bring {LEAST} with a context of {model.shape.context} rows before them, and more to judge"
    return DataError(problem, hint)
