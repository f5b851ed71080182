"""tsforge inspect"""

from __future__ import annotations

import shlex
from typing import Any

from tsforge.cli.options import Columns, Flag
from tsforge.cli.output import echo, print_json, print_notes, print_table


def inspect(
    data: str,
    /,
    *,
    target: Columns = (),  # type: ignore[assignment]
    time: str | None = None,
    id: Columns = (),  # type: ignore[assignment]  # noqa: A002
    freq: str | None = None,
    json: Flag = False,
) -> int:
    """Show what tsforge sees in a table, and a command to start with.

    Parameters
    ----------
    data
        CSV, Parquet, or the name of a catalogued data set.
    target
        Column to forecast, where it is not detected.
    time
        Column with the time, where it is not detected.
    id
        Column that tells the series apart, where it is not detected.
    freq
        Frequency, where it is not detected.
    json
        Print one JSON document.
    """
    print_notes(quiet=True)
    from tsforge.data import survey
    from tsforge.data.catalog import find
    from tsforge.data.schema import DataConfig

    config = DataConfig.model_validate({"target": target, "time": time, "id": id, "freq": freq})
    facts = survey.survey(find(data), config) | {"target_given": bool(target)}
    given = {"--time": [time] if time else [], "--id": list(id), "--freq": [freq] if freq else []}
    command = _command(data, facts, given)
    if json:
        print_json(facts | {"command": command})
    else:
        _print(facts, command)
    return 0


def _print(facts: dict[str, Any], command: str) -> None:
    series = facts["series"]
    zone = f" ({facts['timezone']})" if facts["timezone"] else ""
    echo(f"{facts['name']}: {facts['rows']:,} rows")
    echo()
    rows = []
    for c in facts["columns"]:
        role = "target?" if c["name"] in facts["could_be_target"] else str(c["role"])
        rows.append([c["name"], role, c["kind"], f"{c['missing']:,}" if c["missing"] else "", c["values"]])
    print_table(["column", "role", "kind", "missing", "values"], rows, left=(0, 1, 2, 4))
    echo()
    echo(f"time       {facts['start']} to {facts['end']}{zone}, frequency {facts['frequency']}")
    echo(f"series     {_lengths(series)}")
    echo(f"gaps       {_gaps(series)}")
    season = facts["season"]
    echo(f"season     {f'{season} steps' if season > 1 else 'none found'}")
    if series["rows_ahead"]:
        echo(f"ahead      up to {series['rows_ahead']} rows after the last target, for covariates known in advance")
    if facts["could_be_target"]:
        echo("target     any of the columns marked target?; name one or more with --target")
    echo()
    echo(f"next       {command}")


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
    return f"{series['missing_steps']:,} values missing; longest stretch without any: {series['longest_gap']:,} steps"


def _command(data: str, facts: dict[str, Any], given: dict[str, list[str]]) -> str:
    """A fit that works as it stands: what was detected is left out, what was given is not."""
    words = ["tsforge", "fit", shlex.quote(data)]
    target = facts["target"] or facts["could_be_target"][-1:]
    if facts["could_be_target"] or facts["target_given"] or len(target) > 1:
        words += ["--target", shlex.quote(",".join(target))]
    for flag, values in given.items():
        words += [word for value in values for word in (flag, shlex.quote(value))]
    words += ["--horizon", str(facts["horizon"])]
    return " ".join(words)
