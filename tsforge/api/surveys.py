"""What tsforge sees in a table, as lines of text and as an object to look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsforge.config import parse
from tsforge.data.schema import DataConfig
from tsforge.errors import DataError, listing
from tsforge.runtime.tables import aligned

if TYPE_CHECKING:
    from tsforge.api.results import Picture
    from tsforge.plotting.choosing import View

REGRIDDED = {"data.resample", "data.freq"}  # settings of a grid
Grid = Callable[[Sequence[str], Sequence[Sequence[str]], tuple[int, ...]], list[str]]


@dataclass(frozen=True, repr=False)
class Survey:
    """What tsforge sees in a table; a notebook or `print` shows it.

    facts: everything as plain values: columns and their roles, frequency, series, gaps, season, `problem` and `hint`
    where something is in the way of a fit, and `choices`, the settings of each way out.
    given: the settings with which it was read. table, config: what was looked at, and all settings of the reading.
    """

    facts: dict[str, Any]
    given: dict[str, Any] = field(default_factory=dict)
    table: Any = None
    config: DataConfig | None = None

    @property
    def settings(self) -> list[dict[str, Any]]:
        """Of each reading that is open, or way out of a problem, as `settings` of `tsforge.fit`."""
        return [dict(choice) for choice in self.facts["choices"]]

    def plot(self, path: str | Path | None = None, *, series: object = None, last: int | None = None) -> Picture:
        """The table: series over time with their gaps, the shape of a season, what is missing.

        path: a file for the picture, if wanted. series: an id or several; a choice that the picture names where None.
        last: steps that it shows; 20,000 at most where None.
        Raises DataError where something is in the way of a fit (`facts`), or for a series that is not there.
        """
        from tsforge.api.results import drawn

        if self.facts["problem"] is not None:
            raise DataError(self.facts["problem"], self.facts["hint"])
        config = self.config or parse(DataConfig, {}, "settings")
        return drawn(lambda to, view: draw(self.table, self.facts, config, to, view), path, series, last)

    def __repr__(self) -> str:
        fault = (
            [f"problem    {self.facts['problem']}", f"hint       {self.facts['hint']}"] if self.facts["fault"] else []
        )
        calls = [""] + [
            f"{'or' if i else 'next':<11}tsforge.{verb}(table, {_words(self.given | settings, verb)})"
            for i, (verb, settings) in enumerate(suggestions(self.facts, self.given))
        ]
        return "\n".join([*lines(self.facts), *fault, *(calls if len(calls) > 1 else [])])


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
    table = source(find(data) if isinstance(data, str) else data, config)
    return Survey(survey.survey(table, config), given, table, config)


def suggestions(facts: Mapping[str, Any], given: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """What to do with a table, the likeliest first: "fit" or "inspect", and the settings to do it with.

    A fit that works as it stands, where nothing is in its way; and a look at each other reading that is open. Where
    only a grid has to be named that nobody can mistake, that is a fit too.
    given: what was set already, by path, and is not said again.
    """

    def ahead(horizon: int | None) -> dict[str, Any]:
        return {} if given.get("data.horizon") else {"data.horizon": horizon}

    horizons = [*facts["horizons"], *(None for _ in facts["choices"])]
    looks: list[tuple[str, dict[str, Any]]] = [
        ("fit", choice | ahead(horizon)) if horizon and not REGRIDDED.isdisjoint(choice) else ("inspect", dict(choice))
        for choice, horizon in zip(facts["choices"], horizons, strict=False)
    ]
    if facts["problem"] is not None:
        return looks
    target = facts["target"] or facts["could_be_target"][-1:]
    named = (facts["could_be_target"] or len(target) > 1) and not given.get("data.target")
    return [("fit", ({"data.target": list(target)} if named else {}) | ahead(facts["horizon"])), *looks]


def _words(settings: dict[str, Any], verb: str) -> str:
    """Arguments of tsforge.fit or tsforge.inspect: words where it has them, and settings."""
    rest = dict(settings)
    own = {name: rest.pop(f"data.{name}") for name in ("horizon", "target") if f"data.{name}" in rest and verb == "fit"}
    if isinstance(own.get("target"), list) and len(own["target"]) == 1:
        (own["target"],) = own["target"]
    said = [f"{name}={value!r}" for name, value in own.items()]
    return ", ".join([*said, *([f"settings={rest!r}"] if rest else [])])


def source(data: Any, config: DataConfig) -> Any:
    """A table, read once for all that looks at it; as it is where it is brought to disk, or cannot be read."""
    from tsforge.data.mapped import building
    from tsforge.data.table.reading import read

    if building.wanted(data, config):
        return data
    try:
        return read(data, config.decimal)
    except DataError:  # which the survey tells
        return data


def draw(table: Any, facts: Mapping[str, Any], config: DataConfig, path: Path, view: View) -> None:
    """The picture of a table that a survey found nothing wrong with; of several possible targets all are shown."""
    from tsforge.data import dataset
    from tsforge.plotting import tables
    from tsforge.runtime import logs

    target = tuple(facts["target"] or facts["could_be_target"])
    with logs.errors_alone():  # the survey has its notes
        _, panel = dataset.read(config.model_copy(update={"target": target}), table)
    tables.overview(panel, facts["season"], path, view)


def lines(facts: dict[str, Any], grid: Grid = aligned) -> list[str]:
    """The survey of a table, a line each: columns with their roles, then time, series, gaps and season, and notes.

    grid: makes lines of a header, rows, and the columns that stand on the left.
    """
    above = " above the line at which the file cannot be read on" if facts["cut_off"] else ""
    rows = []
    for c in facts["columns"]:
        role = " ".join(f"{role}?" for role in c["could_be"]) or c["role"] or ""
        rows.append([c["name"], role, c["kind"], f"{c['missing']:,}" if c["missing"] else "", c["values"]])
    table = grid(["column", "role", "kind", "missing", "values"], rows, (0, 1, 2, 4))
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
