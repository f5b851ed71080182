"""The library's hints name settings and arguments; a command's user reads its flags: one table, and the translation.

data.horizon becomes --horizon, and data.horizon=24 becomes --horizon 24. A setting without a flag stays as it is, but
with a value it becomes --set data.test=0. A switch has no value: data.snap=true becomes --snap, data.dayfirst=false
becomes --no-dayfirst. A name without a dot is translated where it stands in backquotes: `out`
becomes --out. What a command has no flag for, and what stands in quotes, stays.
"""

from __future__ import annotations

import json
import re
from dataclasses import fields
from typing import Any

from tsforge.cli.options import (
    SETTINGS,
    SWITCHES,
    LaunchOptions,
    RollOptions,
    TableOptions,
)
from tsforge.cli.searching import CompareOptions, SweepOptions


def _named(section: str, options: type) -> dict[str, str]:
    """Setting to parameter, where all parameters are settings of one section."""
    return {f"{section}.{parameter.name}": parameter.name for parameter in fields(options)}


TABLE: dict[str, dict[str, str]] = {  # by command: setting to parameter, whose flag has its name
    "inspect": {path: name for path, name in SETTINGS.items() if name in {f.name for f in fields(TableOptions)}},
    "predict": {path: name for path, name in SETTINGS.items() if name in {f.name for f in fields(TableOptions)}},
    "init": {path: name for path, name in SETTINGS.items() if name in {f.name for f in fields(TableOptions)}},
    "fit": SETTINGS | _named("train", LaunchOptions),
    "backtest": SETTINGS | _named("backtest", RollOptions),
    "sweep": SETTINGS | _named("sweep", SweepOptions),
    "compare": SETTINGS | _named("compare", CompareOptions),
    "pretrain": {path: SETTINGS[path] for path in ("seed", "train.device")},
    "update": {path: SETTINGS[path] for path in ("train.max_steps", "train.max_time", "train.device")},
}
SETTABLE = (
    "inspect",
    "init",
    "fit",
    "predict",
    "backtest",
    "sweep",
    "compare",
    "pretrain",
    "update",
)  # commands with --set
ARGUMENTS = (
    "out", "hours", "steps", "overwrite", "future_data", "port", "space", "storage", "tracking_uri", "partition_by",
    "workers", "engine", "address", "shard", "keep_going", "resume",
    "when", "test", "everything", "state", "register", "alias",
)  # fmt: skip
_SETTING = re.compile(
    r"(?<!--set )(?<!` )(?<![\w./'-])((?:data|model|train|backtest|sweep|compare)(?:\.[a-z_]+)+|\w+(?==))(=?)"
)
_SWITCH = re.compile(rf"(?<!--set )(?<![\w./'-])({'|'.join(map(re.escape, SWITCHES))})=(true|false)\b")
_QUOTED = re.compile(r"`(\w+)`")


def flag(parameter: str) -> str:
    """The flag of a parameter: --max-steps of max_steps."""
    return "--" + parameter.strip("_").replace("_", "-")


def switch(parameter: str, *, on: bool) -> str:
    """The flag that turns a switch on or off: --dayfirst, --no-dayfirst."""
    return flag(parameter if on else f"no_{parameter}")


def words(settings: dict[str, Any], command: str) -> list[str]:
    """Settings as the words of a command line: its flags, and --set for what has none."""
    spelled: list[str] = []
    for path, value in settings.items():
        name = TABLE[command].get(path)
        values = [str(v) for v in value] if isinstance(value, list | tuple) else [str(value)]
        if name is not None and isinstance(value, bool):
            spelled.append(switch(name, on=value))
        elif name is None:
            spelled += ["--set", f"{path}={json.dumps(value, ensure_ascii=False)}"]
        elif any(v.startswith("-") for v in values):
            spelled += [f"{flag(name)}={v}" for v in values]
        elif name != "time":  # whose flag takes one word, where others take all that follow
            spelled += [flag(name), *values]
        elif any("," in v for v in values):
            spelled += [word for v in values for word in (flag(name), v)]
        else:
            spelled += [flag(name), ",".join(values)]
    return spelled


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

    def switched(match: re.Match[str]) -> str:
        setting, value = match.groups()
        return switch(table[setting], on=value == "true") if setting in table else match[0]

    return _QUOTED.sub(quoted, _SETTING.sub(spelled, _SWITCH.sub(switched, text)))
