"""Names with a sentence each, wrapped to the terminal."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tsforge.cli.output import echo
from tsforge.runtime import terminal

if TYPE_CHECKING:
    from tsforge.api.reference import Described


def print_described(lines: Sequence[Described]) -> None:
    """A name in front, its sentence beside it."""
    left = max(len(line.name) for line in lines) + 2
    width = min(terminal.columns(sys.stdout) or 80, terminal.WIDEST)
    for line in lines:
        for i, part in enumerate(textwrap.wrap(line.text, width - left)):
            name = "" if i else line.name
            echo(terminal.styled(name, terminal.BOLD) + " " * (left - len(name)) + part)
