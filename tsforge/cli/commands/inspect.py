"""tsforge inspect"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsforge.api import surveys
from tsforge.cli.hints import translated, words
from tsforge.cli.options import Flag, PlotOptions, TableOptions
from tsforge.cli.output import check_targets, echo, grid, print_error, print_json

if TYPE_CHECKING:
    from tsforge.data.schema import DataConfig


def inspect(
    data: str, /, *, options: TableOptions | None = None, picture: PlotOptions | None = None, json: Flag = False
) -> int:
    """Show what tsforge sees in a table, and a command to start with.

    --plot draws it: series over time with their gaps, the shape of a season, what is missing.

    Where columns or dates can be read in several ways, it shows a command for each of them.

    Parameters
    ----------
    data
        CSV, Parquet (a file, or a folder of files), the name of a catalogued data set, or - for standard input.
    json
        Print one JSON document.
    """
    from tsforge.data import survey
    from tsforge.data.catalog import find

    options, picture = options or TableOptions(), picture or PlotOptions()
    picture.refuse()
    check_targets(None, (), picture.plot, [data])
    config = _config(options)
    source = surveys.source(find(data), config)
    facts = survey.survey(source, config)
    if picture.plot is not None and facts["problem"] is None:
        surveys.draw(source, facts, config, Path(picture.plot), picture.view())
    facts["commands"] = _commands(data, facts, options, config)
    for name in ("problem", "hint"):
        facts[name] = translated(facts[name], "inspect") if facts[name] else None
    facts["notes"] = [translated(note, "inspect") for note in facts["notes"]]
    if json:
        facts["command"] = facts["commands"][0] if facts["problem"] is None else None
        facts["plot"] = picture.plot if facts["problem"] is None else None
        print_json(facts)
    else:
        _print(facts)
        if picture.plot is not None:
            drawn = facts["problem"] is None
            echo(f"picture in {picture.plot}" if drawn else f"no picture: {facts['problem']}")
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
    for line in surveys.lines(facts, grid):
        echo(translated(line, "inspect") if line.startswith("target ") else line)
    if facts["commands"] and ("series" in facts or facts["notes"] or not facts["fault"]):
        echo()
    for i, command in enumerate(facts["commands"]):
        echo(f"{('or' if i else 'next'):<11}{command}")
    if facts["fault"]:
        print_error(facts["problem"], facts["hint"])


def _commands(data: str, facts: dict[str, Any], options: TableOptions, config: DataConfig) -> list[str]:
    """What to do with the table, as commands that work as they stand."""
    given = {"data.horizon": config.horizon, "data.target": config.target}
    suggested = surveys.suggestions(facts, given)
    del facts["horizons"]
    return [_command(verb, data, options, settings) for verb, settings in suggested]


def _command(command: str, data: str, options: TableOptions, settings: dict[str, Any]) -> str:
    """A command with what this one was given and some settings more: what was detected is left out."""
    line = ["tsforge", command, data, *words(options.given() | settings, command)]
    line += ["--config", options.config] if options.config is not None else []
    line += [word for text in options.set for word in ("--set", text)]
    return shlex.join(line)
