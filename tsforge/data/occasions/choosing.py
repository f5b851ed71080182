"""Which holidays and events a table has something to learn of: asked for, known, and seen in its training part."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tsforge.data.occasions import holidays
from tsforge.data.occasions.occasion import Occasion, spans
from tsforge.data.panel import Ints, Panel
from tsforge.data.schema import DataConfig
from tsforge.data.table.event_file import Event, events
from tsforge.errors import ConfigError, DataError, listing, nearest

log = logging.getLogger("tsforge")


def located(config: DataConfig) -> DataConfig:
    """With the whole path of the file of events. Raises DataError where it is not there."""
    if config.events is None:
        return config
    path = Path(config.events)
    if not path.is_file():
        folder = path.parent if path.parent.is_dir() else Path()
        hint = nearest(path.name, [other.name for other in folder.iterdir()]) or "check the path in data.events"
        raise DataError(f"{path}: no such file of events", hint)
    return config.model_copy(update={"events": str(path.resolve())})


def choose(panel: Panel, config: DataConfig, stops: Ints) -> tuple[Occasion, ...]:
    """The occasions of a table: first those that belong to some of its series, then those of all.

    stops: (n,) the row of each series up to which is trained. Occasions without a day before it are left out, with a
    warning, as nothing can be learned of them.
    Raises DataError where times are no dates, for an event of a series that is not there, and where no event lies in
    the table; ConfigError for a place that is not known.
    """
    if not config.holidays and config.events is None:
        return ()
    schema = panel.schema
    if schema.time_kind != "datetime":
        settings = "data.holidays" if config.holidays else "data.events"
        hint = f"leave out {settings}, or give the table a column of dates"
        raise DataError(f"{panel.name}: column '{schema.time}' holds numbers, and {settings} needs dates", hint)
    first, last = int(panel.first.min()), int((panel.first + panel.ends - panel.offsets[:-1]).max()) - 1
    trained = int((panel.first + stops - panel.offsets[:-1]).max()) - 1
    found = [*_holidays(panel, config, (first, last)), *_events(panel, config, (first, last))]
    seen = {o.name: _days_within(panel, o, first, trained) for o in found}
    known = [o for o in found if seen[o.name]]
    if known:
        each = listing([f"'{o.name}' ({seen[o.name]} days)" for o in known])
        log.info("known in advance, and seen in the training part: %s", each)
    if silent := [o.name for o in found if not seen[o.name]]:
        words = "no day of %s lies in the training part, so that nothing can be learned of it: left out"
        log.warning(words, listing([f"'{name}'" for name in silent]))
    return tuple(sorted(known, key=lambda occasion: not occasion.by))


def keys(panel: Panel, by: tuple[str, ...]) -> NDArray[np.str_]:
    """The values of some id columns of every series, as `Occasion.days` has them, (n,)."""
    columns = [panel.ids[panel.schema.id.index(name)].astype(str) for name in by]
    return np.array(["\x1f".join(values) for values in zip(*columns, strict=True)] if by else [""] * len(panel))


def _days_within(panel: Panel, occasion: Occasion, first: int, last: int) -> int:
    """How many days of an occasion lie in the steps between two places of the grid, both included; each once."""
    edges = spans(panel.schema, np.array([first, last]))
    days = np.unique(np.concatenate([occasion.of(key) for key in occasion.days]))
    return int(((days >= edges.low[0]) & (days < edges.high[1])).sum())


def _holidays(panel: Panel, config: DataConfig, steps: tuple[int, int]) -> list[Occasion]:
    """The holidays that are asked for: by place, or by the column of ids that holds places."""
    if not config.holidays:
        return []
    edges = spans(panel.schema, np.array(steps))
    low, high = (int(day.astype("M8[D]").astype("M8[Y]").astype(int)) + 1970 for day in (edges.low[0], edges.high[1]))
    columns = [name for name in config.holidays if name in panel.schema.id]
    if columns and len(config.holidays) > 1:
        text = (
            f"data.holidays: '{columns[0]}' is a column of {panel.name}, and stands beside {len(config.holidays) - 1}"
        )
        raise ConfigError(f"{text} more", "name either places, or the one column that holds them")
    if columns:
        codes = np.unique(keys(panel, (columns[0],))).tolist()
        return [holidays.by_column(columns[0], codes, (low, high), config.holiday_window)]
    return holidays.of_places(config.holidays, (low, high), config.holiday_window)


def _events(panel: Panel, config: DataConfig, steps: tuple[int, int]) -> list[Occasion]:
    """The events of the file, each checked against the series and the times of the table."""
    if config.events is None:
        return []
    found, by = events(config.events, panel.schema.id, config.dayfirst)
    _check_series(panel, config.events, found, by)
    made = [
        Occasion(name=f"event {e.name}", days=e.days, before=e.before, after=e.after, by=by) for e in found
    ]  # fmt: skip
    if not any(_days_within(panel, occasion, *steps) for occasion in made):
        days = sorted(day for event in found for own in event.days.values() for day in own)
        held = f"from {panel.time(steps[0])} to {panel.time(steps[1])}"
        text = f"{config.events}: no event, from {days[0]} to {days[-1]}, lies in {panel.name}, {held}"
        raise DataError(
            text, "add the events of these times, from which their effect is learned; or leave the file out"
        )
    return made


def _check_series(panel: Panel, name: str, found: list[Event], by: tuple[str, ...]) -> None:
    """Raises DataError for the event of a series that the table does not have."""
    there = set(keys(panel, by).tolist())
    strange = [(key, event.name) for event in found for key in event.days if key not in there]
    if by and strange:
        shown, known = strange[0][0].replace("\x1f", " "), [key.replace("\x1f", " ") for key in sorted(there)]
        hint = nearest(shown, known) or f"{listing(by)} of the table: {listing(known, 20)}"
        raise DataError(f"{name}: event '{strange[0][1]}' is of {listing(by)} {shown}, which {panel.name} lacks", hint)
