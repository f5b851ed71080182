"""Rows moved to the regular grid near which their times lie (`data.snap`)."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from tsforge.data.schema import DataConfig, Schema
from tsforge.data.table.checks import Rows
from tsforge.data.time import snapping
from tsforge.data.time.calendar import Frequency
from tsforge.errors import DataError

log = logging.getLogger("tsforge")


def snap(rows: Rows, config: DataConfig, fitted: Schema | None) -> tuple[Rows, Frequency]:
    """The rows on a regular grid, with a warning that counts those moved, and the grid.

    It is the grid of the fitted model, that of `data.freq`, or that of the usual step.
    Raises DataError where two rows of a series come to lie on one step, and where the times are plain numbers.
    """
    frequency = _grid(rows, config.freq, fitted)
    ordinals = snapping.nearest(frequency, rows.stamps)
    stamps = frequency.stamps(ordinals)
    if config.duplicates == "error":
        _check_apart(rows, ordinals, frequency)
    away = np.abs(stamps - rows.stamps)
    moved = int((away > 0).sum())
    if moved:
        log.warning(
            "column '%s': %d of %d rows are moved to the grid of %s (%s), by %s at most%s",
            rows.schema.time, moved, len(away), frequency.name, snapping.place_in_step(frequency),
            snapping.span(int(away.max())), " (data.snap)" if fitted is None else "",
        )  # fmt: skip
    schema = rows.schema.model_copy(update={"snap": True})
    return replace(rows, stamps=stamps, schema=schema), frequency


def _grid(rows: Rows, name: str | None, fitted: Schema | None) -> Frequency:
    """The grid that rows are moved to."""
    if rows.schema.time_kind != "datetime":
        hint = f"round the numbers in column '{rows.schema.time}', and leave out data.snap"
        raise DataError(f"{rows.frame.name}: data.snap is for dates, the times are plain numbers", hint)
    if fitted is not None:
        return fitted.frequency
    frequency = snapping.usual_grid(rows.stamps, rows.new_series, name)
    if frequency is None:
        hint = "pass data.freq (as h, D, MS), or check data.id"
        raise DataError(f"{rows.frame.name}: every series has one row, so the frequency cannot be seen", hint)
    return frequency


def _check_apart(rows: Rows, ordinals: np.ndarray, frequency: Frequency) -> None:
    """Raises DataError where two rows with different times come to lie on one step."""
    same = ~rows.new_series[1:] & (ordinals[1:] == ordinals[:-1]) & (rows.stamps[1:] != rows.stamps[:-1])
    twice = 1 + np.flatnonzero(same)
    if len(twice):
        i = int(twice[0])
        more = f" ({len(twice)} such pairs)" if len(twice) > 1 else ""
        message = f"{rows.where(i)} and {rows.where(i - 1)} come to lie on one step of {frequency.name}{more}"
        hint = "keep one of them, or pass a shorter data.freq, or data.duplicates=mean, sum, first or last"
        raise DataError(f"{rows.frame.name}: {message}", hint)
