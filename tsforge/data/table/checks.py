"""Checks of a table's rows, each mistake named by file, column, row, series and time."""

from __future__ import annotations

import shlex
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsforge.data.schema import Schema
from tsforge.data.table.roles import looks_like_dates
from tsforge.data.table.rows import SortedRows
from tsforge.data.table.times import show_time
from tsforge.data.time import calendar, frequency, periods, regular, snapping
from tsforge.data.time.calendar import Frequency
from tsforge.data.time.parts import of_time, part_of
from tsforge.errors import DataError

_USUAL = (
    "s", "min", "5min", "10min", "15min", "30min", "h", "D", "B", "W", "MS", "ME", "QS", "QE", "YS", "YE",
)  # fmt: skip
_ZONES = ("Europe/Berlin", "Europe/London", "America/New_York")  # whose clocks change in different hours
_STRAY = 2  # rows that one mistyped time, or two, tear off
_ENOUGH = 10  # rows of a series, to say what its usual step is
_FEW = 100  # steps without a row that a later table may have at once


class Rows(SortedRows):
    """Sorted rows and what can be wrong with them."""

    def check_duplicates(self, way_out: str) -> None:
        """Raises DataError where a series has a time twice. way_out: how such rows can be joined, for the hint."""
        twice = 1 + np.flatnonzero(~self.new_series[1:] & (self.stamps[1:] == self.stamps[:-1]))
        if not len(twice):
            return
        shown = "; ".join(f"{self.where(int(i))} repeats {self.row(int(i) - 1)}" for i in twice[:3])
        few = "duplicate time" if len(twice) == 1 else "duplicate times"
        hint, ways = self._why_twice(twice)
        if ways is not None:
            hint, ways = f"{hint}; {way_out}", [*ways, *({"data.duplicates": way} for way in ("mean", "sum"))]
        raise DataError(f"{self.frame.name}: {len(twice)} {few}: {shown}", hint, ways or [])

    def _why_twice(self, twice: NDArray[np.intp]) -> tuple[str, list[dict[str, Any]] | None]:
        """A hint at what made times repeat, and the settings that it names; None where no rows may be joined."""
        schema, data, frame = self.schema, self.frame.data, self.frame
        keys = [schema.time, *schema.id]
        written = schema.time_format or ""
        if written == "%Y.%-m" or written.endswith((".%m:float", ".%-m:float")):  # 2015.1 may be left of 2015.10
            months = self.stamps[twice].astype("M8[us]").astype("M8[M]").astype(np.int64) % 12 + 1
        else:
            months = np.zeros(1, dtype=np.int64)
        if np.isin(months, (1, 10)).all():
            return "a last zero may be lost, as in 2015.1 for 2015.10: write the times with all their digits", None
        free = [c for c in data.columns if c not in keys and frame.cells(c).kind != "decimal"]
        apart = [c for c in free if not data.duplicated([*keys, c]).any()]
        clock = [c for c in apart if of_time(c) or (c not in schema.target and part_of(c, short=True))]
        apart = [c for c in apart if c not in schema.target and not looks_like_dates(frame, c)]
        if clock:
            both = (schema.time, clock[0])
            return f"pass data.time={shlex.quote(','.join(both))} if they are one time", [{"data.time": both}]
        if apart:
            hint = f"pass data.id={shlex.quote(apart[0])} if it tells series apart, or keep one row per time"
            return hint, [{"data.id": apart[0]}]
        hint = "keep one row per series and time"
        hint += "" if self.ids else ", or pass data.id for a column that tells series apart"
        if schema.time_kind == "datetime" and schema.timezone is None:
            step = int(np.median(np.diff(self.stamps)))  # before times that are the ends of steps
            hours = (self.stamps[twice], self.stamps[twice] - step)
            zones = [zone for zone in _ZONES if any(periods.repeats(local, zone).all() for local in hours)]
            if zones:
                hint += f"; at the end of summer time, name the zone: data.timezone={zones[0]}"
                return hint, [{"data.timezone": zone} for zone in zones]
        return hint, []

    def frequency(self, name: str | None, fitted: Schema | None) -> Frequency:
        """The frequency that is named, that of the fitted model, or the one that the rows show."""
        if name is not None:
            return frequency.parse(name, self.stamps, self.schema.time_kind != "datetime")
        inferred, off = frequency.infer(self.stamps, self.new_series, self.schema.time_kind)
        if fitted is not None:
            self._check_same(inferred, fitted.frequency)
            return fitted.frequency
        if inferred is not None:
            return inferred
        if off < 0:
            hint = "pass data.freq (as h, D, MS), or check data.id"
            raise DataError(f"{self.frame.name}: every series has one row, so the frequency cannot be seen", hint)
        self.check_phases()
        before = show_time(self.stamps[off - 1], self.schema)
        follows = "" if self.new_series[off] else f" follows {before} and"
        near = None
        if self.schema.time_kind == "datetime":
            near = snapping.jitter(self.stamps, self.new_series)
        local_days = near is not None and near[0].step >= calendar.DAY and self.schema.timezone == "UTC"
        if near is not None and not local_days:
            step = f"but nearly all rows lie near every {near[0].name}, the farthest {snapping.span(near[1])} from it"
            hint = f"correct the time; or data.snap=true moves the times to the grid of {near[0].name}"
            row = f"{self.frame.name}: irregular times: {self.where(off)}{follows} fits no regular grid"
            raise DataError(f"{row}, {step}", hint, [{"data.snap": True}])
        hint, ways = self._ways_to_a_grid()
        if self.schema.timezone == "UTC":
            hint += "; where days or months are local ones, name the zone: data.timezone=Europe/Berlin"
        row = f"{self.frame.name}: irregular times: {self.where(off)}"
        raise DataError(f"{row}{follows} fits no regular grid", hint, ways)

    def _ways_to_a_grid(self) -> tuple[str, list[dict[str, Any]]]:
        """A hint at the grids that irregular times could have or be brought to, and the settings that it names."""
        kind = self.schema.time_kind
        holes = regular.with_holes(self.stamps, self.new_series, kind)
        longer = regular.longer(self.stamps, self.new_series, kind)
        hints: list[str] = []
        ways: list[dict[str, Any]] = []
        if holes is not None:
            hints.append(f"pass data.freq={holes} for a grid with gaps")
            ways.append({"data.freq": holes})
        if longer:
            hints.append(f"bring the rows to longer steps: data.resample={longer[0]}")
            ways += [{"data.resample": name, "data.aggregate": "mean"} for name in longer]
        return ", or ".join(hints) or "correct the times, or pass data.freq for the grid you mean", ways

    def _check_same(self, inferred: Frequency | None, fitted: Frequency) -> None:
        """Raises DataError where the rows follow a grid of their own; holes in the model's grid are fine."""
        if inferred is None or (inferred.unit, inferred.step) == (fitted.unit, fitted.step):
            return
        ordinals, on_grid = fitted.ordinals(self.stamps)
        gaps = np.diff(ordinals)[~self.new_series[1:]]
        # Few rows may lie around holes; the same usual step between all of them is a grid.
        another = inferred.name in _USUAL and np.ptp(gaps) == 0
        if on_grid.all() and (gaps.min() == 1 or (len(self.stamps) < 4 and not another)):
            return
        if self.frame.part:
            inside = np.flatnonzero(~self.new_series)
            i = int(inside[np.argmax(gaps != 1)]) if (gaps != 1).any() else 0
            message = f"{self.where(i)} is of frequency {inferred.name}, the rows of the first files of {fitted.name}"
            hint = f"fit them apart, or pass data.freq={fitted.name} if the steps between are missing values"
            raise DataError(f"{self.frame.name}: {message}", hint)
        raise DataError(
            f"{self.frame.name}: this table has frequency {inferred.name}, the model was fitted on {fitted.name}",
            f"bring the table to {fitted.name}, or fit a model on {inferred.name} data",
        )

    def check_grid(self, on_grid: NDArray[np.bool_], named: Frequency) -> None:
        """Raises DataError at the first row that lies between the steps."""
        off = np.flatnonzero(~on_grid)
        if len(off):
            self.check_phases()
            row = f"{self.frame.name}: {self.where(int(off[0]))}"
            more = f" ({len(off)} such rows)" if len(off) > 1 else ""
            hint, ways = self._own_grid(named)
            # Off the months by a little, the first stamp does not tell their starts from their ends.
            name = None if named.unit == "month" else named.name
            dates = self.schema.time_kind == "datetime"
            if not ways and dates and (near := snapping.jitter(self.stamps, self.new_series, name)):
                hint = (
                    f"data.snap=true moves the times to the grid of {near[0].name}, by {snapping.span(near[1])} at most"
                )
                ways = [{"data.snap": True}]
            raise DataError(f"{row} is not on the grid of frequency {named.name}{more}", hint, ways)

    def _own_grid(self, named: Frequency) -> tuple[str, list[dict[str, Any]]]:
        """A hint at the grid that the rows have where another one was named, and the settings that it names."""
        own, _ = frequency.infer(self.stamps, self.new_series, self.schema.time_kind)
        if own is None or (own.unit, own.step) == (named.unit, named.step):
            return "pass another data.freq", []
        ways: list[dict[str, Any]] = [{"data.freq": own.name}]
        hint = f"the rows are steps of {own.name}: leave out data.freq"
        if named.unit in ("us", "month") and np.ptp(named.ordinals(self.stamps)[0]) < np.ptp(
            own.ordinals(self.stamps)[0]
        ):
            hint += f", or bring them to longer steps: data.freq={own.name} data.resample={named.name}"
            ways.append({"data.freq": own.name, "data.resample": named.name, "data.aggregate": "mean"})
        return hint, ways

    def check_phases(self) -> None:
        """Raises DataError where series have the same step and begin at different places in it."""
        series = snapping.apart(self.stamps, self.new_series, self.schema.time_kind)
        if series is None:
            return
        names = [" ".join(str(column[self.codes[i]]) for column in self.ids) for i in series.rows]
        places = [snapping.place_in_step(grid) for grid in series.grids]
        words = [f"series {name} lies on {place}" for name, place in zip(names, places, strict=True)]
        row = f"from {self.row(int(series.rows[1]))} on"
        near = snapping.jitter(self.stamps, self.new_series) if self.schema.time_kind == "datetime" else None
        hint = "fit them apart, from one table each"
        ways: list[dict[str, Any]] = []
        if near is not None:
            place = f"{snapping.place_in_step(near[0])}, by {snapping.span(near[1])} at most"
            hint, ways = f"data.snap=true moves every row to {place}; or {hint}", [{"data.snap": True}]
        elif longer := regular.longer(self.stamps, self.new_series, self.schema.time_kind):
            hint += f"; or bring all to longer steps: data.resample={longer[0]}"
            ways = [{"data.resample": name, "data.aggregate": "mean"} for name in longer]
        raise DataError(f"{self.frame.name}: no one grid holds the times: {words[0]}, {words[1]} ({row})", hint, ways)

    def check_size(self, ordinal: NDArray[np.integer], frequency: Frequency) -> None:
        """Raises DataError where one time lies so far off that its gap could not be held in memory."""
        if self.steps(ordinal).sum() > max(10_000_000, 100 * len(ordinal)):
            gaps = np.where(self.new_series[1:], 0, np.diff(ordinal))
            i = int(gaps.argmax()) + 1
            before = show_time(self.stamps[i - 1], self.schema)
            far = f"{gaps[i - 1]:,} steps of {frequency.name} after {before}"
            hint = "fix the time, or pass a longer data.freq"
            raise DataError(f"{self.frame.name}: {self.where(i)} comes {far}", hint)

    def check_filled(self, ordinal: NDArray[np.integer], frequency: Frequency, fitted: Schema | None) -> None:
        """Raises DataError where more than half of the grid has no row, or more than half of a series' lies in one gap.

        A later table is refused where one gap is that large.

        A date that is read wrongly, and a year that is mistyped, leave the rows scattered over an empty grid. Of a part
        of a table each series is looked at for itself.
        """
        count = len(ordinal)
        empty = int(self.steps(ordinal).sum()) - (count - len(self.starts))
        if not empty:
            return
        gaps = np.where(self.new_series[1:], 0, np.diff(ordinal) - 1)
        largest = int(gaps.argmax()) + 1
        fitted = None if self.frame.part else fitted
        if fitted is not None and gaps[largest - 1] <= max(_FEW, count, empty // 2):
            return
        if empty <= count or self.frame.part:
            torn = self._torn(gaps) if fitted is None else None
            if torn is None:
                return
            count, empty, largest = torn
        before = f"{self.row(largest - 1)}, time {show_time(self.stamps[largest - 1], self.schema)}"
        usual = f"{empty:,} of {count + empty:,} steps have no row: the usual step is {frequency.name}"
        gap = f"the largest gap, of {gaps[largest - 1]:,} steps, lies between {before}, and {self.where(largest)}"
        hint = "fix the times if they are wrong"
        if fitted is None and self.schema.resampling is not None:
            hint += "; pass a longer data.resample if there are such gaps"
        elif fitted is None:
            hint += f"; pass data.freq={frequency.name} if there are such gaps, or another data.freq"
            if self.schema.time_format and frequency.unit not in ("int", "float"):
                written = self.schema.time_format.removesuffix(":int")
                hint += f"; name data.time_format if the times are not written as {written}"
        ways = self._ways_past_gaps(frequency) if fitted is None and self.schema.resampling is None else []
        raise DataError(f"{self.frame.name}: {usual}, and {gap}", hint, ways)

    def _torn(self, gaps: NDArray[np.int64]) -> tuple[int, int, int] | None:
        """Rows, empty steps and the row behind the gap of the series from which one gap tears a few rows off.

        The gap is more than the rows of the series, which has few others, and at most two rows lie on one side of it.
        None where no series is torn so: shops that close for years have rows on both sides.
        """
        starts = self.starts
        rows = np.diff(np.r_[starts, len(self.codes)])
        before = np.r_[0, gaps]  # of each row, 0 at the first of a series
        widest = np.maximum.reduceat(before, starts)
        for s in np.flatnonzero((rows >= _ENOUGH) & (widest > rows)):
            own = before[starts[s] : starts[s] + rows[s]]
            at = int(own.argmax())
            if min(at, rows[s] - at) <= _STRAY and own.sum() - own[at] <= rows[s]:
                return int(rows[s]), int(own.sum()), int(starts[s] + at)
        return None

    def _ways_past_gaps(self, frequency: Frequency) -> list[dict[str, Any]]:
        """Settings that take rows on a grid that is mostly empty to longer steps, or leave them there."""
        longer = regular.longer(self.stamps, self.new_series, self.schema.time_kind)
        ways: list[dict[str, Any]] = [{"data.resample": name, "data.aggregate": "mean"} for name in longer]
        return [*ways, {"data.freq": frequency.name}]

    def check_static(self, name: str, values: NDArray[np.float64]) -> None:
        """Raises DataError where a static column has two values in a series."""
        have = np.flatnonzero(~np.isnan(values))
        changed = have[1:][(self.codes[have[1:]] == self.codes[have[:-1]]) & (values[have[1:]] != values[have[:-1]])]
        if len(changed):
            message = f"static column '{name}' changes within a series at {self.where(int(changed[0]))}"
            raise DataError(f"{self.frame.name}: {message}", f"pass it as data.past={name} or data.future={name}")
