"""The columns and the grid of a table that is too large for memory, settled by its first rows for all of them."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from tsforge.data.mapped import notes
from tsforge.data.mapped.inputs import Input
from tsforge.data.schema import Covariate, DataConfig, Schema
from tsforge.data.table import parquet, table
from tsforge.data.table.composing import compose
from tsforge.data.table.folder import Places
from tsforge.data.table.reading import Frame, framed
from tsforge.data.table.roles import detect
from tsforge.data.table.table import Table
from tsforge.data.table.values import covariate
from tsforge.errors import ChoiceError, DataError

SAMPLES = (200_000, 2_000_000, 8_000_000)  # rows that are looked at: more where so many raise an error
LEAST = 2  # files at least, where there are so many
ENOUGH = 30  # steps of a series that tell weekdays and closed hours

log = logging.getLogger("tsforge")


class Settled(NamedTuple):
    """The schema by which every part of a table is read, and the notes on the rows that it was settled by."""

    schema: Schema
    notes: list[tuple[int, str, tuple[Any, ...]]]


def sample(source: Input, most: int) -> Frame:
    """The first rows of a table: of its first files until there are so many."""
    count, rows = 0, 0
    while count < len(source.parts) and (rows < most or count < LEAST):
        rows += min(source.rows[count], most)
        count += 1
    first = source.parts[:count]
    data, counts = parquet.read_parts(first, source.whole, most)
    return framed(
        data, str(source.source), Places(tuple(part.name for part in first), parquet.begins(counts)), part=False
    )


def settle(source: Input, config: DataConfig) -> Settled:
    """Roles, kinds, format of times and grid. Raises DataError as `table.load` does.

    Where the first rows show only a few steps of each series, as of files by day, more of them are looked at, as long
    as that makes series longer.
    """
    before = 0.0
    for most in SAMPLES:
        try:
            with notes.kept() as said:
                frame, asked = compose(sample(source, most), config)
                settled = table.arrange(frame, detect(frame, asked), asked)
            settled = replace(settled, schema=_told(source, settled))
            steps = float(np.median(np.bincount(settled.series)))
            if steps >= ENOUGH or steps <= before or most >= source.total or config.freq is not None:
                return Settled(settled.schema, said)
            if most == SAMPLES[-1]:
                log.warning(
                    "the frequency was told by the first %g steps of each series; where it is another, name data.freq",
                    steps,
                )  # fmt: skip
                return Settled(settled.schema, said)
            before = steps
        except ChoiceError:
            raise
        except DataError:
            if most >= source.total or most == SAMPLES[-1]:
                raise
    raise AssertionError("unreachable")


def _told(source: Input, sample: Table) -> Schema:
    """The schema of some rows, with the kinds of covariates that have no value in these as the other rows tell them."""

    def told(column: Covariate) -> Covariate:
        seen = not np.isnan(sample.covariates[column.name].values).all()
        category = column.kind == "category" or (not seen and _has_labels(source, column.name))
        return Covariate(name=column.name, kind="category" if category else "number")

    groups = {name: tuple(map(told, getattr(sample.schema, name))) for name in ("past", "future", "static")}
    return sample.schema.model_copy(update=groups)


def _has_labels(source: Input, name: str) -> bool:
    """Whether a column holds categories, by the first file with a value in it; it is read file by file."""
    for part in source.parts:
        frame = Frame(parquet.column(part, name, source.whole), str(source.source))
        if frame.is_empty(name):
            continue
        if frame.cells(name).number:
            return False
        if covariate(frame, name, None, None).labels:  # a text may be one of spaces
            return True
    return False
