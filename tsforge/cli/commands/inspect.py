"""tsforge inspect"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from tsforge.cli.hints import translated, words
from tsforge.cli.options import Flag, TableOptions
from tsforge.cli.output import echo, print_error, print_json, print_table

if TYPE_CHECKING:
    from tsforge.data.schema import DataConfig


REGRIDDED = {"data.resample", "data.freq"}  # settings of a grid


def inspect(data: str, /, *, options: TableOptions | None = None, json: Flag = False) -> int:
    """Show what tsforge sees in a table, and a command to start with.

    Where columns or dates can be read in several ways, it shows a command for each of them.

    Parameters
    ----------
    data
        CSV, Parquet (a file, or a folder of files), or the name of a catalogued data set.
    json
        Print one JSON document.
    """
    from tsforge.data import survey
    from tsforge.data.catalog import find

    options = options or TableOptions()
    config = _config(options)
    facts = survey.survey(find(data), config)
    facts["commands"] = _commands(data, facts, options, config)
    for name in ("problem", "hint"):
        facts[name] = translated(facts[name], "inspect") if facts[name] else None
    facts["notes"] = [translated(note, "inspect") for note in facts["notes"]]
    if json:
        facts["command"] = facts["commands"][0] if facts["problem"] is None else None
        print_json(facts)
    else:
        _print(facts)
    return 2 if facts["fault"] else 0


def _config(options: TableOptions) -> DataConfig:
    """The settings of the table; the model's are read too, and only then, where a file or --set may name them."""
    from tsforge.config import parse
    from tsforge.data.schema import DataConfig

    if options.config is None and not options.set:
        given = {path.removeprefix("data."): value for path, value in options.given().items()}
        return parse(DataConfig, given, "settings")
    from tsforge.settings import build

    return build(options.overrides(), options.config).data


def _print(facts: dict[str, Any]) -> None:
    above = " above the line at which the file cannot be read on" if facts["cut_off"] else ""
    echo(f"{facts['name']}: {facts['rows']:,} rows{above}")
    echo()
    rows = []
    for c in facts["columns"]:
        role = " ".join(f"{role}?" for role in c["could_be"]) or c["role"] or ""
        rows.append([c["name"], role, c["kind"], f"{c['missing']:,}" if c["missing"] else "", c["values"]])
    print_table(["column", "role", "kind", "missing", "values"], rows, left=(0, 1, 2, 4))
    echo()
    if "series" in facts:
        _print_series(facts, facts["series"])
    if facts["problem"] and not facts["fault"]:
        echo(f"open       {facts['problem']}")
        echo(f"hint       {facts['hint']}")
    elif facts["could_be_target"] and not facts["fault"]:
        echo("target     any of the columns marked target?; name one or more with --target")
    for note in facts["notes"]:
        echo(f"note       {note}")
    if facts["commands"] and ("series" in facts or facts["notes"] or not facts["fault"]):
        echo()
    for i, command in enumerate(facts["commands"]):
        echo(f"{('or' if i else 'next'):<11}{command}")
    if facts["fault"]:
        print_error(facts["problem"], facts["hint"])


def _print_series(facts: dict[str, Any], series: dict[str, Any]) -> None:
    zone = f" ({facts['timezone']})" if facts["timezone"] else ""
    echo(f"time       {facts['start']} to {facts['end']}{zone}, frequency {facts['frequency']}")
    echo(f"series     {_lengths(series)}")
    if series["late"]:
        of = f" of {series['late']:,} series" if series["count"] > 1 else ""
        echo(f"starts     up to {series['late_by']:,} steps at the start{of} are missing")
    echo(f"gaps       {_gaps(series)}")
    echo(f"season     {_season(facts['season'], facts['naive_season'])}")
    if series["rows_ahead"]:
        echo(f"ahead      up to {series['rows_ahead']} rows after the last target, for covariates known in advance")


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


def _commands(data: str, facts: dict[str, Any], options: TableOptions, config: DataConfig) -> list[str]:
    """A fit that works as it stands, where nothing is in its way; and a look at each other reading that is open.

    Where only a grid has to be named that nobody can mistake, that is a fit too.
    """
    horizons = dict(enumerate(facts.pop("horizons")))
    looks = [
        _command("fit", data, options, choice | _horizon(horizons.get(i), config))
        if horizons.get(i) and not REGRIDDED.isdisjoint(choice)
        else _command("inspect", data, options, choice)
        for i, choice in enumerate(facts["choices"])
    ]
    if facts["problem"] is not None:
        return looks
    target = facts["target"] or facts["could_be_target"][-1:]
    named = facts["could_be_target"] or len(target) > 1
    settings = {"data.target": target} if named and not config.target else {}
    settings |= _horizon(facts["horizon"], config)
    return [_command("fit", data, options, settings), *looks]


def _horizon(horizon: int | None, config: DataConfig) -> dict[str, Any]:
    return {"data.horizon": horizon} if config.horizon is None else {}


def _command(command: str, data: str, options: TableOptions, settings: dict[str, Any]) -> str:
    """A command with what this one was given and some settings more: what was detected is left out."""
    line = ["tsforge", command, data, *words(options.given() | settings, command)]
    line += ["--config", options.config] if options.config is not None else []
    line += [word for text in options.set for word in ("--set", text)]
    return shlex.join(line)
