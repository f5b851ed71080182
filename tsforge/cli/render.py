"""Writes the help of every command to tsforge/cli/help: python -m tsforge.cli.render (or make help).

Help is asked for often and must be instant; reading a file is, building it from the signatures takes a third of a
second. A test compares the files with the signatures.
"""

from __future__ import annotations

import contextlib
import io
import os

from tsforge.cli.main import COMMANDS, HELP, application


def rendered(name: str) -> str:
    """The help of a command as its signature and docstring say it, 80 columns wide."""
    os.environ["COLUMNS"] = "80"
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        application(name)(["--help"])
    return "\n".join(line.rstrip() for line in text.getvalue().strip().splitlines()) + "\n"


def main() -> None:
    """Write all of them."""
    HELP.mkdir(exist_ok=True)
    for name in COMMANDS:
        (HELP / f"{name}.txt").write_text(rendered(name), encoding="utf-8")


if __name__ == "__main__":
    main()
