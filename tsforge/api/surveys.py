"""What tsforge sees in a table, as lines of text and as an object to look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tsforge.config import parse
from tsforge.data.schema import DataConfig
from tsforge.errors import listing
from tsforge.runtime.tables import aligned


@dataclass(frozen=True, repr=False)
class Survey:
    """What tsforge sees in a table; a notebook or `print` shows it.

    facts: everything as plain values: columns and their roles, frequency, series, gaps, season, `problem` and `hint`
    where something is in the way of a fit, and `choices`, the settings of each way out.
    """

    facts: dict[str, Any]

    @property
    def settings(self) -> list[dict[str, Any]]:
        """Of each reading that is open, or way out of a problem, as `settings` of `tsforge.fit`."""
        return [dict(choice) for choice in self.facts["choices"]]

    def __repr__(self) -> str:
        fault = (
            [f"problem    {self.facts['problem']}", f"hint       {self.facts['hint']}"] if self.facts["fault"] else []
        )
        return "\n".join([*lines(self.facts), *fault])


def inspect(data: Any, settings: Mapping[str, Any] | None = None) -> Survey:
    """Look at a table before anything is fitted to it.

    data: path, name of a data set, pandas or Polars frame.
    settings: how it is read, as {"data.id": "store"}; what is left out is detected.
    Raises DataError for what is no table, ConfigError for a setting that does not exist.
    """
    from tsforge.data import survey
    from tsforge.data.catalog import find
    from tsforge.settings import build

    given = dict(settings or {})
    config = build(given).data if given else parse(DataConfig, {}, "settings")
    return Survey(survey.survey(find(data) if isinstance(data, str) else data, config))


def lines(facts: dict[str, Any]) -> list[str]:
    """The survey of a table, a line each: columns with their roles, then time, series, gaps and season, and notes."""
    above = " above the line at which the file cannot be read on" if facts["cut_off"] else ""
    rows = []
    for c in facts["columns"]:
        role = " ".join(f"{role}?" for role in c["could_be"]) or c["role"] or ""
        rows.append([c["name"], role, c["kind"], f"{c['missing']:,}" if c["missing"] else "", c["values"]])
    table = aligned(["column", "role", "kind", "missing", "values"], rows, (0, 1, 2, 4))
    found = [f"{facts['name']}: {facts['rows']:,} rows{above}", "", *table, ""]
    found += _of_series(facts, facts["series"]) if "series" in facts else []
    if facts["problem"] and not facts["fault"]:
        found += [f"open       {facts['problem']}", f"hint       {facts['hint']}"]
    elif facts["could_be_target"] and not facts["fault"]:
        found.append("target     any of the columns marked target?; name one or more with `data.target`")
    return [*found, *(f"note       {note}" for note in facts["notes"])]


def _of_series(facts: dict[str, Any], series: dict[str, Any]) -> list[str]:
    zone = f" ({facts['timezone']})" if facts["timezone"] else ""
    found = [
        f"time       {facts['start']} to {facts['end']}{zone}, frequency {facts['frequency']}",
        f"series     {_lengths(series)}",
    ]
    if series["late"]:
        of = f" of {series['late']:,} series" if series["count"] > 1 else ""
        found.append(f"starts     up to {series['late_by']:,} steps at the start{of} are missing")
    found += [f"gaps       {_gaps(series)}", f"season     {_season(facts['season'], facts['naive_season'])}"]
    if facts["occasions"]:
        found.append(f"known      {listing(facts['occasions'])}, by the calendar")
    if series["rows_ahead"]:
        rows = series["rows_ahead"]
        found.append(f"ahead      up to {rows} rows after the last target, for covariates known in advance")
    return found


def _season(season: int, naive: int) -> str:
    if season > 1:
        return f"{season} steps"
    return f"none found; seasonal naive goes back {naive} steps, by the calendar" if naive > 1 else "none found"


def _lengths(series: dict[str, Any]) -> str:
    if series["count"] == 1:
        return f"1, {series['longest']:,} steps"
    ends = ", ending at different times" if series["ends_differ"] else ""
    names = f" ({', '.join(series['names'])}{', ...' if series['count'] > len(series['names']) else ''})"
    return (
        f"{series['count']:,}{names}, {series['shortest']:,} to {series['longest']:,} steps "
        f"(median {series['median']:,.0f}){ends}"
    )


def _gaps(series: dict[str, Any]) -> str:
    if not series["missing_steps"]:
        return "none"
    stretch = f"; longest stretch without any: {series['longest_gap']:,} steps" if series["longest_gap"] else ""
    return f"{series['missing_steps']:,} values missing{stretch}"
