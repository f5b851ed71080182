"""The Dockerfile of `serve`, without a container: what it copies is there, and what it runs serves and is healthy."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tsforge
from tests.cli.test_serve import PATIENCE, ROOT, free_port, started
from tests.helpers.tables import daily

LINES = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()


def instructions(word: str) -> list[str]:
    """What stands behind an instruction, wherever it stands."""
    return [line.removeprefix(word).strip() for line in LINES if line.startswith(f"{word} ")]


def settings() -> dict[str, str]:
    """The environment that the image sets, without its PATH."""
    pairs = [word.split("=", 1) for line in instructions("ENV") for word in line.split()]
    return {name: value for name, value in pairs if name != "PATH"}


def test_what_is_copied_is_there_and_nobody_is_root() -> None:
    """Prevents: an image that cannot be built any more, or whose server may do anything."""
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    for line in instructions("COPY"):
        words = line.split()
        if words[0].startswith("--from") or words[0] == "${MODEL}":
            continue
        for path in words[:-1]:
            assert (ROOT / path).exists(), path
            assert path not in ignored
    users = [LINES.index(f"USER {name}") for name in instructions("USER")]
    assert instructions("USER") == ["tsforge"]
    assert users[0] < LINES.index(next(line for line in LINES if line.startswith("CMD ")))


def test_the_command_serves_is_healthy_and_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: an option that serve has no longer, a health check of a path that does not answer, a deaf process 1."""
    experiment = tsforge.build({"data.horizon": 3, "model.kind": "naive"})
    tsforge.fit(experiment, daily(n=40), out=tmp_path / "model")
    port = free_port()
    for name, value in (settings() | {"MODEL": str(tmp_path / "model"), "PORT": str(port)}).items():
        monkeypatch.setenv(name, value)
    (command,) = map(json.loads, instructions("CMD"))
    (health,) = (json.loads(re.sub(r"^.*?CMD ", "", line)) for line in instructions("HEALTHCHECK"))
    check = [sys.executable, *health[1:]]
    assert subprocess.run(check, capture_output=True, check=False).returncode == 1  # nothing there yet
    with started(command, tmp_path, port) as server:
        assert subprocess.run(check, check=False, env=os.environ | {"PORT": str(port)}).returncode == 0
        status, _ = server.ask(daily(n=40).to_csv(index=False).encode(), "text/csv")
        assert status == 200
        server.process.terminate()
        assert server.process.wait(PATIENCE) == 0
