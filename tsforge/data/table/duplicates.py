"""Rows of one series and time: refused by name, or joined to one row by a rule that is said and counted."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pandas as pd

from tsforge.data.schema import Duplicates
from tsforge.data.table.checks import Rows
from tsforge.data.table.groups import Contents, Groups, Values, runs
from tsforge.data.table.values import LARGEST
from tsforge.data.time.periods import repeats
from tsforge.errors import DataError
from tsforge.runtime.numbers import Count

log = logging.getLogger("tsforge")


def join(rows: Rows, columns: Contents, rule: Duplicates, *, fitted: bool) -> tuple[Rows, Contents]:
    """One row per series and time.

    mean, sum: of targets and numeric covariates, of the values that are there; categories must agree.
    first, last: the row that comes first or last in the file, whatever it holds.
    fitted: whether the rule is that of a model.
    Raises DataError where two rows share a series and a time and the rule is "error", or where categories differ.
    """
    if not ((rows.codes[1:] == rows.codes[:-1]) & (rows.stamps[1:] == rows.stamps[:-1])).any():
        return rows, columns
    groups = runs(rows.codes, rows.stamps)
    if rule == "error":
        way = "or fit a model that joins such rows" if fitted else "or join such rows"
        rows.check_duplicates(f"{way}: data.duplicates=mean|sum|first|last")
    _report(rows, groups, columns, rule)
    chosen = groups.starts + (groups.sizes - 1 if rule == "last" else 0)
    joined: Contents = {}
    for name, cells in columns.items():
        if rule in ("first", "last"):
            values = cells.values[chosen]
        elif cells.kind in ("category", "static"):
            _check_agreement(rows, groups, name, cells)
            values = groups.last_seen(cells.values)
        else:
            values = groups.sum(cells.values) if rule == "sum" else groups.mean(cells.values)
            check_size(rows, name, values)
        joined[name] = cells._replace(values=values)
    return replace(rows, codes=rows.codes[chosen], stamps=rows.stamps[chosen], order=rows.picked(chosen)), joined


def _report(rows: Rows, groups: Groups, columns: Contents, rule: Duplicates) -> None:
    """Say how many rows are joined, and which unused column would keep them apart."""
    data, schema = rows.frame.data, rows.schema
    differs = ""
    for name in data.columns:
        used = name in columns or name in (schema.time, *schema.id)
        if not used and not rows.frame.cells(name).number:
            codes = rows.take(pd.factorize(data[name])[0]).astype(np.float64)
            if not groups.agree(codes).all():
                differs += f"; some differ in '{name}', and data.id={name} would keep these apart"
    count, whose = int(groups.sizes[groups.sizes > 1].sum()), "the" if rule in ("first", "last") else "their"
    says = f"{whose} {rule} is taken, as data.duplicates={rule} says{differs}"
    log.warning("%s rows share their series and time with another: %s", Count(count), says)


def check_size(rows: Rows, name: str, values: np.ndarray) -> None:
    """Raises DataError where a sum is larger than a number may be."""
    if np.any(np.abs(values) > LARGEST):
        raise DataError(f"{rows.frame.name}: the sums of '{name}' are too large", "write the column in larger units")


def _check_agreement(rows: Rows, groups: Groups, name: str, cells: Values) -> None:
    """Raises DataError at the first two rows of one series and time that differ in a category."""
    apart = np.flatnonzero(~groups.agree(cells.values))
    if not len(apart):
        return
    start, size = int(groups.starts[apart[0]]), int(groups.sizes[apart[0]])
    filled = [i for i in range(start, start + size) if not np.isnan(cells.values[i])]
    i = next(i for i in filled if cells.values[i] != cells.values[filled[0]])
    other = rows.row(filled[0])
    more = f" (and {len(apart) - 1} more times)" if len(apart) > 1 else ""
    raise DataError(
        f"{rows.frame.name}: column '{name}' differs between {other} and {rows.where(i)}, which share their time{more}",
        "make them agree, take one of the rows with data.duplicates=first or last, or leave the column out",
    )


def check_repeated_hour(rows: Rows) -> None:
    """Raises DataError where more than two rows hold one local time of the hour that a clock shows twice.

    rows: with local stamps. Two such rows are the two hours; of more nobody can tell which belong together.
    """
    groups = runs(rows.codes, rows.stamps)
    crowd = groups.starts[groups.sizes > 2]
    zone = rows.schema.timezone
    if zone is None or not len(crowd):
        return
    twice = crowd[repeats(rows.stamps[crowd], zone)]
    if len(twice):
        raise DataError(
            f"{rows.frame.name}: {rows.naive().where(int(twice[0]))} is one of more than two rows of a time that the "
            f"clock in {zone} shows twice, so the two hours cannot be told apart",
            "write the times with their offset from UTC, as 2024-10-27T02:30+01:00",
        )
