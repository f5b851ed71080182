"""Help must be instant: nothing heavy may be imported for it."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from importlib import import_module

import pytest

from tsforge.cli.examples import EXAMPLES
from tsforge.cli.main import COMMANDS, HELP, application, run
from tsforge.cli.render import rendered

HEAVY = ("torch", "pandas", "numpy", "mlflow", "optuna", "sklearn", "matplotlib", "pytorch_lightning", "pydantic")

SECTIONS = ("data", "model", "train", "backtest", "sweep", "compare", "seed", "ensemble", "baselines", "lr")


def actions(name: str) -> list[str]:
    """The words that a command takes in place of an argument, as `show` of `runs`."""
    module = import_module(f"tsforge.cli.commands.{name}")
    return [action.__name__.strip("_") for action in getattr(module, "ACTIONS", ())]


CODE = """
import sys
from tsforge.cli.main import run
code = run({argv!r})
print("LOADED", *(m for m in {heavy!r} if m in sys.modules), file=sys.stderr)
sys.exit(code)
"""


def _run(*argv: str) -> subprocess.CompletedProcess[str]:
    code = CODE.format(argv=list(argv), heavy=HEAVY)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("argv", [(), ("--help",), ("--version",), ("fit", "--help"), ("predict", "--help")])
def test_help_loads_nothing_heavy(argv: tuple[str, ...]) -> None:
    done = _run(*argv)
    assert done.returncode == 0, done.stderr
    assert done.stderr.split() == ["LOADED"]
    assert done.stdout.strip()


def test_root_help_does_not_load_the_command_line_library() -> None:
    code = "import sys; from tsforge.cli.main import run; run(['--help']); sys.exit('cyclopts' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_what_the_signature_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: a help text left behind by a change of the options (mend with `make help`)."""
    monkeypatch.setenv("COLUMNS", "80")
    assert (HELP / f"{name}.txt").read_text(encoding="utf-8") == rendered(name)


@pytest.mark.parametrize("flag", [
    "--target", "--time", "--id", "--horizon", "--context", "--model", "--past", "--future", "--static", "--freq",
    "--time-format", "--dayfirst", "--no-dayfirst", "--timezone", "--snap", "--duplicates", "--resample", "--aggregate",
    "--category", "--decimal",
    "--max-steps", "--epochs", "--max-time", "--seed", "--device", "--out", "--experiment", "--tracking-uri",
    "--no-track", "--config", "--set", "--quiet", "--json",
])  # fmt: skip
def test_fit_offers_every_flag_of_its_contract(flag: str) -> None:
    assert flag in _run("fit", "--help").stdout


@pytest.mark.parametrize("name", ["", *COMMANDS, *(command for command in EXAMPLES if " " in command)])
def test_help_fits_80_columns(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: lines that a terminal breaks, in help from a file and in that of actions, which is made when asked."""
    assert run([*name.split(), "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert not any(line != line.rstrip() for line in lines)
    assert "Examples:" in lines or not name


@pytest.mark.parametrize("name", [*COMMANDS, *(f"{n} {a}" for n in COMMANDS for a in actions(n))])
def test_examples_are_commands(name: str) -> None:
    """Prevents: an example of an option that is gone, or of a word that it does not take."""
    assert 2 <= len(EXAMPLES[name]) <= 4
    command, *action = name.split()
    for line in EXAMPLES[name]:
        assert line.startswith(f"tsforge {name}")
        words = shlex.split(line.partition(" > ")[0])[2:]
        function, bound, _ = application(command).parse_args(words, exit_on_error=False, print_error=False)
        assert function.__name__.strip("_") in {command, *action, *actions(command)}
        for options in (*bound.args, *bound.kwargs.values()):
            if hasattr(options, "overrides"):
                assert all(path.partition(".")[0] in SECTIONS for path in options.overrides())


def test_options_stand_under_what_they_are_about() -> None:
    """Prevents: sixty options in a row; one under a title that belongs to another class."""
    text = (HELP / "backtest.txt").read_text(encoding="utf-8")
    titles = re.findall(r"^(\S.*):$", text, flags=re.MULTILINE)
    assert titles[:2] == ["Arguments", "Options"]
    assert titles[-1] == "Examples"
    parts = dict(zip(titles, re.split(r"^\S.*:$", text, flags=re.MULTILINE)[1:], strict=True))
    assert "--stride" in parts["How to roll and to score"]
    assert "--horizon" in next(part for title, part in parts.items() if title.startswith("What to fit"))
    assert "--decimal" in next(part for title, part in parts.items() if title.startswith("How a table is read"))
