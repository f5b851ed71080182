"""Names with a sentence each, wrapped to the terminal."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tsforge.cli.output import echo

if TYPE_CHECKING:
    from tsforge.api.reference import Described


def print_described(lines: Sequence[Described]) -> None:
    """A name in front, its sentence beside it."""
    left = max(len(line.name) for line in lines) + 2
    width = min(shutil.get_terminal_size((80, 24)).columns, 120)
    for line in lines:
        for i, part in enumerate(textwrap.wrap(line.text, width - left)):
            echo(f"{'' if i else line.name:<{left}}{part}")
