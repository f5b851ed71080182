"""Rows in a time zone, on the grid that they lie on: local days, or hours of UTC."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tsforge.data.schema import Schema
from tsforge.data.table import duplicates
from tsforge.data.table.checks import Rows
from tsforge.data.time import calendar, snapping
from tsforge.errors import DataError

log = logging.getLogger("tsforge")


def on_clock(rows: Rows, fitted: Schema | None) -> Rows:
    """The rows with stamps of the grid they lie on: local days where they are that far apart, else UTC.

    Raises DataError for a local time that does not exist.
    """
    schema, stamps = rows.schema, rows.stamps
    if schema.timezone is None:
        return _of_days(rows, fitted)
    wall_grid = calendar.counts_days(stamps, rows.new_series)
    if fitted is not None:
        wall_grid = fitted.resampling.wall_grid if fitted.resampling else fitted.wall_grid
    ending = 0
    if wall_grid and not schema.local:
        stamps = calendar.wall_clock(stamps, schema.timezone)
    elif schema.local and not wall_grid:
        stamps, ending = _localised(rows, fitted)
    again = np.lexsort((stamps, rows.codes))  # local times of a repeated hour come in pairs
    schema = schema.model_copy(update={"wall_grid": wall_grid, "ending": ending})
    return replace(rows, codes=rows.codes[again], stamps=stamps[again], order=rows.picked(again), schema=schema)


def _of_days(rows: Rows, fitted: Schema | None) -> Rows:
    """Rows without a zone: where days end at 24:00, at the begins of the steps that the times end, as the last of a day
    is a step of that day.
    """
    ending = _usual_step(rows) if "%24H" in (rows.schema.time_format or "") else 0
    ending = ending if fitted is None else fitted.ending
    if not ending:
        return rows
    schema = rows.schema.model_copy(update={"ending": ending})
    return replace(rows, stamps=rows.stamps - ending, schema=schema)


def _localised(rows: Rows, fitted: Schema | None) -> tuple[NDArray[np.int64], int]:
    """Local stamps as UTC, and the length of a step if they are the times of its end; 0 if of its begin.

    On the day of a clock change one hour is missing or comes twice: it is another one among the ends than among the
    begins. Without such a day, hours up to 24:00 are ends. The ends are given as the begins of their steps.
    """
    ending = 0 if fitted is None else fitted.ending
    stamps, nowhere, twice = _attempt(rows, ending)
    by_name = "%24H" in (rows.schema.time_format or "")
    if fitted is None and (by_name or twice or len(nowhere)) and (step := _usual_step(rows)):
        others, nowhere_else, twice = _attempt(rows, step)
        if not twice and not len(nowhere_else):
            name, zone = rows.schema.time, rows.schema.timezone
            message = "column '%s' is read as the ends of steps of %s: so its times fit the clock of %s"
            log.warning(message, name, snapping.span(step), zone)
            return others, step
    if rows.schema.duplicates != "error":
        duplicates.check_repeated_hour(replace(rows, stamps=rows.stamps - ending))
    if len(nowhere):
        raise DataError(
            f"{rows.frame.name}: {rows.naive().where(int(nowhere[0]))} does not exist in "
            f"{rows.schema.timezone}, where the clock is put forward over it",
            "name the zone in which the times are written, or leave out data.timezone",
        )
    return stamps, ending


def _usual_step(rows: Rows) -> int:
    """The most frequent gap between local times; 0 where it is not one of a few hours."""
    gaps = np.diff(rows.stamps)[~rows.new_series[1:]]
    lengths, counts = np.unique(gaps[gaps > 0], return_counts=True)
    step = int(lengths[counts.argmax()]) if len(lengths) else 0
    return step if step <= calendar.DAY // 2 else 0


def _attempt(rows: Rows, ending: int) -> tuple[NDArray[np.int64], NDArray[np.intp], bool]:
    """Local stamps, `ending` earlier, as UTC; the rows that do not exist; whether a time comes more often than it does
    on the clock, where that is a mistake.
    """
    assert rows.schema.timezone is not None
    stamps, nowhere = calendar.localise(
        rows.stamps - ending, rows.codes, rows.picked(np.arange(len(rows.stamps))), rows.schema.timezone
    )
    if rows.schema.duplicates != "error" or (same := rows.stamps[1:] == rows.stamps[:-1]).sum() == 0:
        return stamps, nowhere, False
    pairs = np.flatnonzero(same & (rows.codes[1:] == rows.codes[:-1]))
    return stamps, nowhere, bool((stamps[pairs] == stamps[pairs + 1]).any())
