"""Pieces of a large table: whole series, few enough to be in memory at once. Each becomes a panel on disk of its own.

A piece that was finished is not made again where its files are as they were, whatever happened in between.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tsforge.data import precision
from tsforge.data.mapped import notes, store
from tsforge.data.mapped.inputs import Input
from tsforge.data.panel import lay
from tsforge.data.schema import DataConfig, Schema
from tsforge.data.table import parquet, spreading, values
from tsforge.data.table.alive import row_offsets
from tsforge.data.table.folder import Part, Places
from tsforge.data.table.reading import Frame, framed, give_back
from tsforge.data.table.table import Table, head, load_part
from tsforge.runtime import files

ROWS = 1 << 21  # rows of small files that are read at once
MOST = 1 << 23  # rows of one file, above which its rows are brought together by series first


class Piece(NamedTuple):
    """Files that are read at once, or one in which rows of many were brought together.

    name: for messages. rows: how many. first: the row in all files of its first. spread: where it is no file of the
    table.
    """

    name: str
    parts: tuple[Part, ...]
    rows: int
    first: int = 0
    spread: Path | None = None


def of_files(source: Input) -> list[Piece]:
    """Neighbouring files together, up to about two million rows."""
    pieces: list[Piece] = []
    group: list[int] = []
    begins = parquet.begins(source.rows)
    for i, rows in enumerate(source.rows):
        before = sum(source.rows[j] for j in group)
        if before and before + rows > ROWS:  # a file without rows is no piece of its own
            pieces.append(_piece(source, group, begins))
            group = []
        group.append(i)
    return [*pieces, _piece(source, group, begins)]


def _piece(source: Input, group: Sequence[int], begins: Sequence[int]) -> Piece:
    parts = tuple(source.parts[i] for i in group)
    more = f" to {parts[-1].name}" if len(parts) > 1 else ""
    return Piece(f"{parts[0].name}{more}", parts, sum(source.rows[i] for i in group), begins[group[0]])


def frame(piece: Piece, source: Input) -> Frame:
    """The rows of a piece, which are named by the files of the table."""
    names, begins = tuple(part.name for part in source.parts), parquet.begins(source.rows)
    if piece.spread is not None:
        data, places = spreading.read(piece.spread, names, begins)
    else:
        data, _ = parquet.read_parts(piece.parts, source.whole)
        places = Places(names, begins, piece.first)
    return framed(data, str(source.source), places, part=True)


class Made(NamedTuple):
    """What a piece became.

    folder: of its panel; None where no target is observed in it. facts: of what is left out, and what was said.
    """

    folder: Path | None
    facts: dict[str, Any]


def make(piece: Piece, source: Input, of: tuple[Schema, DataConfig], folder: Path) -> Made:
    """The panel of a piece in a folder, as it was made before or made now.

    of: the schema of the table, and what is asked of it.
    """
    stamps = [piece.first, *([p.name, p.path.stat().st_size, p.path.stat().st_mtime_ns] for p in piece.parts)]
    try:
        facts = json.loads((folder / "piece.json").read_text(encoding="utf-8"))
        if facts["files"] == stamps:
            return Made(folder if facts["series"] else None, facts)
    except (OSError, ValueError, KeyError):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    schema, config = of
    with notes.kept() as said:
        whole = frame(piece, source)
        table = load_part(whole, schema, config.freq)
        table = table if config.rows is None else head(table, config.rows)
        panel, omitted = lay(table, exact=np.float64)
        exact = _precision(table)
        if any(precision.Facts(*facts).of_target == np.float64 for facts in exact["values"]):
            precision.report(table, row_offsets(table, len(table.ids[0]) if table.ids else 1))
    facts = {
        "files": stamps, "said": said, "series": 0 if panel is None else len(panel), "keys": _keys(table),
        "rows": len(table.ordinal), "steps": _steps(table), "empty": omitted.empty, "late": omitted.late,
        "late_series": omitted.late_series,
    }  # fmt: skip
    if panel is not None:
        assert whole.places is not None
        facts["precision"] = exact
        rows = {n: [whole.places.place(i) for i in r.tolist()] for n, r in panel.label_rows.items()}
        store.write(folder, [panel], panel, {"label_rows": rows})
    del table, whole, panel
    give_back()
    files.write(folder / "piece.json", json.dumps(facts))
    return make(piece, source, of, folder)


def _keys(table: Table) -> list[str]:
    """Each series as a text that no other has."""
    return [values.key(ids) for ids in zip(*(c.tolist() for c in table.ids), strict=True)] or [""]


def _steps(table: Table) -> int:
    """The steps from the first to the last row of each series, in all."""
    begins = row_offsets(table, len(table.ids[0]) if table.ids else 1)
    return int((table.ordinal[begins[1:] - 1].astype(np.int64) - table.ordinal[begins[:-1]]).sum())


def _precision(table: Table) -> dict[str, list[tuple[Any, ...]]]:
    """What tells the precision of targets and of each group of covariates; of codes, which are small, nothing."""
    begins = row_offsets(table, len(table.ids[0]) if table.ids else 1)
    facts = {"values": [tuple(precision.facts(column, begins)) for column in table.target.T]}
    for group in ("past", "future", "static"):
        plain = [c.name for c in getattr(table.schema, group) if c.kind == "number"]
        facts[group] = [tuple(precision.facts(table.covariates[name].values, None)) for name in plain]
    return facts


def settled(made: Sequence[Made], group: str) -> Any:
    """The precision that a group of columns needs, from what is known of all pieces."""
    kind = "of_target" if group == "values" else "of_covariate"
    columns: Iterator[Any] = zip(*(m.facts["precision"][group] for m in made), strict=True)
    for parts in columns:
        whole = precision.Facts()
        for top, exact, *rest in parts:
            whole = whole.joined(precision.Facts(top, tuple(exact), *rest))
        if getattr(whole, kind) == np.float64:
            return np.float64
    return np.float32
