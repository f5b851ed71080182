"""Help must be instant: nothing heavy may be imported for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tsforge.cli.main import COMMANDS, HELP
from tsforge.cli.render import rendered

HEAVY = ("torch", "pandas", "numpy", "mlflow", "optuna", "sklearn", "matplotlib", "pytorch_lightning", "pydantic")

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
