"""The library's hints name settings, which exist; the command line shows its flags, which exist too."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import tsforge
from tsforge.cli.hints import ARGUMENTS, SETTABLE, TABLE, flag, translated, words
from tsforge.cli.main import COMMANDS, application
from tsforge.comparison.config import CompareConfig
from tsforge.config import paths
from tsforge.experiment import Experiment
from tsforge.settings import build
from tsforge.sweeping.config import SweepConfig

SETTINGS = {*paths(Experiment), *paths(SweepConfig, "sweep."), *paths(CompareConfig, "compare.")}
SOURCES = Path(tsforge.__file__).parent


def flags(command: str) -> set[str]:
    """Every flag that a command takes, and its actions too."""
    apps = [application(command)]
    apps += [app for name in apps[0] if not name.startswith("-") for app in [apps[0][name]]]
    return {name for app in apps for argument in app.assemble_argument_collection() for name in argument.names}


def raised() -> Iterator[tuple[str, str]]:
    """(file and line, text) of every piece of text in `raise …Error(…)`."""
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and "Error" in ast.unparse(node.exc.func):
                for part in ast.walk(node.exc):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        yield f"{path}:{part.lineno}", part.value


@pytest.mark.parametrize("command", TABLE)
def test_the_table_has_real_settings_and_real_flags(command: str) -> None:
    assert set(TABLE[command]) - {"sweep.space"} <= SETTINGS  # of [space], a table beside [sweep]
    assert {flag(parameter) for parameter in TABLE[command].values()} <= flags(command)


def test_arguments_are_flags_of_some_command() -> None:
    assert {flag(name) for name in ARGUMENTS} <= set.union(*(flags(command) for command in COMMANDS))
    assert {command for command in COMMANDS if "--set" in flags(command)} == set(SETTABLE)


def test_settings_named_in_errors_exist() -> None:
    """Prevents: a hint that names a setting by a name it had once."""
    sections = "|".join(sorted({name.partition(".")[0] for name in SETTINGS if "." in name}))
    named = re.compile(rf"(?<![\w./])(?:{sections})(?:\.[a-z_]+)+")
    texts = [(place, name) for place, text in raised() for name in named.findall(text)]
    assert len(texts) > 5
    assert [t for t in texts if t[1] not in SETTINGS and not t[1].endswith((".csv", ".toml"))] == []


@pytest.mark.parametrize(("settings", "line"), [
    ({"data.time": ("year", "month"), "data.snap": True}, "--time year,month --snap"),
    ({"data.time": ["a, b", "c"], "data.dayfirst": False}, "--time 'a, b' --time c --no-dayfirst"),
    ({"data.target": ["x, y", "b"], "data.id": "-no"}, "--target 'x, y' b --id=-no"),
    ({"data.rows": 10, "data.freq": "30min"}, "--set data.rows=10 --freq 30min"),
])  # fmt: skip
def test_settings_as_words_are_settings_again(settings: dict[str, object], line: str) -> None:
    """Prevents: a command whose names fall apart at commas, or are taken for flags."""
    assert shlex.join(words(settings, "inspect")) == line
    arguments = application("inspect").parse_args(["table.csv", *shlex.split(line)], exit_on_error=False)[1]
    given = build(arguments.arguments["options"].overrides())
    expected = build(settings)
    assert given == expected or given.data.time == ("year,month",)


def test_the_library_names_no_flags() -> None:
    """Prevents: a hint that a caller from Python, or a user of another command, cannot follow."""
    others = ("ray start", "mlflow server")  # commands of others
    library = [(place, text) for place, text in raised() if not place.startswith(str(SOURCES / "cli"))]
    flagged = [(place, text) for place, text in library if re.search(r"(?<![\w-])--[a-z]", text)]
    assert [place for place, text in flagged if not any(command in text for command in others)] == []


@pytest.mark.parametrize(("command", "hint", "shown"), [
    ("fit", "pass data.target=COLUMN", "pass --target COLUMN"),
    ("fit", "bring 30 rows, or take a shorter data.horizon", "bring 30 rows, or take a shorter --horizon"),
    ("fit", "a longer data.horizon.", "a longer --horizon."),
    ("fit", "raise train.max_steps or train.patience", "raise --max-steps or train.patience"),
    ("fit", "lower the rate: train.lr=0.001", "lower the rate: --set train.lr=0.001"),
    ("fit", "as with --set train.lr=0.001", "as with --set train.lr=0.001"),
    ("fit", "did you mean 'data.horizon'?", "did you mean 'data.horizon'?"),
    ("fit", "choose another `out`; ensemble=3", "choose another --out; --ensemble 3"),
    ("fit", "an ensemble from data.csv", "an ensemble from data.csv"),
    ("fit", "round the times: data.snap=true", "round the times: --snap"),
    ("inspect", "data.dayfirst=true, or data.dayfirst=false", "--dayfirst, or --no-dayfirst"),
    ("inspect", "as with --set data.snap=true", "as with --set data.snap=true"),
    ("inspect", "data.time=year,month,day for one time", "--time year,month,day for one time"),
    ("inspect", "pass data.time_format, as data.resample=D", "pass --time-format, as --resample D"),
    ("inspect", "add them up: data.duplicates=sum", "add them up: --duplicates sum"),
    ("inspect", "or skip the rest: data.rows=100", "or skip the rest: --set data.rows=100"),
    ("predict", "data.snap=true", "--snap"),
    ("backtest", "set backtest.windows, or a larger data.test", "set --windows, or a larger data.test"),
    ("sweep", "take sweep.sampler=tpe, or fewer sweep.workers", "take --sampler tpe, or fewer --workers"),
    ("sweep", "say it otherwise: `space` train.lr=...", "say it otherwise: --space train.lr=..."),
    ("compare", "give train.max_time=60s, raise compare.tune", "give --max-time 60s, raise --tune"),
    ("predict", "pass data.freq, or data.timezone=UTC", "pass --freq, or --timezone UTC"),
    ("runs", "name the store with `tracking_uri`", "name the store with --tracking-uri"),
])  # fmt: skip
def test_hints_show_the_flags_of_the_command(command: str, hint: str, shown: str) -> None:
    assert translated(hint, command) == shown
