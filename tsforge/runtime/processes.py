"""Python processes in a session of their own, which a Ctrl-C at the terminal does not reach."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

ROOT = str(Path(__file__).parents[2])  # where this package lies, which need not be installed


def rank() -> int:
    """The number of this process among those that torchrun has started for one command; 0 without it."""
    told = all(os.environ.get(name) for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"))
    return int(os.environ["RANK"]) if told else 0


def start(
    module: str, *, out: int = subprocess.DEVNULL, err: int | IO[Any] = subprocess.DEVNULL,
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[str]:  # fmt: skip
    """Start `python -m module` in a session of its own; it is told what to do by lines on its standard input.

    What lies in the current folder is never imported by mistake (-P).

    out, err: files for its output; it is thrown away where none are given.
    env: variables that differ from ours.
    """
    path = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module], stdin=subprocess.PIPE, stdout=out, stderr=err, text=True,
        encoding="utf-8", start_new_session=True, env={**os.environ, "PYTHONPATH": path, **(env or {})},
    )  # fmt: skip
