"""Ways on from a table that leaves something open: each is tried, and those that end in a forecast come first."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any

from tsforge.data.panel import Panel, build
from tsforge.data.schema import DataConfig
from tsforge.data.split import default_context, default_horizon, parts, sizes, split
from tsforge.data.table.composing import compose
from tsforge.data.table.reading import Frame
from tsforge.data.table.roles import detect
from tsforge.data.table.table import arrange, head
from tsforge.errors import DataError

log = logging.getLogger("tsforge")

_ROWS = 200_000  # of a table, by which a way is judged
_DEEP = 2  # further choices that are followed
_FIRST = 3  # choices of several that are followed further
_COLUMNS = {"data.time", "data.id"}  # settings of another reading
DEAD = 9  # steps of a way that ends without a forecast


@dataclass(frozen=True)
class Way:
    """Settings, and where they lead.

    steps: choices that are still open behind them; 0 where they end in a forecast, `DEAD` where they cannot.
    horizon: of that forecast; None where it is not known.
    """

    settings: dict[str, Any]
    steps: int
    horizon: int | None = None


def tried(frame: Frame, config: DataConfig, choices: list[dict[str, Any]], *, readings: bool) -> list[Way]:
    """The ways of some settings, the shortest first; those that lead nowhere are left out.

    readings: whether they are readings of a table without a fault, all of which stay.
    frame: as it was read. Of a long table, only the first rows are looked at.
    """
    whole = len(frame.data) <= _ROWS
    if not whole:
        frame = Frame(frame.data.head(_ROWS), frame.name, frame.dialect, None, frame.decimal, frame.usual)
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        ways = [_follow(frame, config, choice, _DEEP) for choice in choices]
    finally:
        log.setLevel(level)
    ways = ways if whole else [replace(way, horizon=None) for way in ways]
    ways = [way for way in ways if way.steps < DEAD or readings or not whole or _COLUMNS & set(way.settings)]
    return sorted(ways, key=lambda way: ("data.duplicates" in way.settings, way.steps))  # rows are joined last


def _follow(frame: Frame, config: DataConfig, choice: dict[str, Any], deep: int) -> Way:
    settings = {path.removeprefix("data."): value for path, value in choice.items()}
    config = DataConfig.model_validate(config.model_dump() | settings)
    try:
        composed, within = compose(frame, config)
        table = arrange(composed, detect(composed, within, lenient=True), within)
        panel = build(table if config.rows is None else head(table, config.rows))
        return Way(choice, 0, forecastable(panel, config))
    except DataError as problem:
        if not deep:
            return Way(choice, 1 if problem.choices else DEAD)
        further = [_follow(frame, config, dict(c), deep - 1).steps for c in problem.choices[:_FIRST]]
        return Way(choice, min(DEAD, 1 + min(further, default=DEAD)))


def forecastable(panel: Panel, config: DataConfig) -> int:
    """The horizon asked for, or the longest up to the usual one that leaves windows to train and to validate on.

    Raises DataError where there is none such.
    """
    horizon = config.horizon or default_horizon(panel)
    while True:
        try:
            lengths = sizes(panel, horizon, config.validation, config.test)
            parts(panel, split(panel, *lengths), config.context or default_context(horizon, 1), horizon)
        except DataError:
            if config.horizon is not None or horizon == 1:
                raise
            horizon //= 2
        else:
            return horizon
