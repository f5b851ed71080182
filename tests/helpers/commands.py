"""Commands run in this process: what they print as JSON, and how they refuse."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

from tsforge.cli.main import run

Capsys = pytest.CaptureFixture[str]


def document(capsys: Capsys, *argv: str) -> Any:
    """What a command prints with --json, and nothing else where it is to be quiet."""
    capsys.readouterr()
    assert run([*argv, "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == "" or "--quiet" not in argv
    return json.loads(out)


def commands(out: str) -> list[list[str]]:
    """The words of every command that was printed, without the program's name."""
    return [shlex.split(line[11:])[1:] for line in out.splitlines() if line[11:].startswith("tsforge ")]


def fails(capsys: Capsys, *argv: str) -> str:
    """Run, expect the contract of a user's mistake, and return the two lines."""
    assert run(list(argv)) == 2
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if not line.startswith("note: ")]
    assert out == ""
    assert len(lines) == 2, err
    assert lines[0].startswith("error: ")
    assert lines[1].startswith("hint: ")
    assert "Traceback" not in err
    return "\n".join(lines)
