"""tsforge settings"""

from __future__ import annotations

import json as text
import sys
import textwrap
from typing import Any

from tsforge.cli.options import Flag
from tsforge.cli.output import echo, print_json
from tsforge.runtime import terminal


def settings(pattern: str | None = None, /, *, model: str = "gru", json: Flag = False) -> int:
    """List the settings of an experiment: path, default, what each may be, and what it does.

    A setting is given with --set PATH=VALUE, in TOML, and in Python; the end of its path is enough where no other
    setting ends so: --set lr=0.01.

    Parameters
    ----------
    pattern
        Part of a path, as lr or train; a path with *; or a word that the sentence has. (default: all)
    model
        Kind of the model, which decides what is under model and the defaults.
    json
        Print one JSON document.
    """
    from tsforge.api import reference

    found = reference.settings(pattern, model)
    if json:
        print_json([setting._asdict() for setting in found])
        return 0
    width = min(terminal.columns(sys.stdout) or 80, terminal.WIDEST)
    for setting in found:
        value = f" = {_toml(setting.default)}" if setting.default not in (None, ()) else ""
        head = f"{setting.path}{value}"
        values = textwrap.wrap(f"({setting.values})", max(20, width - len(head) - 2)) if setting.values else [""]
        if len(values) == 1 and len(head) + 2 + len(values[0]) <= width:
            echo(f"{head}  {values[0]}".rstrip())
        else:
            wrapped = textwrap.wrap(head, width, subsequent_indent="    ")
            for line in [
                *wrapped,
                *textwrap.wrap(f"({setting.values})", width, initial_indent="    ", subsequent_indent="    "),
            ]:
                echo(line)
        for line in textwrap.wrap(setting.text, width - 4):
            echo(f"    {line}")
    return 0


def _toml(value: Any) -> str:
    return text.dumps(list(value) if isinstance(value, tuple) else value)
