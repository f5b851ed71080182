"""The survey of a table as plain values: columns and roles, frequency, series, gaps, season, and what is left open."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tsforge.data import ways
from tsforge.data.grid_survey import of_panel, of_rows
from tsforge.data.mapped import building, inputs, settling
from tsforge.data.mapped.inputs import Input
from tsforge.data.panel import Panel
from tsforge.data.schema import DataConfig
from tsforge.data.table.composing import compose
from tsforge.data.table.reading import Frame, read, read_above
from tsforge.data.table.roles import detect, looks_like_dates, resolve
from tsforge.data.table.times import cell, parse_times
from tsforge.errors import ChoiceError, DataError, LineError
from tsforge.runtime import logs
from tsforge.runtime.numbers import amount

log = logging.getLogger("tsforge")
_FEW = 0.2  # share of cells that are no number, below which a column is one of numbers with mistakes
_ROLES = ("time", "id", "target", "past", "future", "static")


def survey(source: Any, config: DataConfig) -> dict[str, Any]:
    """The survey that `inspect` shows of a table. Where several columns could be the target, all of them are looked at.

    It has the columns in any case. What would stop a fit stands in `problem` and `hint`; `fault` tells a mistake in the
    table from a choice that is left open, and `choices` holds the settings of each reading or way out, of which those
    that end in a forecast come first, and `horizons` theirs where it is known. All that needs
    the rows in their order is left out then. Above a line with too few columns or too many, the table is `cut_off`.
    Raises DataError for what is no table.
    """
    with _notes() as notes:
        wrong: DataError | None = None
        large = inputs.of(Path(source)) if building.wanted(source, config) else None
        try:
            whole = read(source, config.decimal) if large is None else settling.sample(large, settling.SAMPLES[0])
        except LineError as problem:
            if problem.before.empty:
                raise
            whole, wrong = read_above(source, problem, config.decimal), problem
        frame, asked = whole, config
        try:
            frame, config = compose(frame, config)
        except DataError as problem:
            wrong = wrong or problem
        facts = _of_columns(frame, config) | {"name": frame.name, "rows": len(frame.data)}
        if large is not None:
            log.warning("the columns are shown as the first %s rows have them", f"{len(frame.data):,}")
            facts["rows"] = large.total
        facts |= {"roles": None, **_problem(wrong)} if wrong else {}
        facts["cut_off"] = isinstance(wrong, LineError)
        roles = facts.pop("roles")
        if roles is not None:
            try:
                facts |= of_rows(frame, roles, config) if large is None else of_panel(*_mapped(large, config), config)
            except DataError as problem:
                facts |= _problem(problem)
        horizons: list[int | None] = []
        if facts["choices"]:
            tries = ways.tried(whole, asked, facts["choices"], readings=not facts["fault"])
            facts["choices"], horizons = [way.settings for way in tries], [way.horizon for way in tries]
    facts["horizons"] = horizons
    facts["choices"] += [choice for note in notes for choice in getattr(note, "choices", ())]
    return facts | {"notes": list(dict.fromkeys(note.getMessage() for note in notes))}


class _Notes(logging.Handler):
    """Keeps warnings; some come with `choices`, the settings of other readings that are about as likely."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@contextmanager
def _notes() -> Iterator[list[logging.LogRecord]]:
    """The library's warnings while it reads, in place of where they else go."""
    notes = _Notes()
    with logs.handed_to(notes):
        yield notes.records


def _problem(problem: DataError) -> dict[str, Any]:
    fault, choices = not isinstance(problem, ChoiceError), [dict(c) for c in problem.choices]
    return {"problem": problem.message, "hint": problem.hint, "fault": fault, "choices": choices}


# --- columns ------------------------------------------------------------------------------------------------


def _of_columns(frame: Frame, config: DataConfig) -> dict[str, Any]:
    """Roles and columns; where the roles stay open, which column could have which."""
    asked = resolve(frame, config).target
    try:
        roles = detect(frame, config, lenient=True)
        facts: dict[str, Any] = {"problem": None, "hint": "", "fault": False, "choices": []}
        named = {role: _names(getattr(roles, role)) for role in _ROLES}
        asked = asked or (roles.target if len(roles.target) == 1 else ())
        candidates = {} if asked else {name: ["target"] for name in roles.target}
    except DataError as problem:
        roles, facts = None, _problem(problem)
        settled, candidates = _readings(frame, config, facts["choices"])
        named = {role: getattr(resolve(frame, config), role) or settled.get(role, ()) for role in _ROLES}
    parts = frame.parts or resolve(frame, config).time
    named["time"] = parts if len(parts) > 1 else named["time"]
    written = frame.data.columns[: -1 if frame.parts else None]  # a composed time stands last
    columns = [_column(frame, named, candidates, str(name)) for name in written]
    targets = [c for c in columns if "target" in c["could_be"]]
    targets.sort(key=lambda c: bool(c["values"] != "0 to 1"))  # a switch is seldom forecast: the last is suggested
    return facts | {
        "roles": roles, "columns": columns, "time": list(named["time"]), "id": list(named["id"]),
        "target": list(asked), "could_be_target": [c["name"] for c in targets],
    }  # fmt: skip


def _names(names: str | tuple[str, ...]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _readings(
    frame: Frame, config: DataConfig, choices: list[dict[str, Any]]
) -> tuple[dict[str, tuple[str, ...]], dict[str, list[str]]]:
    """Columns by role as far as all open readings agree, and the roles of columns on which they do not."""
    by_role: dict[str, list[tuple[str, ...]]] = {role: [] for role in _ROLES}
    for choice in choices:
        settings = {path.removeprefix("data."): value for path, value in choice.items()}
        try:
            under = detect(frame, DataConfig.model_validate(config.model_dump() | settings), lenient=True)
            settings = {role: getattr(under, role) for role in _ROLES} | settings
        except ChoiceError as problem:
            for further in problem.choices:
                settings = {path.removeprefix("data."): value for path, value in further.items()} | settings
        except DataError:
            pass
        for role in set(settings) & set(_ROLES):
            by_role[role].append(_names(settings[role]))
    asked = {path.removeprefix("data.") for choice in choices for path in choice}
    settled = {
        role: names[0] for role, names in by_role.items()
        if role not in asked and len(names) == len(choices) and len(set(names)) == 1
    }  # fmt: skip
    roles: dict[str, list[str]] = defaultdict(list)
    for role, name in ((role, name) for role, several in by_role.items() for names in several for name in names):
        if role not in settled and role not in roles[name]:
            roles[name].append(role)
    several_targets = len(settled.get("target", ())) > 1
    for name in settled.pop("target") if several_targets else ():
        roles[name].append("target")
    return settled, roles


def _column(
    frame: Frame, named: dict[str, tuple[str, ...]], candidates: dict[str, list[str]], name: str
) -> dict[str, Any]:
    """One column: its role, or those it could have; its kind and values; the first and last time, or date by row."""
    kind, column = _content(frame, name)
    present = written = column.dropna()
    role = next((role for role in _ROLES if name in named[role]), "unused" if named["time"] or candidates else None)
    if role == "time" or frame.cells(name).kind != "decimal":
        written = frame.present(name).dropna()
    values = f"{present.nunique():,} different" if len(present) else ""
    facts = {
        "name": name, "role": role, "could_be": candidates.get(name, []), "kind": kind,
        "missing": len(column) - len(present if kind == "text" else written), "first": None, "last": None,
    }  # fmt: skip
    if len(present) and (kind == "dates" or role == "time"):
        first, last = _ends(frame, name) if role == "time" else (0, len(written) - 1)
        facts |= {"first": cell(written, first), "last": cell(written, last)}
        values = f"{facts['first']} ... {facts['last']}"
    elif len(present) and kind == "number":
        values = f"{amount(float(present.min()))} to {amount(float(present.max()))}"
        if bad := len(written) - len(present):
            values += f", {bad:,} not a number: {str(written[column.isna()].iloc[0])!r}"
    return facts | {"values": values}


def _ends(frame: Frame, name: str) -> tuple[int, int]:
    """The rows of the first and the last time; of the file where some cell is no time."""
    try:
        with _notes():  # which are given where the times are read as they are asked for
            stamps = parse_times(frame, name, DataConfig()).stamps
    except DataError:
        return 0, -1
    return int(stamps.argmin()), int(stamps.argmax())


def _content(frame: Frame, name: str) -> tuple[str, pd.Series]:
    """What a column holds, and its values, NaN where missing: numbers, dates as written, or text."""
    cells = frame.cells(name)
    if frame.is_empty(name):
        return "empty", frame.present(name)
    if not cells.number and looks_like_dates(frame, name):
        return "dates", frame.present(name)
    present = len(column := pd.Series(cells.values)) - int(cells.missing.sum())
    mostly = cells.kind == "text" and int(np.count_nonzero(cells.bad)) < _FEW * present
    return ("number", column) if cells.number or mostly else ("text", frame.categories(name))


def _mapped(table: Input, config: DataConfig) -> tuple[Panel, int]:
    """The panel of a table on disk, and how many series are left out."""
    panel, empty = building.of_table(table, settling.settle(table, config), config)
    return panel, len(empty)
