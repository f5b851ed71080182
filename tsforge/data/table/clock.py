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
        return rows
    wall_grid = calendar.counts_days(stamps, rows.new_series)
    if fitted is not None:
        wall_grid = fitted.resampling.wall_grid if fitted.resampling else fitted.wall_grid
    ending = 0
    if wall_grid and not schema.local:
        stamps = calendar.wall_clock(stamps, schema.timezone)
    elif schema.local and not wall_grid:
        ending = _ending(rows) if fitted is None else fitted.ending
        stamps = _localised(rows, ending)
    again = np.lexsort((stamps, rows.codes))  # local times of a repeated hour come in pairs
    schema = schema.model_copy(update={"wall_grid": wall_grid, "ending": ending})
    return replace(rows, codes=rows.codes[again], stamps=stamps[again], order=rows.order[again], schema=schema)


def _localised(rows: Rows, ending: int) -> NDArray[np.int64]:
    """Local stamps as UTC: of the begin of each step where they are written at its end, `ending` later."""
    schema = rows.schema
    assert schema.timezone is not None
    if schema.duplicates != "error":
        duplicates.check_repeated_hour(replace(rows, stamps=rows.stamps - ending))
    stamps, nowhere = calendar.localise(rows.stamps - ending, rows.codes, rows.order, schema.timezone)
    if len(nowhere):
        naive = replace(rows, schema=schema.model_copy(update={"timezone": None, "local": False}))
        raise DataError(
            f"{rows.frame.name}: {naive.where(int(nowhere[0]))} does not exist in "
            f"{schema.timezone}, where the clock is put forward over it",
            "name the zone in which the times are written, or leave out data.timezone",
        )
    return stamps


def _ending(rows: Rows) -> int:
    """The length of a step if local times are those of its end, with a warning; 0 if they are of its begin.

    On the day of a clock change one hour is missing or comes twice: it is another one among the ends than among the
    begins. Without such a day, hours up to 24:00 are ends.
    """
    gaps = np.diff(rows.stamps)[~rows.new_series[1:]]
    lengths, counts = np.unique(gaps[gaps > 0], return_counts=True)
    by_name = "%24H" in (rows.schema.time_format or "")
    if not len(lengths) or (not by_name and _fits(rows, 0)):
        return 0
    step = int(lengths[counts.argmax()])
    if step > calendar.DAY // 2 or not _fits(rows, step):
        return 0
    log.warning(
        "column '%s' is read as the ends of steps of %s: so its times fit the clock of %s",
        rows.schema.time, snapping.span(step), rows.schema.timezone,
    )  # fmt: skip
    return step


def _fits(rows: Rows, ending: int) -> bool:
    """True where every local time exists, and none comes more often than the clock shows it."""
    assert rows.schema.timezone is not None
    stamps, nowhere = calendar.localise(rows.stamps - ending, rows.codes, rows.order, rows.schema.timezone)
    if len(nowhere):
        return False
    again = np.lexsort((stamps, rows.codes))
    twice = (np.diff(stamps[again]) == 0) & (np.diff(rows.codes[again]) == 0)
    return rows.schema.duplicates != "error" or not twice.any()
