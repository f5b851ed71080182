"""Results that go to a file, or to standard output where its name is -."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tsforge.cli.output import STANDARD, echo

if TYPE_CHECKING:
    from tsforge.data.tidy import Frame


def place(name: str) -> str:
    """Where a file is written, in words."""
    return "standard output" if name == STANDARD else name


def print_written(name: str) -> None:
    """Print that a file was written; nothing of standard output."""
    if name != STANDARD:
        echo(f"written {name}")


def write_frame(frame: Frame, output: str, decimal: str | None = None) -> None:
    """Write a table to a file by its ending, or as CSV to standard output.

    decimal: the decimal sign of a CSV.
    """
    from tsforge.data import tidy

    if output == STANDARD:
        tidy.write_csv(frame, sys.stdout, decimal)
        sys.stdout.flush()
    else:
        tidy.write(frame, Path(output), decimal)
