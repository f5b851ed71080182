"""The library's hints name settings and arguments; a command's user reads its flags: one table, and the translation.

data.horizon becomes --horizon, and data.horizon=24 becomes --horizon 24. A setting without a flag stays as it is, but
with a value it becomes --set data.test=0. A name without a dot is translated where it stands in backquotes: `out`
becomes --out. What a command has no flag for, and what stands in quotes, stays.
"""

from __future__ import annotations

import re
from dataclasses import fields

from tsforge.cli.options import SETTINGS, CompareOptions, RollOptions, SweepOptions

SURVEY = ("data.target", "data.time", "data.id", "data.freq")


def _named(section: str, options: type) -> dict[str, str]:
    """Setting to parameter, where all parameters are settings of one section."""
    return {f"{section}.{parameter.name}": parameter.name for parameter in fields(options)}


TABLE: dict[str, dict[str, str]] = {  # by command: setting to parameter, whose flag has its name
    "inspect": {setting: SETTINGS[setting] for setting in SURVEY},
    "fit": SETTINGS,
    "backtest": SETTINGS | _named("backtest", RollOptions),
    "sweep": SETTINGS | _named("sweep", SweepOptions),
    "compare": SETTINGS | _named("compare", CompareOptions),
}
SETTABLE = ("fit", "backtest", "sweep", "compare")  # commands with --set
ARGUMENTS = ("out", "port", "space", "storage", "tracking_uri")
_SETTING = re.compile(
    r"(?<!--set )(?<!` )(?<![\w./'-])((?:data|model|train|backtest|sweep|compare)(?:\.[a-z_]+)+|\w+(?==))(=?)"
)
_QUOTED = re.compile(r"`(\w+)`")


def flag(parameter: str) -> str:
    """The flag of a parameter: --max-steps of max_steps."""
    return "--" + parameter.replace("_", "-")


def translated(text: str, command: str) -> str:
    """A hint of the library in the flags of a command."""
    table = TABLE.get(command, {})

    def spelled(match: re.Match[str]) -> str:
        setting, sign = match.groups()
        if setting in table:
            return flag(table[setting]) + sign.replace("=", " ")
        settable = sign and command in SETTABLE and setting.startswith(("data.", "model.", "train.", "backtest."))
        return f"--set {match[0]}" if settable else match[0]

    def quoted(match: re.Match[str]) -> str:
        return flag(match[1]) if match[1] in ARGUMENTS or match[1] in table else match[0]

    return _QUOTED.sub(quoted, _SETTING.sub(spelled, text))
