"""tsforge pipelines"""

from __future__ import annotations

import shutil
import textwrap
from typing import TYPE_CHECKING

from tsforge.cli.options import Flag
from tsforge.cli.output import echo, print_json, print_text

if TYPE_CHECKING:
    from tsforge.data.shipped import Pipeline


def pipelines(name: str | None = None, /, *, json: Flag = False) -> int:
    """List the experiments that tsforge brings along, or print one.

    Commands take such a name in place of a TOML file: tsforge compare rnn-vs-lstm-vs-transformer. To change one, keep
    it as a file: tsforge pipelines sweep-electricity > mine.toml.

    Parameters
    ----------
    name
        The one to print, as TOML. (default: all are listed)
    json
        Print one JSON document.
    """
    from tsforge.data import shipped
    from tsforge.errors import ConfigError, listing, nearest

    every = shipped.pipelines()
    if name is None:
        if json:
            print_json([pipeline._asdict() | {"path": str(pipeline.path), "run": pipeline.line} for pipeline in every])
            return 0
        for pipeline in every:
            _print(pipeline)
        return 0
    names = {pipeline.name: pipeline for pipeline in every}
    if name not in names:
        hint = nearest(name, names) or f"one of {listing(names, 20)}"
        raise ConfigError(f"there is no pipeline '{name}'", hint)
    text = names[name].path.read_text(encoding="utf-8")
    if json:
        print_json(names[name]._asdict() | {"path": str(names[name].path), "run": names[name].line, "toml": text})
    else:
        print_text(text)
    return 0


def _print(pipeline: Pipeline) -> None:
    """The command that runs it, what it is, and the data that it needs."""
    width = min(shutil.get_terminal_size((80, 24)).columns, 120)
    data = f"data: {', '.join(pipeline.data)}" if pipeline.data else ""
    if pipeline.missing:
        data += f"; tsforge data get fetches {', '.join(pipeline.missing)}"
    echo(pipeline.line)
    for text in filter(None, (pipeline.text, data)):
        for line in textwrap.wrap(text, width - 4, break_on_hyphens=False):
            echo(f"    {line}")
