"""What the command was asked for, as every group of rows needs it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from benchmarks.speed import machine, works


@dataclass(frozen=True)
class Options:
    """How to measure.

    folder: for tables and models that are made on the way.
    quick: few steps and turns, to see that all works; figures of it say little.
    etth1: the CSV of ETTh1 where it is given.
    threads: that all trainings compute with, but where the number of threads is what is measured.
    """

    folder: Path
    quick: bool = False
    etth1: Path | None = None
    threads: int = machine.cores()

    @property
    def turns(self) -> int:
        """Of each pair of commands."""
        return 1 if self.quick else 5

    @property
    def tables(self) -> Path:
        """The folder with the tables of all works, which are written at the first use."""
        return _prepared(self.folder, self.etth1)


@functools.cache
def _prepared(folder: Path, etth1: Path | None) -> Path:
    for name, table in works.tables(etth1).items():
        table.write(folder / f"{name}.npz")
    return folder
