"""Whether every series lies whole in one partition: told by hashes of their ids, before anything is forecast."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence

import numpy as np

from tsforge.data.table import parts as tables
from tsforge.errors import DataError, listing
from tsforge.partitions.job import Answer, Job, Task
from tsforge.partitions.listing import Part
from tsforge.partitions.work import read


def doubtful(parts: Sequence[Part], ids: tuple[str, ...]) -> list[list[Part]]:
    """The partitions among which a series could be split, in groups: not where a column of folders tells them apart.

    ids: columns that tell series apart.
    """
    groups: dict[tuple[object, ...], list[Part]] = {}
    for part in parts:
        given = {**part.keys, **part.where}
        groups.setdefault(tuple(given[name] for name in ids if name in given), []).append(part)
    return [group for group in groups.values() if len(group) > 1]


def check(job: Job, group: Sequence[Part], answers: Iterator[tuple[Task, Answer]]) -> None:
    """Raises DataError where a series lies in two partitions of a group, with its name and both files.

    answers: the hashes of the series of each.
    """
    place = {part: i for i, part in enumerate(_names(group))}
    found, owner = [], []
    for task, answer in answers:
        own = np.frombuffer(base64.b64decode(answer.hashes), dtype=np.uint64)
        found.append(own)
        owner.append(np.full(len(own), place[task.part.name], dtype=np.int32))
    values, of = np.concatenate(found), np.concatenate(owner)
    order = np.lexsort((of, values))
    values, of = values[order], of[order]
    for i in np.flatnonzero((values[1:] == values[:-1]) & (of[1:] != of[:-1])):
        one, other = group[of[i]], group[of[i + 1]]
        if shared := _shared(job, one, other):
            raise _split(job, one, other, shared)


def alone(source: str, group: Sequence[Part]) -> DataError:
    """The error of several partitions of a table that is one series."""
    return DataError(
        f"{source}: {len(group)} partitions of one series, as no column tells series apart: "
        f"{listing([part.name for part in group], 2)}",
        "name one file; or fit a model with `id` columns that say which series a row is of",
    )


def _names(group: Sequence[Part]) -> list[str]:
    return [part.name for part in group]


def _shared(job: Job, one: Part, other: Part) -> list[str]:
    """The series that lie in both."""
    own = [tables.keys(read(job.source, part, job.ids), job.ids) for part in (one, other)]
    both = set(own[1])
    return [" ".join(key.split("\x1f")) for key in own[0] if key in both]


def _split(job: Job, one: Part, other: Part, shared: list[str]) -> DataError:
    more = f" (and {len(shared) - 1} more series)" if len(shared) > 1 else ""
    return DataError(
        f"{job.source}: series {shared[0]} lies in {one.name} and in {other.name}{more}",
        "a partition holds whole series: write the table anew, divided by series and not by time; or name one file "
        "with all rows, and `partition_by`",
    )
