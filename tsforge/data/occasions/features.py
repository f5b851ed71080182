"""Occasions as features of the steps of a panel: z-scores, as numbers from a table would be."""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsforge.data.occasions.choosing import keys
from tsforge.data.occasions.occasion import Occasion, numbers, spans
from tsforge.data.panel import Panel
from tsforge.data.timeline import Timeline

log = logging.getLogger("tsforge")

Floats = NDArray[np.float32]
Moments = tuple[tuple[float, float], ...]  # mean and deviation of each column


class Known(NamedTuple):
    """Features of occasions. own (T, K'): of single series, row by row; shared (M, K''): of all, step by step."""

    own: Floats
    shared: Floats


def moments(panel: Panel, occasions: tuple[Occasion, ...], line: Timeline, last: int) -> Moments:
    """Mean and deviation of every column of some occasions over the steps of a panel up to a place of the grid.

    Of occasions of some series alone: over the steps of these series and of all others, each as often.
    """
    steps = line.ordinals[line.ordinals <= last]
    found: list[tuple[float, float]] = []
    for occasion in occasions:
        every = np.unique(keys(panel, occasion.by)).tolist()
        parts = np.stack([numbers(occasion, panel.schema, steps, key) for key in every]).astype(np.float64)
        for column in np.moveaxis(parts, -1, 0):
            found.append((float(column.mean()), float(column.std()) or 1.0))
    return tuple(found)


def encode(panel: Panel, occasions: tuple[Occasion, ...], scales: Moments, line: Timeline) -> Known:
    """The columns of occasions, those of single series first, with their means taken off and divided by deviations.

    Warns of steps that lie outside the years of which holidays are known.
    """
    own = [occasion for occasion in occasions if occasion.by]
    shared = [occasion for occasion in occasions if not occasion.by]
    mean, std = (np.array(part, dtype=np.float32) for part in (zip(*scales, strict=True) if scales else ([], [])))
    width = sum(len(occasion.columns) for occasion in own)
    for occasion in occasions:
        _tell_beyond(panel, occasion, line)
    _tell_ended(panel, [occasion for occasion in occasions if occasion.until is None])
    parts = [numbers(occasion, panel.schema, line.ordinals) for occasion in shared]
    whole = np.concatenate(parts, axis=1) if parts else np.zeros((len(line.ordinals), 0), np.float32)
    return Known(_own(panel, own, (mean[:width], std[:width]), line), (whole - mean[width:]) / std[width:])


def _own(panel: Panel, occasions: list[Occasion], scale: tuple[Floats, Floats], line: Timeline) -> Floats:
    """The columns of occasions that belong to single series, (T, K')."""
    width = sum(len(occasion.columns) for occasion in occasions)
    out = panel.room.zeros((len(panel.values), width), np.float32)
    at = 0
    for occasion in occasions:
        columns = slice(at, at + len(occasion.columns))
        own = keys(panel, occasion.by)
        tables = {key: numbers(occasion, panel.schema, line.ordinals, key) for key in np.unique(own).tolist()}
        for i, key in enumerate(own.tolist()):
            block = tables[key][line.begins[i] : line.begins[i] + line.lengths[i]]
            out[panel.offsets[i] : panel.offsets[i + 1], columns] = (block - scale[0][columns]) / scale[1][columns]
        at = columns.stop
    return out


def _tell_beyond(panel: Panel, occasion: Occasion, line: Timeline) -> None:
    """Warn of steps before the first or after the last day of which the occasion is known."""
    if occasion.since is None or occasion.until is None:
        return
    here = spans(panel.schema, line.ordinals)
    since, until = (int(np.datetime64(day, "D").astype(np.int64)) for day in (occasion.since, occasion.until))
    beyond = int(((here.high <= since) | (here.low > until)).sum())
    if beyond:
        words = "'%s' is known from %s to %s: %d steps lie outside, and read as without one"
        log.warning(words, occasion.name, occasion.since, occasion.until, beyond)


def _tell_ended(panel: Panel, events: list[Occasion]) -> None:
    """Warn where all events lie before the last of the steps to forecast."""
    ahead = panel.offsets[1:] > panel.ends
    days = [day for occasion in events for own in occasion.days.values() for day in own]
    if not days or not ahead.any():
        return
    last = int((panel.first + np.diff(panel.offsets))[ahead].max()) - 1
    end = np.datetime64(int(spans(panel.schema, np.array([last])).high[0]) - 1, "D").item()
    if max(days) < end:
        words = "the events end on %s: none is expected from then to %s (data.events names newer ones)"
        log.warning(words, max(days), end)
