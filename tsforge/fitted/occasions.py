"""New events for a fitted model: days that were not planned yet when it was fitted, or are planned otherwise since."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from tsforge.data.occasions.occasion import Occasion
from tsforge.data.table.event_file import Event, events
from tsforge.errors import ConfigError, DataError, listing, nearest
from tsforge.fitted import directory, zero_shot
from tsforge.fitted.model import Model
from tsforge.settings import override

log = logging.getLogger("tsforge")

EVENT = "event "  # begins the names of those that come from a file


def with_settings(model: Model | str | Path, settings: dict[str, Any] | None) -> Model | str | Path:
    """A fitted model with the events of `data.events`, and kept within `model.bounds`, where these are given.

    Raises ConfigError for any other setting, as a fitted model keeps its own.
    """
    given = settings or {}
    zero_shot.refuse({path: value for path, value in given.items() if path not in ("data.events", *zero_shot.KEPT)})
    if bounds := {path: value for path, value in given.items() if path in zero_shot.KEPT}:
        model = model if isinstance(model, Model) else directory.load(model)
        model = replace(model, experiment=override(model.experiment, bounds))
    source = given.get("data.events")
    return model if source is None else with_events(model, source)


def with_events(model: Model | str | Path, source: Any) -> Model:
    """The model with other days of its events: `tsforge.with_events` with a model or its directory."""
    model = model if isinstance(model, Model) else directory.load(model)
    encodings, ids = model.facts.encodings, model.facts.columns.id
    if not any(o.name.startswith(EVENT) for o in encodings.occasions):
        raise ConfigError("the model knows no events", "fit it with data.events, from which their effect is learned")
    found, by = events(source, ids)
    own = {o.name: o for o in encodings.occasions if o.name.startswith(EVENT)}
    name = source if isinstance(source, str | Path) else "the data frame"
    _check(found, by, own, str(name))
    _tell_strangers(model, found, by)
    first = min(day for event in found for days in event.days.values() for day in days)
    planned = {EVENT + event.name: event.days for event in found}
    new = tuple(
        _planned(o, planned.get(o.name, {}), first) if o.name in own else o for o in encodings.occasions
    )  # fmt: skip
    log.info("events from %s on are those of %s, earlier ones those that the model was fitted with", first, name)
    facts = model.facts.model_copy(update={"encodings": encodings.model_copy(update={"occasions": new})})
    return replace(model, facts=facts)


def _planned(occasion: Occasion, days: dict[str, tuple[date, ...]], first: date) -> Occasion:
    """An event with its days before a date as they are, and those that are planned from it on."""
    kept = {key: tuple(day for day in own if day < first) for key, own in occasion.days.items()}
    whole = {key: (*kept.get(key, ()), *days.get(key, ())) for key in {**kept, **days}}
    return occasion.model_copy(update={"days": whole})


def _check(found: list[Event], by: tuple[str, ...], own: dict[str, Occasion], name: str) -> None:
    """Raises DataError for events that the model was not fitted with, or was fitted with otherwise."""
    known = [occasion.removeprefix(EVENT) for occasion in own]
    for event in found:
        occasion = own.get(EVENT + event.name)
        if occasion is None:
            hint = nearest(event.name, known) or f"it knows: {listing(known, 20)}"
            raise DataError(
                f"{name}: the model was fitted without event '{event.name}', and cannot tell what it does", hint
            )
        if by != occasion.by:
            words = [listing(columns) or "no columns" for columns in (by, occasion.by)]
            text = f"event '{event.name}' is told apart by {words[0]}, the model was fitted with {words[1]}"
            raise DataError(f"{name}: {text}", "write the columns of the file that the model was fitted with")
        if (event.before or event.after) and (event.before, event.after) != (occasion.before, occasion.after):
            text = f"event '{event.name}' has a window of {event.before} and {event.after} days"
            fitted = f"the model was fitted with {occasion.before} and {occasion.after}"
            raise DataError(f"{name}: {text}, {fitted}", "leave out before and after, or fit again")


def _tell_strangers(model: Model, found: list[Event], by: tuple[str, ...]) -> None:
    """Warn of events of series that the training data did not have."""
    ids = model.facts.columns.id
    there = {"\x1f".join(key.split("\x1f")[ids.index(name)] for name in by) for key in model.facts.seen}
    strange = dict.fromkeys(key.replace("\x1f", " ") for event in found for key in event.days if key not in there)
    if by and strange:
        log.warning("events of %s %s: the training data had no such series", listing(by), listing(strange))
