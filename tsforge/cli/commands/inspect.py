"""tsforge inspect"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from tsforge.api import surveys
from tsforge.cli.hints import translated, words
from tsforge.cli.options import Flag, TableOptions
from tsforge.cli.output import echo, print_error, print_json

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
    for line in surveys.lines(facts):
        echo(translated(line, "inspect") if line.startswith("target ") else line)
    if facts["commands"] and ("series" in facts or facts["notes"] or not facts["fault"]):
        echo()
    for i, command in enumerate(facts["commands"]):
        echo(f"{('or' if i else 'next'):<11}{command}")
    if facts["fault"]:
        print_error(facts["problem"], facts["hint"])


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
